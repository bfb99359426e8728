//! `policy.run(..)` returns a call and no outcome, also if its closure makes an outcome.
use persevere::{Policy, immediate};

fn save() -> Result<(), String> {
    let policy = Policy::new(immediate().max_attempts(3));
    policy.run(|_| Ok(()))
}

fn main() {}
