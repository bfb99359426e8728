use core::fmt;
use core::time::Duration;

use super::Backoff;
use super::combinators::{built_in, grows};
use crate::time::{from_nanos, nanos};

/// Grows as Fibonacci's numbers do. Made by [`fibonacci`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Fibonacci {
    first: u64,
}

/// `first` times Fibonacci's numbers 1, 1, 2, 3, 5, 8, …: each delay is the sum of the two before,
/// about 1.6 times the last, which is gentler than doubling. Saturates.
///
/// ```
/// use persevere::{Backoff, fibonacci};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let delays: Vec<_> = fibonacci(ms(10)).schedule().take(6).map(|step| step.delay.max).collect();
/// assert_eq!(delays, [10, 10, 20, 30, 50, 80].map(ms));
/// ```
#[must_use]
pub const fn fibonacci(first: Duration) -> Fibonacci {
    Fibonacci { first: nanos(first) }
}

impl Fibonacci {
    const fn at(&self, number: u32) -> u64 {
        let (mut current, mut next) = (1_u64, 1_u64);
        let mut n = 1;
        // The 94th number is the first that does not fit.
        while n < number && n < 94 {
            (current, next) = (next, current.saturating_add(next));
            n += 1;
        }
        self.first.saturating_mul(current)
    }
}

impl Backoff for Fibonacci {
    grows!();

    #[inline]
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fibonacci {:?}", from_nanos(self.first))
    }
}

built_in!([] Fibonacci);
