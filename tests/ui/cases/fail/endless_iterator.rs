//! An iterator without an exact length may be endless.
use persevere::{RetryExt, from_iter};
use std::time::Duration;

fn main() {
    let delays = from_iter((1..).map(Duration::from_millis));
    let _ = (|| "1".parse::<u32>()).retry_with(delays).call();
}
