//! Jitter on top of what a server asks for.

use core::ops::RangeInclusive;
use core::time::Duration;

use super::{Classifier, Verdict};
use crate::Attempt;

impl Verdict {
    /// The same verdict with something random on top of what the server asks for, so that not all
    /// that were told the same come back in the same moment. Only
    /// [`RetryAfter`](Verdict::RetryAfter) changes, and it is never shortened. A range that ends
    /// before it starts is its start.
    ///
    /// What is added counts for the [ceiling](crate::Backoff::max_retry_after). It is a pure function
    /// of the call's seed and the attempt, and independent of the backoff's draws. Where the
    /// backoff's own delay is the longer, that one is slept.
    ///
    /// ```
    /// use persevere::{Attempt, Verdict};
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let attempt = Attempt::new(1).with_seed(7);
    /// let verdict = Verdict::RetryAfter(30 * second).with_jitter(&attempt, Duration::ZERO..=second);
    /// let Verdict::RetryAfter(delay) = verdict else { panic!("it stays a delay") };
    /// assert!(30 * second <= delay && delay <= 31 * second);
    /// assert_eq!(Verdict::Retry.with_jitter(&attempt, second..=second), Verdict::Retry);
    /// ```
    #[must_use]
    pub fn with_jitter(self, attempt: &Attempt, range: RangeInclusive<Duration>) -> Self {
        match self {
            Verdict::RetryAfter(delay) => {
                let more = attempt.for_classifier().uniform(*range.start(), *range.end());
                Verdict::RetryAfter(delay.saturating_add(more))
            }
            other => other,
        }
    }
}

/// A classifier with jitter on the delays that it gives. Made by [`retry_after_jitter`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct RetryAfterJitter<C> {
    classifier: C,
    range: RangeInclusive<Duration>,
}

/// Adds a random duration from `range` to the delays that `classifier` gives with
/// [`RetryAfter`](Verdict::RetryAfter), as [`Verdict::with_jitter`] does.
///
/// # Panics
/// If the range ends before it starts.
///
/// ```
/// use persevere::classify::{by_mark, retry_after_jitter, transient_after};
/// use persevere::{Policy, RetryExt, immediate, time::VirtualClock};
/// use std::time::Duration;
///
/// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
/// let policy = Policy::new(immediate().max_attempts(2))
///     .classifier(retry_after_jitter(by_mark(), Duration::ZERO..=second));
/// let _ = (|| Err::<(), _>(transient_after("busy", 30 * second)))
///     .retry_with(policy)
///     .timer(clock.clone())
///     .call();
/// assert!(30 * second <= clock.slept()[0] && clock.slept()[0] <= 31 * second);
/// ```
#[must_use]
pub const fn retry_after_jitter<C>(
    classifier: C,
    range: RangeInclusive<Duration>,
) -> RetryAfterJitter<C> {
    assert!(
        range.start().as_nanos() <= range.end().as_nanos(),
        "the range of a jitter of `Retry-After` ends before it starts"
    );
    RetryAfterJitter { classifier, range }
}

impl<O, C: Classifier<O>> Classifier<O> for RetryAfterJitter<C> {
    #[inline]
    fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        let verdict = self.classifier.classify(outcome, attempt)?;
        Some(verdict.with_jitter(attempt, self.range.clone()))
    }

    #[inline]
    fn restrict(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        let verdict = self.classifier.restrict(outcome, attempt)?;
        Some(verdict.with_jitter(attempt, self.range.clone()))
    }
}
