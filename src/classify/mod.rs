//! The meaning of outcomes: [`Classifier`], [`Verdict`], and the classifiers of this crate.
//!
//! Values and errors take one path: a classifier is shown the [outcome](Outcome) and returns accept,
//! retry, retry after a delay, or stop; or `None`, and the next classifier decides.
//!
//! ```
//! use persevere::{RetryExt, Verdict, immediate};
//! use std::time::Duration;
//!
//! # #[derive(Debug, PartialEq)]
//! enum HttpError { Busy { retry_after: Duration }, NotFound }
//!
//! let outcome = (|| Err::<(), _>(HttpError::NotFound))
//!     .retry_with(immediate().max_attempts(3))
//!     .classify(|outcome, _| match outcome {
//!         Err(HttpError::Busy { retry_after }) => Some(Verdict::RetryAfter(*retry_after)),
//!         Err(HttpError::NotFound) => Some(Verdict::Stop),
//!         Ok(()) => None,
//!     })
//!     .call();
//! assert_eq!(outcome, Err(HttpError::NotFound));
//! ```
//!
//! | decided by | use |
//! |---|---|
//! | the error | `.when(..)` at the call, or [`when`] |
//! | the value | `.until(..)` at the call, or [`until`] |
//! | both, or the attempt | `.classify(..)` at the call, or [`classify_fn`] |
//! | `std::io::ErrorKind` | [`io::is_transient`], [`io::of_kind`] |
//! | a cause behind the error | [`caused_by`] |
//! | a mark that the operation made | [`by_mark`] with [`transient`] and [`permanent`] |
//! | the status and headers of a response | [`retry_after::verdict`] (feature `http`), with [`Verdict::with_jitter`] |
//! | the [kind](Kinded) of the error | [`is_transient`], [`of_kind`], [`kinds`]; [`NamedKinds`] for names of a configuration |
//! | several predicates | `&&`, or [`PredicateExt`] |
//! | several classifiers | `.classifier(..)` several times, the last one decides first; or a tuple, in order |
//!
//! | default | |
//! |---|---|
//! | a value | accepted |
//! | an error | retried |
//!
//! **Do** name the transient errors: by default all are retried, and a wrong password stays wrong.
//! **Don't** retry what is not safe to repeat; a request that was cut off may have taken effect.

mod error_chain;
#[cfg(feature = "std")]
pub mod io;
mod jitter;
mod kinds;
mod mark;
mod predicate;
#[cfg(feature = "http")]
pub mod retry_after;

use core::fmt;
use core::time::Duration;

use crate::{Attempt, Outcome};

pub use self::error_chain::{caused_by, find_source, source_is_kind, sources};
pub use self::jitter::{RetryAfterJitter, retry_after_jitter};
#[cfg(feature = "alloc")]
#[doc(hidden)]
pub use self::kinds::NamedKinds;
pub use self::kinds::{Kinded, Kinds, is_transient, kinds, of_kind};
pub use self::mark::{ByMark, Marked, by_mark, permanent, transient, transient_after};
pub use self::predicate::{PredicateExt, Until, When, until, when};

/// What an outcome means for the call.
///
/// ```
/// use persevere::{RetryExt, Verdict, constant, time::VirtualClock};
/// use std::time::Duration;
///
/// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
/// let mut delays = [60, 0].into_iter();
/// let _ = (|| delays.next().map_or(Ok(()), Err))
///     .retry_with(constant(second).max_attempts(5))
///     .classify(|outcome, _| Some(Verdict::RetryAfter(outcome.err()? * second)))
///     .timer(clock.clone())
///     .call();
/// // What the server asks for is a floor: the backoff's own second stays where it is longer.
/// assert_eq!(clock.slept(), [60 * second, second]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The call returns it as a success. An error may be accepted too.
    Accept,
    /// Another attempt may have a better outcome.
    Retry,
    /// The server requested this delay (`Retry-After`): a floor under the backoff's delay, which is
    /// neither capped by [`max_delay`](crate::Backoff::max_delay) nor jittered down. More than the
    /// [ceiling](crate::Backoff::max_retry_after), five minutes by default, stops the call.
    RetryAfter(Duration),
    /// Another attempt cannot have a better outcome: the call returns it as a failure. Budgets and
    /// circuit breakers count no failure, since the server did its part.
    Stop,
    /// The server failed and forbids another attempt: the call returns the outcome as a failure, as
    /// with [`Stop`](Verdict::Stop), and budgets and circuit breakers count a failure.
    Forbidden,
}

/// Decides what an outcome means, for values and errors alike.
///
/// A classifier is pure. It may have no opinion, `None`; then the next classifier decides, and in the end
/// values are accepted and errors retried. No verdict exceeds a limit of the policy.
///
/// Most calls need no more than `.when(..)` for errors and `.until(..)` for values; a closure
/// `Fn(&O, &Attempt) -> Option<Verdict>` is a classifier by [`classify_fn`]. A tuple of classifiers is
/// one: the first opinion counts.
///
/// ```
/// use persevere::{Attempt, Outcome, RetryExt, Verdict, immediate};
/// use persevere::classify::Classifier;
/// use std::time::Duration;
///
/// #[derive(Debug)]
/// struct Throttled { wait: Duration }
///
/// /// Waits as long as the server requests.
/// struct Obey;
/// impl<T> Classifier<Result<T, Throttled>> for Obey {
///     fn classify(&self, outcome: &Result<T, Throttled>, _: &Attempt) -> Option<Verdict> {
///         outcome.as_ref().err().map(|error| Verdict::RetryAfter(error.wait))
///     }
/// }
///
/// let outcome = (|| Err::<(), _>(Throttled { wait: Duration::from_secs(3600) }))
///     .retry_with(immediate().max_attempts(3))
///     .classifier(Obey)
///     .report_without_source()
///     .call();
/// assert_eq!(outcome.unwrap_err().reason(), persevere::Reason::RetryAfterTooLong);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot classify `{O}`",
    label = "no classifier for this outcome",
    note = "a closure is given to `.when(|error| ..)`, `.until(|value| ..)` or `.classify(|outcome, attempt| ..)`",
    note = "a policy that retries by kind needs an error type with `#[derive(Kinded)]` or `impl Kinded`; or say which errors to retry at the call, with `.when(|error| ..)`"
)]
pub trait Classifier<O> {
    /// Returns what `outcome` of `attempt` means; `None` for no opinion.
    fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict>;

    /// Returns what `outcome` means where a later `.when(..)` has decided to retry its error: a delay,
    /// or that a retry is forbidden; `None` for no objection.
    ///
    /// By default it is [`classify`](Classifier::classify) without `Accept`, `Retry` and `Stop`, so that
    /// [`RetryAfter`](Verdict::RetryAfter) and [`Forbidden`](Verdict::Forbidden) stay. [`by_mark`] keeps
    /// `Stop` too: the operation marked its error as permanent.
    ///
    /// ```
    /// use persevere::classify::{Classifier, by_mark, kinds, permanent};
    /// use persevere::{Attempt, Verdict};
    /// use std::io;
    ///
    /// let attempt = Attempt::new(1);
    /// let marked = Err::<(), _>(permanent("gone"));
    /// assert_eq!(by_mark().restrict(&marked, &attempt), Some(Verdict::Stop));
    /// let missing = Err::<(), io::Error>(io::ErrorKind::NotFound.into());
    /// assert_eq!(kinds(["transient"]).restrict(&missing, &attempt), None);
    /// ```
    #[inline]
    fn restrict(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        match self.classify(outcome, attempt)? {
            Verdict::Accept | Verdict::Retry | Verdict::Stop => None,
            verdict @ (Verdict::RetryAfter(_) | Verdict::Forbidden) => Some(verdict),
        }
    }
}

macro_rules! tuple {
    ($($index:tt $Type:ident),+) => {
        /// The first of these classifiers that has an opinion.
        impl<O, $($Type: Classifier<O>),+> Classifier<O> for ($($Type),+) {
            #[inline]
            fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
                None$(.or_else(|| self.$index.classify(outcome, attempt)))+
            }
            #[inline]
            fn restrict(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
                let none = None;
                $(let none = stricter(none, || self.$index.restrict(outcome, attempt));)+
                none
            }
        }
    };
}

/// Of two [restrictions](Classifier::restrict), the second of which is computed only if it may count: a
/// prohibition, or else the first delay.
pub(crate) fn stricter(
    first: Option<Verdict>,
    second: impl FnOnce() -> Option<Verdict>,
) -> Option<Verdict> {
    match first {
        Some(Verdict::Stop | Verdict::Forbidden) => first,
        Some(Verdict::RetryAfter(_)) => {
            let prohibits =
                |verdict: &Verdict| matches!(verdict, Verdict::Stop | Verdict::Forbidden);
            second().filter(prohibits).or(first)
        }
        Some(Verdict::Accept | Verdict::Retry) | None => second(),
    }
}
tuple!(0 A, 1 B);
tuple!(0 A, 1 B, 2 C);
tuple!(0 A, 1 B, 2 C, 3 D);

/// Accepts values and retries errors, as a policy without classifiers does.
///
/// ```
/// use persevere::{Attempt, Verdict};
/// use persevere::classify::{Classifier, RetryErrors};
/// let classify = |outcome: Option<u8>| RetryErrors.classify(&outcome, &Attempt::new(1));
/// assert_eq!(classify(Some(1)), Some(Verdict::Accept));
/// assert_eq!(classify(None), Some(Verdict::Retry));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct RetryErrors;

impl<O: Outcome> Classifier<O> for RetryErrors {
    #[inline]
    fn classify(&self, outcome: &O, _: &Attempt) -> Option<Verdict> {
        Some(if outcome.as_result().is_ok() { Verdict::Accept } else { Verdict::Retry })
    }
}

/// A pointer to a classifier is a classifier.
macro_rules! forward {
    ([$($lifetime:lifetime)?] $pointer:ty) => {
        impl<$($lifetime,)? O, C: Classifier<O> + ?Sized> Classifier<O> for $pointer {
            #[inline]
            fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
                (**self).classify(outcome, attempt)
            }
            #[inline]
            fn restrict(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
                (**self).restrict(outcome, attempt)
            }
        }
    };
}
forward!(['a] &'a C);
#[cfg(feature = "alloc")]
forward!([] alloc::boxed::Box<C>);
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
forward!([] alloc::sync::Arc<C>);

/// Has no opinion on anything.
impl<O> Classifier<O> for () {
    #[inline]
    fn classify(&self, _: &O, _: &Attempt) -> Option<Verdict> {
        None
    }
}

/// A closure as a classifier. Made by [`classify_fn`].
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct ClassifyFn<F>(pub(crate) F);

/// A pure closure over outcome and attempt as a [`Classifier`]; `None` is no opinion.
///
/// ```
/// use persevere::{Attempt, Verdict};
/// use persevere::classify::{Classifier, classify_fn};
///
/// let impatient = classify_fn(|outcome: &Result<(), u16>, attempt: &Attempt| match outcome {
///     Err(500) if attempt.number() > 1 => Some(Verdict::Stop),
///     _ => None,
/// });
/// assert_eq!(impatient.classify(&Err(500), &Attempt::new(1)), None);
/// assert_eq!(impatient.classify(&Err(500), &Attempt::new(2)), Some(Verdict::Stop));
/// ```
#[doc(hidden)]
pub const fn classify_fn<O, F>(function: F) -> ClassifyFn<F>
where
    F: Fn(&O, &Attempt) -> Option<Verdict>,
{
    ClassifyFn(function)
}

impl<O, F: Fn(&O, &Attempt) -> Option<Verdict>> Classifier<O> for ClassifyFn<F> {
    #[inline]
    fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        (self.0)(outcome, attempt)
    }
}

impl<F> fmt::Debug for ClassifyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifyFn").finish_non_exhaustive()
    }
}
