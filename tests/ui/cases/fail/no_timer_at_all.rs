//! A duration is no timer.
use persevere::{RetryExt, immediate};
use std::time::Duration;

fn main() {
    let timer = Duration::from_secs(1);
    let _ = (|| Some(1)).retry_with(immediate().max_attempts(3)).timer(timer).call();
}
