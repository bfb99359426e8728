//! Yes-or-no questions about errors and values, and their algebra.

use core::fmt;

use super::{Classifier, Verdict};
use crate::{Attempt, Outcome};

/// The algebra of predicates, that is of closures and functions `Fn(&T) -> bool`: `and`, `or`,
/// `not`. What comes out is a closure again, for `.when`, `.until` and wherever one is taken.
///
/// ```
/// use persevere::classify::PredicateExt;
/// use persevere::{RetryExt, immediate};
///
/// fn server_error(status: &u16) -> bool { (500..600).contains(status) }
/// fn not_implemented(status: &u16) -> bool { *status == 501 }
///
/// let transient = server_error.and(not_implemented.not()).or(|status: &u16| *status == 429);
/// assert!(transient(&503) && transient(&429));
/// assert!(!transient(&501) && !transient(&404));
///
/// let outcome = (|| Err::<(), _>(501)).retry_with(immediate().forever()).when(transient).call();
/// assert_eq!(outcome, Err(501));
/// ```
pub trait PredicateExt<T: ?Sized>: Fn(&T) -> bool + Sized {
    /// Both say yes. The second is asked only if the first does.
    fn and(self, other: impl Fn(&T) -> bool) -> impl Fn(&T) -> bool {
        move |subject: &T| self(subject) && other(subject)
    }

    /// At least one says yes. The second is asked only if the first does not.
    fn or(self, other: impl Fn(&T) -> bool) -> impl Fn(&T) -> bool {
        move |subject: &T| self(subject) || other(subject)
    }

    /// The opposite.
    fn not(self) -> impl Fn(&T) -> bool {
        move |subject: &T| !self(subject)
    }
}

impl<T: ?Sized, P: Fn(&T) -> bool> PredicateExt<T> for P {}

/// Retries the errors that a predicate approves. Made by [`when`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct When<P> {
    predicate: P,
}

/// Retries the errors for which `predicate` says yes and stops at all others; it has no opinion on
/// values.
///
/// ```
/// use persevere::{Attempt, Verdict};
/// use persevere::classify::{Classifier, when};
///
/// let busy = when(|status: &u16| *status == 503);
/// let classify = |outcome: Result<(), u16>| busy.classify(&outcome, &Attempt::new(1));
/// assert_eq!(classify(Err(503)), Some(Verdict::Retry));
/// assert_eq!(classify(Err(404)), Some(Verdict::Stop));
/// assert_eq!(classify(Ok(())), None);
/// ```
#[must_use]
#[doc(hidden)]
pub const fn when<P>(predicate: P) -> When<P> {
    When { predicate }
}

impl<O: Outcome, P: Fn(&O::Error) -> bool> Classifier<O> for When<P> {
    #[inline]
    fn classify(&self, outcome: &O, _: &Attempt) -> Option<Verdict> {
        let error = outcome.as_result().err()?;
        Some(if (self.predicate)(error) { Verdict::Retry } else { Verdict::Stop })
    }
}

/// Retries until a value is good. Made by [`until`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct Until<P> {
    predicate: P,
}

/// Accepts the values for which `predicate` says yes and retries all others; it has no opinion on
/// errors.
///
/// ```
/// use persevere::{Attempt, Verdict};
/// use persevere::classify::{Classifier, until};
///
/// let ready = until(|progress: &u8| *progress == 100);
/// let classify = |outcome: Result<u8, ()>| ready.classify(&outcome, &Attempt::new(1));
/// assert_eq!(classify(Ok(100)), Some(Verdict::Accept));
/// assert_eq!(classify(Ok(99)), Some(Verdict::Retry));
/// assert_eq!(classify(Err(())), None);
/// ```
#[must_use]
#[doc(hidden)]
pub const fn until<P>(predicate: P) -> Until<P> {
    Until { predicate }
}

impl<O: Outcome, P: Fn(&O::Value) -> bool> Classifier<O> for Until<P> {
    #[inline]
    fn classify(&self, outcome: &O, _: &Attempt) -> Option<Verdict> {
        let value = outcome.as_result().ok()?;
        Some(if (self.predicate)(value) { Verdict::Accept } else { Verdict::Retry })
    }
}

/// Closures have no `Debug`; what they are part of still has.
macro_rules! opaque_debug {
    ($($name:ident<$($g:ident),*>),*) => { $(
        impl<$($g),*> fmt::Debug for $name<$($g),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )* };
}
opaque_debug!(When<P>, Until<P>);
