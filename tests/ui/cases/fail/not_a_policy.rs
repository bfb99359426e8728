//! A duration is no backoff.
use persevere::RetryExt;
use std::time::Duration;

fn main() {
    let _ = (|| "1".parse::<u32>()).retry_with(Duration::from_millis(100)).call();
}
