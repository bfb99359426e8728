//! Code that blocks cannot be interrupted, so a blocking call has no attempt timeout.
use persevere::{RetryExt, immediate};
use std::time::Duration;

fn main() {
    let read = || std::fs::read("page.txt");
    let backoff = immediate().max_attempts(3);
    let _ = read.retry_with(backoff).attempt_timeout(Duration::from_secs(5)).call();
    let _ = read.retry_with(backoff).attempt_timeout_by(|_| Duration::from_secs(5)).call();
    let _ = read
        .retry_with(backoff)
        .deadline(Duration::from_secs(60))
        .attempt_timeout(Duration::from_secs(5))
        .report()
        .call();
}
