//! The policy of a decorated function ends.
use persevere::{exponential, retry};
use std::time::Duration;

#[retry(exponential(Duration::from_millis(100)).full_jitter())]
fn call() -> Option<u8> {
    None
}

fn main() {}
