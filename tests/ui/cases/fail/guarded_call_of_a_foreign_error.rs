//! A guard may end a call before its operation returns. An error type of another crate cannot be
//! built from that: `.or_interrupted(..)` makes the error, or `.report()` has the reason.
use persevere::{CircuitBreaker, RetryExt, immediate};
use std::num::ParseIntError;
use std::time::Duration;

fn called(breaker: &CircuitBreaker) -> Result<u8, ParseIntError> {
    (|| "7".parse()).retry_with(immediate().max_attempts(3)).guard(breaker.by_ref()).call()
}

fn within_a_deadline() -> Result<u8, ParseIntError> {
    (|| "7".parse()).retry_with(immediate().max_attempts(3)).deadline(Duration::from_secs(5)).call()
}

async fn awaited() -> Result<u8, ParseIntError> {
    (async || "7".parse())
        .retry_with(immediate().max_attempts(3))
        .attempt_timeout(Duration::from_secs(5))
        .await
}

fn main() {}
