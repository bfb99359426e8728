//! Counts of the allocations, clock readings and delays of a call.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::time::Duration;

use persevere::backoff::Limits;
use persevere::time::{BlockingTimer, Clock, Timer};
use persevere::{Attempt, Backoff, DelayBounds, Finite, RetryExt, exponential};

use crate::counting;
use crate::operation::{Flaky, drive};

/// The counts of a call.
#[derive(Default)]
struct Witness {
    clock_reads: Cell<u64>,
    delays: Cell<u64>,
}

/// Counts for each kind of call, prints that as Markdown, and panics if anything was done that may
/// not be.
pub fn print() {
    // Whatever a thread prepares for its first random number is no part of a call.
    asynchronous(&Flaky::fails_thrice(), &Witness::default());

    println!("| one call, sync or async      | allocations | clock reads | delays |");
    println!("| ---------------------------- | ----------: | ----------: | -----: |");
    row("success at the first attempt", Flaky::succeeds_at_first, [0, 0, 0]);
    row("three failures, then success", Flaky::fails_thrice, [0, 0, 3]);
}

fn row(title: &str, flaky: fn() -> Flaky, expected: [u64; 3]) {
    for call in [asynchronous, blocking] {
        let (flaky, witness) = (flaky(), Witness::default());
        let before = counting::allocations();
        call(&flaky, &witness);
        let allocations = counting::allocations() - before;
        let Witness { clock_reads, delays } = witness;
        let seen = [allocations, clock_reads.get(), delays.get()];
        assert_eq!(seen, expected, "{title}");
    }
    let [allocations, clock_reads, delays] = expected;
    println!("| {title:28} | {allocations:>11} | {clock_reads:>11} | {delays:>6} |");
}

fn asynchronous(flaky: &Flaky, witness: &Witness) {
    let retry = (|| flaky.call_async()).retry_with(backoff(witness));
    let watched = retry.timer(Watched(witness, ()));
    assert!(drive(watched).is_ok());
}

fn blocking(flaky: &Flaky, witness: &Witness) {
    let retry = (|| flaky.call()).retry_with(backoff(witness));
    let watched = retry.timer(Watched(witness, ()));
    assert!(watched.call().is_ok());
}

fn backoff(witness: &Witness) -> impl Finite {
    let ms = Duration::from_millis;
    Watched(witness, exponential(ms(100)).max_delay(ms(5_000)).full_jitter()).max_attempts(5)
}

/// A backoff or a timer that counts its uses.
struct Watched<'a, T>(&'a Witness, T);

fn add_one(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

impl<B: Backoff> Backoff for Watched<'_, B> {
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        add_one(&self.0.delays);
        self.1.delay(attempt)
    }

    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        self.1.bounds(attempt)
    }

    fn limits(&self) -> Limits {
        self.1.limits()
    }

    fn reads_clock(&self) -> bool {
        self.1.reads_clock()
    }
}

impl Clock for Watched<'_, ()> {
    type Sleep = Ready<()>;

    fn now(&self) -> Duration {
        add_one(&self.0.clock_reads);
        Duration::ZERO
    }
}

impl Timer for Watched<'_, ()> {
    fn sleep(&self, _: Duration) -> Ready<()> {
        ready(())
    }
}

impl BlockingTimer for Watched<'_, ()> {
    fn sleep_blocking(&self, _: Duration) {}
}
