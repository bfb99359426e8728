//! [`Engine`]: the decision, without I/O. Every surface drives this one piece.
//!
//! The phases of a decision are: classify, budget (hooks and guards may refuse), delay, notify. What
//! calls no code of the caller is in `progress`, so that call sites share it. Where a call has no
//! hooks, guards or signals, constants leave out the code for them.

use core::fmt;
use core::marker::PhantomData;
use core::mem::forget;
use core::ops::ControlFlow::{self, Break, Continue};
use core::time::Duration;

use crate::attempt::UNKNOWN;
use crate::guard::{GuardEvents, Guards, TimeLimit};
use crate::hook::{
    AFTER_ATTEMPT, AttemptEvent, BEFORE_ATTEMPT, CLOCK, DRAWS, FINISH, FinishEvent, FinishFacts,
    Hook, REFUSES, RETRY, RetryEvent, mask, panicking, run_both, run_during_unwind,
};
use crate::policy::{
    Classify, IntoPolicy, Policy, PolicyOf, Rules, RulesFor, Setup, SetupPolicy, Whole,
};
use crate::progress::{Enclosing, Ended, Next, Phase, Plan, Progress, plan, retry};
use crate::time::signal::Signals;
use crate::time::{Clock, Rounded, from_nanos, nanos};
use crate::{Attempt, Interrupted, Outcome, Reason, Verdict, Veto, random};

/// The decisions of one call: does no I/O, reads no clock and never sleeps. It is
/// given an outcome and the time, and decides: return, or wait for a delay.
///
/// Drive it by hand where no surface fits: an actor, an embedded main loop, another language's
/// runtime. For each attempt [`enter`](Engine::enter), run the operation, and
/// [`decide`](Engine::decide) what follows. An engine that is dropped before its end reports the
/// end to the hooks, without a time: [`Abandoned`](Reason::Abandoned) in an attempt,
/// [`Cancelled`](Reason::Cancelled) in a sleep, and [`Panicked`](Reason::Panicked) if it is dropped in
/// an attempt while the thread unwinds, or after a panic of a hook, guard or classifier.
///
/// The policy's timer is not used: give the time to each method, if
/// [`reads_clock`](Engine::reads_clock) returns `true`, and `None` if not.
///
/// ```
/// use persevere::{Decision, Engine, exponential};
/// use std::time::Duration;
///
/// let mut engine = Engine::new(exponential(Duration::from_millis(100)).max_attempts(3));
/// let mut slept = vec![];
/// let outcome = loop {
///     let Ok(attempt) = engine.enter(None);
///     let outcome = Err::<(), _>(attempt.number());
///     match engine.decide(&outcome, None) {
///         Decision::Wait(delay) => slept.push(delay),
///         Decision::Return(_) => break outcome,
///     }
/// };
/// assert_eq!(outcome, Err(3));
/// assert_eq!(slept, [100, 200].map(Duration::from_millis));
/// ```
pub struct Engine<O, P: Setup<O>> {
    /// `None` once a setter has taken the policy: a type with `Drop` cannot be taken apart.
    owned: Option<(P, FormOf<O, P>)>,
    pub(crate) progress: Progress,
    outcome: PhantomData<fn(&O)>,
}

/// The parts of an engine by reference, so that a function reads the `Option` in the engine once.
pub(crate) struct Desk<'e, O, P: Setup<O>> {
    pub(crate) policy: &'e mut SetupPolicy<O, P>,
    pub(crate) form: &'e mut FormOf<O, P>,
    pub(crate) progress: &'e mut Progress,
}

pub(crate) type FormOf<O, P> = <<P as Setup<O>>::Rules as Rules>::Form;
pub(crate) type InterruptionOf<O, P> = <<P as Setup<O>>::Guards as Guards<O>>::Interruption;
/// An attempt that was begun, or why a guard refused it. The call has ended then.
pub(crate) type Entered<O, P> = Result<Attempt, (InterruptionOf<O, P>, Interrupted)>;

/// The decision after an attempt.
///
/// ```
/// use persevere::{Decision, Engine, Reason, immediate};
///
/// let mut engine = Engine::new(immediate().max_attempts(2));
/// let Ok(_) = engine.enter(None);
/// let decision = engine.decide(&Some(7), None);
/// let Decision::Return(facts) = decision else { panic!("a value is accepted") };
/// assert_eq!((facts.reason(), facts.attempts()), (Reason::Succeeded, 1));
/// assert_eq!(decision.to_string(), "succeeded after 1 attempt");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Sleep this long, which may be zero, and make another attempt.
    Wait(Duration),
    /// Return the outcome. The hooks received the end.
    Return(FinishFacts),
}

/// The time for an [`Engine`] that is driven by hand: `None`, a `Duration` since any epoch of a
/// monotonic clock, or either with the time that an enclosing call leaves.
///
/// ```
/// use persevere::{Decision, Engine, Now, Reason, constant};
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// let mut engine = Engine::new(constant(second).max_attempts(9));
/// let Ok(_) = engine.enter(None);
/// // The caller has to answer in 800 ms.
/// let decision = engine.decide(&None::<u8>, Now::UNKNOWN.deadline_in(Duration::from_millis(800)));
/// assert!(matches!(decision, Decision::Return(facts) if facts.reason() == Reason::Deadline));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    time: Option<Duration>,
    left: Option<Duration>,
}

impl Now {
    /// The time is not known, and there is no enclosing deadline.
    pub const UNKNOWN: Now = Now { time: None, left: None };

    /// This time, with an enclosing deadline `left` from now: no retry starts at it or later. Pass it
    /// to every method, with the time that is left then.
    #[must_use]
    pub const fn deadline_in(self, left: Duration) -> Self {
        Now { left: Some(left), ..self }
    }

    /// Sets the start of a call that has none, and the time that an enclosing call leaves.
    fn apply_to(self, progress: &mut Progress) {
        progress.know(self.time);
        progress.enclosing = Enclosing::Given;
        progress.left = self.left.map_or(u64::MAX, nanos);
    }
}

impl From<Option<Duration>> for Now {
    fn from(time: Option<Duration>) -> Self {
        Now { time, left: None }
    }
}

impl From<Duration> for Now {
    fn from(time: Duration) -> Self {
        Now { time: Some(time), left: None }
    }
}

impl<O, S, H, G, T, K> Engine<O, Policy<S, H, G, T, K>>
where
    S: Rules<Form: GuardEvents<O>>,
    H: Hook<O>,
    G: Guards<O>,
    T: Clock,
    K: Signals<O>,
{
    /// Creates the engine of one call by `policy`: any [`IntoPolicy`].
    /// The outcome's type is inferred from [`decide`](Engine::decide).
    #[must_use]
    pub fn new<P>(policy: P) -> Engine<O, PolicyOf<P>>
    where
        P: IntoPolicy<Rules = S, Hooks = H, Guards = G, Timer = T, Signals = K>,
    {
        Engine::idle(policy.into_policy())
    }
}

/// Reports an event to form, guards and hooks, as far as they handle it.
macro_rules! notify {
    ($desk:ident, $bit:ident, $event:ident($($argument:tt)*)) => {
        if const { Self::FORM & $bit != 0 } {
            $desk.form.$event($($argument)*);
        }
        if const { Self::GUARDS & $bit != 0 } {
            $desk.policy.guards.$event($($argument)*);
        }
        if const { Self::HOOKS & $bit != 0 } {
            $desk.policy.hooks.$event($($argument)*);
        }
    };
}

impl<O, P: Setup<O>> Engine<O, P> {
    /// A call that has not begun.
    #[inline(always)]
    pub(crate) fn idle(policy: P) -> Self {
        let form = policy.get().rules.idle();
        Engine::from_parts(Some((policy, form)), Progress::new())
    }

    #[inline(always)]
    pub(crate) fn from_parts(owned: Option<(P, FormOf<O, P>)>, progress: Progress) -> Self {
        Engine { owned, progress, outcome: PhantomData }
    }

    /// Takes the engine apart, for a setter. A call that has begun panics at its next use: a panic here
    /// would be a branch with drop glue in each setter.
    #[inline(always)]
    pub(crate) fn into_parts(mut self) -> (Option<(P, FormOf<O, P>)>, Progress) {
        let (owned, mut progress) = (self.owned.take(), self.progress.clone());
        // Without its pending attempt, a call that is not over can only be dropped: it was cancelled.
        if !matches!(progress.phase, Phase::Idle | Phase::Finished) {
            progress.phase = Phase::Attempting;
        }
        forget(self);
        (owned, progress)
    }

    #[inline(always)]
    pub(crate) fn desk(&mut self) -> Desk<'_, O, P> {
        match &mut self.owned {
            Some((policy, form)) => {
                Desk { policy: policy.get_mut(), form, progress: &mut self.progress }
            }
            None => configured_late(),
        }
    }

    #[inline(always)]
    pub(crate) fn policy(&self) -> &SetupPolicy<O, P> {
        match &self.owned {
            Some((policy, _)) => policy.get(),
            None => configured_late(),
        }
    }

    /// Returns whether anything in the call uses the elapsed time: limits, the backoff, hooks, guards.
    ///
    /// ```
    /// use persevere::{Backoff, Engine, immediate};
    /// use std::time::Duration;
    /// let limited = immediate().max_elapsed(Duration::from_secs(1));
    /// assert!(Engine::<Option<u8>, _>::new(limited).reads_clock());
    /// assert!(!Engine::<Option<u8>, _>::new(immediate().max_attempts(3)).reads_clock());
    /// ```
    #[must_use]
    pub fn reads_clock(&self) -> bool {
        if self.progress.phase != Phase::Idle {
            return self.progress.timed;
        }
        let policy = self.policy();
        let mut form = policy.rules.idle();
        policy.rules.begin(&mut form);
        let mut progress = Progress::new();
        let backoff = policy.rules.backoff(&form);
        progress.begin(backoff, Desk::<O, P>::events_read_clock(policy, &form));
        progress.timed
    }

    /// Begins the next attempt; the first attempt begins the call. Hooks receive it. `now` is the time
    /// at which the attempt begins.
    ///
    /// After the end of the call, no attempt begins: `enter` returns the last attempt again, and no hook
    /// receives it.
    ///
    /// # Errors
    /// A guard refused the attempt. The call has ended then, and the hooks received the end. Without guards
    /// there is no such error, and `let Ok(attempt) = ..` takes the result apart.
    pub fn enter(
        &mut self,
        now: impl Into<Now>,
    ) -> Result<Attempt, (InterruptionOf<O, P>, FinishFacts)> {
        let now = now.into();
        let mut desk = self.desk();
        now.apply_to(desk.progress);
        if desk.progress.phase == Phase::Idle {
            desk.begin(true);
        }
        let at = desk.progress.since(now.time);
        if desk.progress.phase == Phase::Finished {
            // 1 also if a guard refused the first attempt.
            let number = desk.progress.number.max(1);
            return Ok(desk.progress.attempt(number, desk.policy.tag.seed, at).for_operation());
        }
        match desk.enter(at) {
            Ok(attempt) => {
                desk.progress.phase = Phase::Between;
                Ok(attempt)
            }
            Err((interruption, interrupted)) => {
                Err((interruption, desk.ended(interrupted.reason(), at).facts_of(interrupted)))
            }
        }
    }

    /// Decides what follows the `outcome` of the attempt that was entered last. `now` is the time at
    /// which the attempt ended. Hooks receive the attempt, and the retry or the end.
    ///
    /// After [`Decision::Wait`], sleep that long and [`enter`](Engine::enter) the next attempt; after
    /// [`Decision::Return`], the call has ended, and every further decision is to return. An attempt that
    /// was not entered counts too.
    ///
    /// ```
    /// use persevere::{Backoff, Decision, Engine, Reason, constant};
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let mut engine = Engine::new(constant(second).max_elapsed(9 * second));
    /// assert!(engine.reads_clock());
    /// let start = 100 * second;
    /// let Ok(_) = engine.enter(start);
    /// // Eight seconds later, a sleep of one more would end at the limit.
    /// let decision = engine.decide(&None::<u8>, start + 8 * second);
    /// assert!(matches!(decision, Decision::Return(facts) if facts.reason() == Reason::Elapsed));
    /// ```
    pub fn decide(&mut self, outcome: &O, now: impl Into<Now>) -> Decision
    where
        O: Outcome,
        P: Setup<O, Rules: RulesFor<O>>,
    {
        let now = now.into();
        let mut desk = self.desk();
        let mut at = desk.progress.since(now.time);
        if desk.progress.phase == Phase::Finished {
            let reason =
                if outcome.as_result().is_ok() { Reason::Succeeded } else { Reason::NotRetryable };
            return Decision::Return(desk.ended(reason, at).facts());
        }
        desk.count_unentered(now);
        let next = desk.settle::<false>(outcome, &mut at);
        desk.decision(next, at)
    }

    /// Decides what follows an attempt that took too long and was dropped, so that it has no outcome:
    /// it is retried as an error would be. `now` is the time at which it was dropped.
    ///
    /// ```
    /// use persevere::{Decision, Engine, Reason, constant};
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let mut engine = Engine::<Option<u8>, _>::new(constant(second).max_attempts(2));
    /// let Ok(_) = engine.enter(None);
    /// assert_eq!(engine.time_out(None), Decision::Wait(second));
    /// let Ok(_) = engine.enter(None);
    /// let decision = engine.time_out(None);
    /// assert!(matches!(decision, Decision::Return(facts) if facts.reason() == Reason::AttemptTimeout));
    /// ```
    pub fn time_out(&mut self, now: impl Into<Now>) -> Decision {
        let now = now.into();
        let mut desk = self.desk();
        if desk.progress.phase == Phase::Finished {
            let at = desk.progress.since(now.time);
            return Decision::Return(desk.ended(Reason::AttemptTimeout, at).facts());
        }
        desk.count_unentered(now);
        let at = desk.progress.since(now.time);
        let limit = desk.time_limit(at).limit;
        match desk.settle_timeout(at, limit) {
            Ok(delay) => desk.decision(Next::wait(delay), at),
            Err(interrupted) => {
                Decision::Return(desk.ended(interrupted.reason(), at).facts_of(interrupted))
            }
        }
    }

    /// Returns the time that the attempt which begins at `now` may take, by the guards of the policy;
    /// `None` without a limit, and before the first attempt. Call it once, after
    /// [`enter`](Engine::enter) and with an equal `now`: the engine does not subtract the time that has
    /// passed since.
    ///
    /// ```
    /// use persevere::{Engine, Policy, immediate};
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(5);
    /// let policy = Policy::new(immediate().max_attempts(2)).attempt_timeout(limit);
    /// let mut engine = Engine::<Option<u8>, _>::new(policy);
    /// engine.enter(None).unwrap();
    /// assert_eq!(engine.attempt_limit(None), Some(limit));
    /// ```
    #[must_use]
    pub fn attempt_limit(&mut self, now: impl Into<Now>) -> Option<Duration> {
        let desk = self.desk();
        if desk.progress.phase == Phase::Idle {
            return None;
        }
        let at = desk.progress.since(now.into().time);
        let TimeLimit { limit, until } = desk.time_limit(at);
        let left = if until == u64::MAX { limit } else { until.saturating_sub(at) };
        (left != u64::MAX).then(|| from_nanos(left))
    }
}

#[cold]
#[inline(never)]
#[track_caller]
pub(crate) fn configured_late() -> ! {
    panic!("a retry that was polled can neither be configured nor called")
}

impl<O, P: Setup<O>> Desk<'_, O, P> {
    // The events that are handled, as constants: there is no code for others.
    const FORM: u8 = mask(<FormOf<O, P> as GuardEvents<O>>::handled_events);
    const GUARDS: u8 = mask(<P::Guards as GuardEvents<O>>::handled_events);
    const HOOKS: u8 = mask(<P::Hooks as Hook<O>>::handled_events);
    pub(crate) const HANDLED: u8 = Self::FORM | Self::GUARDS | Self::HOOKS;
    /// Whether classifiers, hooks or guards may draw from an attempt before the first failure.
    const DRAWS_EARLY: bool = Self::HANDLED & DRAWS != 0 || P::Rules::SEES_ATTEMPT;
    /// Whether the elapsed time is used at the end of an attempt that is accepted.
    const TIMED_SUCCESS: bool =
        Self::HANDLED & (AFTER_ATTEMPT | FINISH) != 0 || P::Rules::SEES_ATTEMPT;

    #[inline(always)]
    fn events_read_clock(policy: &SetupPolicy<O, P>, form: &FormOf<O, P>) -> bool {
        if const { Self::HANDLED & CLOCK != 0 } {
            return form.reads_clock() || policy.guards.reads_clock() || policy.hooks.reads_clock();
        }
        false
    }

    /// Whether the call handles an event now that its types handle: an erased form may handle fewer events
    /// than its type.
    #[inline(always)]
    fn handles_now(&self, event: u8) -> bool {
        if const { (Self::GUARDS | Self::HOOKS) != 0 } {
            return true;
        }
        self.form.handles_now(event)
    }

    /// Begins the call. `draws`: whether the operation may draw from its first attempt.
    #[inline(always)]
    pub(crate) fn begin(&mut self, draws: bool) {
        self.policy.rules.begin(self.form);
        let timed = Self::events_read_clock(self.policy, self.form);
        self.progress.begin(self.policy.rules.backoff(self.form), timed);
        if draws && self.policy.tag.seed == 0 {
            self.policy.tag.seed = random::fresh().get();
        }
        if P::Guards::LIMITS {
            let left = self.progress.enclosing_left();
            self.form.begin(left);
            self.policy.guards.begin(left);
        }
    }

    /// The time by the policy's timer, if anything in the call uses it.
    #[inline(always)]
    pub(crate) fn now(&self) -> Option<Duration> {
        if self.progress.timed { Some(self.policy.timer.now()) } else { None }
    }

    /// The time since the call began.
    #[inline(always)]
    pub(crate) fn at(&self) -> u64 {
        self.progress.since(self.now())
    }

    /// Begins the call by the policy's timer, and its first attempt: at zero, by definition.
    #[inline(always)]
    pub(crate) fn enter_first(&mut self, draws: bool) -> (Entered<O, P>, u64) {
        self.begin(draws || Self::DRAWS_EARLY);
        let now = self.now();
        self.progress.start_at(now);
        let at = if self.progress.timed { 0 } else { UNKNOWN };
        (self.enter(at), at)
    }

    /// Begins the next attempt by the policy's timer.
    #[inline(always)]
    pub(crate) fn enter_next(&mut self) -> (Entered<O, P>, u64) {
        let at = self.at();
        (self.enter(at), at)
    }

    /// Begins an attempt.
    #[inline(always)]
    pub(crate) fn enter(&mut self, at: u64) -> Entered<O, P> {
        self.progress.phase = Phase::Inside;
        let number = self.progress.number.saturating_add(1);
        let attempt = self.progress.attempt(number, self.policy.tag.seed, at);
        if P::Guards::INTERRUPTS && self.handles_now(REFUSES) {
            if let Some(refused) = self.refusal(&attempt, at) {
                return Err(refused);
            }
        }
        self.progress.number = number;
        if const { Self::HANDLED & BEFORE_ATTEMPT != 0 } && self.handles_now(BEFORE_ATTEMPT) {
            self.notify_attempt_begins(&attempt);
        }
        Ok(attempt.for_operation())
    }

    fn notify_attempt_begins(&mut self, attempt: &Attempt) {
        notify!(self, BEFORE_ATTEMPT, before_attempt(attempt));
    }

    /// Whether a guard refuses the attempt.
    fn refusal(
        &mut self,
        attempt: &Attempt,
        at: u64,
    ) -> Option<(InterruptionOf<O, P>, Interrupted)> {
        let mut allowed = self.form.allow_attempt(attempt);
        if allowed.is_continue() {
            allowed = self.policy.guards.allow_attempt(attempt);
        }
        let Break(veto) = allowed else { return None };
        let interrupted = Interrupted::Vetoed(veto);
        let interruption = P::Guards::interruption(interrupted)?;
        self.finish_interrupted(interrupted, at);
        Some((interruption, interrupted))
    }

    /// An attempt of a call that is driven by hand counts, also if it was not entered.
    fn count_unentered(&mut self, now: Now) {
        now.apply_to(self.progress);
        if self.progress.phase == Phase::Idle {
            self.begin(true);
        }
        if self.progress.phase != Phase::Between {
            self.progress.number = self.progress.number.saturating_add(1);
        }
    }

    fn decision(&mut self, next: Next, at: u64) -> Decision {
        match next.end {
            None => {
                self.progress.phase = Phase::Sleeping;
                Decision::Wait(from_nanos(next.delay))
            }
            Some(reason) => Decision::Return(self.ended(reason, at).facts()),
        }
    }

    /// The elapsed time at the end of an attempt, before its outcome is classified; `UNKNOWN` if
    /// nothing uses it before a failure.
    #[inline(always)]
    pub(crate) fn at_end(&self) -> u64 {
        if const { Self::TIMED_SUCCESS } { self.at() } else { UNKNOWN }
    }

    /// Decides what follows an outcome. `at` is what [`at_end`](Desk::at_end) returned; after a failure
    /// it is the elapsed time in any case.
    #[inline(always)]
    pub(crate) fn settle<const TIMER: bool>(&mut self, outcome: &O, at: &mut u64) -> Next
    where
        O: Outcome,
        P: Setup<O, Rules: RulesFor<O>>,
    {
        match self.judge(outcome, *at) {
            Verdict::Accept => {
                self.accept(outcome, *at);
                Next::end(Reason::Succeeded)
            }
            verdict => self.fail::<TIMER>(outcome, verdict, at),
        }
    }

    /// Classifies the outcome.
    #[inline(always)]
    pub(crate) fn judge(&mut self, outcome: &O, at: u64) -> Verdict
    where
        O: Outcome,
        P: Setup<O, Rules: RulesFor<O>>,
    {
        self.progress.phase = Phase::Inside;
        let attempt = self.progress.current(self.policy.tag.seed, at);
        let verdict = match Classify::<O, Whole>::classify(
            &self.policy.rules,
            self.form,
            outcome,
            &attempt,
        ) {
            Some(verdict) => verdict,
            None if outcome.as_result().is_ok() => Verdict::Accept,
            None => Verdict::Retry,
        };
        if const { Self::HANDLED & AFTER_ATTEMPT != 0 } && self.handles_now(AFTER_ATTEMPT) {
            if const { Self::FORM & AFTER_ATTEMPT != 0 } {
                self.notify_attempt_ended(Some(outcome), &attempt, verdict);
            } else {
                self.notify_attempt_ended_inline(Some(outcome), &attempt, verdict);
            }
        }
        verdict
    }

    /// The call ends with an outcome that was accepted.
    #[inline(always)]
    pub(crate) fn accept(&mut self, outcome: &O, at: u64) {
        // An erased form may handle the end, and mostly does not.
        if const { Self::FORM & FINISH != 0 || Self::HANDLED & FINISH == 0 } {
            self.finish(Some(outcome), Reason::Succeeded, at);
        } else {
            self.progress.phase = Phase::Finished;
            self.notify_finish_inline(Some(outcome), Reason::Succeeded, at);
        }
    }

    /// Decides after an outcome that was not accepted.
    #[inline(always)]
    pub(crate) fn fail<const TIMER: bool>(
        &mut self,
        outcome: &O,
        verdict: Verdict,
        at: &mut u64,
    ) -> Next {
        // A success needs no clock, so it is read here unless it was read before.
        if const { TIMER && !Self::TIMED_SUCCESS } {
            *at = self.at();
        }
        let next = self.retry(Some(outcome), verdict, *at);
        if let Some(reason) = next.end {
            self.finish(Some(outcome), reason, *at);
        }
        next
    }

    fn notify_attempt_ended(&mut self, outcome: Option<&O>, attempt: &Attempt, verdict: Verdict) {
        self.notify_attempt_ended_inline(outcome, attempt, verdict);
    }

    /// Inlined for the reason of [`notify_finish_inline`](Desk::notify_finish_inline).
    #[inline(always)]
    fn notify_attempt_ended_inline(
        &mut self,
        outcome: Option<&O>,
        attempt: &Attempt,
        verdict: Verdict,
    ) {
        let operation = self.policy.tag.operation;
        let event = AttemptEvent { outcome, attempt, verdict, operation };
        notify!(self, AFTER_ATTEMPT, after_attempt(&event));
    }

    /// Decides what follows an attempt that took longer than `limit` nanoseconds: a delay in
    /// nanoseconds, or why the call has no outcome.
    #[cold]
    pub(crate) fn settle_timeout(&mut self, at: u64, limit: u64) -> Result<u64, Interrupted> {
        self.progress.phase = Phase::Inside;
        let attempt = self.progress.current(self.policy.tag.seed, at);
        self.notify_attempt_ended(None, &attempt, Verdict::Retry);
        let deadline = self.deadline();
        let past = deadline != u64::MAX && (at == UNKNOWN || at >= deadline || limit == u64::MAX);
        let interrupted = if past {
            Interrupted::Deadline { limit: from_nanos(deadline) }
        } else {
            let next = self.retry(None, Verdict::Retry, at);
            match next.end {
                None => return Ok(next.delay),
                Some(Reason::Deadline) => {
                    match self.left(at).min(self.progress.enclosing_left()) {
                        // The veto of a hook, and no deadline.
                        u64::MAX => Interrupted::Vetoed(Veto::Deadline),
                        left => Interrupted::NoTimeLeft {
                            attempt_limit: from_nanos(limit),
                            left: from_nanos(left),
                        },
                    }
                }
                Some(Reason::Cancelled) => Interrupted::Cancelled,
                Some(_) => Interrupted::AttemptTimeout { limit: from_nanos(limit) },
            }
        };
        self.finish_interrupted(interrupted, at);
        Err(interrupted)
    }

    /// The attempt of a loop was dropped: it counts, and a delay follows. At a limit the call ends with
    /// the outcome `last`; without one, it goes on after the last delay.
    #[cold]
    pub(crate) fn settle_cut(&mut self, last: Option<&O>, at: u64) -> Next {
        self.progress.phase = Phase::Inside;
        let attempt = self.progress.current(self.policy.tag.seed, at);
        notify!(self, AFTER_ATTEMPT, attempt_dropped(&attempt));
        let next = self.retry(None, Verdict::Retry, at);
        match (next.end, last) {
            (Some(reason), Some(_)) => {
                self.finish(last, reason, at);
                next
            }
            (Some(_), None) => self.progress.repeat(),
            (None, _) => next,
        }
    }

    /// The body of a loop has its value.
    pub(crate) fn succeed(&mut self) {
        if self.progress.phase != Phase::Finished {
            self.progress.phase = Phase::Inside;
            let at = self.at_end();
            self.finish(None, Reason::Succeeded, at);
        }
    }

    /// Budget, delay, notify: the delay, or why there is no retry.
    #[inline(always)]
    fn retry(&mut self, outcome: Option<&O>, verdict: Verdict, at: u64) -> Next {
        let floor = match verdict {
            Verdict::Retry => 0,
            Verdict::RetryAfter(floor) => nanos(floor),
            Verdict::Stop | Verdict::Forbidden | Verdict::Accept => {
                return Next::end(Reason::NotRetryable);
            }
        };
        let tag = &mut self.policy.tag;
        let mut left = self.progress.prepare(tag);
        let seed = tag.seed;
        if P::Guards::LIMITS {
            left = left.min(self.left(at));
        }
        if const { Self::HANDLED & RETRY == 0 && !P::Signals::PRESENT } {
            let backoff = self.policy.rules.backoff(self.form);
            return retry(self.progress, seed, backoff, floor, at, left);
        }
        self.retry_with_vetoes(outcome, verdict, [floor, at, left])
    }

    /// Decides about a retry that signals, hooks or guards can refuse.
    fn retry_with_vetoes(
        &mut self,
        outcome: Option<&O>,
        verdict: Verdict,
        [floor, at, left]: [u64; 3],
    ) -> Next {
        let backoff = self.policy.rules.backoff(self.form);
        let seed = self.policy.tag.seed;
        let plan = match plan(self.progress, seed, backoff, floor, at, left) {
            Ok(plan) => plan,
            Err(reason) => return Next::end(reason),
        };
        if P::Signals::PRESENT && self.policy.signals.is_cancelled() {
            return Next::end(Reason::Cancelled);
        }
        if const { Self::HANDLED & RETRY != 0 } {
            if let Break(veto) = self.allow_retry(outcome, &plan, verdict, at) {
                return Next::end(veto.into());
            }
        }
        self.progress.commit(&plan)
    }

    /// Whether form, guards and hooks allow the retry; all receive it then.
    fn allow_retry(
        &mut self,
        outcome: Option<&O>,
        plan: &Plan,
        verdict: Verdict,
        at: u64,
    ) -> ControlFlow<Veto> {
        let facts = self.progress.retry_facts(&self.policy.tag, plan, verdict, at);
        let event = RetryEvent { outcome, facts };
        if const { Self::FORM & RETRY != 0 } {
            self.form.allow_retry(&event)?;
        }
        if const { Self::GUARDS & RETRY != 0 } {
            self.policy.guards.allow_retry(&event)?;
        }
        if const { Self::HOOKS & RETRY != 0 } {
            self.policy.hooks.allow_retry(&event)?;
        }
        notify!(self, RETRY, before_retry(&event));
        Continue(())
    }

    /// Ends the call: its hooks receive the end once, because the phase is set before.
    #[inline(always)]
    pub(crate) fn finish(&mut self, outcome: Option<&O>, reason: Reason, at: u64) {
        self.progress.phase = Phase::Finished;
        if const { Self::HANDLED & FINISH != 0 } && self.handles_now(FINISH) {
            self.notify_finish(outcome, reason, at);
        }
    }

    fn notify_finish(&mut self, outcome: Option<&O>, reason: Reason, at: u64) {
        self.notify_finish_inline(outcome, reason, at);
    }

    /// For a success: a budget and a breaker together cost 80 instructions less.
    #[inline(always)]
    fn notify_finish_inline(&mut self, outcome: Option<&O>, reason: Reason, at: u64) {
        let facts = self.ended(reason, at).facts();
        self.notify_end(&FinishEvent { outcome, facts });
    }

    /// Like [`finish`](Desk::finish), for a call that ends without an outcome.
    #[cold]
    pub(crate) fn finish_interrupted(&mut self, interrupted: Interrupted, at: u64) {
        self.progress.phase = Phase::Finished;
        if const { Self::HANDLED & FINISH != 0 } {
            let facts = self.ended(interrupted.reason(), at).facts_of(interrupted);
            self.notify_end(&FinishEvent { outcome: None, facts });
        }
    }

    #[inline(always)]
    fn notify_end(&mut self, event: &FinishEvent<'_, O>) {
        let Desk { policy, form, .. } = self;
        let (guards, hooks) = (&mut policy.guards, &mut policy.hooks);
        run_both(
            || {
                if const { Self::FORM & FINISH != 0 } {
                    form.finish(event);
                }
            },
            || {
                run_both(
                    || {
                        if const { Self::GUARDS & FINISH != 0 } {
                            guards.finish(event);
                        }
                    },
                    || {
                        if const { Self::HOOKS & FINISH != 0 } {
                            hooks.finish(event);
                        }
                    },
                );
            },
        );
    }

    #[inline(always)]
    pub(crate) fn ended(&self, reason: Reason, at: u64) -> Ended<'_> {
        Ended { progress: self.progress, operation: self.policy.tag.operation, at, reason }
    }

    /// Polls the futures among the signals, without a task to wake.
    pub(crate) fn look_now(&mut self) {
        let mut cx = core::task::Context::from_waker(core::task::Waker::noop());
        self.policy.signals.look(&mut cx);
    }

    /// Whether the call is cancelled, by a future among the signals too.
    pub(crate) fn is_cancelled_now(&mut self) -> bool {
        self.look_now();
        self.policy.signals.is_cancelled()
    }

    /// Whether a cancellation leaves a sleep as it is: that of a loop which has nothing to end with.
    pub(crate) fn keeps_delay(&self) -> bool {
        self.progress.repeats && !self.policy.guards.can_interrupt()
    }

    /// When the call has to end by its guards; `u64::MAX` if it need not.
    fn deadline(&self) -> u64 {
        self.form.deadline().min(self.policy.guards.deadline())
    }

    /// The time until then; `u64::MAX` without a deadline, or if the time is not known.
    fn left(&self, at: u64) -> u64 {
        match self.deadline() {
            deadline if deadline != u64::MAX && at != UNKNOWN => deadline.saturating_sub(at),
            _ => u64::MAX,
        }
    }

    /// The time that the attempt has which begins at `at`, by the guards.
    pub(crate) fn time_limit(&self, at: u64) -> TimeLimit {
        let attempt = self.progress.current(self.policy.tag.seed, at);
        let limit = self.form.attempt_limit(&attempt);
        let limit = limit.min(self.policy.guards.attempt_limit(&attempt));
        let until = match at {
            UNKNOWN => u64::MAX,
            at => at.saturating_add(limit).min(self.deadline()),
        };
        TimeLimit { limit, until }
    }

    /// The time at which the call is dropped; unknown to an engine that is driven by hand.
    fn at_drop(&self) -> u64 {
        if self.progress.enclosing == Enclosing::Given { UNKNOWN } else { self.at() }
    }

    /// Ends a call that was not brought to its end.
    #[cold]
    fn abandon(&mut self) {
        let reason = match self.progress.phase {
            Phase::Idle | Phase::Finished => return,
            Phase::Between if panicking() => Reason::Panicked,
            Phase::Between => Reason::Abandoned,
            Phase::Attempting | Phase::Sleeping => Reason::Cancelled,
            Phase::Inside => Reason::Panicked,
        };
        // A clock that panics must not keep the end from the hooks, nor abort the process.
        #[cfg(feature = "std")]
        let at = crate::hook::discard_panic(|| self.at_drop()).unwrap_or(UNKNOWN);
        #[cfg(not(feature = "std"))]
        let at = self.at_drop();
        run_during_unwind(|| self.finish(None, reason, at));
    }
}

impl<O, P: Setup<O>> Drop for Engine<O, P> {
    #[inline]
    fn drop(&mut self) {
        if const { Desk::<O, P>::HANDLED & FINISH != 0 } {
            self.abandon();
        }
    }
}

impl<O, P: Setup<O>> Engine<O, P> {
    /// Ends the call, unless it has not begun or has ended.
    #[inline]
    pub(crate) fn abandon(&mut self) {
        if !matches!(self.progress.phase, Phase::Idle | Phase::Finished) && self.owned.is_some() {
            self.desk().abandon();
        }
    }
}

impl<O, P: Setup<O>> fmt::Debug for Engine<O, P> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("attempts", &self.progress.number)
            .field("phase", &self.progress.phase)
            .finish_non_exhaustive()
    }
}

/// `wait 100 ms`, or how the call ended.
impl fmt::Display for Decision {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Wait(delay) => write!(f, "wait {}", Rounded(*delay)),
            Decision::Return(facts) => facts.fmt(f),
        }
    }
}
