//! How to test code that retries: without waiting, and down to the exact delay.
//!
//! The `test-util` feature has a virtual clock. It stands still until something sleeps, and then it
//! jumps: a night of backoff passes in microseconds.
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
    policy.run(async |_| send().await).await
}

/// The three lines of a test: make a clock, run on it, look at what was slept.
fn delivery_backs_off_by_the_hour() {
    let clock = VirtualClock::new();
    let outcome = clock.block_on(deliver(async || Err("no route"), clock.clone()));
    assert_eq!((outcome, clock.slept()), (Err("no route"), vec![HOUR, 2 * HOUR, 4 * HOUR]));
}

/// An operation that takes its time moves the clock itself, so that time limits can be tested.
fn a_time_limit_counts_the_attempts_too() {
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

/// In a project of yours each of these would be a `#[test]`.
fn main() {
    let tests: [(&str, fn()); 3] = [
        ("delivery backs off by the hour", delivery_backs_off_by_the_hour),
        ("a time limit counts the attempts, too", a_time_limit_counts_the_attempts_too),
        ("jitter repeats with its seed", jitter_repeats_with_its_seed),
    ];
    let started = Instant::now();
    for (name, test) in tests {
        test();
        println!("{name}: ok");
    }
    println!("all in {:?}", started.elapsed());
}
