//! `elapsed()` is a `Result`: `Err(Untimed)` if nothing in the call reads the clock. A comparison
//! with `Some(..)`, which would never hold without a clock, is refused.
use persevere::{RetryExt, immediate};
use std::time::Duration;

fn main() {
    let limit = Duration::from_secs(5);
    let _ = (|| "7".parse::<u8>())
        .retry_with(immediate().max_attempts(3))
        .on_retry(|retry| {
            if retry.elapsed() > Some(limit) {
                eprintln!("slow");
            }
        })
        .on_finish(|finish| assert!(finish.elapsed() < Some(limit)))
        .on_attempt(|attempt| assert_ne!(attempt.elapsed(), Some(limit)))
        .call();
}
