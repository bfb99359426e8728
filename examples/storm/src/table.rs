//! The table that is printed.

use std::fmt::{self, Write as _};

use crate::record::Record;
use crate::scenario::{Script, TICKS_PER_SECOND};
use crate::storm::{Outcome, Storm};

impl Outcome {
    /// What it came to, in words.
    pub(crate) fn recovery(&self, script: &Script) -> String {
        match self.record.recovery(script) {
            Some(seconds) => format!("{seconds} s"),
            None => "never".to_owned(),
        }
    }
}

impl Record {
    /// The part of the calls that were lost, in percent.
    pub(crate) fn lost_percent(&self) -> f64 {
        let total = self.total();
        100.0 * total.lost as f64 / total.calls.max(1) as f64
    }

    /// The most requests in a second, in capacities of the service.
    pub(crate) fn peak_load(&self, script: &Script) -> f64 {
        self.peak() as f64 / script.capacity as f64
    }
}

impl Script {
    /// The scenario in one sentence.
    pub(crate) fn sentence(&self) -> String {
        let minutes = |tick: u64| {
            let seconds = tick / TICKS_PER_SECOND;
            format!("{}:{:02}", seconds / 60, seconds % 60)
        };
        let left = match self.outage_capacity {
            0 => "down".to_owned(),
            rest => format!("at {} requests/s", grouped(rest)),
        };
        format!(
            "{} clients, a service for {} requests/s, {left} from {} to {}",
            grouped(self.clients.into()),
            grouped(self.capacity),
            minutes(self.outage.0),
            minutes(self.outage.1),
        )
    }
}

const HEAD: [&str; 8] = [
    "policy",
    "calls",
    "requests",
    "per call",
    "peak load",
    "recovered after",
    "calls lost",
    "answered too late",
];

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![HEAD.map(str::to_owned)];
        for outcome in &self.outcomes {
            let (record, total) = (&outcome.record, outcome.record.total());
            rows.push([
                outcome.policy.clone(),
                grouped(total.calls),
                grouped(total.attempts),
                format!("{:.2}", record.amplification()),
                format!("{:.1} × capacity", record.peak_load(&self.script)),
                outcome.recovery(&self.script),
                format!("{} ({:4.1} %)", grouped(total.lost), record.lost_percent()),
                grouped(total.wasted),
            ]);
        }
        let mut widths = [0; HEAD.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &rows {
            let mut line = format!("{:<1$}", row[0], widths[0]);
            for (cell, width) in row.iter().zip(widths).skip(1) {
                write!(line, "  {cell:>width$}")?;
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// A number with its digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
