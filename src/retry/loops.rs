//! [`Loop`]: what a loop is built from, when its call site has something to say.

use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomData;
use core::ops::ControlFlow::{self, Break, Continue};

use super::attempts::Attempts;
use super::finish::Finish;
use super::future::Retry;
use super::operation::{Operation, Produces, RetryExt, marker};
use super::source::Source;
use crate::ends::{Ends, Own};
use crate::time::Clock;
use crate::{Hook, Outcome};

/// An operation that is written as the body of a loop, for the builder of a call site: `O` is the
/// outcome that its attempts make.
///
/// [`policy.start()`](crate::Policy::start) is the short way to a loop that leaves everything to its
/// policy. With this, a loop has what a closure has: `.when`, `.on_retry`, `.report` and so on, and
/// then [`start`](Retry::start) or [`begin`](Retry::begin).
///
/// ```
/// use persevere::{RetryExt, immediate, retry::Loop};
/// use std::{num::ParseIntError, ops::ControlFlow::Break};
///
/// let mut retries = 0;
/// let mut attempts = Loop::<Result<u8, ParseIntError>>::new()
///     .retry_with(immediate().max_attempts(5))
///     .when(|error| !error.to_string().contains("empty"))
///     .on_retry(|_| retries += 1)
///     .start();
/// let mut text = String::from("..7");
/// let outcome = loop {
///     if let Break(outcome) = attempts.attempt_blocking(|| text.parse()) {
///         break outcome;
///     }
///     text.remove(0);
/// };
/// drop(attempts);
/// assert_eq!((outcome, retries), (Ok(7), 2));
/// ```
pub struct Loop<O> {
    outcome: PhantomData<fn() -> O>,
}

impl<O> Loop<O> {
    /// A loop whose attempts make `O`.
    #[must_use]
    pub const fn new() -> Self
    where
        O: Outcome,
    {
        Loop { outcome: PhantomData }
    }
}

impl<O: Outcome> Default for Loop<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> fmt::Debug for Loop<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loop")
    }
}

/// What the attempts of a [`Loop`] make is made in its body: there is no value of this.
pub struct InBody<O> {
    never: Infallible,
    outcome: PhantomData<fn() -> O>,
}

impl<O> fmt::Debug for InBody<O> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.never {}
    }
}

impl<O> Operation for Loop<O> {
    type Output = InBody<O>;

    fn attempt(&mut self, _: crate::Attempt) -> InBody<O> {
        unreachable!("the attempts of a loop are made by its body")
    }
}

#[diagnostic::do_not_recommend]
impl<O: Outcome> Produces<marker::Loop> for InBody<O> {
    type Outcome = O;
}

impl<O> RetryExt<marker::Loop> for Loop<O> {
    type Operation = Self;

    fn into_operation(self) -> Self {
        self
    }
}

impl<O, S: Source, V, H: Hook<O>, X: Ends, R, T: Clock> Retry<Loop<O>, O, S, V, H, X, R, T> {
    /// Begins the loop. The clock starts now, and hooks hear of the first attempt. `Break` is what
    /// comes out if a [guard](crate::Policy::guard) refuses that; where none can, use
    /// [`start`](Retry::start).
    ///
    /// ```
    /// use persevere::{Attempt, Policy, Reason, RetryExt, Veto, immediate};
    /// use persevere::{hook::Hook, retry::Loop};
    /// use std::ops::ControlFlow::{self, Break};
    /// # #[derive(Clone)] struct Closed;
    /// # impl<O> Hook<O> for Closed {
    /// #     fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> { Break(Veto::Circuit) }
    /// # }
    /// let guarded = Policy::new(immediate().max_attempts(5)).guard(Closed);
    /// let begun = Loop::<Result<u8, String>>::new().retry_with(&guarded).report().begin();
    /// let Break(Err(error)) = begun else { panic!("the guard refuses all") };
    /// assert_eq!(error.reason(), Reason::Circuit);
    /// ```
    pub fn begin(self) -> ControlFlow<R::Output, Attempts<O, S, H, X, T, V, R>>
    where
        R: Finish<O, X>,
    {
        let (_, call, output) = self.into_parts();
        match Attempts::begin_call(call, output) {
            Ok((attempts, _)) => Continue(attempts),
            Err(((interruption, facts), mut output)) => {
                Break(output.interrupted(interruption, facts))
            }
        }
    }
}

impl<O, S: Source, V, H: Hook<O>, R, T: Clock> Retry<Loop<O>, O, S, V, H, Own, R, T> {
    /// Begins the loop, where no [guard](crate::Policy::guard) can refuse its first attempt. The
    /// clock starts now, and hooks hear of the attempt. See [`Loop`] for an example.
    pub fn start(self) -> Attempts<O, S, H, Own, T, V, R> {
        let (_, call, output) = self.into_parts();
        let Ok((attempts, _)) = Attempts::begin_call(call, output).map_err(|((never, _), _)| never);
        attempts
    }
}
