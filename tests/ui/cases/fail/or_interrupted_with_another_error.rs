//! The closure of `.or_interrupted(..)` makes the error of the operation.
use persevere::{CircuitBreaker, Policy, RetryExt, immediate};

fn read() -> Result<u8, String> {
    Ok(1)
}

fn called(breaker: &CircuitBreaker) -> Result<u8, String> {
    read.retry_with(immediate().max_attempts(3))
        .guard(breaker.by_ref())
        .or_interrupted(|_| std::fmt::Error)
        .call()
}

fn of_a_policy(breaker: &CircuitBreaker) -> Result<u8, String> {
    let policy = Policy::new(immediate().max_attempts(3))
        .guard(breaker.by_ref())
        .or_interrupted(|_| std::fmt::Error);
    read.retry_with(&policy).call()
}

async fn awaited(breaker: &CircuitBreaker) -> Result<u8, String> {
    let policy = Policy::new(immediate().max_attempts(3))
        .guard(breaker.by_ref())
        .or_interrupted(|_| std::fmt::Error);
    (async || read()).retry_with(&policy).await
}

fn main() {}
