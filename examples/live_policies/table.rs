//! Statistics of the calls, a line for each period.

use std::mem;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use persevere::hook::FinishFacts;

use crate::picture::{Paint, short};

/// Counts calls, from any thread.
#[derive(Default)]
pub(crate) struct Counts(Mutex<Tally>);

/// The counts of a period.
#[derive(Default)]
pub(crate) struct Tally {
    calls: u32,
    attempts: u32,
    /// The most attempts of one call.
    pub(crate) most: u32,
    waited: Duration,
    gave_up: u32,
}

impl Counts {
    /// A call ended.
    pub(crate) fn add(&self, call: &impl Deref<Target = FinishFacts>) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tally.calls += 1;
        tally.attempts += call.attempts();
        tally.most = tally.most.max(call.attempts());
        tally.waited += call.waited();
        tally.gave_up += u32::from(call.reason().gave_up());
    }

    /// Takes the counts since the last time.
    pub(crate) fn take(&self) -> Tally {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) const HEAD: &str = "   revision  calls  gave up  mean wait  at most  attempts per call";

impl Tally {
    pub(crate) fn line(&self, revision: u64) -> String {
        let Tally { calls, attempts, most, waited, gave_up } = *self;
        let each = f64::from(calls.max(1));
        let (mean, lost) = (f64::from(attempts) / each, 100.0 * f64::from(gave_up) / each);
        let (wait, bar) = (short(waited.div_f64(each)), "█".repeat((mean * 10.0).round() as usize));
        let bar = Paint::Cyan.on(bar);
        format!("{revision:11} {calls:6} {lost:6.0} % {wait:>10} {most:8}  {mean:.2} {bar}")
    }
}
