use std::hint::black_box;
use std::time::Duration;

use retry::delay::{Exponential, jitter};
use retry::retry;

use super::{Entry, repeat, settings};
use crate::operation::Flaky;
use crate::work::Work;

const NAME: &str = "retry";

pub const ENTRIES: &[Entry] = &[
    Entry::new(NAME, Work::SyncFirstTry, |n| {
        repeat(n, || blocking(Flaky::succeeds_at_first()));
    }),
    Entry::new(NAME, Work::SyncFourthTry, |n| {
        repeat(n, || blocking(Flaky::fails_thrice()));
    }),
    Entry::new(NAME, Work::Delay, |n| {
        repeat(n, || delays().next());
    }),
];

#[inline(always)]
fn delays() -> impl Iterator<Item = Duration> {
    let settings = settings();
    Exponential::from_millis(settings.base.as_millis() as u64)
        .map(move |delay| jitter(delay.min(settings.cap)))
        .take(settings.attempts as usize - 1)
}

/// Its sleep cannot be exchanged, but the standard library's returns at once from a delay of zero.
#[inline(always)]
fn blocking(flaky: Flaky) -> impl Sized {
    let no_delays = delays().map(|delay| {
        black_box(delay);
        Duration::ZERO
    });
    retry(no_delays, || flaky.call())
}
