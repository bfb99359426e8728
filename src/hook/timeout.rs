//! A limit on the time of each attempt.

use core::fmt;
use core::time::Duration;

use super::Hook;
use crate::Attempt;

/// The shortest limit: no time at all would say that the whole call has none left.
const LEAST: Duration = Duration::from_nanos(1);

/// Limits the time of each attempt. Made by [`Policy::attempt_timeout`](crate::Policy::attempt_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptTimeout {
    limit: Duration,
}

impl AttemptTimeout {
    /// No attempt waits longer than `limit`. It works as a [guard](crate::Policy::guard).
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        AttemptTimeout { limit }
    }
}

impl<O> Hook<O> for AttemptTimeout {
    #[inline]
    fn attempt_timeout(&self, _: &Attempt) -> Option<Duration> {
        Some(self.limit.max(LEAST))
    }
}

/// Limits the time of each attempt by a closure. Made by
/// [`Policy::attempt_timeout_by`](crate::Policy::attempt_timeout_by).
#[derive(Clone, Copy)]
pub struct AttemptTimeoutBy<F> {
    function: F,
}

impl<F: Fn(&Attempt) -> Duration> AttemptTimeoutBy<F> {
    /// No attempt waits longer than `function` says. It works as a
    /// [guard](crate::Policy::guard).
    #[must_use]
    pub const fn new(function: F) -> Self {
        AttemptTimeoutBy { function }
    }
}

impl<O, F: Fn(&Attempt) -> Duration> Hook<O> for AttemptTimeoutBy<F> {
    #[inline]
    fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
        Some((self.function)(attempt).max(LEAST))
    }
}

impl<F> fmt::Debug for AttemptTimeoutBy<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptTimeoutBy").finish_non_exhaustive()
    }
}
