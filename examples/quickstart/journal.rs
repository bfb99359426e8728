//! Tells what happens as it happens, and remembers what is checked afterwards.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use persevere::Attempt;
use persevere::hook::{Hook, RetryEvent};

use crate::client::FetchError;
use crate::picture::{Paint, short};

/// It is shared by reference, also between the calls of a `static` policy: hence the lock.
pub(crate) struct Journal(Mutex<Notes>);

struct Notes {
    attempts: u32,
    /// The wait that was promised last, and when.
    promise: Option<(Instant, Duration)>,
    longest: Duration,
    punctual: bool,
}

impl Notes {
    const NONE: Notes =
        Notes { attempts: 0, promise: None, longest: Duration::ZERO, punctual: true };
}

impl Journal {
    pub(crate) const fn new() -> Self {
        Journal(Mutex::new(Notes::NONE))
    }

    /// An attempt begins, so the wait before it is over. Was it as long as promised?
    pub(crate) fn attempt(&self, attempt: &Attempt) {
        let mut notes = self.notes();
        if attempt.is_first() {
            *notes = Notes::NONE;
        }
        notes.attempts = attempt.number();
        if let Some((since, promised)) = notes.promise.take() {
            let waited = since.elapsed();
            notes.punctual &= waited >= promised;
            notes.longest = notes.longest.max(waited);
        }
    }

    /// An attempt failed, and there will be another.
    pub(crate) fn retry<T>(&self, retry: &RetryEvent<'_, Result<T, FetchError>>) {
        self.notes().promise = Some((Instant::now(), retry.delay()));
        let reason = retry.error().map(FetchError::to_string).unwrap_or_default();
        let wish = if retry.retry_after().is_some() { ", as the server asked" } else { "" };
        println!(
            "   attempt {}  {} {reason:<24}  next in {}{wish}",
            retry.number(),
            Paint::Red.on("✗"),
            short(retry.delay()),
        );
    }

    /// The call ended, with this much of the page or with an error.
    pub(crate) fn finish(&self, outcome: Result<usize, &FetchError>) {
        let (mark, text) = match outcome {
            Ok(bytes) => (Paint::Green.on("✓"), format!("{bytes} bytes")),
            Err(error) => (Paint::Red.on("✗"), format!("{error}: gave up")),
        };
        println!("   attempt {}  {mark} {text}\n", self.attempts());
    }

    /// How many attempts there were in the last call.
    pub(crate) fn attempts(&self) -> u32 {
        self.notes().attempts
    }

    /// Whether no wait was shorter than promised.
    pub(crate) fn punctual(&self) -> bool {
        self.notes().punctual
    }

    /// The longest wait there was.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.notes().longest
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As a hook it can be part of a policy.
impl<T> Hook<Result<T, FetchError>> for &Journal {
    fn before_attempt(&mut self, attempt: &Attempt) {
        self.attempt(attempt);
    }

    fn before_retry(&mut self, event: &RetryEvent<'_, Result<T, FetchError>>) {
        self.retry(event);
    }
}

/// Prints what had to hold, each with a tick or a cross, and says whether all of it did.
pub(crate) fn all(checks: &[(&str, bool)]) -> bool {
    let marked = checks.iter().map(|(what, holds)| match holds {
        true => format!("{} {what}", Paint::Green.on("✓")),
        false => format!("{} {what}", Paint::Red.on("✗")),
    });
    println!("   {}\n", marked.collect::<Vec<_>>().join("   "));
    checks.iter().all(|(_, holds)| *holds)
}
