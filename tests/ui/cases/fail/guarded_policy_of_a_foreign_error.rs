//! The calls of a policy with a guard need an error for interruptions, too.
use persevere::{CircuitBreaker, Policy, immediate};
use std::num::ParseIntError;

fn called() -> Result<u8, ParseIntError> {
    let policy = Policy::new(immediate().max_attempts(3)).guard(CircuitBreaker::default());
    policy.call(|_| "7".parse())
}

async fn run() -> Result<u8, ParseIntError> {
    let policy = Policy::new(immediate().max_attempts(3)).guard(CircuitBreaker::default());
    policy.run(async |_| "7".parse()).await
}

async fn run_lending() -> Result<u8, ParseIntError> {
    let policy = Policy::new(immediate().max_attempts(3)).guard(CircuitBreaker::default());
    policy.run_lending(async |_| "7".parse()).await
}

fn main() {}
