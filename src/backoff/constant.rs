use core::fmt;
use core::time::Duration;

use super::combinators::built_in;
use super::{Backoff, DelayBounds};
use crate::Attempt;

/// The same delay every time. Made by [`constant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Constant {
    delay: Duration,
}

/// The same delay every time.
///
/// ```
/// use persevere::{Backoff, constant};
/// use std::time::Duration;
///
/// let backoff = constant(Duration::from_millis(50)).max_attempts(4);
/// assert_eq!(backoff.to_string(), "constant 50ms, at most 4 attempts: 50ms, 50ms, 50ms (150ms in all)");
/// ```
#[must_use]
pub const fn constant(delay: Duration) -> Constant {
    Constant { delay }
}

/// No delay at all: the next attempt follows at once. An asynchronous retry still yields to its
/// executor between attempts.
///
/// ```
/// use persevere::{Attempt, Backoff, immediate};
/// assert!(immediate().delay(&Attempt::new(1)).unwrap().is_zero());
/// ```
#[must_use]
pub const fn immediate() -> Constant {
    constant(Duration::ZERO)
}

impl Backoff for Constant {
    #[inline]
    fn delay(&self, _: &Attempt) -> Option<Duration> {
        Some(self.delay)
    }

    #[inline]
    fn bounds(&self, _: u32) -> Option<DelayBounds> {
        Some(DelayBounds::exactly(self.delay))
    }

    #[inline]
    fn reads_clock(&self) -> bool {
        false
    }

    #[inline]
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "constant {:?}", self.delay)
    }
}

built_in!([] Constant);
