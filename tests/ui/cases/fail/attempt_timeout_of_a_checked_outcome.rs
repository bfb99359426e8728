//! An outcome in hand is the end of its attempt, so nothing can interrupt that.
use persevere::{Policy, constant};
use std::ops::ControlFlow::Break;
use std::time::Duration;

async fn read() -> Option<u8> {
    let second = Duration::from_secs(1);
    let policy = Policy::new(constant(second).max_attempts(3)).attempt_timeout(second);
    let mut attempts = policy.try_start().ok()?;
    loop {
        if let Break(outcome) = attempts.check(Some(7)).await {
            break outcome;
        }
    }
}

fn main() {
    let _ = read();
}
