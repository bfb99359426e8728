//! The events of a call.

use core::fmt;
use core::ops::Deref;
use core::time::Duration;

use crate::attempt::{self, Untimed};
use crate::error::Summary;
use crate::time::{Rounded, from_nanos};
use crate::{Attempt, Interrupted, Outcome, Reason, Verdict};

/// An attempt ended: what it made, and what that means. [`Hook::after_attempt`](super::Hook) is
/// told.
///
/// ```
/// use persevere::{Attempt, RetryExt, Verdict, immediate};
/// use persevere::hook::{AttemptEvent, Hook};
///
/// #[derive(Default)]
/// struct Verdicts(Vec<(u32, Verdict)>);
/// impl<O> Hook<O> for Verdicts {
///     fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
///         self.0.push((event.attempt().number(), event.verdict()));
///     }
/// }
///
/// let mut seen = Verdicts::default();
/// let _ = (|attempt: Attempt| attempt.is_last().then_some(()))
///     .retry_with(immediate().max_attempts(2))
///     .hook(&mut seen)
///     .call();
/// assert_eq!(seen.0, [(1, Verdict::Retry), (2, Verdict::Accept)]);
/// ```
#[derive(Debug)]
pub struct AttemptEvent<'a, O> {
    pub(crate) outcome: Option<&'a O>,
    pub(crate) attempt: &'a Attempt,
    pub(crate) verdict: Verdict,
    pub(crate) operation: Option<&'static str>,
}

impl<'a, O> AttemptEvent<'a, O> {
    /// What the attempt made; `None` if it was interrupted.
    #[must_use]
    pub fn outcome(&self) -> Option<&'a O> {
        self.outcome
    }

    /// The attempt that ended, at the time of its end.
    #[must_use]
    pub fn attempt(&self) -> &'a Attempt {
        self.attempt
    }

    /// What the classifiers made of it. A `Retry` may still be refused, by a limit or by a hook.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The name of what is retried, if it was [given one](crate::Retry::named).
    #[must_use]
    pub const fn operation(&self) -> Option<&'static str> {
        self.operation
    }
}

/// A retry is coming: the facts that have no type parameter, so that a hook on a policy, which
/// serves any outcome, can name them. The outcome is seen at the call site, where
/// [`Retry::on_retry`](crate::Retry::on_retry) is given a [`RetryEvent`].
///
/// ```
/// use persevere::{Policy, constant, time::VirtualClock};
/// use std::{cell::RefCell, time::Duration};
///
/// let (second, log) = (Duration::from_secs(1), RefCell::new(vec![]));
/// let policy = Policy::new(constant(second).max_attempts(3))
///     .timer(VirtualClock::new())
///     .on_retry(|retry| log.borrow_mut().push((retry.number(), retry.waited(), retry.to_string())));
/// let _ = policy.call(|_| None::<()>);
/// assert_eq!(log.take(), [
///     (1, Duration::ZERO, "attempt 1 of 3 failed, next in 1 s".into()),
///     (2, second, "attempt 2 of 3 failed, next in 1 s".into()),
/// ]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryFacts {
    pub(crate) attempt: Attempt,
    pub(crate) delay: Duration,
    pub(crate) verdict: Verdict,
    pub(crate) operation: Option<&'static str>,
}

impl RetryFacts {
    /// The attempt that failed.
    #[must_use]
    pub const fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// The number of the attempt that failed: 1 for the first.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.attempt.number()
    }

    /// The sleep that begins now: exactly what the timer is asked for, after jitter and the
    /// server's floor.
    #[must_use]
    pub const fn delay(&self) -> Duration {
        self.delay
    }

    /// How long the server asked to be left alone, by [`Verdict::RetryAfter`], if it did. The delay
    /// is at least as long.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.verdict {
            Verdict::RetryAfter(delay) => Some(delay),
            _ => None,
        }
    }

    /// What was slept before in all, without the [delay](RetryFacts::delay) that comes now.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.attempt.waited()
    }

    /// The name of what is retried, if it was [given one](crate::Retry::named).
    #[must_use]
    pub const fn operation(&self) -> Option<&'static str> {
        self.operation
    }

    /// Returns the time since the call began.
    ///
    /// # Errors
    /// [`Untimed`] if nothing in the call reads the clock; see [`Attempt::elapsed`].
    pub const fn elapsed(&self) -> Result<Duration, Untimed> {
        self.attempt.elapsed()
    }
}

impl RetryFacts {
    /// `attempt 1 of 3 failed, next in 100 ms`, with `failed` as given.
    #[inline]
    fn sentence(&self, f: &mut fmt::Formatter<'_>, failed: &str) -> fmt::Result {
        if let Some(operation) = self.operation {
            write!(f, "{operation}: ")?;
        }
        write!(f, "{} {failed}, next in {}", self.attempt, Rounded(self.delay))
    }
}

/// `attempt 1 of 3 failed, next in 100 ms`
impl fmt::Display for RetryFacts {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence(f, "failed")
    }
}

/// A retry is coming: its [facts](RetryFacts), to which it derefs, and the outcome.
///
/// ```
/// use persevere::{RetryExt, immediate};
///
/// let mut outcomes = [Err("busy"), Ok(10), Ok(100)].into_iter();
/// let mut log = vec![];
/// let _ = (|| outcomes.next().unwrap())
///     .retry_with(immediate().max_attempts(5))
///     .until(|percent| *percent == 100)
///     .on_retry(|retry| log.push((retry.number(), retry.error().copied(), retry.value().copied())))
///     .call();
/// assert_eq!(log, [(1, Some("busy"), None), (2, None, Some(10))]);
/// ```
#[derive(Debug)]
pub struct RetryEvent<'a, O> {
    pub(crate) outcome: Option<&'a O>,
    pub(crate) facts: RetryFacts,
}

impl<'a, O: Outcome> RetryEvent<'a, O> {
    /// The error to be retried; `None` if it is a value that is not good yet, or the attempt was
    /// interrupted.
    #[must_use]
    pub fn error(&self) -> Option<&'a O::Error> {
        self.outcome?.as_result().err()
    }

    /// The value that is not good yet; `None` if it is an error, or the attempt was interrupted.
    #[must_use]
    pub fn value(&self) -> Option<&'a O::Value> {
        self.outcome?.as_result().ok()
    }
}

impl<'a, O> RetryEvent<'a, O> {
    /// What the attempt made; `None` if it was interrupted.
    #[must_use]
    pub fn outcome(&self) -> Option<&'a O> {
        self.outcome
    }

    /// What is known without the outcome.
    #[must_use]
    pub fn facts(&self) -> &RetryFacts {
        &self.facts
    }
}

impl<O> Deref for RetryEvent<'_, O> {
    type Target = RetryFacts;
    fn deref(&self) -> &RetryFacts {
        &self.facts
    }
}

/// `attempt 1 of 3 failed, next in 100 ms: connection refused`
impl<O: Outcome<Error: fmt::Display>> fmt::Display for RetryEvent<'_, O> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error() {
            Some(error) => write!(f, "{}: {error}", self.facts),
            None if self.outcome.is_some() => self.facts.sentence(f, "not ready"),
            None => self.facts.sentence(f, "timed out"),
        }
    }
}

/// A call ended: the facts that have no type parameter. The outcome is seen at the call site, in a
/// [`FinishEvent`].
///
/// ```
/// use persevere::{Policy, constant, time::VirtualClock};
/// use std::{cell::Cell, time::Duration};
///
/// let (second, end) = (Duration::from_secs(1), Cell::new(None));
/// let policy = Policy::new(constant(second).max_attempts(3))
///     .timer(VirtualClock::new())
///     .timed()
///     .on_finish(|finish| end.set(Some(*finish)));
/// let _ = policy.call(|_| None::<()>);
/// let end = end.get().unwrap();
/// assert_eq!((end.attempts(), end.waited(), end.elapsed()), (3, 2 * second, Ok(2 * second)));
/// assert_eq!(end.to_string(), "gave up after 3 attempts (2 s): attempt limit reached");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FinishFacts {
    pub(crate) reason: Reason,
    pub(crate) attempts: u32,
    /// In nanoseconds, as the engine has it.
    pub(crate) waited: u64,
    pub(crate) elapsed: u64,
    pub(crate) operation: Option<&'static str>,
    pub(crate) interrupted: Option<Interrupted>,
}

impl fmt::Debug for FinishFacts {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinishFacts")
            .field("reason", &self.reason)
            .field("attempts", &self.attempts)
            .field("waited", &self.waited())
            .field("elapsed", &self.elapsed().ok())
            .field("operation", &self.operation)
            .field("interrupted", &self.interrupted)
            .finish()
    }
}

impl FinishFacts {
    /// Why it ended.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns how a guard ended the call, if the call has no outcome for that reason.
    ///
    /// ```
    /// use persevere::{Interrupted, Policy, RetryExt, immediate, time::VirtualClock};
    /// use std::{cell::Cell, future::pending, time::Duration};
    ///
    /// let (clock, end, limit) = (VirtualClock::new(), Cell::new(None), Duration::from_secs(2));
    /// let retry = (|| pending::<Option<()>>())
    ///     .retry_with(immediate().max_attempts(1))
    ///     .attempt_timeout(limit)
    ///     .timer(clock.clone())
    ///     .on_finish(|finish| end.set(finish.interrupted()));
    /// assert_eq!(clock.block_on(retry), None);
    /// assert_eq!(end.get(), Some(Interrupted::AttemptTimeout { limit }));
    /// ```
    #[must_use]
    pub const fn interrupted(&self) -> Option<Interrupted> {
        self.interrupted
    }

    /// How many executions were begun: 0 if the first was refused.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What was slept in all. A sleep that was cancelled counts in full.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        from_nanos(self.waited)
    }

    /// The name of what is retried, if it was [given one](crate::Retry::named).
    #[must_use]
    pub const fn operation(&self) -> Option<&'static str> {
        self.operation
    }

    /// Returns the time since the call began.
    ///
    /// # Errors
    /// [`Untimed`] if nothing in the call reads the clock; see [`Attempt::elapsed`].
    pub const fn elapsed(&self) -> Result<Duration, Untimed> {
        attempt::elapsed(self.elapsed)
    }
}

/// `gave up after 3 attempts: attempt limit reached`
impl fmt::Display for FinishFacts {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Summary { facts: self }.fmt(f)
    }
}

/// A call ended: its [facts](FinishFacts), to which it derefs, and the outcome.
///
/// ```
/// use persevere::{Reason, RetryExt, immediate};
///
/// let mut log = vec![];
/// let _ = (|| Ok::<_, &str>(10))
///     .retry_with(immediate().max_attempts(2))
///     .until(|percent| *percent == 100)
///     .on_finish(|finish| log.push((finish.reason(), finish.error().copied(), finish.value().copied())))
///     .call();
/// assert_eq!(log, [(Reason::Attempts, None, Some(10))]);
/// ```
#[derive(Debug)]
pub struct FinishEvent<'a, O> {
    pub(crate) outcome: Option<&'a O>,
    pub(crate) facts: FinishFacts,
}

impl<'a, O: Outcome> FinishEvent<'a, O> {
    /// The error that comes out; `None` if a value does, or no [outcome](FinishEvent::outcome).
    #[must_use]
    pub fn error(&self) -> Option<&'a O::Error> {
        self.outcome?.as_result().err()
    }

    /// The value that comes out, good or not; `None` if an error does, or no
    /// [outcome](FinishEvent::outcome).
    #[must_use]
    pub fn value(&self) -> Option<&'a O::Value> {
        self.outcome?.as_result().ok()
    }
}

impl<'a, O> FinishEvent<'a, O> {
    /// What comes out; `None` if the call was interrupted, cancelled, left, or panicked, or if the
    /// loop was told of its success without the outcome.
    #[must_use]
    pub fn outcome(&self) -> Option<&'a O> {
        self.outcome
    }

    /// What is known without the outcome.
    #[must_use]
    pub fn facts(&self) -> &FinishFacts {
        &self.facts
    }
}

impl<O> Deref for FinishEvent<'_, O> {
    type Target = FinishFacts;
    fn deref(&self) -> &FinishFacts {
        &self.facts
    }
}

/// `gave up after 3 attempts: attempt limit reached: connection refused`
impl<O: Outcome<Error: fmt::Display>> fmt::Display for FinishEvent<'_, O> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.fmt(f)?;
        match self.error() {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}
