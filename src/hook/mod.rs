//! Who watches, and who may veto: [`Hook`] and its events.
//!
//! Most hooks are closures for one event. At a call site they see the outcome and may borrow `&mut`;
//! on a policy, which serves any outcome, they see the facts without it. Hooks add up: none replaces
//! another, and they are called in the order in which they were added.
//!
//! ```
//! use persevere::{RetryExt, immediate};
//!
//! let (mut retries, mut end) = (0, String::new());
//! let _ = (|| Err::<(), _>("busy"))
//!     .retry_with(immediate().max_attempts(3))
//!     .on_retry(|_| retries += 1)
//!     .on_finish(|finish| end = finish.to_string())
//!     .call();
//! assert_eq!(retries, 2);
//! assert_eq!(end, "gave up after 3 attempts: no attempts left: busy");
//! ```
//!
//! | closure | event | argument at a call site | on a policy |
//! |---|---|---|---|
//! | `on_attempt` | before each attempt | [`Attempt`] | [`Attempt`] |
//! | `on_retry` | before each sleep | [`RetryEvent`] | [`RetryFacts`] |
//! | `on_success` | the call succeeded | [`FinishEvent`] | [`FinishFacts`] |
//! | `on_give_up` | the call failed in the end | [`FinishEvent`] | [`FinishFacts`] |
//! | `on_finish` | the call ended, cancelled and panicked too | [`FinishEvent`] | [`FinishFacts`] |
//!
//! Two guards are hooks that calls share, so that retries cannot make an outage worse: a retry
//! [`budget`], which limits what all of them together may do, and a circuit [`breaker`], which keeps
//! calls from what is down.
//!
//! **Do** log retries at a low level and the end of the call at a high one: a failed attempt is not
//! yet a failed call. **Don't** block in a hook; it runs between attempts. **Don't** count on
//! [`elapsed`](RetryFacts::elapsed) without a time limit or [`Timed`]: no clock is read for nothing.

#[cfg(all(feature = "alloc", target_has_atomic = "64"))]
pub mod breaker;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub mod budget;
mod closures;
mod deadline;
mod events;
mod group;
#[cfg(all(feature = "alloc", target_has_atomic = "64"))]
mod now;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod setting;
mod timeout;

use core::ops::ControlFlow;
use core::time::Duration;

use crate::{Attempt, Veto};

#[cfg(all(feature = "alloc", target_has_atomic = "64"))]
pub use self::breaker::CircuitBreaker;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use self::budget::Budget;
pub use self::closures::{
    OnAttempt, OnFinish, OnFinishFacts, OnGiveUp, OnGiveUpFacts, OnRetry, OnRetryFacts, OnSuccess,
    OnSuccessFacts,
};
pub use self::deadline::Deadline;
pub(crate) use self::events::Of;
pub use self::events::{AttemptEvent, FinishEvent, FinishFacts, RetryEvent, RetryFacts};
pub use self::group::HookExt;
#[cfg(feature = "config")]
pub(crate) use self::group::apart;
#[cfg(all(feature = "alloc", target_has_atomic = "64"))]
pub(crate) use self::group::both;
pub(crate) use self::group::{contained, panicking};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use self::setting::InvalidSetting;
pub use self::timeout::{AttemptTimeout, AttemptTimeoutBy};
#[cfg(feature = "std")]
pub use crate::enclosing::remaining_time as remaining;

/// Watches a call, and may veto its retries.
///
/// A hook is **stateful and belongs to one call**: a policy holds a template that is cloned for
/// each call, and a hook at a call site is moved into it, so that a closure may capture `&mut`.
/// What calls are to share (a budget, a breaker, a counter) a hook holds by `Arc` or by reference.
///
/// In the life of a call, in this order:
///
/// | event | when | may veto |
/// |---|---|---|
/// | [`allow_attempt`](Hook::allow_attempt) | before each attempt | yes, if the policy has a [guard](crate::Policy::guard) |
/// | [`attempt_timeout`](Hook::attempt_timeout) | an attempt has to wait | limits it, if the policy has a guard |
/// | [`before_attempt`](Hook::before_attempt) | before each attempt that is allowed | |
/// | [`after_attempt`](Hook::after_attempt) | the outcome of an attempt was classified | |
/// | [`allow_retry`](Hook::allow_retry) | a retry is due, its delay known; nothing slept | yes |
/// | [`before_retry`](Hook::before_retry) | a retry will come, after the sleep that begins now | |
/// | [`finish`](Hook::finish) | once, at the end of every call that began | |
///
/// All hooks are asked before the first is told, so a retry that is announced does come, unless
/// the call is cancelled. After the last failure there is no `before_retry`. A hook that panics
/// takes its call with it, and `finish` still reaches every hook.
///
/// ```
/// use persevere::{RetryExt, immediate};
/// use persevere::hook::{FinishEvent, Hook, RetryEvent};
///
/// #[derive(Default)]
/// struct Count { retries: u32, finished: u32 }
///
/// impl<O> Hook<O> for Count {
///     fn before_retry(&mut self, _: &RetryEvent<'_, O>) { self.retries += 1; }
///     fn finish(&mut self, _: &FinishEvent<'_, O>) { self.finished += 1; }
/// }
///
/// let mut count = Count::default();
/// let _ = (|| None::<()>).retry_with(immediate().max_attempts(3)).hook(&mut count).call();
/// assert_eq!((count.retries, count.finished), (2, 1));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hook for calls that make `{O}`",
    label = "not a hook",
    note = "implement `Hook<O>`, or use a closure with `.on_retry(..)`, `.on_give_up(..)`, `.on_success(..)` or `.on_attempt(..)`"
)]
pub trait Hook<O> {
    /// Whether this hook looks at the elapsed time of its events. If no hook, no limit and no
    /// backoff does, no clock is read and the time is `None`. `false` by default.
    #[inline]
    fn reads_clock(&self) -> bool {
        false
    }

    /// May refuse an attempt, the first too: an open circuit. It is asked only where a call can end
    /// without an outcome, that is where a policy has a [guard](crate::Policy::guard); see there for
    /// an example. By default, all are allowed.
    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        let _ = attempt;
        ControlFlow::Continue(())
    }

    /// The longest that an attempt may wait, from the moment when it first does; it is dropped
    /// then, and retried as if it had failed. What blocks or is ready at once is not interrupted. It
    /// is asked, perhaps more than once of an attempt, where a call can end without an outcome, that
    /// is where a policy has a [guard](crate::Policy::guard). The shortest of several counts. By
    /// default, there is none.
    ///
    /// Zero for an attempt that has taken too long says that no time is left for the call, and ends
    /// it by its [`Deadline`](crate::Reason::Deadline).
    #[inline]
    fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
        let _ = attempt;
        None
    }

    /// An attempt begins.
    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        let _ = attempt;
    }

    /// An attempt ended, and its outcome was classified.
    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        let _ = event;
    }

    /// May refuse a retry before its sleep: an empty budget. The call then ends with the outcome
    /// in hand and the veto as its [reason](crate::Reason). The hooks that allowed it learn of that
    /// in `finish`. By default, all are allowed; [`Veto`] has an example of one that is not.
    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        let _ = event;
        ControlFlow::Continue(())
    }

    /// A retry will follow: the sleep begins now.
    #[inline]
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        let _ = event;
    }

    /// The call ended, for whatever reason. A call whose retry was never polled or called has no
    /// end.
    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        let _ = event;
    }
}

/// Asks for the clock and does nothing else: with it, every event of the call knows the time.
///
/// ```
/// use persevere::{RetryExt, constant};
/// use persevere::hook::Timed;
/// use persevere::time::VirtualClock;
/// use std::time::Duration;
///
/// let mut elapsed = None;
/// let _ = (|| None::<()>)
///     .retry_with(constant(Duration::from_secs(5)).max_attempts(3))
///     .timer(VirtualClock::new())
///     .hook(Timed)
///     .on_give_up(|finish| elapsed = finish.elapsed())
///     .call();
/// assert_eq!(elapsed, Some(Duration::from_secs(10)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timed;

impl<O> Hook<O> for Timed {
    #[inline]
    fn reads_clock(&self) -> bool {
        true
    }
}
