use std::future::{Ready, ready};
use std::hint::black_box;
use std::time::Duration;

use persevere::time::{BlockingTimer, Clock, Timer};
use persevere::{Attempt, Backoff, Finite, RetryExt, exponential};

use super::{Entry, repeat, settings};
use crate::names::PERSEVERE;
use crate::operation::{Flaky, Outcome, drive};
use crate::work::Work;

pub const ENTRIES: &[Entry] = &[
    Entry::new(PERSEVERE, Work::AsyncFirstTry, |n| {
        repeat(n, || asynchronous(Flaky::succeeds_at_first()));
    }),
    Entry::new(PERSEVERE, Work::AsyncFourthTry, |n| {
        repeat(n, || asynchronous(Flaky::fails_thrice()));
    }),
    Entry::new(PERSEVERE, Work::SyncFirstTry, |n| {
        repeat(n, || blocking(Flaky::succeeds_at_first()));
    }),
    Entry::new(PERSEVERE, Work::SyncFourthTry, |n| {
        repeat(n, || blocking(Flaky::fails_thrice()));
    }),
    Entry::new(PERSEVERE, Work::Delay, |n| {
        let attempt = Attempt::new(1).with_seed(0x5EED);
        repeat(n, || backoff().delay(black_box(&attempt)));
    }),
];

/// A timer whose sleep costs nothing.
struct Sleepless;

impl Clock for Sleepless {
    type Sleep = Ready<()>;

    #[inline(always)]
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl Timer for Sleepless {
    #[inline(always)]
    fn sleep(&self, delay: Duration) -> Ready<()> {
        black_box(delay);
        ready(())
    }
}

impl BlockingTimer for Sleepless {
    #[inline(always)]
    fn sleep_blocking(&self, delay: Duration) {
        black_box(delay);
    }
}

#[inline(always)]
fn backoff() -> impl Finite {
    let settings = settings();
    exponential(settings.base).max_delay(settings.cap).full_jitter().max_attempts(settings.attempts)
}

#[inline(always)]
fn asynchronous(flaky: Flaky) -> Outcome {
    drive((|| flaky.call_async()).retry_with(backoff()).timer(Sleepless))
}

#[inline(always)]
fn blocking(flaky: Flaky) -> Outcome {
    (|| flaky.call()).retry_with(backoff()).timer(Sleepless).call()
}
