//! A guard may end a loop, too, before its next attempt.
use persevere::{CircuitBreaker, Policy, immediate};
use std::num::ParseIntError;
use std::ops::ControlFlow::Break;

fn blocking() -> Option<Result<u8, ParseIntError>> {
    let policy = Policy::new(immediate().max_attempts(3)).guard(CircuitBreaker::default());
    let mut attempts = policy.try_start().ok()?;
    loop {
        if let Break(outcome) = attempts.attempt_blocking(|| "7".parse()) {
            break Some(outcome);
        }
    }
}

async fn awaited() -> Option<Result<u8, ParseIntError>> {
    let policy = Policy::new(immediate().max_attempts(3)).guard(CircuitBreaker::default());
    let mut attempts = policy.try_start().ok()?;
    loop {
        if let Break(outcome) = attempts.attempt(async { "7".parse() }).await {
            break Some(outcome);
        }
    }
}

async fn again() -> Result<u8, ParseIntError> {
    let policy = Policy::new(immediate().max_attempts(3)).guard(CircuitBreaker::default());
    let mut attempts = policy.try_start().unwrap();
    loop {
        match "7".parse() {
            Ok(number) => break Ok(attempts.succeed(number)),
            Err(error) => attempts.again(error).await?,
        }
    }
}

fn main() {}
