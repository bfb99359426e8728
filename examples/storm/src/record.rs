//! What happened, second by second, and what it comes to.

use crate::scenario::{Script, TICKS_PER_SECOND};

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Second {
    /// Calls that began.
    pub(crate) calls: u64,
    /// Calls that ended, well or not.
    pub(crate) succeeded: u64,
    pub(crate) lost: u64,
    /// Requests that were sent: the load.
    pub(crate) attempts: u64,
    /// How attempts ended, as their clients see it.
    pub(crate) answered: u64,
    pub(crate) rejected: u64,
    pub(crate) timed_out: u64,
    /// Requests that were served when their clients had given up.
    pub(crate) wasted: u64,
    /// Calls that the breaker refused before their first attempt.
    pub(crate) refused: u64,
}

impl Second {
    fn add(&mut self, other: &Second) {
        self.calls += other.calls;
        self.succeeded += other.succeeded;
        self.lost += other.lost;
        self.attempts += other.attempts;
        self.answered += other.answered;
        self.rejected += other.rejected;
        self.timed_out += other.timed_out;
        self.wasted += other.wasted;
        self.refused += other.refused;
    }
}

/// One policy's storm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) seconds: Vec<Second>,
}

/// How long calls have to succeed again until it counts, in seconds.
const STEADY: usize = 10;

impl Record {
    /// All of it.
    pub(crate) fn total(&self) -> Second {
        let mut total = Second::default();
        self.seconds.iter().for_each(|second| total.add(second));
        total
    }

    /// Whether every call and every attempt has ended, and in one way.
    pub(crate) fn is_conserved(&self) -> bool {
        let total = self.total();
        total.calls == total.succeeded + total.lost
            && total.attempts == total.answered + total.rejected + total.timed_out
            && total.answered == total.succeeded
    }

    /// Requests for each call, of the whole storm.
    pub(crate) fn amplification(&self) -> f64 {
        let total = self.total();
        total.attempts as f64 / total.calls.max(1) as f64
    }

    /// The most requests in a second.
    pub(crate) fn peak(&self) -> u64 {
        self.seconds.iter().map(|second| second.attempts).max().unwrap_or(0)
    }

    /// The seconds from the end of the outage until calls succeed again, and go on to: until after
    /// the last second in which less than the agreed part of the calls that ended did. `None` if
    /// that is in the last ten seconds.
    pub(crate) fn recovery(&self, script: &Script) -> Option<u64> {
        let second = |tick: u64| usize::try_from(tick / TICKS_PER_SECOND).unwrap_or(usize::MAX);
        let (over, end) = (second(script.outage.1), second(script.end).min(self.seconds.len()));
        let bad = |second: &Second| {
            let ended = second.succeeded + second.lost;
            (second.succeeded as f64) < script.scenario.recovered * ended as f64
        };
        let after = self.seconds.get(over..end)?;
        let seconds = after.iter().rposition(bad).map_or(0, |last| last + 1);
        (seconds + STEADY <= after.len()).then_some(seconds as u64)
    }
}
