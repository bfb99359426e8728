//! `policy.run(..)` makes a call, which does nothing until it is awaited or ended in `.call()`.
#![deny(unused_must_use)]
use persevere::{Policy, immediate};

async fn save() -> Result<(), String> {
    Ok(())
}

async fn forgotten() {
    let policy = Policy::new(immediate().max_attempts(3));
    policy.run(|_| save());
}

fn main() {
    drop(forgotten());
}
