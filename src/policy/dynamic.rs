//! [`DynPolicy`]: a policy whose type names the error of its calls, and nothing else.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::ops::ControlFlow;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::Policy;
use super::rules::{Classify, Delays, Rules, RulesFor, Whole};
use crate::backoff::{Backoff, DelayBounds, Limits};
use crate::guard::{BlockingGuards, EndsAs, Fallback, GuardEvents, Guards, Limited, MayInterrupt};
use crate::hook::{
    AFTER_ATTEMPT, AttemptEvent, BEFORE_ATTEMPT, CLOCK, FINISH, FinishEvent, Hook, REFUSES, RETRY,
    RetryEvent, mask, run_both,
};
use crate::outcome::Seen;
use crate::time::signal::{Keep, Signal, Signals};
use crate::time::{BlockingTimer, Clock, SharedClock, Timer};
use crate::{Attempt, FromError, Interrupted, Interruptible, IntoResult, Outcome, Verdict, Veto};

/// A policy whose type names the error of its calls, and nothing else: for the field of a struct. Made by
/// [`policy.erase()`](Policy::erase).
///
/// It is `Clone`, `Send` and `Sync`, and serves calls with any value whose error is `E`. A call
/// allocates once when it begins, once more if the policy has signals, and once for each awaited sleep.
///
/// ```
/// use persevere::{DynPolicy, Policy, RetryExt, exponential};
/// use std::{io, time::Duration};
///
/// struct Client {
///     retry: DynPolicy<io::Error>,
/// }
///
/// impl Client {
///     fn read(&self, path: &str) -> io::Result<String> {
///         (|| std::fs::read_to_string(path)).retry_with(&self.retry).call()
///     }
/// }
///
/// let policy = Policy::new(exponential(Duration::from_millis(50)).max_attempts(4))
///     .when(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut);
/// let client = Client { retry: policy.erase() };
/// assert_eq!(client.read("/no/such/file").unwrap_err().kind(), io::ErrorKind::NotFound);
/// ```
pub type DynPolicy<E> = Policy<DynRules<E>, (), DynGuards<E>, DynTimer, DynSignals>;

impl<S, H, G, T, K> Policy<S, H, G, T, K> {
    /// Hides all types of the policy but the error `E` of its calls. `E` is often inferred from the field
    /// that the policy is for.
    ///
    /// Rules, hooks and guards may look at the error of an outcome, and not at its value: give
    /// [`.until(..)`](crate::Retry::until) to the call. If guards can end a call, the policy has
    /// [`.or_interrupted(..)`](Policy::or_interrupted), or `E` implements `From<Interrupted>`.
    ///
    /// An [`attempt_timeout`](Policy::attempt_timeout) limits nothing in a blocking call, in
    /// [`run_with`](Policy::run_with) and in [`check`](crate::Attempts::check). Before `erase`, such uses do
    /// not compile; after it, they compile and panic.
    ///
    /// ```
    /// use persevere::{DynPolicy, Policy, immediate};
    /// let policy: DynPolicy<&str> = Policy::new(immediate().max_attempts(3)).erase();
    /// assert_eq!(policy.call(|attempt| attempt.is_last().then_some(7).ok_or("busy")), Ok(7));
    /// assert_eq!(policy.call(|_| Err::<String, _>("busy")), Err("busy"));
    /// ```
    #[must_use]
    pub fn erase<E: 'static>(self) -> DynPolicy<E>
    where
        S: Rules<Form: for<'a> GuardEvents<Seen<'a, E>> + Send + Sync> + Send + Sync + 'static,
        S: RulesForError<E>,
        H: for<'a> Hook<Seen<'a, E>> + Clone + Send + Sync + 'static,
        G: for<'a> Guards<Seen<'a, E>> + EndsAs<Result<Infallible, E>> + Clone,
        G: Send + Sync + 'static,
        T: Timer<Sleep: Send + 'static> + BlockingTimer + Send + Sync + 'static,
        K: Signals<()> + Clone + Send + Sync + 'static,
    {
        let Policy { rules, hooks, guards, timer, signals, tag } = self;
        let template = Arc::new(Template { rules, hooks, guards });
        Policy {
            rules: DynRules(template.clone()),
            hooks: (),
            guards: DynGuards(template),
            timer: DynTimer(Arc::new(timer)),
            signals: DynSignals(K::PRESENT.then(|| Box::new(signals) as _)),
            tag,
        }
    }
}

/// Rules for calls of any value whose error is `E`.
#[diagnostic::on_unimplemented(
    message = "this policy cannot be erased to a `DynPolicy<{E}>`: its rules are about values, or about another error",
    label = "the rules of the policy look at values, or at another error than `{E}`",
    note = "give `.until(|value| ..)`, and classifiers that look at values, to the call instead: `operation.retry_with(&policy).until(..)`",
    note = "a policy's `.when(|error: &E| ..)` is for calls with that error"
)]
#[doc(hidden)]
pub trait RulesForError<E>:
    for<'a> RulesFor<Seen<'a, E>> + for<'a> Classify<Seen<'a, E>, Delays>
{
}

#[diagnostic::do_not_recommend]
impl<E, S> RulesForError<E> for S where
    S: for<'a> RulesFor<Seen<'a, E>> + for<'a> Classify<Seen<'a, E>, Delays>
{
}

/// The beginning of calls of an erased policy.
struct Template<S, H, G> {
    rules: S,
    hooks: H,
    guards: G,
}

/// The state of a call of an erased policy.
struct Erased<S: Rules, H, G> {
    template: Arc<Template<S, H, G>>,
    form: S::Form,
    hooks: H,
    guards: G,
}

trait ErasedRules<E> {
    fn begin(self: Arc<Self>) -> Box<dyn ErasedForm<E> + Send + Sync>;
    /// The error of a call that was interrupted, after the error `last`; `None` without guards, whose
    /// calls are not interrupted.
    fn interrupted(&self, interrupted: Interrupted, last: Option<E>) -> Option<E>;
    fn has_guards(&self) -> bool;
}

trait ErasedForm<E>: Backoff + for<'a> GuardEvents<Seen<'a, E>> {
    fn whole(&self, outcome: &Seen<'_, E>, attempt: &Attempt) -> Option<Verdict>;
    fn delays(&self, outcome: &Seen<'_, E>, attempt: &Attempt) -> Option<Verdict>;
    /// The events that are handled, with [`REFUSES`] and [`LIMITS`].
    fn handled(&self) -> u8;
}

impl<E: 'static, S, H, G> ErasedRules<E> for Template<S, H, G>
where
    S: Rules<Form: for<'a> GuardEvents<Seen<'a, E>> + Send + Sync> + Send + Sync + 'static,
    S: RulesForError<E>,
    H: for<'a> Hook<Seen<'a, E>> + Clone + Send + Sync + 'static,
    G: for<'a> Guards<Seen<'a, E>> + EndsAs<Result<Infallible, E>> + Clone + Send + Sync + 'static,
{
    fn begin(self: Arc<Self>) -> Box<dyn ErasedForm<E> + Send + Sync> {
        let mut form = self.rules.idle();
        self.rules.begin(&mut form);
        let (hooks, guards) = (self.hooks.clone(), self.guards.clone());
        Box::new(Erased { template: self, form, hooks, guards })
    }

    fn interrupted(&self, interrupted: Interrupted, last: Option<E>) -> Option<E> {
        type Failed<E> = Result<Infallible, E>;
        let interruption = <G as Guards<Failed<E>>>::interruption(interrupted)?;
        let mut guards = self.guards.clone();
        EndsAs::<Failed<E>>::outcome(&mut guards, interruption, last.map(Err)).err()
    }

    fn has_guards(&self) -> bool {
        Guards::<Seen<'_, E>>::can_interrupt(&self.guards)
    }
}

impl<S: Rules, H, G> Backoff for Erased<S, H, G> {
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        self.template.rules.backoff(&self.form).delay(attempt)
    }
    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        self.template.rules.backoff(&self.form).delay_nanos(attempt)
    }
    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        self.template.rules.backoff(&self.form).bounds(attempt)
    }
    fn limits(&self) -> Limits {
        self.template.rules.backoff(&self.form).limits()
    }
    fn reads_clock(&self) -> bool {
        self.template.rules.backoff(&self.form).reads_clock()
    }
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.template.rules.backoff(&self.form).describe(f)
    }
}

/// Form, guards and hooks, in the order in which the engine calls them.
impl<O, S, H, G> GuardEvents<O> for Erased<S, H, G>
where
    S: Rules<Form: GuardEvents<O>>,
    H: Hook<O>,
    G: Guards<O>,
{
    fn reads_clock(&self) -> bool {
        self.form.reads_clock() || self.guards.reads_clock() || self.hooks.reads_clock()
    }
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        self.form.allow_attempt(attempt)?;
        self.guards.allow_attempt(attempt)
    }
    fn attempt_limit(&self, attempt: &Attempt) -> u64 {
        self.form.attempt_limit(attempt).min(self.guards.attempt_limit(attempt))
    }
    fn deadline(&self) -> u64 {
        self.form.deadline().min(self.guards.deadline())
    }
    fn begin(&mut self, left: u64) {
        self.form.begin(left);
        self.guards.begin(left);
    }
    fn begin_blocking(&mut self) {
        assert!(
            !G::LIMITS_ATTEMPTS,
            "`attempt_timeout` limits nothing in a blocking call, in `run_with` and in `check`: erase \
             a policy without it, and give the operation a timeout of its own"
        );
        self.form.begin_blocking();
    }
    fn before_attempt(&mut self, attempt: &Attempt) {
        self.form.before_attempt(attempt);
        self.guards.before_attempt(attempt);
        self.hooks.before_attempt(attempt);
    }
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        self.form.after_attempt(event);
        self.guards.after_attempt(event);
        self.hooks.after_attempt(event);
    }
    fn attempt_dropped(&mut self, attempt: &Attempt) {
        self.form.attempt_dropped(attempt);
        self.guards.attempt_dropped(attempt);
        self.hooks.attempt_dropped(attempt);
    }
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        self.form.allow_retry(event)?;
        self.guards.allow_retry(event)?;
        self.hooks.allow_retry(event)
    }
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        self.form.before_retry(event);
        self.guards.before_retry(event);
        self.hooks.before_retry(event);
    }
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        let (form, guards, hooks) = (&mut self.form, &mut self.guards, &mut self.hooks);
        run_both(
            || form.finish(event),
            || run_both(|| guards.finish(event), || hooks.finish(event)),
        );
    }
}

impl<E: 'static, S, H, G> ErasedForm<E> for Erased<S, H, G>
where
    S: Rules<Form: for<'a> GuardEvents<Seen<'a, E>>>,
    S: RulesForError<E>,
    H: for<'a> Hook<Seen<'a, E>>,
    G: for<'a> Guards<Seen<'a, E>>,
{
    fn whole(&self, outcome: &Seen<'_, E>, attempt: &Attempt) -> Option<Verdict> {
        Classify::<_, Whole>::classify(&self.template.rules, &self.form, outcome, attempt)
    }
    fn delays(&self, outcome: &Seen<'_, E>, attempt: &Attempt) -> Option<Verdict> {
        Classify::<_, Delays>::classify(&self.template.rules, &self.form, outcome, attempt)
    }
    fn handled(&self) -> u8 {
        let form = mask(<S::Form as GuardEvents<Seen<'_, E>>>::handled_events);
        let guards = mask(<G as GuardEvents<Seen<'_, E>>>::handled_events);
        let hooks = mask(<H as Hook<Seen<'_, E>>>::handled_events);
        let refuses = if <G as Guards<Seen<'_, E>>>::INTERRUPTS { REFUSES } else { 0 };
        let limits = if <G as Guards<Seen<'_, E>>>::LIMITS { LIMITS } else { 0 };
        (form | guards | hooks) & !(REFUSES | LIMITS) | refuses | limits
    }
}

/// The rules, hooks and guards of a [`DynPolicy`].
#[doc(hidden)]
pub struct DynRules<E>(Arc<dyn ErasedRules<E> + Send + Sync>);

/// The state of a call of a [`DynPolicy`]: empty before the call begins.
#[doc(hidden)]
pub struct DynForm<E> {
    erased: Option<Box<dyn ErasedForm<E> + Send + Sync>>,
    /// The events that are handled, with [`REFUSES`] and [`LIMITS`]: no others are passed on.
    handled: u8,
}

/// The time of attempts may be limited.
const LIMITS: u8 = 128;

impl<E> DynForm<E> {
    #[inline]
    fn get(&self) -> &(dyn ErasedForm<E> + Send + Sync + 'static) {
        self.erased.as_deref().expect(BEGUN)
    }

    /// The guards and hooks, if they handle this event.
    #[inline]
    fn handler(&self, event: u8) -> Option<&(dyn ErasedForm<E> + Send + Sync + 'static)> {
        if self.handled & event != 0 { self.erased.as_deref() } else { None }
    }

    #[inline]
    fn handler_mut(
        &mut self,
        event: u8,
    ) -> Option<&mut (dyn ErasedForm<E> + Send + Sync + 'static)> {
        if self.handled & event != 0 { self.erased.as_deref_mut() } else { None }
    }
}

const BEGUN: &str = "a call takes its form when it begins";

impl<E> Clone for DynRules<E> {
    fn clone(&self) -> Self {
        DynRules(self.0.clone())
    }
}

impl<E> Rules for DynRules<E> {
    type Form = DynForm<E>;
    type Backoff = DynForm<E>;
    const SEES_ATTEMPT: bool = true;
    #[inline]
    fn idle(&self) -> DynForm<E> {
        DynForm { erased: None, handled: 0 }
    }
    #[inline]
    fn begin(&self, form: &mut DynForm<E>) {
        let erased = self.0.clone().begin();
        form.handled = erased.handled();
        form.erased = Some(erased);
    }
    #[inline]
    fn backoff<'a>(&'a self, form: &'a DynForm<E>) -> &'a DynForm<E> {
        form
    }
}

/// The backoff of a [`DynPolicy`].
impl<E> Backoff for DynForm<E> {
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        self.get().delay(attempt)
    }
    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        self.get().delay_nanos(attempt)
    }
    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        self.get().bounds(attempt)
    }
    fn limits(&self) -> Limits {
        self.get().limits()
    }
    fn reads_clock(&self) -> bool {
        Backoff::reads_clock(self.get())
    }
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().describe(f)
    }
}

#[diagnostic::do_not_recommend]
impl<O: Outcome<Error = E>, E> Classify<O, Whole> for DynRules<E> {
    fn classify(&self, form: &DynForm<E>, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        form.get().whole(&Seen::of(outcome), attempt)
    }
}

#[diagnostic::do_not_recommend]
impl<O: Outcome<Error = E>, E> Classify<O, Delays> for DynRules<E> {
    fn classify(&self, form: &DynForm<E>, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        form.get().delays(&Seen::of(outcome), attempt)
    }
}

/// Shows the events of any outcome to guards and hooks that see its error.
#[diagnostic::do_not_recommend]
impl<O: Outcome<Error = E>, E> GuardEvents<O> for DynForm<E> {
    #[inline(always)]
    fn handles_now(&self, event: u8) -> bool {
        self.handled & event != 0
    }
    #[inline]
    fn reads_clock(&self) -> bool {
        self.handler(CLOCK).is_some_and(GuardEvents::<Seen<'_, E>>::reads_clock)
    }
    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        match self.handler_mut(REFUSES) {
            Some(erased) => GuardEvents::<Seen<'_, E>>::allow_attempt(erased, attempt),
            None => ControlFlow::Continue(()),
        }
    }
    #[inline]
    fn attempt_limit(&self, attempt: &Attempt) -> u64 {
        match self.handler(LIMITS) {
            Some(erased) => GuardEvents::<Seen<'_, E>>::attempt_limit(erased, attempt),
            None => u64::MAX,
        }
    }
    #[inline]
    fn deadline(&self) -> u64 {
        match self.handler(LIMITS) {
            Some(erased) => GuardEvents::<Seen<'_, E>>::deadline(erased),
            None => u64::MAX,
        }
    }
    #[inline]
    fn begin(&mut self, left: u64) {
        if let Some(erased) = self.handler_mut(LIMITS) {
            GuardEvents::<Seen<'_, E>>::begin(erased, left);
        }
    }
    #[inline]
    fn begin_blocking(&mut self) {
        if let Some(erased) = self.handler_mut(LIMITS) {
            GuardEvents::<Seen<'_, E>>::begin_blocking(erased);
        }
    }
    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        if let Some(erased) = self.handler_mut(BEFORE_ATTEMPT) {
            GuardEvents::<Seen<'_, E>>::before_attempt(erased, attempt);
        }
    }
    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        if let Some(erased) = self.handler_mut(AFTER_ATTEMPT) {
            let AttemptEvent { outcome, attempt, verdict, operation } = *event;
            let seen = outcome.map(Seen::of);
            let outcome = seen.as_ref();
            erased.after_attempt(&AttemptEvent { outcome, attempt, verdict, operation });
        }
    }
    #[inline]
    fn attempt_dropped(&mut self, attempt: &Attempt) {
        if let Some(erased) = self.handler_mut(AFTER_ATTEMPT) {
            GuardEvents::<Seen<'_, E>>::attempt_dropped(erased, attempt);
        }
    }
    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        let Some(erased) = self.handler_mut(RETRY) else { return ControlFlow::Continue(()) };
        let seen = event.outcome.map(Seen::of);
        erased.allow_retry(&RetryEvent { outcome: seen.as_ref(), facts: event.facts })
    }
    #[inline]
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        if let Some(erased) = self.handler_mut(RETRY) {
            let seen = event.outcome.map(Seen::of);
            erased.before_retry(&RetryEvent { outcome: seen.as_ref(), facts: event.facts });
        }
    }
    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        if let Some(erased) = self.handler_mut(FINISH) {
            let seen = event.outcome.map(Seen::of);
            erased.finish(&FinishEvent { outcome: seen.as_ref(), facts: event.facts });
        }
    }
}

/// The slot of guards of a [`DynPolicy`]: there may be some.
#[doc(hidden)]
pub struct DynGuards<E>(Arc<dyn ErasedRules<E> + Send + Sync>);

impl<E> Clone for DynGuards<E> {
    fn clone(&self) -> Self {
        DynGuards(self.0.clone())
    }
}

/// The form receives the events.
impl<O, E> GuardEvents<O> for DynGuards<E> {
    fn reads_clock(&self) -> bool {
        false
    }
    handles!();
}

impl<O, E> Guards<O> for DynGuards<E> {
    const INTERRUPTS: bool = true;
    const LIMITS: bool = true;
    const LIMITS_ATTEMPTS: bool = false;
    type Interruption = Interrupted;
    type Limit<Z> = Limited<Z>;
    type Kept<K: Keep<O>> = Option<O>;
    fn interruption(interrupted: Interrupted) -> Option<Interrupted> {
        Some(interrupted)
    }
    fn can_interrupt(&self) -> bool {
        self.0.has_guards()
    }
}

impl<E> MayInterrupt for DynGuards<E> {}
impl<E> BlockingGuards for DynGuards<E> {}

#[diagnostic::do_not_recommend]
impl<O: FromError<Error = E> + IntoResult, E> EndsAs<O> for DynGuards<E> {
    fn outcome(&mut self, interrupted: Interrupted, last: Option<O>) -> O {
        let error = self.error(interrupted, last);
        O::from_error(
            error.unwrap_or_else(|| unreachable!("without guards, no call is interrupted")),
        )
    }
}

/// A call with further guards is interrupted also if the erased policy has none.
#[diagnostic::do_not_recommend]
impl<O, E> Fallback<O> for DynGuards<E>
where
    O: Interruptible + FromError<Error = E> + IntoResult,
{
    fn fallback(&mut self, interrupted: Interrupted, last: Option<O>) -> O {
        match self.error(interrupted, last) {
            Some(error) => O::from_error(error),
            None => O::from_interrupted(interrupted),
        }
    }
}

impl<E> DynGuards<E> {
    fn error<O>(&self, interrupted: Interrupted, last: Option<O>) -> Option<E>
    where
        O: FromError<Error = E> + IntoResult,
    {
        let last = last.and_then(|outcome| outcome.into_result().err());
        self.0.interrupted(interrupted, last)
    }
}

/// The timer of a [`DynPolicy`].
#[derive(Clone)]
#[doc(hidden)]
pub struct DynTimer(Arc<dyn ErasedTimer>);

/// The sleep of a [`DynTimer`].
#[doc(hidden)]
pub type DynSleep = Pin<Box<dyn Future<Output = ()> + Send>>;

trait ErasedTimer: Send + Sync {
    fn now(&self) -> Duration;
    fn share(&self) -> Option<SharedClock>;
    fn sleep(&self, duration: Duration) -> DynSleep;
    fn sleep_until(&self, time: Duration) -> DynSleep;
    fn sleep_blocking(&self, duration: Duration);
    fn sleep_unless(&self, duration: Duration, woken: &mut dyn FnMut() -> bool);
}

impl<T> ErasedTimer for T
where
    T: Timer<Sleep: Send + 'static> + BlockingTimer + Send + Sync,
{
    fn now(&self) -> Duration {
        Clock::now(self)
    }
    fn share(&self) -> Option<SharedClock> {
        Clock::share(self)
    }
    fn sleep(&self, duration: Duration) -> DynSleep {
        Box::pin(Timer::sleep(self, duration))
    }
    fn sleep_until(&self, time: Duration) -> DynSleep {
        Box::pin(Timer::sleep_until(self, time))
    }
    fn sleep_blocking(&self, duration: Duration) {
        BlockingTimer::sleep_blocking(self, duration);
    }
    fn sleep_unless(&self, duration: Duration, woken: &mut dyn FnMut() -> bool) {
        BlockingTimer::sleep_unless(self, duration, woken);
    }
}

impl Clock for DynTimer {
    type Sleep = DynSleep;
    fn now(&self) -> Duration {
        self.0.now()
    }
    fn share(&self) -> Option<SharedClock> {
        self.0.share()
    }
}

impl Timer for DynTimer {
    fn sleep(&self, duration: Duration) -> DynSleep {
        self.0.sleep(duration)
    }
    fn sleep_until(&self, time: Duration) -> DynSleep {
        self.0.sleep_until(time)
    }
}

impl BlockingTimer for DynTimer {
    fn sleep_blocking(&self, duration: Duration) {
        self.0.sleep_blocking(duration);
    }
    fn sleep_unless(&self, duration: Duration, woken: &mut dyn FnMut() -> bool) {
        self.0.sleep_unless(duration, woken);
    }
}

/// The slot of signals of a [`DynPolicy`]: empty if the policy had none.
#[doc(hidden)]
pub struct DynSignals(Option<Box<dyn ErasedSignals>>);

trait ErasedSignals: Send + Sync {
    fn is_cancelled(&self) -> bool;
    fn begin_sleep(&mut self);
    fn look(&mut self, cx: &mut Context<'_>);
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal>;
    fn boxed(&self) -> Box<dyn ErasedSignals>;
}

impl<K: Signals<()> + Clone + Send + Sync + 'static> ErasedSignals for K {
    fn is_cancelled(&self) -> bool {
        Signals::is_cancelled(self)
    }
    fn begin_sleep(&mut self) {
        Signals::begin_sleep(self);
    }
    fn look(&mut self, cx: &mut Context<'_>) {
        Signals::look(self, cx);
    }
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        Signals::poll(self, cx)
    }
    fn boxed(&self) -> Box<dyn ErasedSignals> {
        Box::new(self.clone())
    }
}

impl Clone for DynSignals {
    #[inline]
    fn clone(&self) -> Self {
        DynSignals(self.0.as_ref().map(|signals| signals.boxed()))
    }
}

impl<O> Signals<O> for DynSignals {
    const PRESENT: bool = true;
    type Kept = Option<O>;
    fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|signals| signals.is_cancelled())
    }
    fn begin_sleep(&mut self) {
        if let Some(signals) = &mut self.0 {
            signals.begin_sleep();
        }
    }
    fn look(&mut self, cx: &mut Context<'_>) {
        if let Some(signals) = &mut self.0 {
            signals.look(cx);
        }
    }
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        self.0.as_mut().map_or(Poll::Pending, |signals| signals.poll(cx))
    }
}

macro_rules! opaque_debug {
    ($($Type:ident $(<$E:ident>)?),*) => { $(
        impl $(<$E>)? fmt::Debug for $Type $(<$E>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Type)).finish_non_exhaustive()
            }
        }
    )* };
}
opaque_debug!(DynRules<E>, DynForm<E>, DynGuards<E>, DynTimer, DynSignals);
