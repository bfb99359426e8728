//! Tests of code that retries: without waiting, and with exact delays.
//!
//! The `test-util` feature has a virtual clock. It stands still until something sleeps, and then moves
//! to the end of the sleep: hours of backoff pass in microseconds.
//!
//! ```sh
//! cargo run --example testing
//! ```

use std::time::{Duration, Instant};

use persevere::time::{Timer, VirtualClock};
use persevere::{Policy, RetryExt, exponential};

const HOUR: Duration = Duration::from_secs(3600);

/// The code under test. Its timer is a parameter; in production it is given `DefaultTimer`.
async fn deliver(
    mut send: impl AsyncFnMut() -> Result<(), &'static str>,
    timer: impl Timer + Clone,
) -> Result<(), &'static str> {
    let policy = Policy::new(exponential(HOUR).max_attempts(4)).timer(timer);
    policy.run_lending(async |_| send().await).await
}

/// A test in three lines: make a clock, run on it, assert the sleeps.
fn delivery_backs_off_by_the_hour() {
    let clock = VirtualClock::new();
    let outcome = clock.block_on(deliver(async || Err("no route"), clock.clone()));
    assert_eq!((outcome, clock.slept()), (Err("no route"), vec![HOUR, 2 * HOUR, 4 * HOUR]));
}

/// An operation that takes time moves the clock itself, so that time limits can be tested.
fn a_time_limit_includes_the_attempts() {
    let clock = VirtualClock::new();
    let mut calls = 0;
    let outcome = (|| {
        calls += 1;
        clock.advance(2 * HOUR);
        Err::<(), _>("slow and wrong")
    })
    .retry_with(exponential(HOUR).max_elapsed(6 * HOUR))
    .timer(clock.clone())
    .call();
    // 2 of work, 1 of sleep, 2 of work; another 2 of sleep would end at 7.
    assert_eq!((outcome, calls, clock.slept()), (Err("slow and wrong"), 2, vec![HOUR]));
}

/// Jitter is random, but a seed repeats it.
fn jitter_repeats_with_its_seed() {
    let delays = |seed| {
        let clock = VirtualClock::new();
        let jittered = exponential(HOUR).full_jitter().max_attempts(4);
        let _ = (|| None::<()>).retry_with(jittered).seed(seed).timer(clock.clone()).call();
        clock.slept()
    };
    assert_eq!(delays(7), delays(7));
    assert_ne!(delays(7), delays(8));
}

/// In a project each of these is a `#[test]`.
fn main() {
    let tests: [(&str, fn()); 3] = [
        ("delivery backs off by the hour", delivery_backs_off_by_the_hour),
        ("a time limit includes the attempts", a_time_limit_includes_the_attempts),
        ("jitter repeats with its seed", jitter_repeats_with_its_seed),
    ];
    let started = Instant::now();
    for (name, test) in tests {
        test();
        println!("{name}: ok");
    }
    println!("all in {:?}", started.elapsed());
}
