//! How a call ends: [`Reason`], [`Interrupted`], [`Veto`], and the error of a report.

use core::fmt;
use core::time::Duration;

use crate::hook::FinishFacts;

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The classifier accepted the outcome.
    Succeeded,
    /// The classifier said that a retry cannot help.
    NotRetryable,
    /// The limit on attempts was reached, or the backoff had no further delay.
    Attempts,
    /// The next retry would have started at the limit on elapsed time or past it.
    Elapsed,
    /// A deadline from outside the call came.
    Deadline,
    /// The retry budget was spent.
    Budget,
    /// The circuit breaker was open.
    Circuit,
    /// The server asked for a longer wait than is allowed.
    RetryAfterTooLong,
    /// A hook of your own refused the retry.
    Refused,
    /// The last attempt was interrupted, and there was no further one.
    Interrupted,
    /// The future was dropped before it was ready.
    Cancelled,
    /// The loop was left without a word: neither success nor failure.
    Left,
    /// The operation, the classifier or a hook panicked.
    Panicked,
}

impl Reason {
    /// Whether the call ended well.
    #[must_use]
    #[inline]
    pub const fn is_success(self) -> bool {
        matches!(self, Reason::Succeeded)
    }

    /// Whether the call came to an end with a failure: it did not succeed, and was neither
    /// cancelled nor left nor did it panic.
    #[must_use]
    #[inline]
    pub const fn gave_up(self) -> bool {
        !matches!(self, Reason::Succeeded | Reason::Cancelled | Reason::Left | Reason::Panicked)
    }

    /// The reason in one word, for labels of metrics: `succeeded`, `retry_after_too_long`, …
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Succeeded => "succeeded",
            Reason::NotRetryable => "not_retryable",
            Reason::Attempts => "attempts",
            Reason::Elapsed => "elapsed",
            Reason::Deadline => "deadline",
            Reason::Budget => "budget",
            Reason::Circuit => "circuit",
            Reason::RetryAfterTooLong => "retry_after_too_long",
            Reason::Refused => "refused",
            Reason::Interrupted => "interrupted",
            Reason::Cancelled => "cancelled",
            Reason::Left => "left",
            Reason::Panicked => "panicked",
        }
    }
}

/// In words: `no attempts left`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Succeeded => "succeeded",
            Reason::NotRetryable => "not retryable",
            Reason::Attempts => "no attempts left",
            Reason::Elapsed => "out of time",
            Reason::Deadline => "the deadline came",
            Reason::Budget => "the retry budget is spent",
            Reason::Circuit => "the circuit is open",
            Reason::RetryAfterTooLong => "the server asked for too long a wait",
            Reason::Refused => "a hook refused the retry",
            Reason::Interrupted => "the last attempt was interrupted",
            Reason::Cancelled => "cancelled",
            Reason::Left => "the loop was left",
            Reason::Panicked => "panicked",
        })
    }
}

/// Why a hook refuses an attempt or a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Veto {
    /// A retry budget is spent.
    Budget,
    /// A circuit breaker is open.
    Circuit,
    /// There is no time left before a deadline.
    Deadline,
    /// A reason of the hook's own.
    Refused,
}

impl From<Veto> for Reason {
    fn from(veto: Veto) -> Self {
        match veto {
            Veto::Budget => Reason::Budget,
            Veto::Circuit => Reason::Circuit,
            Veto::Deadline => Reason::Deadline,
            Veto::Refused => Reason::Refused,
        }
    }
}

/// Why a call ended without an outcome of its operation.
///
/// Only a policy that [may interrupt](crate::MayInterrupt) ends so; then the error type needs
/// `From<Interrupted>`, or the call `.report()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Interrupted {
    /// A hook refused an attempt before it began.
    #[error("the attempt was refused: {}", Reason::from(*.0))]
    Vetoed(Veto),
}

impl Interrupted {
    /// The reason with which the call ended.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Interrupted::Vetoed(veto) => veto.into(),
        }
    }
}

impl From<core::convert::Infallible> for Interrupted {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

/// The error of a call with [`.report()`](crate::Retry::report): what happened, and the last error
/// of the operation as its [`source`](core::error::Error::source).
///
/// It is an [`Error`](core::error::Error) if `E` is one. A boxed error is none: there, end in
/// `.map_err(|error| error.into_error().expect("an attempt was made"))`, or look at the parts.
///
/// ```
/// use persevere::{Reason, RetryExt, constant};
/// use persevere::time::VirtualClock;
/// use std::time::Duration;
///
/// let error = (|| "x".parse::<i32>())
///     .retry_with(constant(Duration::from_secs(2)).max_attempts(3))
///     .timer(VirtualClock::new())
///     .report()
///     .call()
///     .unwrap_err();
/// assert_eq!(error.reason(), Reason::Attempts);
/// assert_eq!((error.attempts(), error.waited()), (3, Duration::from_secs(4)));
/// assert_eq!(error.to_string(), "gave up after 3 attempts and 4s: no attempts left");
/// let last = std::error::Error::source(&error).unwrap();
/// assert_eq!(last.to_string(), "invalid digit found in string");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Summary(.facts))]
pub struct RetryError<E> {
    facts: FinishFacts,
    #[source]
    error: Option<E>,
    interrupted: Option<Interrupted>,
    #[cfg(feature = "alloc")]
    history: alloc::vec::Vec<E>,
}

impl<E> RetryError<E> {
    pub(crate) fn new(
        facts: FinishFacts,
        error: Option<E>,
        interrupted: Option<Interrupted>,
    ) -> Self {
        RetryError {
            facts,
            error,
            interrupted,
            #[cfg(feature = "alloc")]
            history: alloc::vec::Vec::new(),
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn with_history(mut self, history: alloc::vec::Vec<E>) -> Self {
        self.history = history;
        self
    }

    /// Why the call ended.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.facts.reason()
    }

    /// How many executions there were.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.facts.attempts()
    }

    /// The time from the beginning of the call to its end; `None` without a clock.
    #[must_use]
    pub const fn elapsed(&self) -> Option<Duration> {
        self.facts.elapsed()
    }

    /// How much of that was slept between attempts.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.facts.waited()
    }

    /// The error of the last attempt that was made. There is none if no attempt was made, or if it
    /// made a value that the classifier did not accept.
    #[must_use]
    pub const fn error(&self) -> Option<&E> {
        self.error.as_ref()
    }

    /// Takes the last error of the operation; see [`error`](RetryError::error).
    #[must_use]
    pub fn into_error(self) -> Option<E> {
        self.error
    }

    /// Why the call ended without an outcome, if it did.
    #[must_use]
    pub const fn interrupted(&self) -> Option<Interrupted> {
        self.interrupted
    }

    /// The errors before the last one, oldest first, as many as
    /// [`.history(n)`](crate::Retry::history) asked for.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn history(&self) -> &[E] {
        &self.history
    }
}

/// The sentence of a [`RetryError`] and of a finish event.
pub(crate) struct Summary<'a>(pub(crate) &'a FinishFacts);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.0;
        f.write_str(match facts.reason() {
            reason if reason.gave_up() => "gave up",
            Reason::Succeeded => "succeeded",
            _ => "ended",
        })?;
        match facts.attempts() {
            1 => f.write_str(" after 1 attempt")?,
            n => write!(f, " after {n} attempts")?,
        }
        if let Some(elapsed) = facts.elapsed() {
            write!(f, " and {elapsed:?}")?;
        }
        match facts.reason() {
            Reason::Succeeded => Ok(()),
            reason => write!(f, ": {reason}"),
        }
    }
}
