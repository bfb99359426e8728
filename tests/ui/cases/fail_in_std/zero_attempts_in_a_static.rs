//! `max_attempts` counts the first execution, so zero is refused.
use persevere::backoff::{Constant, MaxAttempts};
use persevere::{Policy, constant};
use std::time::Duration;

static POLICY: Policy<MaxAttempts<Constant>> =
    Policy::new(constant(Duration::from_millis(1)).max_attempts(0));

fn main() {
    let _ = POLICY.call(|_| Some(1));
}
