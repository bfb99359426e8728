use core::fmt;
use core::time::Duration;

use super::combinators::{built_in, delay_in_nanos};
use super::{Backoff, DelayBounds};
use crate::Attempt;
use crate::random;
use crate::time::{from_nanos, nanos};

/// Draws each delay from the one before. Made by [`decorrelated`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Decorrelated {
    base: u64,
}

/// "Decorrelated jitter": the next delay is drawn evenly between `base` and three times the delay
/// before, `min(cap, U(base, 3 · previous))`; the first between `base` and `3 · base`. Write the
/// cap as [`.max_delay(cap)`](Backoff::max_delay).
///
/// It is jittered already. It grows from what the backoff drew before, never from a longer wait
/// that a server asked for. Source: Brooker, "Exponential backoff and jitter", AWS Architecture
/// Blog 2015.
///
/// ```
/// use persevere::{Backoff, decorrelated};
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// let backoff = decorrelated(second).max_delay(20 * second).max_attempts(6);
/// let longest: Vec<_> = backoff.schedule().map(|step| step.delay.max).collect();
/// assert_eq!(longest, [3, 9, 20, 20, 20].map(|n| n * second));
/// ```
#[must_use]
pub const fn decorrelated(base: Duration) -> Decorrelated {
    Decorrelated { base: nanos(base) }
}

impl Decorrelated {
    /// The longest delay after attempt `number`: `base · 3^number`.
    #[inline]
    const fn longest(&self, number: u32) -> u64 {
        self.base.saturating_mul(3_u64.saturating_pow(number))
    }
}

impl Backoff for Decorrelated {
    delay_in_nanos!();

    #[inline]
    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        // A combinator outside may have lengthened the delay before: growth stays our own.
        let longest_before = self.longest(attempt.number().saturating_sub(1));
        let previous = attempt.previous_nanos().clamp(self.base, longest_before);
        let span = previous.saturating_mul(3) - self.base;
        Some(self.base + random::scale(attempt.random(), span))
    }

    #[inline]
    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        let longest = self.longest(attempt.max(1));
        Some(DelayBounds::new(from_nanos(self.base), from_nanos(longest)))
    }

    #[inline]
    fn reads_clock(&self) -> bool {
        false
    }

    #[inline]
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decorrelated {:?}", from_nanos(self.base))
    }
}

built_in!([] Decorrelated);
