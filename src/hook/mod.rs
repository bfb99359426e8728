//! Watching calls: [`Hook`] and its events.
//!
//! Most hooks are closures for one event. At a call site they see the outcome and may borrow `&mut`;
//! on a policy, which serves any outcome, they see the facts without it. Hooks add up: none replaces
//! another, and they run in the order in which they were added.
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
//! assert_eq!(end, "gave up after 3 attempts: attempt limit reached: busy");
//! ```
//!
//! | closure | event | argument at a call site | on a policy |
//! |---|---|---|---|
//! | `on_attempt` | before each attempt | [`Attempt`] | [`Attempt`] |
//! | `on_retry` | before each sleep | [`RetryEvent`] | [`RetryFacts`] |
//! | `on_success` | the call succeeded | [`FinishEvent`] | [`FinishFacts`] |
//! | `on_give_up` | the call failed | [`FinishEvent`] | [`FinishFacts`] |
//! | `on_finish` | the call ended, also cancelled or panicked | [`FinishEvent`] | [`FinishFacts`] |
//!
//! A retry [budget](crate::budget) is a hook that calls share: it limits the retries of all of them
//! together. A type that refuses attempts, such as a [circuit breaker](crate::breaker), is a
//! [guard](crate::guard) and no hook.
//!
//! **Do** log retries at a low level and the end of the call at a high one: a failed attempt is not
//! yet a failed call. **Do** add [`.timed()`](crate::Retry::timed) where a closure uses
//! [`elapsed`](RetryFacts::elapsed); without it, no clock is read. **Don't** block in a hook, because
//! it runs between attempts.

#[macro_use]
mod forward;
mod closures;
mod combine;
mod events;

use core::ops::ControlFlow;

use crate::{Attempt, Veto};

pub use self::closures::{
    OnAttempt, OnFinish, OnFinishFacts, OnGiveUp, OnGiveUpFacts, OnRetry, OnRetryFacts, OnSuccess,
    OnSuccessFacts,
};
#[cfg(feature = "std")]
pub(crate) use self::combine::discard_panic;
pub(crate) use self::combine::{panicking, run_both, run_during_unwind};
pub use self::events::{AttemptEvent, FinishEvent, FinishFacts, RetryEvent, RetryFacts};

/// Watches a call, and may veto its retries.
///
/// A hook is **stateful and belongs to one call**: a policy holds a template that is cloned for
/// each call, and a hook at a call site is moved into it, so that a closure may capture `&mut`.
/// State that calls share (a budget, a counter) is held by `Arc` or by reference.
///
/// In the life of a call, in this order:
///
/// | event | when | may veto |
/// |---|---|---|
/// | [`before_attempt`](Hook::before_attempt) | before each attempt that guards allow | |
/// | [`after_attempt`](Hook::after_attempt) | the outcome of an attempt was classified | |
/// | [`attempt_dropped`](Hook::attempt_dropped) | a loop dropped an attempt | |
/// | [`allow_retry`](Hook::allow_retry) | a retry is due, its delay known; nothing slept | yes |
/// | [`before_retry`](Hook::before_retry) | a retry will come, after the sleep that begins now | |
/// | [`finish`](Hook::finish) | once, at the end of every call that began | |
///
/// All `allow_*` methods run before any `before_*` method, so an announced retry comes unless the
/// call is cancelled, or a guard refuses its attempt. After the last failure there is no `before_retry`. A hook that panics ends its
/// call, and `finish` still reaches every hook.
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
    note = "circuit breakers and other types that refuse attempts are guards: add them with `.guard(..)`",
    note = "limits on time have methods of their own: `.attempt_timeout(duration)`, `.deadline(duration)`",
    note = "a budget is given by value or as `BUDGET.by_ref()`, also from a `LazyLock`",
    note = "for a hook of your own implement `Hook<O>`, or use a closure with `.on_retry(..)`, `.on_give_up(..)`, `.on_success(..)` or `.on_attempt(..)`"
)]
pub trait Hook<O> {
    events!();
}

/// Makes a call read the clock: see [`Retry::timed`](crate::Retry::timed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct ReadClock;

impl<O> Hook<O> for ReadClock {
    handles!(CLOCK);
}

/// Some of the events, as a type.
#[doc(hidden)]
pub trait Events {
    /// A bit for each.
    const MASK: u8;
}

/// All events.
#[derive(Debug)]
#[doc(hidden)]
pub struct AllEvents;
impl Events for AllEvents {
    const MASK: u8 = u8::MAX;
}

/// The events with these bits.
#[derive(Debug)]
#[doc(hidden)]
pub struct OnlyEvents<const MASK: u8>;
impl<const MASK: u8> Events for OnlyEvents<MASK> {
    const MASK: u8 = MASK;
}

/// The events of either.
#[derive(Debug)]
#[doc(hidden)]
pub struct EitherEvents<A, B>(core::marker::PhantomData<(A, B)>);
impl<A, B> EitherEvents<A, B> {
    pub(crate) fn of(_: A, _: B) -> Self {
        EitherEvents(core::marker::PhantomData)
    }
}
impl<A: Events, B: Events> Events for EitherEvents<A, B> {
    const MASK: u8 = A::MASK | B::MASK;
}

/// `reads_clock` may return `true`.
pub(crate) const CLOCK: u8 = 1;
/// `before_attempt`, and `allow_attempt` of a guard.
pub(crate) const BEFORE_ATTEMPT: u8 = 2;
/// `after_attempt`.
pub(crate) const AFTER_ATTEMPT: u8 = 4;
/// `allow_retry` and `before_retry`.
pub(crate) const RETRY: u8 = 8;
/// `finish`.
pub(crate) const FINISH: u8 = 16;
/// The attempt of an event before the first failure may be drawn from, so the call has its seed then.
pub(crate) const DRAWS: u8 = 32;

/// `allow_attempt`, for a value that handles fewer events than its type.
pub(crate) const REFUSES: u8 = 64;

/// The events that `handled_events` names, as a constant: `mask(H::handled_events)`.
pub(crate) const fn mask<E: Events>(_: fn() -> E) -> u8 {
    E::MASK
}
