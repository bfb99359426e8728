//! The timer of retries that are given no other, with the features `tokio` and `futures-timer`.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::cell::Cell;
use std::future::{pending, ready};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use persevere::time::{Clock, Timer, TokioTimer, VirtualClock};
use persevere::{DefaultTimer, Interrupted, RetryExt, constant, hedge_after};
use tokio::time::timeout;

const HOUR: Duration = Duration::from_secs(3600);

fn down() -> Result<(), &'static str> {
    Err("down")
}

fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

#[test]
fn default_timer_is_that_of_tokio_inside_of_a_runtime() {
    let begun = Instant::now();
    paused().block_on(async {
        let start = tokio::time::Instant::now();
        let retry = (|| ready(down())).retry_with(constant(HOUR).max_attempts(3));
        assert_eq!(retry.report().await.unwrap_err().elapsed(), 2 * HOUR);
        assert_eq!(start.elapsed(), 2 * HOUR);

        let hangs = || pending::<Result<(), Interrupted>>();
        let retry = hangs.retry_with(constant(HOUR).max_attempts(2)).attempt_timeout(HOUR);
        assert!(retry.await.is_err());
        assert_eq!(start.elapsed(), 5 * HOUR);

        let copies = Cell::new(0);
        let slow_first = || {
            copies.set(copies.get() + 1);
            let slow = copies.get() == 1;
            async move { if slow { pending().await } else { Some(7) } }
        };
        assert_eq!(slow_first.hedged(persevere::Idempotent, hedge_after(HOUR)).await, Some(7));
        assert_eq!(start.elapsed(), 6 * HOUR);
    });
    assert!(begun.elapsed() < HOUR);
}

#[test]
fn default_timer_needs_no_runtime() {
    let millisecond = || constant(Duration::from_millis(1)).max_attempts(3);
    assert_eq!(block_on((|| ready(down())).retry_with(millisecond())), down());
    assert_eq!(down.retry_with(millisecond()).call(), down());
}

/// A future that is polled inside of a runtime sleeps by it, wherever it was made.
#[test]
fn default_timer_is_chosen_when_a_sleep_begins() {
    let retry = (|| ready(down())).retry_with(constant(HOUR).max_attempts(2));
    assert_eq!(paused().block_on(retry), down());
}

/// A sleep until a time ends at that time of the timer's clock, or at once if the time is past.
#[test]
fn sleeps_until_a_time_end_then() {
    async fn ends_in_an_hour<T: Timer>(timer: T) {
        let start = timer.now();
        timer.sleep_until(start + HOUR).await;
        assert_eq!(timer.now() - start, HOUR);
        timer.sleep_until(start).await;
        assert!(timer.now() - start <= HOUR + Duration::from_millis(1));
        let late = timer.sleep_until(Duration::MAX);
        assert!(timeout(HOUR, late).await.is_err());
    }
    paused().block_on(async {
        ends_in_an_hour(DefaultTimer).await;
        ends_in_an_hour(TokioTimer).await;
        ends_in_an_hour(&TokioTimer).await;
    });
    let clock = VirtualClock::new();
    let start = clock.now();
    clock.block_on(clock.sleep_until(start + HOUR));
    clock.block_on(clock.sleep_until(start));
    assert_eq!(clock.now() - start, HOUR + Duration::from_nanos(1));
}
