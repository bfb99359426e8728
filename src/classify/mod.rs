//! What an outcome means: [`Classifier`], [`Verdict`], and what they are composed of.
//!
//! Values and errors take one path: a classifier is shown the [outcome](Outcome) and says accept, retry,
//! retry after so long, or stop; or nothing, and the next one is asked.
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
//! | to decide by | use |
//! |---|---|
//! | the error | [`when`], or `.when(..)` at the call |
//! | the value | [`until`], or `.until(..)` at the call |
//! | both, or the attempt | [`classify_fn`], or `.classify(..)` at the call |
//! | `std::io::ErrorKind` | [`io::is_transient`], [`io::of_kind`] |
//! | a cause behind the error | [`caused_by`] |
//! | what the operation knew | [`by_mark`] with [`transient`] and [`permanent`] |
//! | the status and headers of a response | [`retry_after::verdict`] (feature `http`), with [`Verdict::with_jitter`] |
//! | a name in a configuration | [`NamedKinds`], or [`kinds`], with [`Kinded`] |
//! | several questions | `&&`, or [`PredicateExt`]; [`ClassifierExt::or_else`] |
//!
//! | default | |
//! |---|---|
//! | a value | accepted |
//! | an error | retried |
//! | nobody has an opinion | as above |
//!
//! **Do** say what is transient: by default all errors are retried, and a wrong password stays wrong.
//! **Don't** retry what is not safe to repeat; a request that was cut off may have taken effect.

#[cfg(feature = "std")]
pub mod io;
mod jitter;
mod kinds;
mod mark;
mod predicate;
#[cfg(feature = "http")]
pub mod retry_after;
mod source;

use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

use crate::{Attempt, Outcome};

pub use self::jitter::RetryAfterJitter;
#[cfg(feature = "alloc")]
pub use self::kinds::NamedKinds;
pub use self::kinds::{Kinded, Kinds, kinds};
pub use self::mark::{ByMark, Marked, by_mark, permanent, transient, transient_after};
pub use self::predicate::{PredicateExt, Until, When, until, when};
pub use self::source::{caused_by, find_source, source_is_kind, sources};

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
    /// It is good: return it, as a success. An error may be good too.
    Accept,
    /// It may be better the next time.
    Retry,
    /// The server asked to be left alone this long: a floor under the backoff's delay, which is
    /// neither capped by [`max_delay`](crate::Backoff::max_delay) nor jittered down. More than the
    /// [ceiling](crate::Backoff::max_retry_after), five minutes by default, stops the call.
    RetryAfter(Duration),
    /// It will not get better: return it, as a failure. The server did its part.
    Stop,
    /// The server failed and forbids another attempt: return it, as a failure. The call ends as with
    /// [`Stop`](Verdict::Stop), and guards hear of a server in trouble: a budget that counts failures
    /// and a circuit breaker count one.
    Never,
}

/// Decides what an outcome means, for values and errors alike.
///
/// A classifier is pure. It may have no opinion, `None`; then the next in the chain is asked, and
/// at the end of every chain a value is accepted and an error retried. What it cannot do is
/// exceed a limit: attempts and time are the engine's.
///
/// A closure `Fn(&O, &Attempt) -> Option<Verdict>` becomes one with [`classify_fn`]; most need no
/// more than [`when`] for errors and [`until`] for values.
///
/// ```
/// use persevere::{Attempt, Outcome, RetryExt, Verdict, immediate};
/// use persevere::classify::Classifier;
/// use std::time::Duration;
///
/// struct Throttled { wait: Duration }
///
/// /// Obeys the server where it says how long to wait, and leaves the rest to others.
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
///     .report()
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
    /// What `outcome` of `attempt` means; `None` for no opinion.
    fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict>;
}

/// Puts classifiers together.
pub trait ClassifierExt: Sized {
    /// Asks `next` where this one has no opinion.
    ///
    /// ```
    /// use persevere::{Attempt, Verdict};
    /// use persevere::classify::{Classifier, ClassifierExt, until, when};
    ///
    /// let busy = when(|error: &u16| *error == 503).or_else(until(|body: &String| !body.is_empty()));
    /// let attempt = Attempt::new(1);
    /// assert_eq!(busy.classify(&Err(404), &attempt), Some(Verdict::Stop));
    /// assert_eq!(busy.classify(&Ok(String::new()), &attempt), Some(Verdict::Retry));
    /// ```
    fn or_else<C>(self, next: C) -> OrElse<Self, C> {
        OrElse::new(self, next)
    }

    /// Adds something random from `range` to what a server asks for, as
    /// [`Verdict::with_jitter`] does: for the classifier of a policy.
    ///
    /// # Panics
    /// If the range ends before it starts.
    ///
    /// ```
    /// use persevere::classify::{ClassifierExt, by_mark, transient_after};
    /// use persevere::{Backoff, Policy, RetryExt, immediate, time::VirtualClock};
    /// use std::time::Duration;
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let policy = Policy::new(immediate().max_attempts(2))
    ///     .classifier(by_mark().retry_after_jitter(Duration::ZERO..=second));
    /// let _ = (|| Err::<(), _>(transient_after("busy", 30 * second)))
    ///     .retry_with(policy)
    ///     .timer(clock.clone())
    ///     .call();
    /// assert!(30 * second <= clock.slept()[0] && clock.slept()[0] <= 31 * second);
    /// ```
    fn retry_after_jitter(self, range: RangeInclusive<Duration>) -> RetryAfterJitter<Self> {
        RetryAfterJitter::new(self, range)
    }
}

impl<C> ClassifierExt for C {}

/// The first of two classifiers that has an opinion. Made by [`ClassifierExt::or_else`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrElse<A, B> {
    first: A,
    next: B,
}

impl<A, B> OrElse<A, B> {
    pub(crate) const fn new(first: A, next: B) -> Self {
        OrElse { first, next }
    }
}

impl<O, A: Classifier<O>, B: Classifier<O>> Classifier<O> for OrElse<A, B> {
    #[inline]
    fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        self.first.classify(outcome, attempt).or_else(|| self.next.classify(outcome, attempt))
    }
}

/// Accepts values and retries errors: what every chain ends with, and the classifier of a policy
/// that is given none.
///
/// ```
/// use persevere::{Attempt, Verdict};
/// use persevere::classify::{Classifier, OnError};
/// let classify = |outcome: Option<u8>| OnError.classify(&outcome, &Attempt::new(1));
/// assert_eq!(classify(Some(1)), Some(Verdict::Accept));
/// assert_eq!(classify(None), Some(Verdict::Retry));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnError;

impl<O: Outcome> Classifier<O> for OnError {
    #[inline]
    fn classify(&self, outcome: &O, _: &Attempt) -> Option<Verdict> {
        Some(if outcome.as_result().is_ok() { Verdict::Accept } else { Verdict::Retry })
    }
}

/// A classifier behind a pointer is the same classifier.
macro_rules! forward {
    ([$($lifetime:lifetime)?] $pointer:ty) => {
        impl<$($lifetime,)? O, C: Classifier<O> + ?Sized> Classifier<O> for $pointer {
            #[inline]
            fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
                (**self).classify(outcome, attempt)
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
pub struct ClassifyFn<F> {
    function: F,
}

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
pub const fn classify_fn<O, F>(function: F) -> ClassifyFn<F>
where
    F: Fn(&O, &Attempt) -> Option<Verdict>,
{
    ClassifyFn { function }
}

impl<O, F: Fn(&O, &Attempt) -> Option<Verdict>> Classifier<O> for ClassifyFn<F> {
    #[inline]
    fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        (self.function)(outcome, attempt)
    }
}

impl<F> fmt::Debug for ClassifyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassifyFn").finish_non_exhaustive()
    }
}
