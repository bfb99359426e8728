//! A duration and a number are no backoffs.
use persevere::RetryExt;
use std::time::Duration;

fn main() {
    let _ = (|| "1".parse::<u32>()).retry_with(Duration::from_millis(100)).call();
    let _ = (|| "1".parse::<u32>()).retry_with(3).call();
}
