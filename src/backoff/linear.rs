use core::fmt;
use core::time::Duration;

use super::Backoff;
use super::combinators::{built_in, grows};
use crate::time::{from_nanos, nanos};

/// Grows by the same step every time. Made by [`linear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear {
    first: u64,
    step: u64,
}

/// Grows by its first delay every time: `first`, `2 · first`, `3 · first`, …; the nth delay is
/// `first + step · (n − 1)`, and [`step`](Linear::step) sets another step. Saturates.
///
/// ```
/// use persevere::{Attempt, Backoff, linear};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// assert_eq!(linear(ms(100)).delay(&Attempt::new(3)), Some(ms(300)));
/// assert_eq!(linear(ms(100)).step(ms(5)).delay(&Attempt::new(3)), Some(ms(110)));
/// ```
#[must_use]
pub const fn linear(first: Duration) -> Linear {
    Linear { first: nanos(first), step: nanos(first) }
}

impl Linear {
    /// Grows by `step` every time instead of by the first delay. Zero is constant.
    ///
    /// ```
    /// use persevere::{Backoff, linear};
    /// use std::time::Duration;
    /// let ms = Duration::from_millis;
    /// let backoff = linear(ms(100)).step(ms(50)).max_attempts(4);
    /// assert_eq!(backoff.schedule().to_string(), "100ms, 150ms, 200ms (450ms in all)");
    /// ```
    #[must_use]
    pub const fn step(self, step: Duration) -> Self {
        Linear { step: nanos(step), ..self }
    }

    const fn at(&self, number: u32) -> u64 {
        let steps = number.saturating_sub(1) as u64;
        self.first.saturating_add(self.step.saturating_mul(steps))
    }
}

impl Backoff for Linear {
    grows!();

    #[inline]
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linear {:?} +{:?}", from_nanos(self.first), from_nanos(self.step))
    }
}

built_in!([] Linear);
