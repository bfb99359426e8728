//! Errors marked as transient or permanent where that is known: in the operation.

use core::error::Error;
use core::fmt;
use core::time::Duration;

use super::{Classifier, Verdict};
use crate::{Attempt, Outcome};

/// An error that says itself whether a retry can help.
///
/// An operation wraps its errors where it knows what they mean, with [`transient`],
/// [`transient_after`] and [`permanent`], and the call is given [`by_mark`]. It prints as the error
/// inside, and has the same sources.
///
/// ```
/// use persevere::{RetryExt, immediate};
/// use persevere::classify::{by_mark, permanent, transient};
///
/// let mut calls = 0;
/// let outcome = (|| {
///     calls += 1;
///     "12a".parse::<i32>().map_err(permanent)
/// })
/// .retry_with(immediate().max_attempts(5))
/// .classifier(by_mark())
/// .call();
/// assert_eq!((outcome.unwrap_err().into_inner().to_string(), calls),
///     ("invalid digit found in string".into(), 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Marked<E> {
    /// It may be gone the next time.
    Transient(E),
    /// It may be gone after this long; see [`Verdict::RetryAfter`].
    TransientAfter(E, Duration),
    /// It will be the same the next time.
    Permanent(E),
}

impl<E: fmt::Display> fmt::Display for Marked<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<E: Error> Error for Marked<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.get().source()
    }
}

/// Marks an error as worth a retry. See [`Marked`].
///
/// ```
/// use persevere::classify::{Marked, transient};
/// assert_eq!("busy".parse::<u8>().map_err(|_| transient("busy")), Err(Marked::Transient("busy")));
/// ```
pub const fn transient<E>(error: E) -> Marked<E> {
    Marked::Transient(error)
}

/// Marks an error as worth a retry once `delay` has passed, as a server's `Retry-After` says. See
/// [`Marked`].
///
/// ```
/// use persevere::{RetryExt, immediate, time::VirtualClock};
/// use persevere::classify::{by_mark, transient_after};
/// use std::time::Duration;
///
/// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
/// let _ = (|| Err::<(), _>(transient_after("busy", second)))
///     .retry_with(immediate().max_attempts(3))
///     .classifier(by_mark())
///     .timer(clock.clone())
///     .call();
/// assert_eq!(clock.slept(), [second, second]);
/// ```
pub const fn transient_after<E>(error: E, delay: Duration) -> Marked<E> {
    Marked::TransientAfter(error, delay)
}

/// Marks an error as one that no retry can help. See [`Marked`].
///
/// ```
/// use persevere::classify::{Marked, permanent};
/// assert_eq!(permanent("no such user"), Marked::Permanent("no such user"));
/// ```
pub const fn permanent<E>(error: E) -> Marked<E> {
    Marked::Permanent(error)
}

impl<E> Marked<E> {
    /// The error inside.
    #[must_use]
    pub fn get(&self) -> &E {
        match self {
            Marked::Transient(error)
            | Marked::TransientAfter(error, _)
            | Marked::Permanent(error) => error,
        }
    }

    /// Takes the error out of its mark.
    #[must_use]
    pub fn into_inner(self) -> E {
        match self {
            Marked::Transient(error)
            | Marked::TransientAfter(error, _)
            | Marked::Permanent(error) => error,
        }
    }

    /// What the mark means, for a classifier of your own.
    ///
    /// ```
    /// use persevere::Verdict;
    /// use persevere::classify::{permanent, transient};
    /// let (busy, gone) = (transient("busy"), permanent("gone"));
    /// assert_eq!((busy.verdict(), gone.verdict()), (Verdict::Retry, Verdict::Stop));
    /// assert_eq!((busy.get(), gone.into_inner()), (&"busy", "gone"));
    /// ```
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Marked::Transient(_) => Verdict::Retry,
            Marked::TransientAfter(_, delay) => Verdict::RetryAfter(*delay),
            Marked::Permanent(_) => Verdict::Stop,
        }
    }
}

/// An error that `?` converts is transient: most are, and a mark is for those that are not.
///
/// ```
/// use persevere::classify::{Marked, permanent};
/// fn port(text: &str) -> Result<u16, Marked<std::num::ParseIntError>> {
///     if text.is_empty() { return Err(permanent("".parse::<u16>().unwrap_err())); }
///     Ok(text.parse()?)
/// }
/// assert!(matches!(port("x"), Err(Marked::Transient(_))));
/// assert!(matches!(port(""), Err(Marked::Permanent(_))));
/// ```
impl<E> From<E> for Marked<E> {
    fn from(error: E) -> Self {
        Marked::Transient(error)
    }
}

/// Classifies errors by their own mark. Made by [`by_mark`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct ByMark;

/// Does what the mark of an error says; it has no opinion on values. See [`Marked`].
///
/// ```
/// use persevere::{Attempt, Verdict};
/// use persevere::classify::{Classifier, Marked, by_mark, permanent};
/// let classify = |outcome: Result<(), Marked<&str>>| by_mark().classify(&outcome, &Attempt::new(1));
/// assert_eq!(classify(Err(permanent("gone"))), Some(Verdict::Stop));
/// assert_eq!(classify(Ok(())), None);
/// ```
#[must_use]
pub const fn by_mark() -> ByMark {
    ByMark
}

impl<E, O: Outcome<Error = Marked<E>>> Classifier<O> for ByMark {
    #[inline]
    fn classify(&self, outcome: &O, _: &Attempt) -> Option<Verdict> {
        outcome.as_result().err().map(Marked::verdict)
    }

    /// A permanent error stays permanent: the operation marked it.
    #[inline]
    fn restrict(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        self.classify(outcome, attempt).filter(|verdict| *verdict != Verdict::Retry)
    }
}
