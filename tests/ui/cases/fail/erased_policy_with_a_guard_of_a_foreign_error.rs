//! An erased policy without guards has no error for the calls that a guard of the call ends.
use persevere::{CircuitBreaker, DynPolicy, Policy, RetryExt, immediate};

fn main() {
    let policy: DynPolicy<std::fmt::Error> = Policy::new(immediate().max_attempts(3)).erase();
    let breaker = CircuitBreaker::default();
    let read = || Err::<u8, _>(std::fmt::Error);
    let _ = read.retry_with(&policy).guard(breaker.by_ref()).call();
}
