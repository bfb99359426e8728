//! A loop keeps its last outcome, so a loop in a spawned task has an error that is `Send`, or is
//! one `.without_last_outcome()`.
use persevere::{Policy, StaticPolicy, immediate};
use std::error::Error;

static POLICY: StaticPolicy = Policy::new(&immediate().max_attempts(3));

async fn fetch() -> Result<u8, Box<dyn Error>> {
    Ok(1)
}

async fn looped() {
    let mut attempts = POLICY.start();
    while attempts.attempt(fetch()).await.is_continue() {}
}

fn spawn<T: Send + 'static>(_: T) {}

fn main() {
    spawn(looped());
}
