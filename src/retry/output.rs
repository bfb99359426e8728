//! The output of a call: the outcome of the operation, or a report.

use core::fmt;

use crate::error::SourceOf;
use crate::guard::{EndsAs, Guards};
use crate::progress::Ended;
use crate::{IntoResult, Outcome, RetryError};

/// Keeps outputs to the types of this module.
mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Passthrough {}
    impl<E> Sealed for super::Report<E> {}
    #[cfg(feature = "alloc")]
    impl<E> Sealed for super::History<E> {}
}
use sealed::Sealed;

/// Makes the output of a call whose guards are `G`.
#[diagnostic::on_unimplemented(
    message = "a guard of this policy can end a call before its operation returns, and the error of the call cannot be built from that",
    label = "calls of this policy may end without an outcome",
    note = "add `.or_interrupted(|why| my_error)` to the call or the policy (works for error types of other crates; in `#[retry]`: `interrupted = |why| my_error`),",
    note = "or `.report()` to the call, whose error has the reason,",
    note = "or implement `From<persevere::Interrupted>` for your own error type"
)]
#[doc(hidden)]
pub trait CallOutput<O, G: Guards<O>>: Sealed {
    /// The output.
    type Output;

    /// Takes an outcome that is retried and that nothing else needs.
    #[inline(always)]
    fn pass(&mut self, outcome: O) {
        drop(outcome);
    }

    /// The call ended with `outcome`.
    fn returned(&mut self, outcome: O, end: Ended<'_>) -> Self::Output;

    /// The call ended without an outcome, after the outcome `last`.
    fn interrupted(
        &mut self,
        guards: &mut G,
        interruption: G::Interruption,
        last: Option<O>,
        end: Ended<'_>,
    ) -> Self::Output;
}

/// The outcome of the operation, untouched: the output of a call without
/// [`.report()`](crate::Retry::report).
#[derive(Clone, Copy, Debug, Default)]
#[doc(hidden)]
pub struct Passthrough;

impl<O: Outcome, G: EndsAs<O>> CallOutput<O, G> for Passthrough {
    type Output = O;

    #[inline(always)]
    fn returned(&mut self, outcome: O, _: Ended<'_>) -> O {
        outcome
    }

    #[inline(always)]
    fn interrupted(
        &mut self,
        guards: &mut G,
        interruption: G::Interruption,
        last: Option<O>,
        _: Ended<'_>,
    ) -> O {
        guards.outcome(interruption, last)
    }
}

/// The value, or a [`RetryError`]: the output of [`.report()`](crate::Retry::report).
#[doc(hidden)]
pub struct Report<E> {
    /// The last error that was retried.
    last: Option<E>,
    source: SourceOf<E>,
}

impl<E> Report<E> {
    #[inline(always)]
    pub(super) const fn new(source: SourceOf<E>) -> Self {
        Report { last: None, source }
    }
}

impl<O: IntoResult, G: Guards<O>> CallOutput<O, G> for Report<O::Error> {
    type Output = Result<O::Value, RetryError<O::Error>>;

    #[inline]
    fn pass(&mut self, outcome: O) {
        self.last = outcome.into_result().err();
    }

    fn returned(&mut self, outcome: O, end: Ended<'_>) -> Self::Output {
        match outcome.into_result() {
            Ok(value) if end.reason.is_success() => Ok(value),
            other => Err(RetryError::new(end.facts(), other.err(), self.source)),
        }
    }

    fn interrupted(
        &mut self,
        _: &mut G,
        interruption: G::Interruption,
        last: Option<O>,
        end: Ended<'_>,
    ) -> Self::Output {
        if let Some(last) = last {
            CallOutput::<O, G>::pass(self, last);
        }
        let facts = end.facts_of(interruption.into());
        Err(RetryError::new(facts, self.last.take(), self.source))
    }
}

impl<E> fmt::Debug for Report<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

/// A [`Report`] with the errors before the last one: the output of
/// [`.history(n)`](crate::Retry::history).
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub struct History<E> {
    most: usize,
    report: Report<E>,
    errors: alloc::collections::VecDeque<E>,
}

#[cfg(feature = "alloc")]
impl<E> History<E> {
    pub(super) const fn new(report: Report<E>, most: usize) -> Self {
        History { most, report, errors: alloc::collections::VecDeque::new() }
    }

    /// The last error so far becomes one of those before the last.
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
impl<O: IntoResult, G: Guards<O>> CallOutput<O, G> for History<O::Error> {
    type Output = Result<O::Value, RetryError<O::Error>>;

    fn pass(&mut self, outcome: O) {
        self.keep_last();
        CallOutput::<O, G>::pass(&mut self.report, outcome);
    }

    fn returned(&mut self, outcome: O, end: Ended<'_>) -> Self::Output {
        self.keep_last();
        let history = alloc::vec::Vec::from(core::mem::take(&mut self.errors)).into();
        CallOutput::<O, G>::returned(&mut self.report, outcome, end)
            .map_err(|error| error.with_history(history))
    }

    fn interrupted(
        &mut self,
        guards: &mut G,
        interruption: G::Interruption,
        last: Option<O>,
        end: Ended<'_>,
    ) -> Self::Output {
        if let Some(last) = last {
            CallOutput::<O, G>::pass(self, last);
        }
        let history = alloc::vec::Vec::from(core::mem::take(&mut self.errors)).into();
        CallOutput::<O, G>::interrupted(&mut self.report, guards, interruption, None, end)
            .map_err(|error| error.with_history(history))
    }
}

#[cfg(feature = "alloc")]
impl<E> fmt::Debug for History<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("most", &self.most).finish_non_exhaustive()
    }
}
