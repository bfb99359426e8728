use core::fmt;
use core::time::Duration;

use super::combinators::{ask_inner, built_in};
use super::{Backoff, DelayBounds, Finite};
use crate::Attempt;

/// A closure as a backoff. Made by [`from_fn`].
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct FromFn<F> {
    function: F,
}

/// A pure closure as a backoff: it is given the [`Attempt`] and answers with a delay, or with
/// `None` to stop.
///
/// Nothing is known of its delays until `.bounded(..)` declares them, and since it may
/// look at [`Attempt::elapsed`], the clock is read for it.
///
/// ```
/// use persevere::{Attempt, Backoff, DelayBounds, from_fn};
/// use std::time::Duration;
///
/// let odd = |n: u32| Duration::from_millis((2 * n - 1).into());
/// let backoff = from_fn(move |attempt| Some(odd(attempt.number())))
///     .bounded(move |number| Some(DelayBounds::exactly(odd(number))))
///     .max_attempts(4);
/// assert_eq!(backoff.worst_case(), Some(Duration::from_millis(1 + 3 + 5)));
/// ```
#[must_use]
pub const fn from_fn<F: Fn(&Attempt) -> Option<Duration>>(function: F) -> FromFn<F> {
    FromFn { function }
}

impl<F> FromFn<F> {
    /// Declares what bounds the delays keep to, given the number of the attempt. It is a promise:
    /// a delay outside them is cut to them, and where they are `None`, the backoff ends.
    ///
    /// ```
    /// use persevere::{Attempt, Backoff, DelayBounds, from_fn};
    /// use std::time::Duration;
    /// let second = Duration::from_secs(1);
    /// let backoff = from_fn(move |attempt| Some(attempt.number() * second))
    ///     .bounded(move |number| (number < 5).then_some(DelayBounds::new(second, 3 * second)));
    /// assert_eq!(backoff.delay(&Attempt::new(4)), Some(3 * second));
    /// assert_eq!(backoff.delay(&Attempt::new(5)), None);
    /// ```
    #[must_use]
    pub const fn bounded<D>(self, bounds: D) -> Bounded<Self, D>
    where
        D: Fn(u32) -> Option<DelayBounds>,
    {
        Bounded { inner: self, bounds }
    }
}

impl<F: Fn(&Attempt) -> Option<Duration>> Backoff for FromFn<F> {
    #[inline]
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        (self.function)(attempt)
    }

    fn bounds(&self, _: u32) -> Option<DelayBounds> {
        Some(DelayBounds::ANY)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("delays of a function")
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}

built_in!([F] FromFn<F>);

/// A backoff with declared bounds. Made by [`FromFn::bounded`] and
/// [`Map::bounded`](super::Map::bounded).
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Bounded<B, D> {
    pub(super) inner: B,
    pub(super) bounds: D,
}

impl<B: Backoff, D: Fn(u32) -> Option<DelayBounds>> Backoff for Bounded<B, D> {
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        let delay = self.inner.delay(attempt)?;
        let bounds = (self.bounds)(attempt.number().max(1))?;
        Some(delay.min(bounds.max).max(bounds.min))
    }

    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        self.inner.bounds(attempt).and_then(|_| (self.bounds)(attempt.max(1)))
    }

    ask_inner!(limits);
    ask_inner!(reads_clock);

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.describe(f)
    }
}

#[diagnostic::do_not_recommend]
impl<B: Finite, D: Fn(u32) -> Option<DelayBounds>> Finite for Bounded<B, D> {}

impl<B: fmt::Debug, D> fmt::Debug for Bounded<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

built_in!([B D] Bounded<B, D>);
