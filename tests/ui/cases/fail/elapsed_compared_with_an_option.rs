//! The elapsed time is a `Result`: unknown time is not a value that compares as less than any limit.
use persevere::{RetryExt, immediate};
use std::time::Duration;

fn main() {
    let _ = (|| None::<u8>)
        .retry_with(immediate().max_attempts(3))
        .on_retry(|retry| assert!(retry.elapsed() > Some(Duration::ZERO)))
        .call();
}
