//! What a call does not do: allocate, read a clock, ask for a delay, draw a random number.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::time::Duration;

use persevere::backoff::Limits;
use persevere::hook::AttemptEvent;
use persevere::time::{BlockingTimer, Clock, Timer};
use persevere::{Attempt, Backoff, DelayBounds, Finite, Hook, RetryExt, exponential};

use crate::counting;
use crate::operation::{Flaky, drive};

/// What a call was seen to do.
#[derive(Default)]
struct Witness {
    clock_reads: Cell<u64>,
    delays: Cell<u64>,
    seeds: Cell<u64>,
}

/// Counts for each kind of call, prints that as Markdown, and panics if anything was done that may
/// not be.
pub fn print() {
    // Whatever a thread prepares for its first random number is no part of a call.
    asynchronous(&Flaky::fails_thrice(), &Witness::default());

    println!("| one call, sync or async      | allocations | clock reads | delays | seeds |");
    println!("| ---------------------------- | ----------: | ----------: | -----: | ----: |");
    row("success at the first try", Flaky::succeeds_at_first, [0, 0, 0, 0]);
    row("three failures, then success", Flaky::fails_thrice, [0, 0, 3, 1]);
}

fn row(title: &str, flaky: fn() -> Flaky, expected: [u64; 4]) {
    for call in [asynchronous, blocking] {
        let (flaky, witness) = (flaky(), Witness::default());
        let before = counting::allocations();
        call(&flaky, &witness);
        let allocations = counting::allocations() - before;
        let Witness { clock_reads, delays, seeds } = witness;
        let seen = [allocations, clock_reads.get(), delays.get(), seeds.get()];
        assert_eq!(seen, expected, "{title}");
    }
    let [allocations, clock_reads, delays, seeds] = expected;
    println!("| {title:28} | {allocations:>11} | {clock_reads:>11} | {delays:>6} | {seeds:>5} |");
}

fn asynchronous(flaky: &Flaky, witness: &Witness) {
    let retry = (|| flaky.call_async()).retry_with(backoff(witness));
    let watched = retry.timer(Watched(witness, ())).hook(Watched(witness, ()));
    assert!(drive(watched).is_ok());
}

fn blocking(flaky: &Flaky, witness: &Witness) {
    let retry = (|| flaky.call()).retry_with(backoff(witness));
    let watched = retry.timer(Watched(witness, ())).hook(Watched(witness, ()));
    assert!(watched.call().is_ok());
}

fn backoff(witness: &Witness) -> impl Finite {
    let ms = Duration::from_millis;
    Watched(witness, exponential(ms(100)).max_delay(ms(5_000)).full_jitter()).max_attempts(5)
}

/// A backoff, a timer or a hook that notes what it is used for.
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

/// An attempt without a seed draws a fresh number every time.
impl<O> Hook<O> for Watched<'_, ()> {
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        let attempt = event.attempt();
        self.0.seeds.set((attempt.random() == attempt.random()).into());
    }
}
