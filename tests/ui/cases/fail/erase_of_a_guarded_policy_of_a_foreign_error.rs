//! An erased policy with a guard makes the error of an interrupted call, too.
use persevere::{CircuitBreaker, DynPolicy, Policy, immediate};
use std::num::ParseIntError;

fn erased() -> DynPolicy<ParseIntError> {
    Policy::new(immediate().max_attempts(3)).guard(CircuitBreaker::default()).erase()
}

fn main() {}
