use core::fmt;
use core::time::Duration;

use super::combinators::{built_in, delay_in_nanos};
use super::{Backoff, DelayBounds};
use crate::Attempt;
use crate::time::{from_nanos, nanos};

/// Smooth decorrelated jitter around an exponential. Made by [`decorrelated_v2`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct DecorrelatedV2 {
    median_first: u64,
}

/// "Decorrelated jitter V2": exponential growth, jittered so that a crowd of clients spreads
/// evenly, without the peaks of the other jitters.
///
/// With `f(t) = 2^t · tanh(√(4t))` and `t = n − 1 + r`, `r` random in `0..1`, the nth delay is
/// `(f(t) − f(t before)) · median_first / 1.4`: about half of all first delays are shorter than
/// `median_first`. It is jittered already. Source: Polly's contrib package
/// (`Backoff.DecorrelatedJitterBackoffV2`, formula by George Polevoy).
///
/// ```
/// use persevere::{Attempt, Backoff, decorrelated_v2};
/// use std::time::Duration;
///
/// let backoff = decorrelated_v2(Duration::from_secs(1));
/// assert!(backoff.bounds(1).unwrap().max < Duration::from_secs(2));
/// let sixth = Attempt::new(6).with_seed(1);
/// assert!(backoff.bounds(6).unwrap().contains(backoff.delay(&sixth).unwrap()));
/// ```
#[must_use]
pub const fn decorrelated_v2(median_first: Duration) -> DecorrelatedV2 {
    DecorrelatedV2 { median_first: nanos(median_first) }
}

impl DecorrelatedV2 {
    /// Scales the formula so that `median_first` is near the median of the first delay.
    const SCALE: f64 = 1.0 / 1.4;

    /// The growth up to `t` attempts, in nanoseconds. From a thousand doublings on, it is infinite.
    fn grown(&self, t: f64) -> f64 {
        if t <= 0.0 || self.median_first == 0 {
            return 0.0;
        }
        #[cfg(feature = "std")]
        let growth = t.exp2() * (4.0 * t).sqrt().tanh();
        #[cfg(not(feature = "std"))]
        let growth = libm::exp2(t) * libm::tanh(libm::sqrt(4.0 * t));
        growth * self.median_first as f64 * Self::SCALE
    }

    /// The growth between two moments; `as` saturates, and ∞ − ∞ counts as forever.
    fn between(&self, before: f64, after: f64) -> u64 {
        let (before, after) = (self.grown(before), self.grown(after));
        if after.is_infinite() { u64::MAX } else { (after - before) as u64 }
    }

    /// A random number in `0..1` with 53 bits.
    fn unit(random: u64) -> f64 {
        (random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Backoff for DecorrelatedV2 {
    delay_in_nanos!();

    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        let number = f64::from(attempt.number());
        let after = number - 1.0 + Self::unit(attempt.random());
        let before = attempt.previous_draw().map_or(0.0, |r| number - 2.0 + Self::unit(r));
        Some(self.between(before, after))
    }

    #[inline]
    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        // `f` grows with `t`: the extremes are where the draws are. Two draws may nearly meet.
        let number = f64::from(attempt.max(1));
        let longest = self.between(number - 2.0, number);
        Some(DelayBounds::new(Duration::ZERO, from_nanos(longest)))
    }

    #[inline]
    fn reads_clock(&self) -> bool {
        false
    }

    #[inline]
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "decorrelated v2 {:?}", from_nanos(self.median_first))
    }
}

built_in!([] DecorrelatedV2);
