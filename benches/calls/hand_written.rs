use std::future::ready;
use std::hint::black_box;
use std::time::Duration;

use super::{Entry, repeat, settings};
use crate::hand_written::{Retry, Schedule};
use crate::names::HAND_WRITTEN;
use crate::operation::{Flaky, Outcome, drive};
use crate::settings::Settings;
use crate::work::Work;

pub const ENTRIES: &[Entry] = &[
    Entry::new(HAND_WRITTEN, Work::AsyncFirstTry, |n| {
        repeat(n, || asynchronous(Flaky::succeeds_at_first()));
    }),
    Entry::new(HAND_WRITTEN, Work::AsyncFourthTry, |n| {
        repeat(n, || asynchronous(Flaky::fails_thrice()));
    }),
    Entry::new(HAND_WRITTEN, Work::SyncFirstTry, |n| {
        repeat(n, || blocking(Flaky::succeeds_at_first(), settings()));
    }),
    Entry::new(HAND_WRITTEN, Work::SyncFourthTry, |n| {
        repeat(n, || blocking(Flaky::fails_thrice(), settings()));
    }),
    Entry::new(HAND_WRITTEN, Work::Delay, |n| {
        repeat(n, || Schedule::seeded(settings(), black_box(0x5EED)).next_delay());
    }),
];

#[inline(always)]
fn asynchronous(flaky: Flaky) -> Outcome {
    drive(Retry::new(
        || flaky.call_async(),
        settings(),
        |delay| {
            black_box(delay);
            ready(())
        },
    ))
}

#[inline(always)]
fn blocking(flaky: Flaky, settings: Settings) -> Outcome {
    let mut schedule = Schedule::new(settings);
    loop {
        let error = match flaky.call() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match schedule.after_failure() {
            Some(delay) => black_box::<Duration>(delay),
            None => return Err(error),
        };
    }
}
