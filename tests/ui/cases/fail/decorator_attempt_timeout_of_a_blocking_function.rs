//! An attempt timeout is for an `async fn`.
use persevere::{immediate, retry};
use std::time::Duration;

#[retry(immediate().max_attempts(3), attempt_timeout = Duration::from_secs(5))]
fn call() -> Option<u8> {
    None
}

fn main() {}
