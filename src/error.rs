//! How a call ends: [`Reason`], [`Interrupted`], [`Veto`], and the error of a report.

use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::hook::FinishFacts;
use crate::time::Rounded;
use crate::time::from_nanos;

/// Why a call ended.
///
/// ```
/// use persevere::Reason;
///
/// assert!(Reason::Budget.gave_up() && !Reason::Budget.is_success());
/// assert!(!Reason::Cancelled.gave_up() && !Reason::Succeeded.gave_up());
/// assert_eq!(Reason::Attempts.as_str(), "attempts");
/// assert_eq!(Reason::Attempts.to_string(), "attempt limit reached");
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
    /// The [deadline](crate::Policy::deadline) of the call or of an enclosing call was exceeded, or
    /// a retry would have started at it or past it; or a hook returned [`Veto::Deadline`].
    Deadline,
    /// A hook returned [`Veto::Budget`]: the retry budget was spent.
    Budget,
    /// A guard returned [`Veto::Circuit`]: the circuit breaker was open.
    Circuit,
    /// `Retry-After` exceeded its [ceiling](crate::Backoff::max_retry_after).
    RetryAfterTooLong,
    /// A hook refused the retry, or a guard the attempt, with [`Veto::Refused`].
    Refused,
    /// The last attempt took longer than its [limit](crate::Policy::attempt_timeout), and no further
    /// attempt was allowed.
    AttemptTimeout,
    /// The future of the call, or of the last attempt of a loop, was dropped before it was ready; or a
    /// [token](crate::time::CancelToken) was cancelled.
    Cancelled,
    /// A loop, or an [`Engine`](crate::Engine), was dropped between the beginning of an attempt and its
    /// outcome, without success or failure, and not by a dropped attempt or a cut sleep.
    Abandoned,
    /// The operation, the classifier, the backoff, the timer, a hook or a guard panicked.
    Panicked,
}

impl Reason {
    /// Returns whether the reason is [`Succeeded`](Reason::Succeeded).
    #[must_use]
    #[inline]
    pub const fn is_success(self) -> bool {
        matches!(self, Reason::Succeeded)
    }

    /// Returns whether the call came to its end and failed: `false` if it succeeded, was
    /// [cancelled](Reason::Cancelled) or [abandoned](Reason::Abandoned), or
    /// [panicked](Reason::Panicked).
    #[must_use]
    #[inline]
    pub const fn gave_up(self) -> bool {
        !matches!(
            self,
            Reason::Succeeded | Reason::Cancelled | Reason::Abandoned | Reason::Panicked
        )
    }

    /// Returns the variant's name in `snake_case`, such as `retry_after_too_long`, for the labels of
    /// metrics. `Display` prints sentences.
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
            Reason::AttemptTimeout => "attempt_timeout",
            Reason::Cancelled => "cancelled",
            Reason::Abandoned => "abandoned",
            Reason::Panicked => "panicked",
        }
    }
}

/// In words: `attempt limit reached`.
impl fmt::Display for Reason {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Succeeded => "succeeded",
            Reason::NotRetryable => "not retryable",
            Reason::Attempts => "attempt limit reached",
            Reason::Elapsed => "time limit reached",
            Reason::Deadline => "deadline exceeded",
            Reason::Budget => "retry budget spent",
            Reason::Circuit => "circuit open",
            Reason::RetryAfterTooLong => "`Retry-After` exceeds its limit",
            Reason::Refused => "refused by a hook or a guard",
            Reason::AttemptTimeout => "the last attempt timed out",
            Reason::Cancelled => "cancelled",
            Reason::Abandoned => "the loop was abandoned",
            Reason::Panicked => "panicked",
        })
    }
}

/// Why a hook refuses a retry, or a guard an attempt. It becomes the [`Reason`] of that name.
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
    /// No time is left before a deadline.
    Deadline,
    /// Any other reason.
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
/// Only calls with [guards](crate::guard) end so. Their error type implements `From<Interrupted>`, or
/// the call or its policy has [`.or_interrupted(..)`](crate::Retry::or_interrupted), or the call
/// has [`.report()`](crate::Retry::report). `std::io::Error` implements it: its kind is `TimedOut` after a
/// timeout or a deadline, `ConnectionRefused` where a guard refused the attempt for another reason, and
/// `Other` for a cancelled call.
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
/// assert_eq!(refused.to_string(), "the attempt was refused: circuit open");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interrupted {
    /// A guard refused an attempt before it began.
    Vetoed(Veto),
    /// The last attempt was dropped after this time, its
    /// [limit](crate::Policy::attempt_timeout), and no further attempt was allowed.
    AttemptTimeout {
        /// The limit on the time of the attempt.
        limit: Duration,
    },
    /// The [deadline](crate::Policy::deadline) of the call or of an enclosing call was exceeded while
    /// an attempt ran.
    Deadline {
        /// The time that the call had, from its beginning.
        limit: Duration,
    },
    /// The last attempt was dropped after its [limit](crate::Policy::attempt_timeout), and the
    /// [deadline](crate::Policy::deadline) left no time for the delay and another attempt.
    NoTimeLeft {
        /// The limit on the time of the attempt.
        attempt_limit: Duration,
        /// The time that was left until the deadline; not longer than the delay would have been.
        left: Duration,
    },
    /// The call was [cancelled](crate::Policy::cancel_by) during an attempt that timed out, or before any
    /// attempt had an outcome.
    Cancelled,
}

impl Interrupted {
    /// Returns the reason with which the call ended: that of the veto,
    /// [`AttemptTimeout`](Reason::AttemptTimeout), [`Deadline`](Reason::Deadline) or
    /// [`Cancelled`](Reason::Cancelled).
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Interrupted::Vetoed(veto) => veto.into(),
            Interrupted::AttemptTimeout { .. } => Reason::AttemptTimeout,
            Interrupted::Deadline { .. } | Interrupted::NoTimeLeft { .. } => Reason::Deadline,
            Interrupted::Cancelled => Reason::Cancelled,
        }
    }
}

/// `deadline of 1 s exceeded`
impl fmt::Display for Interrupted {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Interrupted::Vetoed(veto) => {
                write!(f, "the attempt was refused: {}", Reason::from(veto))
            }
            // An engine that is driven by hand may have no limit.
            Interrupted::AttemptTimeout { limit } if limit >= from_nanos(u64::MAX) => {
                f.write_str("the attempt timed out")
            }
            Interrupted::AttemptTimeout { limit } => {
                write!(f, "the attempt timed out after {}", Rounded(limit))
            }
            Interrupted::Deadline { limit } => {
                write!(f, "deadline of {} exceeded", Rounded(limit))
            }
            Interrupted::NoTimeLeft { attempt_limit, left } => write!(
                f,
                "the attempt timed out after {}, and the {} until the deadline are too short for \
                 another",
                Rounded(attempt_limit),
                Rounded(left)
            ),
            Interrupted::Cancelled => f.write_str("cancelled after an attempt without an outcome"),
        }
    }
}

impl Error for Interrupted {}

impl From<core::convert::Infallible> for Interrupted {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(feature = "std")]
impl From<Interrupted> for std::io::Error {
    fn from(interrupted: Interrupted) -> Self {
        let kind = match interrupted {
            Interrupted::Vetoed(Veto::Deadline) => std::io::ErrorKind::TimedOut,
            Interrupted::Vetoed(_) => std::io::ErrorKind::ConnectionRefused,
            // Not `Interrupted`: `Read::read_exact` and others repeat a call with that kind.
            Interrupted::Cancelled => std::io::ErrorKind::Other,
            _ => std::io::ErrorKind::TimedOut,
        };
        std::io::Error::new(kind, interrupted)
    }
}

/// The argument of [`.or_interrupted(..)`](crate::Retry::or_interrupted): why the call was
/// interrupted, and the error of the attempt before.
///
/// ```
/// use persevere::{CircuitBreaker, RetryExt, immediate};
/// use persevere::breaker::Settings;
///
/// let breaker = CircuitBreaker::new(Settings::consecutive(2));
/// let read = || {
///     (|| Err::<(), _>(String::from("connection reset")))
///         .retry_with(immediate().max_attempts(5))
///         .guard(breaker.by_ref())
///         .or_interrupted(|why| match why.last_error() {
///             Some(error) => format!("{error} ({why})"),
///             None => why.to_string(),
///         })
///         .call()
/// };
/// // The circuit opens in the middle of the first call: its own error comes out.
/// assert_eq!(read(), Err("connection reset".into()));
/// // The second call makes no attempt.
/// assert_eq!(read(), Err("the attempt was refused: circuit open".into()));
/// ```
#[derive(Clone, Debug)]
pub struct Interruption<E> {
    pub(crate) interrupted: Interrupted,
    pub(crate) last_error: Option<E>,
}

impl<E> Interruption<E> {
    /// Returns why the call was interrupted.
    #[must_use]
    pub const fn interrupted(&self) -> Interrupted {
        self.interrupted
    }

    /// Returns the reason with which the call ended.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.interrupted.reason()
    }

    /// Returns the error of the last attempt that had an outcome, if it was an error.
    #[must_use]
    pub const fn last_error(&self) -> Option<&E> {
        self.last_error.as_ref()
    }

    /// Takes the error of the last attempt that had an outcome, if it was an error.
    #[must_use]
    pub fn into_last_error(self) -> Option<E> {
        self.last_error
    }
}

/// As [`Interrupted`] prints itself.
impl<E> fmt::Display for Interruption<E> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.interrupted.fmt(f)
    }
}

impl<E> From<Interruption<E>> for Interrupted {
    fn from(interruption: Interruption<E>) -> Self {
        interruption.interrupted
    }
}

/// An error type that [`.report()`](crate::Retry::report) can name as the source of its
/// [`RetryError`].
///
/// It is implemented for every [`Error`], for boxed errors (`Box<dyn Error>`, `anyhow::Error`,
/// `eyre::Report`), and, without a source, for texts, numbers and `()`. `M` distinguishes these and is
/// inferred. A type that is none of them is reported by
/// [`.report_without_source()`](crate::Retry::report_without_source).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error, so a report cannot have it as its source",
    label = "does not implement `std::error::Error`",
    note = "implement `Display` and `std::error::Error` for `{Self}` (for instance with `thiserror`)",
    note = "or write `.report_without_source()` instead of `.report()`"
)]
#[doc(hidden)]
pub trait Reportable<M> {
    /// Returns the error as the source of another, if it is an error.
    fn as_source(&self) -> Option<&(dyn Error + 'static)>;
}

/// Distinguishes the implementations of [`Reportable`].
#[doc(hidden)]
pub mod reportable {
    /// The type is an error.
    #[derive(Debug)]
    pub enum ByError {}
    /// The type is a pointer to an error, and no error itself.
    #[derive(Debug)]
    pub enum ByPointer {}
    /// The type is a value without a source.
    #[derive(Debug)]
    pub enum ByValue {}

    /// An error behind a pointer.
    pub trait ErrorObject {
        /// Returns the error.
        fn as_source(&self) -> &(dyn core::error::Error + 'static);
    }
}

#[diagnostic::do_not_recommend]
impl<E: Error + 'static> Reportable<reportable::ByError> for E {
    fn as_source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[diagnostic::do_not_recommend]
impl<P> Reportable<reportable::ByPointer> for P
where
    P: core::ops::Deref<Target: reportable::ErrorObject>,
{
    fn as_source(&self) -> Option<&(dyn Error + 'static)> {
        Some(reportable::ErrorObject::as_source(&**self))
    }
}

macro_rules! error_objects {
    ($($object:ty),*) => { $(
        impl reportable::ErrorObject for $object {
            fn as_source(&self) -> &(dyn Error + 'static) {
                self
            }
        }
    )* };
}
error_objects!(dyn Error, dyn Error + Send, dyn Error + Send + Sync);

macro_rules! values {
    ($($value:ty),*) => { $(
        #[diagnostic::do_not_recommend]
        impl Reportable<reportable::ByValue> for $value {
            fn as_source(&self) -> Option<&(dyn Error + 'static)> {
                None
            }
        }
    )* };
}
values!(&str, (), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
#[cfg(feature = "alloc")]
values!(alloc::string::String, alloc::borrow::Cow<'_, str>, alloc::boxed::Box<str>);

/// The error of a call with [`.report()`](crate::Retry::report): why the call ended, attempts, times,
/// and the last error of the operation as its [source](Error::source).
///
/// `?` converts it into `anyhow::Error`, `eyre::Report` and `Box<dyn Error>`, also where the operation
/// itself returns one of these. `Display` rounds durations to three digits, and prints the last error
/// where that has no place as a source; `Debug` prints everything in full.
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
/// assert_eq!(error.to_string(), "gave up after 3 attempts (4 s): attempt limit reached");
/// let last = std::error::Error::source(&error).unwrap();
/// assert_eq!(last.to_string(), "invalid digit found in string");
///
/// fn answer() -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
///     let read = || Err::<u32, Box<dyn std::error::Error + Send + Sync>>("no answer".into());
///     Ok(read.retry_with(persevere::immediate().max_attempts(2)).report().call()?)
/// }
/// let error = answer().unwrap_err();
/// assert_eq!(error.source().unwrap().to_string(), "no answer");
/// ```
#[derive(Clone)]
pub struct RetryError<E> {
    facts: FinishFacts,
    error: Option<E>,
    #[cfg(feature = "alloc")]
    history: alloc::boxed::Box<[E]>,
    source: SourceOf<E>,
}

/// Returns the source of an error, if its type has one.
pub(crate) type SourceOf<E> = Option<fn(&E) -> Option<&(dyn Error + 'static)>>;

impl<E> RetryError<E> {
    pub(crate) fn new(facts: FinishFacts, error: Option<E>, source: SourceOf<E>) -> Self {
        RetryError {
            facts,
            error,
            #[cfg(feature = "alloc")]
            history: alloc::boxed::Box::default(),
            source,
        }
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn with_history(mut self, history: alloc::boxed::Box<[E]>) -> Self {
        self.history = history;
        self
    }

    /// Returns why the call ended.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.facts.reason()
    }

    /// Returns how many attempts were begun, the first included: 0 if the first was refused.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.facts.attempts()
    }

    /// Returns the time from the beginning of the call to its end, attempts and sleeps together. A
    /// call with a report reads the clock; the [`DefaultTimer`](crate::DefaultTimer) has none without
    /// `std`, so that the time is zero there.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        match self.facts.elapsed() {
            Ok(elapsed) => elapsed,
            Err(_) => Duration::ZERO,
        }
    }

    /// Returns the sum of the sleeps between attempts.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.facts.waited()
    }

    /// Returns the [name](crate::Retry::named) of the operation, if it was given one.
    #[must_use]
    pub const fn operation(&self) -> Option<&'static str> {
        self.facts.operation()
    }

    /// Returns the error of the last attempt that had an outcome. There is none if no attempt was
    /// made, or if the last attempt returned a value that the classifier did not accept.
    #[must_use]
    pub const fn error(&self) -> Option<&E> {
        self.error.as_ref()
    }

    /// Takes the last error of the operation; see [`error`](RetryError::error).
    #[must_use]
    pub fn into_error(self) -> Option<E> {
        self.error
    }

    /// Returns why the call ended without an outcome, if it did. The [error](RetryError::error) is
    /// then that of the attempt before, if there was one.
    ///
    /// ```
    /// use persevere::guard::Guard;
    /// use persevere::{Attempt, Interrupted, RetryExt, Veto, immediate};
    /// use std::ops::ControlFlow::{self, Break, Continue};
    /// # struct Once;
    /// impl<O> Guard<O> for Once {
    ///     fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
    ///         if attempt.is_first() { Continue(()) } else { Break(Veto::Circuit) }
    ///     }
    /// }
    /// let retry = (|| Err::<(), _>("busy")).retry_with(immediate().max_attempts(3)).guard(Once);
    /// let error = retry.report().call().unwrap_err();
    /// assert_eq!(error.interrupted(), Some(Interrupted::Vetoed(Veto::Circuit)));
    /// assert_eq!((error.attempts(), error.error()), (1, Some(&"busy")));
    /// ```
    #[must_use]
    pub const fn interrupted(&self) -> Option<Interrupted> {
        self.facts.interrupted
    }

    /// Returns the errors before the last one, oldest first: at most as many as
    /// [`.history(n)`](crate::Retry::history) keeps, and none without it.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn history(&self) -> &[E] {
        &self.history
    }

    fn source_of(&self) -> Option<&(dyn Error + 'static)> {
        self.source?(self.error.as_ref()?)
    }
}

impl<E: PartialEq> PartialEq for RetryError<E> {
    fn eq(&self, other: &Self) -> bool {
        let equal = self.facts == other.facts && self.error == other.error;
        #[cfg(feature = "alloc")]
        let equal = equal && self.history == other.history;
        equal
    }
}

impl<E: Eq> Eq for RetryError<E> {}

impl<E: fmt::Debug> fmt::Debug for RetryError<E> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RetryError");
        debug
            .field("reason", &self.reason())
            .field("attempts", &self.attempts())
            .field("elapsed", &self.elapsed())
            .field("waited", &self.waited())
            .field("operation", &self.operation())
            .field("error", &self.error)
            .field("interrupted", &self.facts.interrupted);
        #[cfg(feature = "alloc")]
        debug.field("history", &self.history);
        debug.finish()
    }
}

/// `gave up after 3 attempts (4 s): attempt limit reached`
impl<E: fmt::Display> fmt::Display for RetryError<E> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Summary { facts: &self.facts }.fmt(f)?;
        match &self.error {
            // A source is printed by reporters that walk the chain.
            Some(error) if self.source_of().is_none() => write!(f, ": {error}"),
            _ => Ok(()),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for RetryError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source_of()
    }
}

/// The sentence of a [`RetryError`] and of a finish event.
pub(crate) struct Summary<'a> {
    pub(crate) facts: &'a FinishFacts,
}

impl fmt::Display for Summary<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts;
        if let Some(operation) = facts.operation() {
            write!(f, "{operation}: ")?;
        }
        f.write_str(match facts.reason() {
            reason if reason.gave_up() => "gave up",
            Reason::Succeeded => "succeeded",
            _ => "ended",
        })?;
        match facts.attempts() {
            1 => f.write_str(" after 1 attempt")?,
            n => write!(f, " after {n} attempts")?,
        }
        if let Ok(elapsed) = facts.elapsed() {
            write!(f, " ({})", Rounded(elapsed))?;
        }
        match (facts.reason(), facts.interrupted) {
            (Reason::Succeeded, _) => Ok(()),
            (_, Some(interrupted)) => write!(f, ": {interrupted}"),
            (Reason::Deadline, None) => {
                f.write_str(": no time for another attempt before the deadline")
            }
            (reason, None) => write!(f, ": {reason}"),
        }
    }
}
