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

/// Adds jitter to a server's delay. Made by
/// [`ClassifierExt::retry_after_jitter`](super::ClassifierExt::retry_after_jitter).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfterJitter<C> {
    inner: C,
    range: RangeInclusive<Duration>,
}

impl<C> RetryAfterJitter<C> {
    pub(super) const fn new(inner: C, range: RangeInclusive<Duration>) -> Self {
        assert!(
            range.start().as_nanos() <= range.end().as_nanos(),
            "a jitter of `Retry-After` ends before it starts"
        );
        RetryAfterJitter { inner, range }
    }
}

impl<O, C: Classifier<O>> Classifier<O> for RetryAfterJitter<C> {
    #[inline]
    fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        let verdict = self.inner.classify(outcome, attempt)?;
        Some(verdict.with_jitter(attempt, self.range.clone()))
    }
}
