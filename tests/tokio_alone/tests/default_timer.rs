//! Without the feature `futures-timer`, the default timer is tokio's.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use persevere::{Policy, RetryExt, StaticPolicy, constant};

static POLICY: StaticPolicy = Policy::new(&constant(Duration::from_secs(60)).max_attempts(3));

fn down() -> Result<(), &'static str> {
    Err("down")
}

/// A runtime with a paused clock, which runs when all tasks sleep.
fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

#[test]
fn default_timer_follows_the_paused_clock_of_tokio() {
    let begun = Instant::now();
    paused().block_on(async {
        let now = tokio::time::Instant::now;
        let start = now();
        assert_eq!((|| ready(down())).retry_with(&POLICY).await, down());
        assert_eq!(now() - start, Duration::from_secs(120));
        let spawned = tokio::spawn(async { POLICY.run(|_| ready(down())).await });
        assert_eq!(spawned.await.unwrap(), down());
        assert_eq!(now() - start, Duration::from_secs(240));
        let mut attempts = POLICY.start();
        while attempts.attempt(ready(down())).await.is_continue() {}
        assert_eq!(now() - start, Duration::from_secs(360));
    });
    assert!(begun.elapsed() < Duration::from_secs(60));
}

/// Time limits read tokio's clock too.
#[test]
fn time_limits_of_the_default_timer_follow_the_paused_clock_of_tokio() {
    paused().block_on(async {
        let minutes = constant(Duration::from_secs(60)).max_elapsed(Duration::from_secs(300));
        let error = (|| ready(down())).retry_with(minutes).report().await.unwrap_err();
        assert_eq!((error.attempts(), error.elapsed()), (5, Duration::from_secs(240)));
    });
}

#[test]
fn default_timer_outside_of_a_tokio_runtime_panics_and_says_what_to_do() {
    use std::future::Future;
    use std::task::{Context, Waker};

    let mut retry = Box::pin((|| ready(down())).retry_with(&POLICY));
    let mut cx = Context::from_waker(Waker::noop());
    let poll = || retry.as_mut().poll(&mut cx).is_ready();
    let panic = catch_unwind(AssertUnwindSafe(poll)).unwrap_err();
    let message = panic.downcast_ref::<&str>().unwrap();
    assert!(message.contains("run the retry in a tokio runtime"), "{message}");
    assert!(message.contains("`futures-timer`"), "{message}");
}

#[test]
fn blocking_calls_need_no_runtime() {
    let quick = constant(Duration::from_millis(1)).max_attempts(3);
    assert_eq!(down.retry_with(quick).call(), down());
}
