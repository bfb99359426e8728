use core::fmt;
use core::time::Duration;

use super::Backoff;
use super::combinators::{built_in, grows};
use crate::time::{from_nanos, nanos};

/// Multiplies by the same factor every time. Made by [`exponential`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    first: u64,
    factor: f64,
}

/// Doubles every time: `first`, `2 · first`, `4 · first`, …; the nth delay is
/// `first · factor^(n − 1)`, where [`factor`](Exponential::factor) is 2 unless set. The first
/// delay is `first` itself, never a power of it. Saturates.
///
/// ```
/// use persevere::{Attempt, Backoff, exponential};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// assert_eq!(exponential(ms(100)).delay(&Attempt::new(4)), Some(ms(800)));
/// assert_eq!(exponential(ms(100)).factor(1.5).delay(&Attempt::new(3)), Some(ms(225)));
/// assert_eq!(
///     exponential(ms(100)).max_delay(ms(300)).max_attempts(5).to_string(),
///     "exponential 100ms ×2, delays up to 300ms, at most 5 attempts: \
///      100ms, 200ms, 300ms, 300ms (900ms in all)",
/// );
/// ```
#[must_use]
pub const fn exponential(first: Duration) -> Exponential {
    Exponential { first: nanos(first), factor: 2.0 }
}

impl Exponential {
    /// Multiplies by `factor` every time instead of by 2. A factor below 1 shrinks, 1 stays, and
    /// after 0 only the first delay is more than zero. Delays are rounded to the nearest nanosecond.
    ///
    /// # Panics
    /// If `factor` is negative, infinite or not a number; in a `const` that is a compile error.
    ///
    /// ```
    /// use persevere::{Backoff, exponential};
    /// use std::time::Duration;
    /// let shrinking = exponential(Duration::from_secs(8)).factor(0.5).max_attempts(4);
    /// assert_eq!(shrinking.schedule().to_string(), "8s, 4s, 2s (14s in all)");
    /// ```
    #[must_use]
    #[inline]
    pub const fn factor(self, factor: f64) -> Self {
        assert!(
            factor.is_finite() && factor >= 0.0,
            "the factor of an exponential backoff is finite and not negative"
        );
        Exponential { factor, ..self }
    }

    #[inline]
    const fn at(&self, number: u32) -> u64 {
        let exponent = number.wrapping_sub(1);
        let first = self.first;
        if self.factor.to_bits() != 2.0_f64.to_bits() {
            return grown(first, self.factor, exponent);
        }
        let doubled = first << (exponent % u64::BITS);
        if exponent < u64::BITS && doubled >> exponent == first {
            doubled
        } else if first == 0 {
            0
        } else {
            u64::MAX
        }
    }
}

/// `first · factor^exponent`, rounded to the nearest nanosecond; exact up to 104 days, as far as a
/// double is.
#[inline]
const fn grown(first: u64, factor: f64, mut exponent: u32) -> u64 {
    if first == 0 || exponent == 0 {
        return first;
    }
    let (mut power, mut square) = (1.0, factor);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power *= square;
        }
        square *= square;
        exponent >>= 1;
    }
    // From here on a double has no halves, and adding one would round to even.
    const WHOLE: f64 = (1_u64 << 52) as f64;
    let nanos = first as f64 * power;
    // `as` saturates, and the product of a positive and a non-negative number is no NaN.
    if nanos < WHOLE { (nanos + 0.5) as u64 } else { nanos as u64 }
}

impl Backoff for Exponential {
    grows!();

    #[inline]
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exponential {:?} ×{}", from_nanos(self.first), self.factor)
    }
}

built_in!([] Exponential);
