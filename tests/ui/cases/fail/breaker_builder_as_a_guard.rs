//! A builder is no breaker before `.build()`.
use persevere::breaker::Settings;
use persevere::{CircuitBreaker, RetryExt, immediate};

fn main() {
    let breaker = CircuitBreaker::builder(Settings::consecutive(5)).seed(7);
    let _ = (|| Some(1)).retry_with(immediate().max_attempts(3)).guard(breaker).call();
}
