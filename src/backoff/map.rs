use core::fmt;
use core::time::Duration;

use super::combinators::{ask_inner, built_in};
use super::{Backoff, Bounded, DelayBounds, Finite};
use crate::Attempt;

/// A function over every delay. Made by [`Backoff::map`].
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Map<B, F> {
    inner: B,
    function: F,
}

impl<B, F> Map<B, F> {
    pub(super) const fn new(inner: B, function: F) -> Self {
        Map { inner, function }
    }

    /// Declares what bounds the mapped delays keep to, as [`FromFn::bounded`](super::FromFn::bounded)
    /// does.
    ///
    /// ```
    /// use persevere::{Backoff, DelayBounds, constant};
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let halved = constant(second)
    ///     .map(|delay| delay / 2)
    ///     .bounded(move |_| Some(DelayBounds::exactly(second / 2)))
    ///     .max_attempts(3);
    /// assert_eq!(halved.worst_case(), Some(second));
    /// ```
    #[must_use]
    pub const fn bounded<D>(self, bounds: D) -> Bounded<Self, D>
    where
        D: Fn(u32) -> Option<DelayBounds>,
    {
        Bounded { inner: self, bounds }
    }
}

impl<B: Backoff, F: Fn(Duration) -> Duration> Backoff for Map<B, F> {
    #[inline]
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        self.inner.delay(attempt).map(&self.function)
    }

    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        let inner = self.inner.bounds(attempt)?;
        // A function of one value gives one value; of many, anything.
        Some(if inner.min == inner.max { inner.map(&self.function) } else { DelayBounds::ANY })
    }

    ask_inner!(limits);
    ask_inner!(reads_clock);

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.describe(f)?;
        f.write_str(", mapped")
    }
}

#[diagnostic::do_not_recommend]
impl<B: Finite, F: Fn(Duration) -> Duration> Finite for Map<B, F> {}

impl<B: fmt::Debug, F> fmt::Debug for Map<B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("inner", &self.inner).finish_non_exhaustive()
    }
}

built_in!([B F] Map<B, F>);
