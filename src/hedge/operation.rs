//! [`Hedged`]: an operation whose attempts are hedged.

use core::fmt;
use core::future::{Future, IntoFuture};

use super::{Hedge, HedgeEvent, HedgedAttempt};
use crate::retry::{Operation, marker};
use crate::time::{Clock, Timer};
use crate::{Attempt, Classifier, Outcome, RetryExt};

/// An operation that several attempts can have: everything that is `Clone`. It is not implemented by
/// hand.
#[diagnostic::on_unimplemented(
    message = "an operation that is hedged and retried has to be `Clone`",
    label = "an attempt that is hedged needs an operation of its own, and this cannot be cloned",
    note = "a closure is `Clone` if all that it captures is: share what it changes, in a `Cell`, an atomic or a lock, instead of `&mut`"
)]
#[doc(hidden)]
pub trait Repeatable: Operation {
    /// Clones it, for an attempt.
    #[must_use]
    fn for_attempt(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<Op: Operation + Clone> Repeatable for Op {
    #[inline]
    fn for_attempt(&self) -> Self {
        self.clone()
    }
}

/// An operation whose attempts are hedged. Made by [`hedged`](RetryExt::hedged).
///
/// Await it for one attempt, [retry](RetryExt::retry_with) it for several, or hand
/// `.into_future()` to a [loop](crate::Attempts::attempt). To be retried, the operation has to be
/// [`Clone`]: each attempt needs it as long as it may start copies. Closures are if what they
/// capture is, references among it.
///
/// ```
/// use persevere::{Idempotent, RetryExt, constant, hedge_after, time::VirtualClock};
/// use std::{cell::Cell, future::ready, time::Duration};
///
/// let (clock, second, calls) = (VirtualClock::new(), Duration::from_secs(1), Cell::new(0));
/// let flaky = || {
///     calls.set(calls.get() + 1);
///     ready((calls.get() == 3).then_some("third"))
/// };
/// let hedged = flaky.hedged(Idempotent, hedge_after(second).timer(clock.clone()));
/// assert_eq!(clock.block_on(hedged.clone().into_future()), None);
/// let retry = hedged.retry_with(constant(second).max_attempts(5)).timer(clock.clone());
/// assert_eq!(clock.block_on(retry), Some("third"));
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until it is awaited or retried"]
#[doc(hidden)]
pub struct Hedged<Op, C, T, W> {
    operation: Op,
    hedge: Hedge<C, T, W>,
}

impl<Op, C, T, W> Hedged<Op, C, T, W> {
    pub(crate) fn new(operation: Op, hedge: Hedge<C, T, W>) -> Self {
        Hedged { operation, hedge }
    }
}

impl<Op, C, T, W> Operation for Hedged<Op, C, T, W>
where
    Op: Repeatable<Output: Future>,
    C: Clone,
    T: Clock + Clone,
    W: Clone,
{
    type Output = HedgedAttempt<Op, C, T, W>;

    fn attempt(&mut self, attempt: Attempt) -> Self::Output {
        HedgedAttempt::new(self.operation.for_attempt(), self.hedge.clone(), attempt)
    }
}

impl<Op, C, T, W> RetryExt<marker::Hedged> for Hedged<Op, C, T, W> {
    type Operation = Self;

    fn into_operation(self) -> Self {
        self
    }
}

impl<Op, O, C, T, W> IntoFuture for Hedged<Op, C, T, W>
where
    Op: Operation<Output: Future<Output = O>>,
    O: Outcome,
    C: Classifier<O>,
    T: Timer,
    W: Fn(HedgeEvent),
{
    type Output = O;
    type IntoFuture = HedgedAttempt<Op, C, T, W>;

    fn into_future(self) -> Self::IntoFuture {
        HedgedAttempt::new(self.operation, self.hedge, Attempt::alone())
    }
}

impl<Op, C, T, W> fmt::Debug for Hedged<Op, C, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedged").field("hedge", &self.hedge).finish_non_exhaustive()
    }
}
