//! In `#[retry]`, a circuit breaker is given to `guard`.
use persevere::{CircuitBreaker, immediate, retry};

#[retry(immediate().max_attempts(3), hook = CircuitBreaker::default())]
fn call() -> Option<u8> {
    None
}

fn main() {}
