use std::future::{Ready, ready};
use std::hint::black_box;
use std::time::Duration;

use relentless::clock::{FuturesTimerClock, SystemClock};
use relentless::stop::{self, StopAfterAttempts};
use relentless::wait::{self, Jittered, WaitCapped, WaitExponential};
use relentless::{AsyncClock, Clock, RetryPolicy, SyncClock, Wait};

use super::{Entry, repeat, settings};
use crate::operation::{Flaky, drive};
use crate::work::Work;

const NAME: &str = "relentless";
const REAL_CLOCK: &str = "relentless with a real clock";

pub const ENTRIES: &[Entry] = &[
    Entry::new(NAME, Work::AsyncFirstTry, |n| {
        let policy = policy();
        repeat(n, || asynchronous(Flaky::succeeds_at_first(), &policy, Stopped));
    }),
    Entry::new(REAL_CLOCK, Work::AsyncFirstTry, |n| {
        let policy = policy();
        let clock = FuturesTimerClock::new();
        repeat(n, || asynchronous(Flaky::succeeds_at_first(), &policy, &clock));
    }),
    Entry::new(NAME, Work::AsyncFourthTry, |n| {
        let policy = policy();
        repeat(n, || asynchronous(Flaky::fails_thrice(), &policy, Stopped));
    }),
    Entry::new(NAME, Work::SyncFirstTry, |n| {
        let policy = policy();
        repeat(n, || blocking(Flaky::succeeds_at_first(), &policy, Stopped));
    }),
    Entry::new(REAL_CLOCK, Work::SyncFirstTry, |n| {
        let policy = policy();
        let clock = SystemClock;
        repeat(n, || blocking(Flaky::succeeds_at_first(), &policy, &clock));
    }),
    Entry::new(NAME, Work::SyncFourthTry, |n| {
        let policy = policy();
        repeat(n, || blocking(Flaky::fails_thrice(), &policy, Stopped));
    }),
];

/// A clock that costs nothing.
struct Stopped;

impl Clock for Stopped {
    #[inline(always)]
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl AsyncClock for Stopped {
    type Wait = Ready<()>;

    #[inline(always)]
    fn wait_async(&self, delay: Duration) -> Ready<()> {
        black_box(delay);
        ready(())
    }
}

impl SyncClock for Stopped {
    #[inline(always)]
    fn wait(&self, delay: Duration) {
        black_box(delay);
    }
}

type Policy = RetryPolicy<StopAfterAttempts, Jittered<WaitCapped<WaitExponential>>>;

/// Building one takes a number from a counter that all threads share; it is meant to be built once.
fn policy() -> Policy {
    let settings = settings();
    RetryPolicy::new()
        .wait(wait::exponential(settings.base).cap(settings.cap).full_jitter())
        .stop(stop::attempts(settings.attempts))
}

#[inline(always)]
fn asynchronous(flaky: Flaky, policy: &Policy, clock: impl AsyncClock) -> impl Sized {
    drive(black_box(policy).retry_async(|_| flaky.call_async()).clock(clock).call())
}

#[inline(always)]
fn blocking(flaky: Flaky, policy: &Policy, clock: impl SyncClock) -> impl Sized {
    black_box(policy).retry(|_| flaky.call()).clock(clock).call()
}
