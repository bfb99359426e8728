//! In `#[retry]`, `interrupted = |why| ..` makes the error of a call that a guard ended.
use persevere::{CircuitBreaker, immediate, retry};
use std::num::ParseIntError;
use std::time::Duration;

#[retry(immediate().max_attempts(3), guard = CircuitBreaker::default())]
fn plain(text: &str) -> Result<u8, ParseIntError> {
    text.parse()
}

#[retry(immediate().max_attempts(3), attempt_timeout = Duration::from_secs(5))]
async fn later(text: &str) -> Result<u8, ParseIntError> {
    text.parse()
}

fn main() {}
