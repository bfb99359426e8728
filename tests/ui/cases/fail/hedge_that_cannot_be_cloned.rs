//! An operation that is hedged and retried is cloned for each attempt, so its closure cannot change
//! its captures.
use persevere::{Idempotent, RetryExt, hedge_after, immediate};
use std::future::ready;
use std::time::Duration;

async fn page() -> Result<u32, String> {
    let mut calls = 0;
    let fetch = || {
        calls += 1;
        ready(Ok(calls))
    };
    fetch
        .hedged(Idempotent, hedge_after(Duration::from_millis(50)))
        .retry_with(immediate().max_attempts(3))
        .await
}

fn main() {
    drop(page());
}
