//! Guards: the parts of a policy that can end a call before its operation returns.
//!
//! A [hook](crate::hook) watches a call and may veto its retries. A guard may also refuse an attempt,
//! the first too, or limit its time. So a call with guards may end without an outcome of its
//! operation, and its bounds require an output for that case.
//!
//! | guard | added by | ends a call |
//! |---|---|---|
//! | [circuit breaker](crate::breaker) | [`.guard(breaker)`](crate::Retry::guard) | before an attempt, while the circuit is open |
//! | attempt timeout | [`.attempt_timeout(duration)`](crate::Retry::attempt_timeout) | when the last attempt took too long |
//! | deadline | [`.deadline(duration)`](crate::Retry::deadline) | in the middle of an attempt |
//! | custom [`Guard`] | [`.guard(guard)`](crate::Retry::guard) | before an attempt |
//!
//! All are methods of a call and of a policy alike. A call with guards has one of three outputs when it
//! is interrupted:
//!
//! ```
//! use persevere::{CircuitBreaker, Interrupted, RetryExt, immediate};
//!
//! #[derive(Debug, PartialEq)]
//! enum StoreError { Busy, Unavailable }
//! let breaker = CircuitBreaker::default();
//! let store = || Err::<(), _>(StoreError::Busy);
//!
//! // 1. A closure makes the error: for error types of other crates too, and for a policy.
//! let outcome = store
//!     .retry_with(immediate().max_attempts(3))
//!     .guard(breaker.by_ref())
//!     .or_interrupted(|why| why.into_last_error().unwrap_or(StoreError::Unavailable))
//!     .call();
//! assert_eq!(outcome, Err(StoreError::Busy));
//!
//! // 2. A report has the reason.
//! let retry = store.retry_with(immediate().max_attempts(3)).guard(breaker.by_ref());
//! assert!(retry.report_without_source().call().is_err());
//!
//! // 3. The error type implements `From<Interrupted>`.
//! impl From<Interrupted> for StoreError {
//!     fn from(_: Interrupted) -> Self { StoreError::Unavailable }
//! }
//! let retry = store.retry_with(immediate().max_attempts(3)).guard(breaker.by_ref());
//! assert_eq!(retry.call(), Err(StoreError::Unavailable));
//! ```
//!
//! `std::io::Error` implements `From<Interrupted>`, and an `Option` is `None`. The order in which guards
//! and `.or_interrupted(..)` are added does not matter.
//!
//! **Do** give calls that a user waits for a [deadline](crate::Retry::deadline). **Don't** add a guard
//! with `.hook(..)`: it does not compile. **Don't** expect an attempt timeout to interrupt code that
//! blocks; it does not compile either.

mod attempt_limit;
mod fallback;
mod limits;
mod slot;

use core::ops::ControlFlow;

use crate::hook::{AttemptEvent, FinishEvent, RetryEvent};
use crate::{Attempt, Veto};

pub use self::attempt_limit::{AttemptLimit, Limited, TimeLimit, Unlimited};
pub use self::fallback::{EndsAs, Fallback, OrInterrupted};
pub use self::limits::{AttemptTimeout, AttemptTimeoutBy, Deadline};
pub use self::slot::{BlockingGuards, GuardEvents, Guards, MayInterrupt, Unguarded};

/// Watches a call, and may refuse its attempts and retries.
///
/// A guard receives the events of a [`Hook`](crate::hook::Hook), and allows or refuses each attempt. Like
/// a hook, it belongs to one call: a policy's guard is cloned for each call, and state that calls
/// share is held by `Arc` or by reference. A guard is no hook, so that `.hook(guard)` does not
/// compile.
///
/// | event | when | may veto |
/// |---|---|---|
/// | [`allow_attempt`](Guard::allow_attempt) | before each attempt, the first too | yes |
/// | the others | as for a [`Hook`](crate::hook::Hook) | retries |
///
/// The guards of a call receive each event before its hooks, in whatever order they were added.
///
/// ```
/// use persevere::{Attempt, Reason, RetryExt, Veto, guard::Guard, immediate};
/// use std::ops::ControlFlow::{self, Break, Continue};
///
/// /// Refuses everything in maintenance mode.
/// struct Maintenance { on: bool }
/// impl<O> Guard<O> for Maintenance {
///     fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
///         if self.on { Break(Veto::Refused) } else { Continue(()) }
///     }
/// }
///
/// let retry = (|| "1".parse::<i32>()).retry_with(immediate().max_attempts(3));
/// let error = retry.guard(Maintenance { on: true }).report().call().unwrap_err();
/// assert_eq!((error.reason(), error.attempts()), (Reason::Refused, 0));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a guard for calls that make `{O}`",
    label = "not a guard",
    note = "hooks, which watch calls and refuse no attempts, are added with `.hook(..)`: retry budgets, closures, `Hook<O>` of your own",
    note = "limits on time have methods of their own: `.attempt_timeout(duration)`, `.deadline(duration)`",
    note = "a circuit breaker is given by value or as `BREAKER.by_ref()`, also from a `LazyLock`",
    note = "for a guard of your own implement `Guard<O>`"
)]
pub trait Guard<O> {
    events!();

    /// Allows or refuses an attempt, the first too. A call whose attempt is refused ends as
    /// [`Interrupted::Vetoed`](crate::Interrupted::Vetoed). By default, all attempts are allowed.
    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        let _ = attempt;
        ControlFlow::Continue(())
    }
}

macro_rules! tuple {
    ($($index:tt $Type:ident),+) => {
        /// Guards in order.
        impl<O, $($Type: Guard<O>),+> Guard<O> for ($($Type),+) {
            events_to_fields!($($index $Type: Guard),+);
            allow_attempt_of_fields!($($index Guard),+);
        }
    };
}
tuple!(0 A, 1 B);
tuple!(0 A, 1 B, 2 C);
tuple!(0 A, 1 B, 2 C, 3 D);

/// An optional guard.
impl<O, G: Guard<O>> Guard<O> for Option<G> {
    #[inline]
    fn reads_clock(&self) -> bool {
        self.as_ref().is_some_and(Guard::reads_clock)
    }
    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        self.as_mut().map_or(ControlFlow::Continue(()), |guard| guard.allow_attempt(attempt))
    }
    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        if let Some(guard) = self {
            guard.before_attempt(attempt);
        }
    }
    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        if let Some(guard) = self {
            guard.after_attempt(event);
        }
    }
    #[inline]
    fn attempt_dropped(&mut self, attempt: &Attempt) {
        if let Some(guard) = self {
            guard.attempt_dropped(attempt);
        }
    }
    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        self.as_mut().map_or(ControlFlow::Continue(()), |guard| guard.allow_retry(event))
    }
    #[inline]
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        if let Some(guard) = self {
            guard.before_retry(event);
        }
    }
    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        if let Some(guard) = self {
            guard.finish(event);
        }
    }
    #[inline]
    fn handled_events() -> impl crate::hook::Events {
        G::handled_events()
    }
}

/// A pointer to a guard is a guard.
macro_rules! pointer {
    ($([$($generics:tt)*] $Type:ty),*) => { $(
        impl<O, $($generics)*: Guard<O> + ?Sized> Guard<O> for $Type {
            #[inline]
            fn reads_clock(&self) -> bool {
                (**self).reads_clock()
            }
            #[inline]
            fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
                (**self).allow_attempt(attempt)
            }
            events_to!(Guard, |guard| **guard);
        }
    )* };
}
pointer!([G] &mut G);
#[cfg(feature = "alloc")]
pointer!([G] alloc::boxed::Box<G>);
