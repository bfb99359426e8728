//! What comes out of a retry: the operation's own outcome, or a report.

use core::convert::Infallible;
use core::ops::ControlFlow;

use crate::ends::{Ends, MayInterrupt, Own};
use crate::hook::FinishFacts;
use crate::{Absent, Interrupted, Outcome, RetryError};

/// An outcome that can say that there was none: a `Result` or a `ControlFlow` whose error is
/// `From<Interrupted>`, or an `Option`, where it is `None`. For an outcome of your own, say what it
/// is then. Calls of a policy that [may interrupt](crate::MayInterrupt) need it.
///
/// ```
/// use persevere::{Interrupted, Outcome, Veto, retry::Interruptible};
///
/// #[derive(Debug, PartialEq)]
/// enum AppError { Unavailable }
/// impl From<Interrupted> for AppError {
///     fn from(_: Interrupted) -> Self { AppError::Unavailable }
/// }
///
/// #[derive(Debug, PartialEq)]
/// struct Reply(Result<String, AppError>);
/// impl Outcome for Reply {
///     type Value = String;
///     type Error = AppError;
///     fn as_result(&self) -> Result<&String, &AppError> { self.0.as_ref() }
///     fn into_result(self) -> Result<String, AppError> { self.0 }
/// }
/// impl Interruptible for Reply {
///     fn from_interrupted(interrupted: Interrupted) -> Self { Reply(Err(interrupted.into())) }
/// }
///
/// let refused = Interrupted::Vetoed(Veto::Circuit);
/// assert_eq!(Result::<(), AppError>::from_interrupted(refused), Err(AppError::Unavailable));
/// assert_eq!(Reply::from_interrupted(refused), Reply(Err(AppError::Unavailable)));
/// ```
#[diagnostic::on_unimplemented(
    message = "this policy may end a call that has no outcome of its own (a guard may refuse the attempt)",
    label = "`{Self}` cannot say that it was interrupted",
    note = "implement `From<persevere::Interrupted>` for the error type, or add `.report()`"
)]
pub trait Interruptible: Outcome {
    /// The outcome of a call that was interrupted.
    fn from_interrupted(interrupted: Interrupted) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<Interrupted>> Interruptible for Result<T, E> {
    fn from_interrupted(interrupted: Interrupted) -> Self {
        Err(interrupted.into())
    }
}

impl<T> Interruptible for Option<T> {
    fn from_interrupted(_: Interrupted) -> Self {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<B, C: From<Interrupted>> Interruptible for ControlFlow<B, C> {
    fn from_interrupted(interrupted: Interrupted) -> Self {
        ControlFlow::Continue(interrupted.into())
    }
}

impl From<Interrupted> for Absent {
    fn from(_: Interrupted) -> Self {
        Absent
    }
}

/// Keeps outputs to the types of this module, so that [`Finish`] may grow.
mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Plain {}
    impl<E> Sealed for super::Report<E> {}
    #[cfg(feature = "alloc")]
    impl<E> Sealed for super::History<E> {}
}
use sealed::Sealed;

/// Makes the output of a call, and keeps what it needs for it on the way.
#[diagnostic::on_unimplemented(
    message = "this policy may end a call that has no outcome of its own (a guard may refuse the attempt)",
    label = "the call could not say that it was interrupted",
    note = "implement `From<persevere::Interrupted>` for the error type, or add `.report()`"
)]
pub trait Finish<O, X: Ends>: Sealed {
    /// What comes out.
    type Output;

    /// An outcome that will be retried, and is not needed by anybody else.
    #[inline]
    fn pass(&mut self, outcome: O) {
        drop(outcome);
    }

    /// The call ended with `outcome`.
    fn returned(&mut self, outcome: O, facts: FinishFacts) -> Self::Output;

    /// The call ended without an outcome.
    fn interrupted(&mut self, interruption: X::Interruption, facts: FinishFacts) -> Self::Output;
}

/// The operation's own outcome, untouched: what comes out of a retry unless it is given
/// [`.report()`](crate::Retry::report).
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl<O: Outcome> Finish<O, Own> for Plain {
    type Output = O;

    #[inline]
    fn returned(&mut self, outcome: O, _: FinishFacts) -> O {
        outcome
    }

    #[inline]
    fn interrupted(&mut self, never: Infallible, _: FinishFacts) -> O {
        match never {}
    }
}

impl<O: Interruptible> Finish<O, MayInterrupt> for Plain {
    type Output = O;

    #[inline]
    fn returned(&mut self, outcome: O, _: FinishFacts) -> O {
        outcome
    }

    #[inline]
    fn interrupted(&mut self, interrupted: Interrupted, _: FinishFacts) -> O {
        O::from_interrupted(interrupted)
    }
}

/// The value, or a [`RetryError`]: what [`.report()`](crate::Retry::report) makes.
#[derive(Clone, Debug)]
pub struct Report<E> {
    /// The last error that was retried: what a call has to show that is interrupted after it.
    last: Option<E>,
}

impl<E> Report<E> {
    pub(super) const fn new() -> Self {
        Report { last: None }
    }
}

impl<O: Outcome, X: Ends> Finish<O, X> for Report<O::Error> {
    type Output = Result<O::Value, RetryError<O::Error>>;

    #[inline]
    fn pass(&mut self, outcome: O) {
        self.last = outcome.into_result().err();
    }

    fn returned(&mut self, outcome: O, facts: FinishFacts) -> Self::Output {
        match outcome.into_result() {
            Ok(value) if facts.reason().is_success() => Ok(value),
            Ok(_) => Err(RetryError::new(facts, None, None)),
            Err(error) => Err(RetryError::new(facts, Some(error), None)),
        }
    }

    fn interrupted(&mut self, interruption: X::Interruption, facts: FinishFacts) -> Self::Output {
        Err(RetryError::new(facts, self.last.take(), Some(interruption.into())))
    }
}

/// A [`Report`] with the errors before the last one: what [`.history(n)`](crate::Retry::history)
/// makes.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug)]
pub struct History<E> {
    most: usize,
    report: Report<E>,
    errors: alloc::collections::VecDeque<E>,
}

#[cfg(feature = "alloc")]
impl<E> History<E> {
    pub(super) const fn new(most: usize) -> Self {
        History { most, report: Report::new(), errors: alloc::collections::VecDeque::new() }
    }

    /// What was the last error so far is one of those before it now.
    fn keep_last(&mut self) {
        if let (Some(error), 1..) = (self.report.last.take(), self.most) {
            if self.errors.len() == self.most {
                self.errors.pop_front();
            }
            self.errors.push_back(error);
        }
    }
}

#[cfg(feature = "alloc")]
impl<O: Outcome, X: Ends> Finish<O, X> for History<O::Error> {
    type Output = Result<O::Value, RetryError<O::Error>>;

    fn pass(&mut self, outcome: O) {
        self.keep_last();
        Finish::<O, X>::pass(&mut self.report, outcome);
    }

    fn returned(&mut self, outcome: O, facts: FinishFacts) -> Self::Output {
        self.keep_last();
        let history = core::mem::take(&mut self.errors).into();
        Finish::<O, X>::returned(&mut self.report, outcome, facts)
            .map_err(|error| error.with_history(history))
    }

    fn interrupted(&mut self, interruption: X::Interruption, facts: FinishFacts) -> Self::Output {
        let history = core::mem::take(&mut self.errors).into();
        Finish::<O, X>::interrupted(&mut self.report, interruption, facts)
            .map_err(|error| error.with_history(history))
    }
}
