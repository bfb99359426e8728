//! tokio's clock, in a process of its own: the timer's epoch is taken once.

use std::time::Duration;

use persevere::time::TokioTimer;
use persevere::{Reason, RetryExt, immediate};

/// A runtime whose clock was advanced by days reads the time first; the next one begins at the
/// real time again, and its time limits hold all the same.
#[test]
fn a_clock_that_was_advanced_does_not_stop_the_next_runtimes() {
    let paused = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().expect("a runtime")
    };
    let limited = || immediate().max_elapsed(Duration::from_secs(10));
    let hour_long = || async {
        tokio::time::advance(Duration::from_secs(3600)).await;
        Err::<(), _>("down")
    };
    paused().block_on(async {
        tokio::time::advance(Duration::from_secs(10 * 24 * 3600)).await;
        let _ = hour_long.retry_with(limited()).timer(TokioTimer).await;
    });
    let error = paused()
        .block_on(hour_long.retry_with(limited()).timer(TokioTimer).report())
        .expect_err("nothing succeeds");
    assert_eq!((error.reason(), error.attempts()), (Reason::Elapsed, 1));
    assert!(error.elapsed() >= Duration::from_secs(3600));
}
