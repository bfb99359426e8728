//! [`Policy`]: a retry as a value, built once and shared.
//!
//! Name what a service needs in one place, and use it at every call:
//!
//! ```
//! use persevere::{Policy, RetryExt, StaticPolicy, exponential};
//! use std::time::Duration;
//!
//! static STORE: StaticPolicy = Policy::new(
//!     &exponential(Duration::from_millis(50)).max_delay(Duration::from_secs(2)).full_jitter().max_attempts(6),
//! );
//!
//! let read = (|| "7".parse::<i32>()).retry_with(&STORE).call();
//! let written = STORE.call(|attempt| Ok::<_, ()>(attempt.number()));
//! assert_eq!((read, written), (Ok(7), Ok(1)));
//! ```
//!
//! | the policy lies in | its type |
//! |---|---|
//! | a `static` | [`StaticPolicy`] |
//! | a field of a struct | [`DynPolicy<Error>`](DynPolicy), made by [`policy.erase()`](Policy::erase) |
//! | a local variable | inferred |
//! | settings that operators change | [`PolicyHandle`], from [`Policies`] |
//! | an argument of a generic function | [`impl SendPolicyFor<Outcome>`](SendPolicyFor); on one thread [`impl PolicyFor<Outcome, Timer: Timer>`](PolicyFor); blocking [`impl BlockingPolicyFor<Outcome>`](BlockingPolicyFor) |
//!
//! All but the last have one set of methods, because they are [`Policy`]: by value, by reference and in an
//! `Arc`. The argument of a generic function goes into `operation.retry_with(policy)`.
//!
//! **Do** share one policy by reference or `Arc`: it has no state, and no call affects another. **Do**
//! give `&STORE` rather than `STORE` where it is not `Copy`. **Don't** keep counters in a policy: give it
//! a [hook](crate::hook) that holds them by `Arc`.

#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub mod config;
#[cfg(feature = "config")]
mod current;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod dynamic;
#[cfg(feature = "live")]
mod follow;
#[cfg(feature = "config")]
mod guards;
#[cfg(feature = "config")]
mod handle;
#[cfg(feature = "config")]
mod installed;
mod into_policy;
#[cfg(feature = "config")]
mod kind_registry;
#[cfg(feature = "config")]
mod overrides;
#[cfg(feature = "config")]
mod policies;
#[cfg(feature = "macros")]
mod references;
pub(crate) mod rules;
#[cfg(feature = "config")]
mod section;
#[cfg(feature = "config")]
mod updates;
mod uses;

use core::fmt;
use core::time::Duration;

use self::rules::FiniteRules;
use crate::backoff::{Backoff, Finite, Schedule};
use crate::classify::ClassifyFn;
use crate::error::Interruption;
use crate::guard::{AttemptTimeout, AttemptTimeoutBy, Deadline, OrInterrupted};
use crate::hook::{
    FinishFacts, OnAttempt, OnFinishFacts, OnGiveUpFacts, OnRetryFacts, OnSuccessFacts, ReadClock,
    RetryFacts,
};
#[cfg(feature = "std")]
use crate::time::{CancelToken, RetrySignal};
use crate::time::{Clock, DefaultTimer};
use crate::{Attempt, OperationName, Verdict, random};

#[cfg(feature = "config")]
pub use self::current::Snapshot;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use self::dynamic::{DynForm, DynGuards, DynPolicy, DynRules, DynSignals, DynSleep, DynTimer};
#[cfg(feature = "config")]
pub use self::guards::BySettings;
#[cfg(feature = "config")]
pub use self::handle::{GuardedHandle, Live, LiveForm, PolicyHandle};
#[cfg(feature = "config")]
pub use self::installed::{InstallError, NamedPolicy};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use self::into_policy::Shared;
pub use self::into_policy::{
    BlockingPolicyFor, Borrowed, IntoPolicy, PolicyFor, PolicyOf, SendPolicyFor, Setup, SetupPolicy,
};
#[cfg(feature = "config")]
pub use self::policies::{Policies, PoliciesBuilder, PolicyError};
#[cfg(all(feature = "config", feature = "macros"))]
pub use self::references::ReferencesError;
#[cfg(feature = "macros")]
pub use self::references::{PolicyReference, referenced_policies};
pub use self::rules::{
    Ask, Classify, CurrentBackoff, Delays, Ref, Rules, RulesFor, Until, When, Whole,
};
#[cfg(feature = "config")]
pub use self::updates::{Update, UpdateEvent};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
#[doc(hidden)]
pub use crate::outcome::Seen;

/// Everything about a retry but its operation: rules, hooks, guards, timer, signals.
///
/// A policy is immutable and has no state, so one value (a `static`, a field, an `Arc`) serves any
/// number of calls at once. Its setters are those of a call, and a call adds to its policy.
///
/// | slot | added by | default |
/// |---|---|---|
/// | `S` rules: backoff and classifiers | [`new`](Policy::new), [`when`](Policy::when), [`until`](Policy::until), [`classifier`](Policy::classifier) | values are accepted, errors retried |
/// | `H` hooks | [`hook`](Policy::hook), [`on_retry`](Policy::on_retry), … | none |
/// | `G` guards | [`guard`](Policy::guard), [`attempt_timeout`](Policy::attempt_timeout), [`deadline`](Policy::deadline) | `()`: every call ends with an outcome of its operation |
/// | `T` timer | [`timer`](Policy::timer) | [`DefaultTimer`] |
/// | `K` signals | [`cancel_by`](Policy::cancel_by), [`retry_now_by`](Policy::retry_now_by) | none |
/// | | [`seed`](Policy::seed) | drawn by each call, when it first needs one |
/// | | [`named`](Policy::named) | no name |
///
/// Hooks, guards, timer and signals are cloned for each call of a policy that is borrowed or shared.
///
/// ```
/// use persevere::{Policy, RetryExt, exponential};
/// use std::time::Duration;
///
/// let policy = Policy::new(exponential(Duration::from_millis(1)).full_jitter().max_attempts(3))
///     .when(|status: &u16| *status == 503)
///     .named("fetch");
/// assert_eq!((|| Err::<(), _>(404)).retry_with(&policy).call(), Err(404));
/// assert_eq!(policy.worst_case(), Some(Duration::from_millis(3)));
/// ```
#[derive(Clone, Copy)]
pub struct Policy<S, H = (), G = (), T = DefaultTimer, K = ()> {
    pub(crate) rules: S,
    pub(crate) hooks: H,
    pub(crate) guards: G,
    pub(crate) timer: T,
    pub(crate) signals: K,
    pub(crate) tag: Tag,
}

/// The type of a policy in a `static` that has a backoff alone.
///
/// With `.when(..)`, hooks or guards, a `static` is a `LazyLock<DynPolicy<Error>>`, made by
/// [`erase`](Policy::erase) and given as `&*POLICY`; or a policy of [`Policy::with`].
///
/// ```
/// use persevere::{Policy, StaticPolicy, constant};
/// use std::time::Duration;
///
/// static POLICY: StaticPolicy = Policy::new(&constant(Duration::from_millis(1)).max_attempts(3));
/// assert_eq!(POLICY.call(|attempt| Err::<(), _>(attempt.number())), Err(3));
/// ```
pub type StaticPolicy<T = DefaultTimer> = Policy<&'static (dyn Finite + Sync), (), (), T>;

/// The properties of calls beside the slots of their policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Zero until a call has a seed.
    pub(crate) seed: u64,
    pub(crate) operation: Option<&'static str>,
}

impl<B: Finite> Policy<B> {
    /// Creates a policy that retries errors by `backoff`: no hooks, no guards, the [`DefaultTimer`].
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(3));
    /// assert_eq!(policy.call(|attempt| Err::<(), _>(attempt.number())), Err(3));
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn new(backoff: B) -> Self {
        Policy {
            rules: backoff,
            hooks: (),
            guards: (),
            timer: DefaultTimer,
            signals: (),
            tag: Tag { seed: 0, operation: None },
        }
    }
}

impl<S: FiniteRules, H, G, T> Policy<S, H, G, T> {
    /// Creates a policy of all its slots but the signals: for a `static`, where the setters that
    /// change a type do not work on stable Rust.
    ///
    /// ```
    /// use persevere::backoff::{Constant, MaxAttempts};
    /// use persevere::{DefaultTimer, Policy, constant, policy::When};
    /// use std::time::Duration;
    ///
    /// static POLICY: Policy<When<MaxAttempts<Constant>, fn(&u16) -> bool>> = Policy::with(
    ///     When::new(constant(Duration::from_millis(1)).max_attempts(3), |status| *status == 503),
    ///     (),
    ///     (),
    ///     DefaultTimer,
    /// );
    /// assert_eq!(POLICY.call(|_| Err::<(), _>(404)), Err(404));
    /// ```
    #[must_use]
    pub const fn with(rules: S, hooks: H, guards: G, timer: T) -> Self {
        let tag = Tag { seed: 0, operation: None };
        Policy { rules, hooks, guards, timer, signals: (), tag }
    }
}

/// A policy with one slot replaced. A macro, because each function in between would be code at each
/// call site.
macro_rules! with_slot {
    ($policy:expr, rules: $old:ident => $new:expr) => {{
        let Policy { rules: $old, hooks, guards, timer, signals, tag } = $policy;
        Policy { rules: $new, hooks, guards, timer, signals, tag }
    }};
    ($policy:expr, hooks: $old:ident => $new:expr) => {{
        let Policy { rules, hooks: $old, guards, timer, signals, tag } = $policy;
        Policy { rules, hooks: $new, guards, timer, signals, tag }
    }};
    ($policy:expr, guards: $old:ident => $new:expr) => {{
        let Policy { rules, hooks, guards: $old, timer, signals, tag } = $policy;
        Policy { rules, hooks, guards: $new, timer, signals, tag }
    }};
    ($policy:expr, timer: $old:ident => $new:expr) => {{
        let Policy { rules, hooks, guards, timer: $old, signals, tag } = $policy;
        Policy { rules, hooks, guards, timer: $new, signals, tag }
    }};
    ($policy:expr, signals: $old:ident => $new:expr) => {{
        let Policy { rules, hooks, guards, timer, signals: $old, tag } = $policy;
        Policy { rules, hooks, guards, timer, signals: $new, tag }
    }};
    ($policy:expr, tag: $old:ident => $new:expr) => {{
        let Policy { rules, hooks, guards, timer, signals, tag: $old } = $policy;
        Policy { rules, hooks, guards, timer, signals, tag: $new }
    }};
}
pub(crate) use with_slot;

/// The setters. A call has them too, and types the arguments of closures there.
impl<S, H, G, T, K> Policy<S, H, G, T, K> {
    /// Decides by `predicate` whether an error is retried. The type of its argument is written.
    ///
    /// `false` stops the call. `true` retries the error, after the delay that an earlier classifier
    /// gives with [`RetryAfter`](Verdict::RetryAfter), unless an earlier classifier
    /// [restricts](crate::Classifier::restrict) that: a mark as
    /// [`permanent`](crate::classify::permanent), or a server that
    /// [forbids](Verdict::Forbidden) a retry. Values are not affected. Of several `.when`, the last one
    /// decides; a call's goes before its policy's.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(5)).when(|status: &u16| *status == 503);
    /// let mut calls = 0;
    /// assert_eq!(policy.call(|_| { calls += 1; Err::<(), _>(404) }), Err(404));
    /// assert_eq!(calls, 1);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn when<E, F: Fn(&E) -> bool>(self, predicate: F) -> Policy<When<S, F>, H, G, T, K> {
        with_slot!(self, rules: rules => When::new(rules, predicate))
    }

    /// Accepts the values for which `predicate` returns `true`, and retries all others, as
    /// [`Retry::until`](crate::Retry::until) does: polling. The type of its argument is written.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(5)).until(|n: &u32| *n == 3);
    /// assert_eq!(policy.call(|attempt| Some(attempt.number())), Some(3));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn until<V, F: Fn(&V) -> bool>(self, predicate: F) -> Policy<Until<S, F>, H, G, T, K> {
        with_slot!(self, rules: rules => Until::new(rules, predicate))
    }

    /// Adds a pure closure that classifies outcomes, before earlier rules; `None` leaves it to them. The
    /// types of its arguments are written.
    ///
    /// ```
    /// use persevere::{Attempt, Policy, Verdict, immediate};
    /// let policy = Policy::new(immediate().max_attempts(5))
    ///     .classify(|outcome: &Result<(), u8>, _: &Attempt| {
    ///         (*outcome == Err(2)).then_some(Verdict::Stop)
    ///     });
    /// assert_eq!(policy.call(|attempt| Err(attempt.number() as u8)), Err(2));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn classify<O, F>(self, function: F) -> Policy<Ask<S, ClassifyFn<F>>, H, G, T, K>
    where
        F: Fn(&O, &Attempt) -> Option<Verdict>,
    {
        with_slot!(self, rules: rules => Ask::new(rules, ClassifyFn(function)))
    }

    /// Adds a [`Classifier`](crate::Classifier) of outcomes, before earlier rules.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use persevere::classify::{by_mark, permanent};
    /// let policy = Policy::new(immediate().max_attempts(5)).classifier(by_mark());
    /// let mut calls = 0;
    /// let outcome = policy.call(|_| { calls += 1; Err::<(), _>(permanent("gone")) });
    /// assert!(outcome.is_err() && calls == 1);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn classifier<C>(self, classifier: C) -> Policy<Ask<S, C>, H, G, T, K> {
        with_slot!(self, rules: rules => Ask::new(rules, classifier))
    }

    /// Adds a [`Hook`](crate::hook::Hook), after earlier hooks. Each call has its own clone; state that
    /// calls share is held by `Arc` or by reference.
    ///
    /// A type that is no hook for a call's outcomes, such as a circuit breaker, is refused where the
    /// policy is first used.
    ///
    /// ```
    /// use persevere::{Attempt, Policy, hook::Hook, immediate};
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering::Relaxed}};
    ///
    /// #[derive(Clone, Default)]
    /// struct Count(Arc<AtomicU32>);
    /// impl<O> Hook<O> for Count {
    ///     fn before_attempt(&mut self, _: &Attempt) { self.0.fetch_add(1, Relaxed); }
    /// }
    ///
    /// let count = Count::default();
    /// let policy = Policy::new(immediate().max_attempts(3)).hook(count.clone());
    /// let _ = (policy.call(|_| None::<()>), policy.call(|_| Some(())));
    /// assert_eq!(count.0.load(Relaxed), 3 + 1);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn hook<X>(self, hook: X) -> Policy<S, (H, X), G, T, K> {
        with_slot!(self, hooks: hooks => (hooks, hook))
    }

    /// Calls `function` before each retry, when the delay is known and before it is slept. It is given
    /// the [facts](RetryFacts) without the outcome, because a policy serves any outcome; a hook, or
    /// `.on_retry` of a call, has the error too.
    ///
    /// Each call has its own clone of the closure: it counts by reference, as here, or by `Arc`. A
    /// closure that captures `&mut` is not `Clone` and belongs at the call.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use std::cell::Cell;
    /// let retries = Cell::new(0);
    /// let policy = Policy::new(immediate().max_attempts(3))
    ///     .on_retry(|_| retries.set(retries.get() + 1));
    /// let _ = policy.call(|_| None::<()>);
    /// assert_eq!(retries.get(), 2);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn on_retry<F>(self, function: F) -> Policy<S, (H, OnRetryFacts<F>), G, T, K>
    where
        F: FnMut(&RetryFacts),
    {
        self.hook(OnRetryFacts(function))
    }

    /// Calls `function` when a call [gives up](crate::Reason::gave_up): an error comes out, or a value
    /// that was not accepted, or an interruption. Not when it is cancelled. To see the error, use
    /// [`Retry::on_give_up`](crate::Retry::on_give_up).
    ///
    /// ```
    /// use persevere::{Policy, Reason, immediate};
    /// use std::cell::Cell;
    /// let reason = Cell::new(None);
    /// let policy = Policy::new(immediate().max_attempts(2))
    ///     .on_give_up(|finish| reason.set(Some(finish.reason())));
    /// let _ = policy.call(|_| None::<()>);
    /// assert_eq!(reason.get(), Some(Reason::Attempts));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn on_give_up<F>(self, function: F) -> Policy<S, (H, OnGiveUpFacts<F>), G, T, K>
    where
        F: FnMut(&FinishFacts),
    {
        self.hook(OnGiveUpFacts(function))
    }

    /// Calls `function` when a call succeeds, at the first attempt or later.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use std::cell::Cell;
    /// let attempts = Cell::new(0);
    /// let policy = Policy::new(immediate().max_attempts(2))
    ///     .on_success(|finish| attempts.set(finish.attempts()));
    /// let _ = policy.call(|attempt| attempt.is_last().then_some("late"));
    /// assert_eq!(attempts.get(), 2);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn on_success<F>(self, function: F) -> Policy<S, (H, OnSuccessFacts<F>), G, T, K>
    where
        F: FnMut(&FinishFacts),
    {
        self.hook(OnSuccessFacts(function))
    }

    /// Calls `function` once at the end of each call that began, however it ends: also when it is
    /// cancelled or panics.
    ///
    /// ```
    /// use persevere::{Policy, Reason, RetryExt, constant};
    /// use std::{cell::Cell, future::Future, pin::pin, task::{Context, Waker}, time::Duration};
    /// let reason = Cell::new(None);
    /// let policy = Policy::new(constant(Duration::from_secs(1)).max_attempts(2))
    ///     .on_finish(|finish| reason.set(Some(finish.reason())));
    /// {
    ///     let mut retry = pin!((|| async { None::<()> }).retry_with(&policy));
    ///     let _ = retry.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    /// }
    /// assert_eq!(reason.get(), Some(Reason::Cancelled));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn on_finish<F>(self, function: F) -> Policy<S, (H, OnFinishFacts<F>), G, T, K>
    where
        F: FnMut(&FinishFacts),
    {
        self.hook(OnFinishFacts(function))
    }

    /// Calls `function` before each attempt, the first too.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use std::cell::Cell;
    /// let attempts = Cell::new(0);
    /// let policy = Policy::new(immediate().max_attempts(4))
    ///     .on_attempt(|_| attempts.set(attempts.get() + 1));
    /// let _ = policy.call(|attempt| (attempt.number() == 3).then_some(()));
    /// assert_eq!(attempts.get(), 3);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn on_attempt<F>(self, function: F) -> Policy<S, (H, OnAttempt<F>), G, T, K>
    where
        F: FnMut(&Attempt),
    {
        self.hook(OnAttempt(function))
    }

    /// Makes calls read the clock, so that [`elapsed`](Attempt::elapsed) of attempts and events is
    /// known.
    ///
    /// ```
    /// use persevere::{Policy, constant, time::VirtualClock};
    /// use std::{cell::Cell, time::Duration};
    /// let (second, elapsed) = (Duration::from_secs(1), Cell::new(None));
    /// let policy = Policy::new(constant(second).max_attempts(3))
    ///     .timer(VirtualClock::new())
    ///     .timed()
    ///     .on_give_up(|finish| elapsed.set(finish.elapsed().ok()));
    /// let _ = policy.call(|_| None::<()>);
    /// assert_eq!(elapsed.get(), Some(2 * second));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn timed(self) -> Policy<S, (H, ReadClock), G, T, K> {
        self.hook(ReadClock)
    }

    /// Adds a [`Guard`](crate::guard::Guard), after earlier guards: it may refuse attempts, the first
    /// too. Calls of the policy may then end without an outcome; the [module](crate::guard) shows what
    /// comes out.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, Policy, Reason, RetryExt, breaker::Settings, immediate};
    ///
    /// let breaker = CircuitBreaker::new(Settings::consecutive(2));
    /// let policy = Policy::new(immediate().max_attempts(5)).guard(breaker);
    /// let retry = (|| "x".parse::<i32>()).retry_with(&policy);
    /// let error = retry.report().call().unwrap_err();
    /// assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 2));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn guard<X>(self, guard: X) -> Policy<S, H, (G, X), T, K> {
        with_slot!(self, guards: guards => (guards, guard))
    }

    /// Limits the time of each attempt: one that takes longer is dropped, and retried as if it had
    /// failed. [`Duration::MAX`] is no limit. With a limit of zero, an attempt that is not ready at its first
    /// poll is dropped at once. Of several limits, the shortest counts.
    ///
    /// The time begins with the attempt; in calls that read no clock, when the attempt first waits, so
    /// that an attempt that is ready at once arms no timer. If the last attempt timed out, the call
    /// has no outcome of its operation; the [module](crate::guard) shows what comes out.
    ///
    /// Code that blocks cannot be interrupted, so `.call()` and other blocking uses of such a policy do
    /// not compile: give the operation its own timeout.
    ///
    /// ```
    /// use persevere::{Interrupted, Policy, RetryExt, constant, time::VirtualClock};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let policy = Policy::new(constant(second).max_attempts(3)).attempt_timeout(5 * second);
    /// let hung = || pending::<Result<(), &str>>();
    /// let retry = hung.retry_with(&policy).timer(clock.clone()).report();
    /// let error = clock.block_on(retry).unwrap_err();
    /// assert!(matches!(error.interrupted(), Some(Interrupted::AttemptTimeout { limit, .. }) if limit == 5 * second));
    /// assert_eq!((error.attempts(), error.elapsed()), (3, 17 * second));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn attempt_timeout(self, limit: Duration) -> Policy<S, H, AttemptTimeout<G>, T, K> {
        with_slot!(self, guards: guards => AttemptTimeout::around(guards, limit))
    }

    /// Like [`attempt_timeout`](Policy::attempt_timeout), but with a limit that depends on the attempt.
    ///
    /// ```
    /// use persevere::{Policy, RetryExt, immediate, time::{Clock, VirtualClock}};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let policy = Policy::new(immediate().max_attempts(3))
    ///     .attempt_timeout_by(|attempt| attempt.number() * Duration::from_secs(1));
    /// let retry = (|| pending::<Option<()>>()).retry_with(&policy).timer(clock.clone());
    /// assert_eq!(clock.block_on(retry), None);
    /// assert_eq!(clock.now(), (1 + 2 + 3) * second);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn attempt_timeout_by<F>(self, limit: F) -> Policy<S, H, AttemptTimeoutBy<G, F>, T, K>
    where
        F: Fn(&Attempt) -> Duration,
    {
        with_slot!(self, guards: guards => AttemptTimeoutBy::around(guards, limit))
    }

    /// Ends calls `limit` after they began, also in the middle of an attempt, and no later than the
    /// attempt of another call around them. [`Duration::MAX`] is no limit.
    ///
    /// | | [`max_elapsed`](crate::Backoff::max_elapsed) | `deadline` |
    /// |---|---|---|
    /// | refuses a retry that would start too late | yes | yes |
    /// | ends the attempt that runs | no | yes |
    /// | reason | [`Elapsed`](crate::Reason::Elapsed) | [`Deadline`](crate::Reason::Deadline) |
    /// | calls within an attempt see what remains | no | yes |
    /// | a call may end without an outcome | no | yes |
    ///
    /// The remaining time is known on the thread while an attempt is polled or called, so it needs no
    /// runtime; tasks that an attempt spawns do not see it. Any retry within the attempt refuses to
    /// sleep past it. A retry with a deadline of its own, or with
    /// [`inherit_deadline`](Policy::inherit_deadline), has its running attempt ended too. In a blocking
    /// call no attempt starts after the deadline, and the running one ends by itself.
    ///
    /// ```
    /// use persevere::{Interrupted, Policy, RetryExt, constant, time::VirtualClock};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let policy = Policy::new(constant(second).max_attempts(3)).deadline(5 * second);
    /// let hung = || pending::<Result<(), &str>>();
    /// let retry = hung.retry_with(&policy).timer(clock.clone()).report();
    /// let error = clock.block_on(retry).unwrap_err();
    /// assert!(matches!(error.interrupted(), Some(Interrupted::Deadline { limit, .. }) if limit == 5 * second));
    /// assert_eq!((error.attempts(), error.elapsed()), (1, 5 * second));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn deadline(self, limit: Duration) -> Policy<S, H, Deadline<G>, T, K> {
        with_slot!(self, guards: guards => Deadline::around(guards, limit))
    }

    /// Ends calls with the attempt of another call around them, also in the middle of an attempt. Like
    /// [`deadline`](Policy::deadline), but without its own limit. An [`Engine`](crate::Engine) that is
    /// driven by hand takes the remaining time from its caller; see [`Now`](crate::Now).
    ///
    /// ```
    /// use persevere::time::{Clock, VirtualClock};
    /// use persevere::{Interrupted, Policy, Reason, RetryExt, immediate};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let inner = Policy::new(immediate().max_attempts(9)).inherit_deadline();
    /// let operation = || async {
    ///     let hung = || pending::<Result<(), Interrupted>>();
    ///     hung.retry_with(&inner).await
    /// };
    /// let outer = operation.retry_with(immediate().max_attempts(1)).deadline(5 * second);
    /// let outcome = clock.block_on(outer);
    /// assert_eq!(outcome.map_err(Interrupted::reason), Err(Reason::Deadline));
    /// assert_eq!(clock.now(), 5 * second);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn inherit_deadline(self) -> Policy<S, H, Deadline<G>, T, K> {
        self.deadline(Duration::MAX)
    }

    /// Makes the error of a call that a [guard](crate::guard) ended: for error types that do not
    /// implement `From<Interrupted>`, those of other crates too. The closure is given the reason and
    /// the error of the attempt before. The order of guards and `.or_interrupted(..)` does not matter.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, Policy, immediate};
    ///
    /// let policy = Policy::new(immediate().max_attempts(3))
    ///     .guard(CircuitBreaker::default())
    ///     .or_interrupted(|_| std::fmt::Error);
    /// assert_eq!(policy.call(|_| Ok(7)), Ok::<_, std::fmt::Error>(7));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn or_interrupted<E, F>(self, error: F) -> Policy<S, H, OrInterrupted<G, F>, T, K>
    where
        F: FnMut(Interruption<E>) -> E,
    {
        with_slot!(self, guards: guards => OrInterrupted::around(guards, error))
    }

    /// Reads the time and sleeps by `timer` instead of the [`DefaultTimer`]. Each call has its own
    /// clone; a timer that is given to a call goes before its policy's.
    ///
    /// ```
    /// use persevere::{Policy, constant};
    /// use persevere::time::{Clock, VirtualClock};
    /// use std::time::Duration;
    /// let (clock, hour) = (VirtualClock::new(), Duration::from_secs(3600));
    /// let policy = Policy::new(constant(hour).max_attempts(3)).timer(clock.clone());
    /// let _ = (policy.call(|_| None::<()>), policy.call(|_| None::<()>));
    /// assert_eq!(clock.now(), 4 * hour);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn timer<X: Clock>(self, timer: X) -> Policy<S, H, G, X, K> {
        with_slot!(self, timer: _old => timer)
    }

    /// Lets `token` cancel calls: a sleep ends at once, and the call returns the outcome before it.
    /// Tokens add up, and no other setter removes one. See [`CancelToken`].
    ///
    /// ```
    /// use persevere::{Policy, constant, time::CancelToken};
    /// use std::time::Duration;
    /// let token = CancelToken::new();
    /// let policy = Policy::new(constant(Duration::from_secs(3600)).max_attempts(3)).cancel_by(&token);
    /// token.cancel();
    /// assert_eq!(policy.call(|attempt| Err::<(), _>(attempt.number())), Err(1));
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    #[inline(always)]
    pub fn cancel_by(self, token: &CancelToken) -> Policy<S, H, G, T, (K, CancelToken)> {
        let token = token.clone();
        with_slot!(self, signals: signals => (signals, token))
    }

    /// Lets `signal` end the sleeps of calls, so that their next attempts begin at once. See
    /// [`RetrySignal`].
    #[cfg(feature = "std")]
    #[must_use]
    #[inline(always)]
    pub fn retry_now_by(self, signal: &RetrySignal) -> Policy<S, H, G, T, (K, RetrySignal)> {
        let signal = signal.clone();
        with_slot!(self, signals: signals => (signals, signal))
    }

    /// Gives every call the random stream of `seed`, so that all calls repeat the same delays: for
    /// tests, and for devices that have no entropy but a serial number. Any number will do, 0 too. A
    /// seed that is given to a call goes before its policy's.
    ///
    /// ```
    /// use persevere::{Policy, constant};
    /// use persevere::time::VirtualClock;
    /// use std::time::Duration;
    /// let clock = VirtualClock::new();
    /// let backoff = constant(Duration::from_secs(1)).full_jitter().max_attempts(3);
    /// let policy = Policy::new(backoff).seed(42).timer(clock.clone());
    /// let _ = (policy.call(|_| None::<()>), policy.call(|_| None::<()>));
    /// let slept = clock.slept();
    /// assert_eq!(slept[..2], slept[2..]);
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.tag.seed = random::spread(seed).get();
        self
    }

    /// Names the operation of calls: every event and report carries the name, and prints it first.
    /// There is none by default; `#[retry]` gives the path of its function. See [`OperationName`].
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(3)).named("load_user");
    /// let error = policy.run(|_| Err::<(), _>("busy")).report().call().unwrap_err();
    /// assert!(error.to_string().starts_with("load_user: gave up after 3 attempts"));
    /// ```
    #[must_use]
    #[inline]
    pub fn named(mut self, name: impl Into<OperationName>) -> Self {
        self.tag.operation = Some(name.into().as_str());
        self
    }
}

impl<S: Rules, H, G, T, K> Policy<S, H, G, T, K> {
    /// Returns the schedule of a call, attempt by attempt; see [`Backoff::schedule`]. That of a
    /// handle is the schedule of its current settings.
    ///
    /// ```
    /// use persevere::{Policy, linear};
    /// use std::time::Duration;
    /// let policy = Policy::new(linear(Duration::from_secs(1)).max_attempts(3));
    /// assert_eq!(policy.schedule().to_string(), "1s, 2s (3s in all)");
    /// ```
    pub fn schedule(&self) -> Schedule<CurrentBackoff<'_, S>> {
        Schedule::new(CurrentBackoff::of(&self.rules))
    }

    /// Returns the longest that a call may sleep in all, or `None` without a bound; see
    /// [`Backoff::worst_case`].
    ///
    /// ```
    /// use persevere::{Policy, constant};
    /// use std::time::Duration;
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(Policy::new(constant(minute).max_attempts(4)).worst_case(), Some(3 * minute));
    /// ```
    #[must_use]
    pub fn worst_case(&self) -> Option<Duration> {
        CurrentBackoff::of(&self.rules).worst_case()
    }
}

/// The backoff's description and schedule.
impl<S: Rules, H, G, T, K> fmt::Display for Policy<S, H, G, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::backoff::print(&CurrentBackoff::of(&self.rules), f)
    }
}

impl<S: fmt::Debug, H, G, T, K> fmt::Debug for Policy<S, H, G, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = (self.tag.seed != 0).then_some(self.tag.seed);
        f.debug_struct("Policy")
            .field("rules", &self.rules)
            .field("operation", &self.tag.operation)
            .field("seed", &seed)
            .finish_non_exhaustive()
    }
}
