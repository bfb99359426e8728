//! [`Policy`]: a retry as a value, built once and shared.
//!
//! Name what a service needs in one place, and use it at every call:
//!
//! ```
//! use persevere::{Finite, Policy, RetryExt, exponential};
//! use std::time::Duration;
//!
//! static STORE: Policy<&'static (dyn Finite + Sync)> = Policy::new(
//!     &exponential(Duration::from_millis(50)).max_delay(Duration::from_secs(2)).full_jitter().max_attempts(6),
//! );
//!
//! let read = (|| "7".parse::<i32>()).retry_with(&STORE).call();
//! let written = STORE.call(|attempt| Ok::<_, ()>(attempt.number()));
//! assert_eq!((read, written), (Ok(7), Ok(1)));
//! ```
//!
//! **Do** share one by reference or `Arc`; it has no state, and no call sees another. **Do** give
//! `&STORE` rather than `STORE` where it is not `Copy`. **Don't** keep counters in a policy: give it a
//! [hook](crate::Hook) that holds them by `Arc`.

#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub mod config;
#[cfg(feature = "live")]
mod follow;
#[cfg(feature = "config")]
mod guarding;
#[cfg(feature = "config")]
mod handle;
#[cfg(feature = "macros")]
mod in_use;
#[cfg(feature = "config")]
mod known;
#[cfg(feature = "config")]
mod named;
#[cfg(feature = "config")]
mod overrides;
#[cfg(feature = "config")]
mod policies;
#[cfg(feature = "config")]
mod section;
#[cfg(feature = "config")]
mod slot;
mod source;
#[cfg(feature = "config")]
mod updates;

use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::ops::ControlFlow::Break;
use core::time::Duration;

use crate::backoff::{Backoff, Finite, Schedule};
use crate::classify::{self, ClassifyFn, OnError, OrElse, Until, When};
use crate::hook::{
    AttemptTimeout, AttemptTimeoutBy, Deadline, FinishFacts, Hook, OnAttempt, OnFinishFacts,
    OnGiveUpFacts, OnRetryFacts, OnSuccessFacts, RetryFacts,
};
use crate::retry::{
    Attempts, AttemptsOf, Ends, Finish, MayInterrupt, Own, Plain, RetryExt, marker,
};
use crate::time::{BlockingTimer, Clock, DefaultTimer, Timer};
#[cfg(feature = "std")]
use crate::time::{CancelToken, Cancellable};
use crate::{Attempt, Classifier, Interrupted, Outcome, Verdict};

#[cfg(feature = "config")]
pub use self::guarding::Guarding;
#[cfg(feature = "config")]
pub use self::handle::{CachedHandle, PolicyHandle, Taken};
#[cfg(all(feature = "config", feature = "macros"))]
pub use self::in_use::NamesInUseError;
#[cfg(feature = "macros")]
pub use self::in_use::{PolicyInUse, policies_in_use};
#[cfg(feature = "config")]
pub use self::named::{InstallError, Named};
#[cfg(feature = "config")]
pub use self::policies::{Policies, PoliciesBuilder, PolicyError};
#[cfg(feature = "config")]
pub use self::slot::Snapshot;
#[cfg(feature = "config")]
pub use self::updates::{Update, UpdateEvent};
pub use crate::retry::{Held, IntoPolicy, PolicyParts, Source};

/// Everything about a retry but the operation: a backoff, a classifier, hooks, a timer. It is
/// immutable and has no state of its own, so one value (a `static`, a field, an `Arc`) serves any
/// number of calls at once.
///
/// | part | default |
/// |---|---|
/// | classifier | values are accepted, errors retried |
/// | hooks | none |
/// | timer | [`DefaultTimer`] |
/// | seed | drawn anew by each call, at its first failure |
///
/// Where the type has to be written, in a `static`, the short way is a reference to
/// `dyn Finite`:
///
/// ```
/// use persevere::{Finite, Policy, RetryExt, exponential};
/// use std::time::Duration;
///
/// static POLICY: Policy<&'static (dyn Finite + Sync)> =
///     Policy::new(&exponential(Duration::from_millis(1)).full_jitter().max_attempts(3));
///
/// let outcome = (|| "42".parse::<i32>()).retry_with(&POLICY).call();
/// assert_eq!(outcome, Ok(42));
/// assert_eq!(POLICY.worst_case(), Some(Duration::from_millis(3)));
/// ```
#[derive(Clone, Copy)]
pub struct Policy<B, C = OnError, H = (), X = Own, T = DefaultTimer> {
    backoff: B,
    classifier: C,
    hooks: H,
    timer: T,
    seed: Option<u64>,
    ends: PhantomData<fn() -> X>,
}

impl<B: Finite> Policy<B> {
    /// A policy that retries errors by `backoff`: no hooks, the [`DefaultTimer`], no seed.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(3));
    /// assert_eq!(policy.call(|attempt| Err::<(), _>(attempt.number())), Err(3));
    /// ```
    #[must_use]
    pub const fn new(backoff: B) -> Self {
        Policy::with(backoff, OnError, (), DefaultTimer)
    }
}

impl<B: Finite, C, H, T> Policy<B, C, H, Own, T> {
    /// A policy of all its parts at once, also in a `const`, where the setters that change a
    /// type do not work on stable Rust.
    ///
    /// ```
    /// use persevere::{DefaultTimer, Policy, classify, constant};
    /// use persevere::backoff::{Constant, MaxAttempts};
    /// use persevere::classify::When;
    /// use std::time::Duration;
    ///
    /// static POLICY: Policy<MaxAttempts<Constant>, When<fn(&u16) -> bool>> = Policy::with(
    ///     constant(Duration::from_millis(1)).max_attempts(3),
    ///     classify::when(|status| *status == 503),
    ///     (),
    ///     DefaultTimer,
    /// );
    /// assert_eq!(POLICY.call(|_| Err::<(), _>(404)), Err(404));
    /// ```
    #[must_use]
    pub const fn with(backoff: B, classifier: C, hooks: H, timer: T) -> Self {
        Policy { backoff, classifier, hooks, timer, seed: None, ends: PhantomData }
    }
}

impl<B, C, H, X, T> Policy<B, C, H, X, T> {
    /// A policy of all its parts, whatever its calls may end with.
    #[cfg(feature = "config")]
    pub(crate) const fn assemble(backoff: B, classifier: C, hooks: H, timer: T) -> Self {
        Policy { backoff, classifier, hooks, timer, seed: None, ends: PhantomData }
    }

    /// The same policy with other parts.
    fn rebuild<C2, H2, X2, T2>(
        self,
        change: impl FnOnce(C, H, T) -> (C2, H2, T2),
    ) -> Policy<B, C2, H2, X2, T2> {
        let (classifier, hooks, timer) = change(self.classifier, self.hooks, self.timer);
        Policy {
            backoff: self.backoff,
            classifier,
            hooks,
            timer,
            seed: self.seed,
            ends: PhantomData,
        }
    }

    /// Asks `classifier` what an outcome means, before what was said so far.
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
    pub fn classifier<D>(self, classifier: D) -> Policy<B, OrElse<D, C>, H, X, T> {
        self.rebuild(|rest, hooks, timer| (OrElse::new(classifier, rest), hooks, timer))
    }

    /// Asks a closure what an outcome means, before what was said so far; `None` leaves it to
    /// that. The types of its arguments are written.
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
    pub fn classify<O, F>(self, function: F) -> Policy<B, OrElse<ClassifyFn<F>, C>, H, X, T>
    where
        F: Fn(&O, &Attempt) -> Option<Verdict>,
    {
        self.classifier(classify::classify_fn(function))
    }

    /// Retries the errors for which `predicate` says yes, and stops at all others. The type of its
    /// argument is written. Values are as they were.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(5)).when(|status: &u16| *status == 503);
    /// let mut calls = 0;
    /// assert_eq!(policy.call(|_| { calls += 1; Err::<(), _>(404) }), Err(404));
    /// assert_eq!(calls, 1);
    /// ```
    #[must_use]
    pub fn when<E, F: Fn(&E) -> bool>(
        self,
        predicate: F,
    ) -> Policy<B, OrElse<When<F>, C>, H, X, T> {
        self.classifier(classify::when(predicate))
    }

    /// Accepts the values for which `predicate` says yes, and retries all others. The type of its
    /// argument is written. Errors are as they were.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(5)).until(|n: &u32| *n == 3);
    /// assert_eq!(policy.call(|attempt| Some(attempt.number())), Some(3));
    /// ```
    #[must_use]
    pub fn until<V, F: Fn(&V) -> bool>(
        self,
        predicate: F,
    ) -> Policy<B, OrElse<Until<F>, C>, H, X, T> {
        self.classifier(classify::until(predicate))
    }

    /// Adds a [`Hook`], after those that are there. Each call has a clone of its own; what calls
    /// share, the hook holds by `Arc` or by reference.
    ///
    /// Its veto over *attempts* is not asked, unless calls of the policy may be interrupted anyway: a
    /// call that is refused before its first attempt has nothing to return. Add such a hook with
    /// [`guard`](Policy::guard).
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
    pub fn hook<K>(self, hook: K) -> Policy<B, C, (H, K), X, T> {
        self.rebuild(|classifier, hooks, timer| (classifier, (hooks, hook), timer))
    }

    /// Adds a [`Hook`] that may refuse attempts, the first too. Calls of the policy may then end
    /// without an outcome, so that an error type needs `From<Interrupted>`, or the call
    /// `.report()`; and all hooks of the policy and of the call are asked.
    ///
    /// ```
    /// use persevere::{Attempt, Policy, Reason, RetryExt, Veto, immediate};
    /// use persevere::hook::Hook;
    /// use std::ops::ControlFlow;
    ///
    /// #[derive(Clone)]
    /// struct Closed;
    /// impl<O> Hook<O> for Closed {
    ///     fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
    ///         ControlFlow::Break(Veto::Circuit)
    ///     }
    /// }
    ///
    /// let policy = Policy::new(immediate().max_attempts(3)).guard(Closed);
    /// let error = (|| "1".parse::<i32>()).retry_with(&policy).report().call().unwrap_err();
    /// assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 0));
    /// ```
    #[must_use]
    pub fn guard<K>(self, hook: K) -> Policy<B, C, (H, K), MayInterrupt, T> {
        self.rebuild(|classifier, hooks, timer| (classifier, (hooks, hook), timer))
    }

    /// Limits the time of each attempt: one that waits longer is dropped, and retried as if it had
    /// failed. The timer is armed when an attempt first has to wait, so one that is ready at once
    /// costs nothing. [`Duration::MAX`] is no limit.
    ///
    /// The last attempt may be the one that took too long, and has no outcome then: calls of the
    /// policy need `From<Interrupted>` for the error type, or `.report()`. An operation that blocks
    /// cannot be interrupted, so in `.call()` there is no limit; give it a timeout of its own. Calls
    /// within an attempt are dropped with it; they see it coming only where something in this call
    /// reads the clock, as a [`deadline`](Policy::deadline) does.
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
    /// assert_eq!(error.interrupted(), Some(Interrupted::AttemptTimeout));
    /// assert_eq!((error.attempts(), error.elapsed()), (3, Some(17 * second)));
    /// ```
    #[must_use]
    pub fn attempt_timeout(
        self,
        limit: Duration,
    ) -> Policy<B, C, (H, AttemptTimeout), MayInterrupt, T> {
        self.guard(AttemptTimeout::new(limit))
    }

    /// As [`attempt_timeout`](Policy::attempt_timeout), with a limit that depends on the attempt.
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
    pub fn attempt_timeout_by<F: Fn(&Attempt) -> Duration>(
        self,
        limit: F,
    ) -> Policy<B, C, (H, AttemptTimeoutBy<F>), MayInterrupt, T> {
        self.guard(AttemptTimeoutBy::new(limit))
    }

    /// Ends calls `limit` after they began, also in the middle of an attempt, and no later than the
    /// call that encloses them. Other than with
    /// [`max_elapsed`](crate::Backoff::max_elapsed), a call may end without an outcome. See
    /// [`Deadline`]. [`Duration::MAX`] is no limit of its own.
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
    /// assert_eq!(error.interrupted(), Some(Interrupted::Deadline));
    /// assert_eq!((error.attempts(), error.elapsed()), (1, Some(5 * second)));
    /// ```
    #[must_use]
    pub fn deadline(self, limit: Duration) -> Policy<B, C, (H, Deadline), MayInterrupt, T> {
        self.guard(Deadline::new(limit))
    }

    /// Lets `token` end calls from outside, where they block. See
    /// [`CancelToken`].
    ///
    /// ```
    /// use persevere::{Policy, constant, time::CancelToken};
    /// use std::time::Duration;
    /// let token = CancelToken::new();
    /// let hourly = constant(Duration::from_secs(3600)).max_attempts(3);
    /// let policy = Policy::new(hourly).cancel_by(&token);
    /// token.cancel();
    /// assert_eq!(policy.call(|attempt| Err::<(), _>(attempt.number())), Err(1));
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    pub fn cancel_by(self, token: &CancelToken) -> Policy<B, C, H, X, Cancellable<T>> {
        let token = token.clone();
        self.rebuild(|classifier, hooks, timer| (classifier, hooks, Cancellable::new(timer, token)))
    }

    /// Calls `function` before each retry, with what is known without the outcome: a policy serves
    /// any. A [`hook`](Policy::hook) of your own, or `.on_retry` at the call, sees the error too.
    ///
    /// As with all hooks of a policy, each call has a clone of the closure. What it counts, it
    /// counts by reference, as here, or by `Arc`; one that captures `&mut` is not `Clone`, and
    /// belongs at the call.
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
    pub fn on_retry<F: FnMut(&RetryFacts)>(
        self,
        function: F,
    ) -> Policy<B, C, (H, OnRetryFacts<F>), X, T> {
        self.hook(OnRetryFacts(function))
    }

    /// Calls `function` when a call [gives up](crate::Reason::gave_up): an error comes out, or a
    /// value that is not good, or an interruption. Not when it is cancelled. To see the error, use
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
    pub fn on_give_up<F: FnMut(&FinishFacts)>(
        self,
        function: F,
    ) -> Policy<B, C, (H, OnGiveUpFacts<F>), X, T> {
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
    pub fn on_success<F: FnMut(&FinishFacts)>(
        self,
        function: F,
    ) -> Policy<B, C, (H, OnSuccessFacts<F>), X, T> {
        self.hook(OnSuccessFacts(function))
    }

    /// Calls `function` once at the end of each call that began, however it ends: cancelled and
    /// panicked too.
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
    pub fn on_finish<F: FnMut(&FinishFacts)>(
        self,
        function: F,
    ) -> Policy<B, C, (H, OnFinishFacts<F>), X, T> {
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
    pub fn on_attempt<F: FnMut(&Attempt)>(
        self,
        function: F,
    ) -> Policy<B, C, (H, OnAttempt<F>), X, T> {
        self.hook(OnAttempt(function))
    }

    /// Tells and passes the time with `timer` instead of the [`DefaultTimer`]. Each call has a
    /// clone of it; one that a call names itself, with [`Retry::timer`](crate::Retry::timer), comes
    /// first.
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
    pub fn timer<U: Clock>(self, timer: U) -> Policy<B, C, H, X, U> {
        self.rebuild(|classifier, hooks, _| (classifier, hooks, timer))
    }

    /// Gives every call the random stream of `seed`, so that all repeat the same delays: for tests,
    /// and for devices that have no entropy but a serial number. Any number will do, 0 too. A call
    /// may have one of its own, with [`Retry::seed`](crate::Retry::seed).
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
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The backoff, with its limits.
    ///
    /// ```
    /// use persevere::{Backoff, Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(3));
    /// assert_eq!(policy.backoff().limits().attempts.unwrap().get(), 3);
    /// ```
    #[must_use]
    pub const fn backoff(&self) -> &B {
        &self.backoff
    }

    /// What will happen, attempt by attempt; see [`Backoff::schedule`].
    ///
    /// ```
    /// use persevere::{Policy, linear};
    /// use std::time::Duration;
    /// let policy = Policy::new(linear(Duration::from_secs(1)).max_attempts(3));
    /// assert_eq!(policy.schedule().to_string(), "1s, 2s (3s in all)");
    /// ```
    pub fn schedule(&self) -> Schedule<&B>
    where
        B: Backoff,
    {
        self.backoff.schedule()
    }

    /// The longest that a call may sleep in all, or `None` if it may go on for ever; see
    /// [`Backoff::worst_case`].
    ///
    /// ```
    /// use persevere::{Policy, constant};
    /// use std::time::Duration;
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(Policy::new(constant(minute).max_attempts(4)).worst_case(), Some(3 * minute));
    /// ```
    #[must_use]
    pub fn worst_case(&self) -> Option<Duration>
    where
        B: Backoff,
    {
        self.backoff.worst_case()
    }
}

impl<B: Backoff, C, H: Clone, T: Clock + Clone> Policy<B, C, H, Own, T> {
    /// Begins a call as a loop; see [`Attempts`]. The clock starts now, and hooks hear of the first
    /// attempt.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use std::ops::ControlFlow::Break;
    /// let policy = Policy::new(immediate().max_attempts(3));
    /// let (mut attempts, mut sum) = (policy.start(), 0);
    /// let outcome = loop {
    ///     sum += attempts.number();
    ///     if let Break(outcome) = attempts.check_blocking(Err::<(), _>("busy")) { break outcome; }
    /// };
    /// assert_eq!((outcome, sum), (Err("busy"), 1 + 2 + 3));
    /// ```
    pub fn start<O>(&self) -> AttemptsOf<O, &Self>
    where
        H: Hook<O>,
    {
        Attempts::start(self)
    }
}

impl<B: Backoff, C, H: Clone, T: Clock + Clone> Policy<B, C, H, MayInterrupt, T> {
    /// Begins a call as a loop, unless a [guard](Policy::guard) refuses the first attempt. A later
    /// attempt that is refused leaves the loop with the outcome that an
    /// [`Interruptible`](crate::retry::Interruptible) makes of it.
    ///
    /// # Errors
    /// [`Interrupted::Vetoed`] with the veto of the guard. The call has ended, and its hooks know.
    ///
    /// ```
    /// use persevere::{Attempt, Interrupted, Policy, Veto, hook::Hook, immediate};
    /// use std::ops::ControlFlow;
    /// # #[derive(Clone)] struct Closed;
    /// impl<O> Hook<O> for Closed {
    ///     fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
    ///         ControlFlow::Break(Veto::Circuit)
    ///     }
    /// }
    /// let policy = Policy::new(immediate().max_attempts(3)).guard(Closed);
    /// let refusal = policy.try_start::<Option<u8>>().err();
    /// assert_eq!(refusal, Some(Interrupted::Vetoed(Veto::Circuit)));
    /// ```
    pub fn try_start<O>(&self) -> Result<AttemptsOf<O, &Self>, Interrupted>
    where
        H: Hook<O>,
    {
        Attempts::try_start(self)
    }
}

impl<B: Backoff, C, H: Clone, X: Ends, T: Clock + Clone> Policy<B, C, H, X, T> {
    /// Runs an operation, blocking between attempts.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(3));
    /// let outcome = policy.call(|attempt| if attempt.is_last() { Ok("done") } else { Err(()) });
    /// assert_eq!(outcome, Ok("done"));
    /// ```
    pub fn call<O, F>(&self, operation: F) -> O
    where
        F: FnMut(Attempt) -> O,
        O: Outcome,
        C: Classifier<O>,
        H: Hook<O>,
        Plain: Finish<O, X, Output = O>,
        T: BlockingTimer,
    {
        RetryExt::<marker::CallWith>::retry_with::<marker::Sync, _>(operation, self).call()
    }
}

impl<B: Backoff, C, H: Clone, X: Ends, T: Timer + Clone> Policy<B, C, H, X, T> {
    /// Runs an asynchronous operation, which may borrow `&mut` from around it: the async closure
    /// is lent anew for each attempt.
    ///
    /// A future of such a closure is not `Send` once the closure captures something, whatever it
    /// captures (a limit of the language). In a spawned task, use
    /// [`retry_with`](crate::RetryExt::retry_with), the [loop](Policy::start), or
    /// [`run_with`](Policy::run_with).
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use persevere::time::VirtualClock;
    ///
    /// let policy = Policy::new(immediate().max_attempts(5));
    /// let mut tried = vec![];
    /// let outcome = VirtualClock::new().block_on(policy.run(async |attempt| {
    ///     tried.push(attempt.number());
    ///     if tried.len() < 3 { Err("not yet") } else { Ok(()) }
    /// }));
    /// assert_eq!((outcome, tried), (Ok(()), vec![1, 2, 3]));
    /// ```
    pub async fn run<O>(&self, operation: impl AsyncFnMut(Attempt) -> O) -> O
    where
        O: Outcome,
        C: Classifier<O>,
        H: Hook<O>,
        Plain: Finish<O, X, Output = O>,
    {
        run(self, operation).await
    }

    /// Runs an asynchronous operation on a state that is handed from attempt to attempt, and comes
    /// out at the end: for `&mut` state in a task that has to be `Send`.
    ///
    /// An attempt has the state, so it is never dropped: an
    /// [`attempt_timeout`](Policy::attempt_timeout) does not apply here.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use persevere::time::VirtualClock;
    ///
    /// let policy = Policy::new(immediate().max_attempts(5));
    /// let run = policy.run_with(vec![], |mut tried, attempt| async move {
    ///     tried.push(attempt.number());
    ///     let outcome = if tried.len() < 3 { Err("not yet") } else { Ok(()) };
    ///     (tried, outcome)
    /// });
    /// let (tried, outcome) = VirtualClock::new().block_on(run);
    /// assert_eq!((outcome, tried), (Ok(()), vec![1, 2, 3]));
    /// ```
    pub async fn run_with<St, Fut, O>(
        &self,
        state: St,
        operation: impl FnMut(St, Attempt) -> Fut,
    ) -> (St, O)
    where
        Fut: Future<Output = (St, O)>,
        O: Outcome,
        C: Classifier<O>,
        H: Hook<O>,
        Plain: Finish<O, X, Output = O>,
    {
        run_with(self, state, operation).await
    }
}

/// See [`Policy::run`].
async fn run<P, O>(policy: P, mut operation: impl AsyncFnMut(Attempt) -> O) -> O
where
    P: IntoPolicy<Source: Source<Classifier: Classifier<O>>, Hooks: Hook<O>, Timer: Timer>,
    O: Outcome,
    Plain: Finish<O, P::Ends, Output = O>,
{
    let (mut attempts, mut attempt) = match Attempts::begin(policy) {
        Ok(begun) => begun,
        Err((interruption, facts)) => return Plain.interrupted(interruption, facts),
    };
    loop {
        if let Break(outcome) = attempts.attempt(operation(attempt)).await {
            return outcome;
        }
        attempt = attempts.current();
    }
}

/// See [`Policy::run_with`].
async fn run_with<P, St, Fut, O>(
    policy: P,
    mut state: St,
    mut operation: impl FnMut(St, Attempt) -> Fut,
) -> (St, O)
where
    P: IntoPolicy<Source: Source<Classifier: Classifier<O>>, Hooks: Hook<O>, Timer: Timer>,
    Fut: Future<Output = (St, O)>,
    O: Outcome,
    Plain: Finish<O, P::Ends, Output = O>,
{
    let (mut attempts, mut attempt) = match Attempts::begin(policy) {
        Ok(begun) => begun,
        Err((interruption, facts)) => return (state, Plain.interrupted(interruption, facts)),
    };
    loop {
        let mut kept = None;
        let future = operation(state, attempt);
        let outcome = attempts.attempt_to_its_end(async {
            let (state, outcome) = future.await;
            kept = Some(state);
            outcome
        });
        let flow = outcome.await;
        match (flow, kept) {
            (Break(outcome), Some(state)) => return (state, outcome),
            (_, Some(next)) => state = next,
            (_, None) => unreachable!("an attempt that was decided on has ended"),
        }
        attempt = attempts.current();
    }
}

/// The backoff's description and schedule.
impl<B: Backoff, C, H, X, T> fmt::Display for Policy<B, C, H, X, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::backoff::display(&self.backoff, f)
    }
}

impl<B: fmt::Debug, C, H, X, T> fmt::Debug for Policy<B, C, H, X, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("backoff", &self.backoff)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
