//! Yes-or-no questions about errors and values, and their algebra.

use core::fmt;

use super::{Classifier, Verdict};
use crate::{Attempt, Outcome};

/// A yes-or-no question about a `T`, pure. Every closure `Fn(&T) -> bool` is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no predicate over `{T}`",
    note = "a predicate is a closure `|value: &{T}| -> bool`"
)]
pub trait Predicate<T: ?Sized> {
    /// The answer for `subject`.
    fn test(&self, subject: &T) -> bool;
}

impl<T: ?Sized, F: Fn(&T) -> bool> Predicate<T> for F {
    #[inline]
    fn test(&self, subject: &T) -> bool {
        self(subject)
    }
}

/// The algebra of predicates: `and`, `or`, `not`.
///
/// ```
/// use persevere::classify::{Predicate, PredicateExt};
///
/// fn server_error(status: &u16) -> bool { (500..600).contains(status) }
/// fn not_implemented(status: &u16) -> bool { *status == 501 }
///
/// let transient = server_error.and(not_implemented.not()).or(|status: &u16| *status == 429);
/// assert!(transient.test(&503) && transient.test(&429));
/// assert!(!transient.test(&501) && !transient.test(&404));
/// ```
pub trait PredicateExt: Sized {
    /// Both say yes. The second is asked only if the first does.
    fn and<P>(self, other: P) -> And<Self, P> {
        And { first: self, other }
    }

    /// One says yes. The second is asked only if the first does not.
    fn or<P>(self, other: P) -> Or<Self, P> {
        Or { first: self, other }
    }

    /// The opposite.
    fn not(self) -> Not<Self> {
        Not { inner: self }
    }
}

impl<P> PredicateExt for P {}

/// Two predicates that both say yes. Made by [`PredicateExt::and`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct And<A, B> {
    first: A,
    other: B,
}

impl<T: ?Sized, A: Predicate<T>, B: Predicate<T>> Predicate<T> for And<A, B> {
    #[inline]
    fn test(&self, subject: &T) -> bool {
        self.first.test(subject) && self.other.test(subject)
    }
}

/// Two predicates of which one says yes. Made by [`PredicateExt::or`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Or<A, B> {
    first: A,
    other: B,
}

impl<T: ?Sized, A: Predicate<T>, B: Predicate<T>> Predicate<T> for Or<A, B> {
    #[inline]
    fn test(&self, subject: &T) -> bool {
        self.first.test(subject) || self.other.test(subject)
    }
}

/// A predicate that says the opposite. Made by [`PredicateExt::not`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Not<P> {
    inner: P,
}

impl<T: ?Sized, P: Predicate<T>> Predicate<T> for Not<P> {
    #[inline]
    fn test(&self, subject: &T) -> bool {
        !self.inner.test(subject)
    }
}

/// Retries the errors that a predicate approves. Made by [`when`].
#[derive(Clone, Copy, PartialEq, Eq)]
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
pub const fn when<P>(predicate: P) -> When<P> {
    When { predicate }
}

impl<O: Outcome, P: Predicate<O::Error>> Classifier<O> for When<P> {
    #[inline]
    fn classify(&self, outcome: &O, _: &Attempt) -> Option<Verdict> {
        let error = outcome.as_result().err()?;
        Some(if self.predicate.test(error) { Verdict::Retry } else { Verdict::Stop })
    }
}

/// Retries until a value is good. Made by [`until`].
#[derive(Clone, Copy, PartialEq, Eq)]
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
pub const fn until<P>(predicate: P) -> Until<P> {
    Until { predicate }
}

impl<O: Outcome, P: Predicate<O::Value>> Classifier<O> for Until<P> {
    #[inline]
    fn classify(&self, outcome: &O, _: &Attempt) -> Option<Verdict> {
        let value = outcome.as_result().ok()?;
        Some(if self.predicate.test(value) { Verdict::Accept } else { Verdict::Retry })
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
opaque_debug!(And<A, B>, Or<A, B>, Not<P>, When<P>, Until<P>);
