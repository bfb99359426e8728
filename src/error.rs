//! How a call ends: [`Reason`], [`Interrupted`], [`Veto`], and the error of a report.

use core::fmt;
use core::time::Duration;

use crate::hook::{FinishFacts, Of};

/// Why a call ended.
///
/// ```
/// use persevere::Reason;
///
/// assert!(Reason::Budget.gave_up() && !Reason::Budget.is_success());
/// assert!(!Reason::Cancelled.gave_up() && !Reason::Succeeded.gave_up());
/// assert_eq!(Reason::Attempts.as_str(), "attempts");
/// assert_eq!(Reason::Attempts.to_string(), "no attempts left");
/// ```
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
    /// The [deadline](crate::Policy::deadline) of the call or of an enclosing one came, or a retry
    /// would have started at it or past it; or a hook said [`Veto::Deadline`].
    Deadline,
    /// A hook said [`Veto::Budget`]: the retry budget was spent.
    Budget,
    /// A hook said [`Veto::Circuit`]: the circuit breaker was open.
    Circuit,
    /// The server asked for a longer wait than its
    /// [ceiling](crate::Backoff::max_retry_after) allows.
    RetryAfterTooLong,
    /// A hook said [`Veto::Refused`]: it refused the retry, or as a guard the attempt, for a reason
    /// of its own.
    Refused,
    /// The last attempt took longer than its [limit](crate::Policy::attempt_timeout), and there was
    /// no further one.
    Interrupted,
    /// The future was dropped before it was ready.
    Cancelled,
    /// The loop was left without a word: neither success nor failure.
    Left,
    /// The operation, the classifier, the backoff, the timer or a hook panicked.
    Panicked,
}

impl Reason {
    /// Whether the call ended well: [`Succeeded`](Reason::Succeeded), and nothing else.
    #[must_use]
    #[inline]
    pub const fn is_success(self) -> bool {
        matches!(self, Reason::Succeeded)
    }

    /// Whether the call came to its end and failed. `false` if it succeeded, was
    /// [cancelled](Reason::Cancelled) or [left](Reason::Left), or [panicked](Reason::Panicked).
    #[must_use]
    #[inline]
    pub const fn gave_up(self) -> bool {
        !matches!(self, Reason::Succeeded | Reason::Cancelled | Reason::Left | Reason::Panicked)
    }

    /// The reason in one word, for the labels of metrics: the variant's name in `snake_case`, such
    /// as `succeeded` or `retry_after_too_long`. Sentences are for `Display`.
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

/// Why a hook refuses an attempt or a retry. It becomes the [`Reason`] of the same name.
///
/// ```
/// use persevere::{Reason, RetryExt, Veto, immediate};
/// use persevere::hook::{Hook, RetryEvent};
/// use std::ops::ControlFlow;
///
/// struct Spent;
/// impl<O> Hook<O> for Spent {
///     fn allow_retry(&mut self, _: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
///         ControlFlow::Break(Veto::Budget)
///     }
/// }
///
/// let retry = (|| Err::<(), _>("busy")).retry_with(immediate().max_attempts(3)).hook(Spent);
/// let error = retry.report().call().unwrap_err();
/// assert_eq!((error.reason(), error.attempts()), (Reason::Budget, 1));
/// ```
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
/// Only calls of a policy that [may interrupt](crate::MayInterrupt) end so; then the error type
/// needs `From<Interrupted>`, or the call `.report()`.
///
/// ```
/// use persevere::{Interrupted, Reason, Veto};
///
/// #[derive(Debug, PartialEq)]
/// enum StoreError { Unavailable(Reason) }
/// impl From<Interrupted> for StoreError {
///     fn from(interrupted: Interrupted) -> Self { StoreError::Unavailable(interrupted.reason()) }
/// }
///
/// let refused = Interrupted::Vetoed(Veto::Circuit);
/// assert_eq!(StoreError::from(refused), StoreError::Unavailable(Reason::Circuit));
/// assert_eq!(refused.to_string(), "the attempt was refused: the circuit is open");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Interrupted {
    /// A hook refused an attempt before it began.
    #[error("the attempt was refused: {}", Reason::from(*.0))]
    Vetoed(Veto),
    /// The last attempt took longer than its [limit](crate::Policy::attempt_timeout).
    #[error("the attempt took too long")]
    AttemptTimeout,
    /// The [deadline](crate::Policy::deadline) came while an attempt was running.
    #[error("the deadline came")]
    Deadline,
}

impl Interrupted {
    /// The reason with which the call ended: that of the veto, or
    /// [`Interrupted`](Reason::Interrupted) or [`Deadline`](Reason::Deadline).
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Interrupted::Vetoed(veto) => veto.into(),
            Interrupted::AttemptTimeout => Reason::Interrupted,
            Interrupted::Deadline => Reason::Deadline,
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
/// It is an [`Error`](core::error::Error) if `E` is one. A boxed error is none: there, look at the
/// parts, or take the last error out with [`into_error`](RetryError::into_error).
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

    /// How many executions were begun, the first included: 0 if that was refused.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.facts.attempts()
    }

    /// The time from the beginning of the call to its end, attempts and sleeps together; `None`
    /// without a clock. A report asks for the clock, so the time is there, but the
    /// [`DefaultTimer`](crate::DefaultTimer) has none without `std` and says zero.
    #[must_use]
    pub const fn elapsed(&self) -> Option<Duration> {
        self.facts.elapsed()
    }

    /// What was slept between attempts, in all.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.facts.waited()
    }

    /// The name of what was retried, if it was [given one](crate::Retry::operation).
    #[must_use]
    pub const fn operation(&self) -> Option<&'static str> {
        self.facts.operation()
    }

    /// The error of the last attempt that was made. There is none if no attempt was made, or if the
    /// last one made a value that the classifier did not accept.
    #[must_use]
    pub const fn error(&self) -> Option<&E> {
        self.error.as_ref()
    }

    /// Takes the last error of the operation; see [`error`](RetryError::error).
    #[must_use]
    pub fn into_error(self) -> Option<E> {
        self.error
    }

    /// Why the call ended without an outcome, if it did. The [error](RetryError::error) is then that
    /// of the attempt before, if there was one.
    ///
    /// ```
    /// use persevere::{Attempt, Interrupted, Policy, RetryExt, Veto, hook::Hook, immediate};
    /// use std::ops::ControlFlow::{self, Break, Continue};
    /// # #[derive(Clone)] struct Once;
    /// impl<O> Hook<O> for Once {
    ///     fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
    ///         if attempt.is_first() { Continue(()) } else { Break(Veto::Circuit) }
    ///     }
    /// }
    /// let policy = Policy::new(immediate().max_attempts(3)).guard(Once);
    /// let error = (|| Err::<(), _>("busy")).retry_with(&policy).report().call().unwrap_err();
    /// assert_eq!(error.interrupted(), Some(Interrupted::Vetoed(Veto::Circuit)));
    /// assert_eq!((error.attempts(), error.error()), (1, Some(&"busy")));
    /// ```
    #[must_use]
    pub const fn interrupted(&self) -> Option<Interrupted> {
        self.interrupted
    }

    /// The errors before the last one, oldest first, as many as
    /// [`.history(n)`](crate::Retry::history) asked for: none unless it did.
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
        Of(facts.operation()).fmt(f)?;
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
