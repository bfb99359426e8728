use core::fmt;
use core::time::Duration;

use super::Backoff;
use super::combinators::{built_in, grows};
use crate::time::{from_nanos, nanos};

/// Grows with a power of the attempt's number. Made by [`polynomial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Polynomial {
    first: u64,
    degree: u32,
}

/// The nth delay is `first · n^degree`: degree 0 is constant, 1 linear, and 2 gives `first`,
/// `4 · first`, `9 · first`, …. Saturates.
///
/// ```
/// use persevere::{Attempt, Backoff, polynomial};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// assert_eq!(polynomial(ms(10), 2).delay(&Attempt::new(3)), Some(ms(90)));
/// ```
#[must_use]
pub const fn polynomial(first: Duration, degree: u32) -> Polynomial {
    Polynomial { first: nanos(first), degree }
}

impl Polynomial {
    #[inline]
    const fn at(&self, number: u32) -> u64 {
        self.first.saturating_mul((number as u64).saturating_pow(self.degree))
    }
}

impl Backoff for Polynomial {
    grows!();

    #[inline]
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "polynomial {:?} ·n^{}", from_nanos(self.first), self.degree)
    }
}

built_in!([] Polynomial);
