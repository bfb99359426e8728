//! A circuit breaker refuses attempts, so it is a guard: `.guard(breaker)`.
use persevere::{CircuitBreaker, RetryExt, immediate};
use std::io;

fn called(breaker: &CircuitBreaker) -> io::Result<Vec<u8>> {
    let read = || std::fs::read("page.txt");
    read.retry_with(immediate().max_attempts(3)).hook(breaker.by_ref()).call()
}

async fn awaited(breaker: CircuitBreaker) -> io::Result<u8> {
    let fetch = async || Ok(1);
    fetch.retry_with(immediate().max_attempts(3)).hook(breaker).await
}

fn main() {}
