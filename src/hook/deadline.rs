//! A limit on the time of a whole call that also ends the attempt that is running.

use core::ops::ControlFlow::{self, Break, Continue};
use core::time::Duration;

use super::{Hook, RetryEvent};
use crate::time::{from_nanos, nanos};
use crate::{Attempt, Veto};

/// Ends a call when its time is up, also in the middle of an attempt. Made by
/// [`Policy::deadline`](crate::Policy::deadline); or [`inherited`](Deadline::inherited), without a
/// limit of its own.
///
/// | | [`max_elapsed`](crate::Backoff::max_elapsed) | a deadline |
/// |---|---|---|
/// | refuses a retry that would start too late | yes | yes |
/// | ends the attempt that is running | no | yes |
/// | reason | [`Elapsed`](crate::Reason::Elapsed) | [`Deadline`](crate::Reason::Deadline) |
/// | calls within an attempt see what is left | no | yes |
/// | calls of its policy may end without an outcome | no | yes |
///
/// A call within an attempt of another ends at the deadline of that at the latest. What is left is
/// known on the thread while the attempt is polled, so it needs no runtime, and is not seen by what
/// the attempt spawns. Any retry refuses to sleep beyond it; one with a deadline of its own, or
/// `Deadline::inherited()`, has its running attempt ended too. Needs `std`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Since the call began. `u64::MAX` is no limit.
    end: u64,
}

impl Deadline {
    /// The call ends `limit` after it began. It works as a [guard](crate::Policy::guard).
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Deadline { end: nanos(limit) }
    }

    /// The call ends when the enclosing one does.
    ///
    /// ```
    /// use persevere::{Interrupted, Policy, RetryExt, immediate, time::VirtualClock};
    /// use persevere::hook::Deadline;
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let outer = Policy::new(immediate().max_attempts(1)).deadline(5 * second);
    /// let inner = Policy::new(immediate().max_attempts(9)).guard(Deadline::inherited());
    /// let operation = async || {
    ///     clock.sleep_in_test(2 * second).await;
    ///     let within = || pending::<Result<(), Interrupted>>();
    ///     within.retry_with(&inner).timer(clock.clone()).await
    /// };
    /// # trait SleepInTest { fn sleep_in_test(&self, d: Duration) -> persevere::time::VirtualSleep; }
    /// # impl SleepInTest for VirtualClock {
    /// #     fn sleep_in_test(&self, d: Duration) -> persevere::time::VirtualSleep { persevere::time::Timer::sleep(self, d) }
    /// # }
    /// let outcome = clock.block_on(operation.retry_with(&outer).timer(clock.clone()));
    /// assert_eq!(outcome, Err(Interrupted::Deadline));
    /// assert_eq!(persevere::time::Clock::now(&clock), 5 * second);
    /// ```
    #[must_use]
    pub const fn inherited() -> Self {
        Deadline { end: u64::MAX }
    }

    /// What is left at this time since the call began.
    fn left(&self, elapsed: Option<Duration>) -> u64 {
        self.end.saturating_sub(elapsed.map_or(0, nanos))
    }
}

impl<O> Hook<O> for Deadline {
    fn reads_clock(&self) -> bool {
        true
    }

    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        #[cfg(feature = "std")]
        if attempt.is_first() {
            if let Some(enclosing) = crate::enclosing::remaining() {
                let elapsed = attempt.elapsed().map_or(0, nanos);
                self.end = self.end.min(elapsed.saturating_add(enclosing));
            }
        }
        if self.left(attempt.elapsed()) == 0 { Break(Veto::Deadline) } else { Continue(()) }
    }

    fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
        (self.end < u64::MAX).then(|| from_nanos(self.left(attempt.elapsed())))
    }

    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        let left = self.left(event.elapsed());
        if nanos(event.delay()) >= left { Break(Veto::Deadline) } else { Continue(()) }
    }
}
