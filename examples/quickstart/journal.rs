//! Prints the events of calls, and keeps the facts that are checked afterwards.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use persevere::Attempt;
use persevere::hook::{Hook, RetryEvent};

use crate::client::FetchError;
use crate::picture::{Paint, short};

/// Calls share it by reference, those of a `static` policy too, so it has a lock.
pub(crate) struct Journal(Mutex<Notes>);

struct Notes {
    attempts: u32,
    /// The delay that was announced last, and the time at which it was.
    announced: Option<(Instant, Duration)>,
    longest: Duration,
    punctual: bool,
}

impl Notes {
    const NONE: Notes =
        Notes { attempts: 0, announced: None, longest: Duration::ZERO, punctual: true };
}

impl Journal {
    pub(crate) const fn new() -> Self {
        Journal(Mutex::new(Notes::NONE))
    }

    /// An attempt begins: compares the time since the last one with the delay that was announced.
    pub(crate) fn attempt(&self, attempt: &Attempt) {
        let mut notes = self.notes();
        if attempt.is_first() {
            *notes = Notes::NONE;
        }
        notes.attempts = attempt.number();
        if let Some((since, announced)) = notes.announced.take() {
            let waited = since.elapsed();
            notes.punctual &= waited >= announced;
            notes.longest = notes.longest.max(waited);
        }
    }

    /// An attempt failed and will be retried.
    pub(crate) fn retry<T>(&self, retry: &RetryEvent<'_, Result<T, FetchError>>) {
        self.notes().announced = Some((Instant::now(), retry.delay()));
        let reason = retry.error().map(FetchError::to_string).unwrap_or_default();
        let origin = if retry.retry_after().is_some() { ", as the server asked" } else { "" };
        println!(
            "   attempt {}  {} {reason:<24}  next in {}{origin}",
            retry.number(),
            Paint::Red.on("✗"),
            short(retry.delay()),
        );
    }

    /// The call ended, with a page of this length or with an error.
    pub(crate) fn finish(&self, outcome: Result<usize, &FetchError>) {
        let (mark, text) = match outcome {
            Ok(bytes) => (Paint::Green.on("✓"), format!("{bytes} bytes")),
            Err(error) => (Paint::Red.on("✗"), format!("{error}: gave up")),
        };
        println!("   attempt {}  {mark} {text}\n", self.attempts());
    }

    /// The attempts of the last call.
    pub(crate) fn attempts(&self) -> u32 {
        self.notes().attempts
    }

    /// Whether no delay was shorter than announced.
    pub(crate) fn punctual(&self) -> bool {
        self.notes().punctual
    }

    /// The longest delay.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.notes().longest
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As a hook, it can be added to a policy.
impl<T> Hook<Result<T, FetchError>> for &Journal {
    fn before_attempt(&mut self, attempt: &Attempt) {
        self.attempt(attempt);
    }

    fn before_retry(&mut self, event: &RetryEvent<'_, Result<T, FetchError>>) {
        self.retry(event);
    }
}

/// Prints each check with a tick or a cross, and returns whether all hold.
pub(crate) fn all(checks: &[(&str, bool)]) -> bool {
    let marked = checks.iter().map(|(check, holds)| match holds {
        true => format!("{} {check}", Paint::Green.on("✓")),
        false => format!("{} {check}", Paint::Red.on("✗")),
    });
    println!("   {}\n", marked.collect::<Vec<_>>().join("   "));
    checks.iter().all(|(_, holds)| *holds)
}
