//! A limit on the time of each attempt.

use core::time::Duration;

use super::Hook;
use crate::Attempt;

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
        Some(self.limit)
    }
}
