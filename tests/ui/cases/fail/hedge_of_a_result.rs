//! A blocking operation cannot be hedged.
use persevere::{Idempotent, RetryExt, hedge_after};
use std::time::Duration;

fn main() {
    let read = || std::fs::read("settings.toml");
    drop(read.hedged(Idempotent, hedge_after(Duration::from_millis(50))));
}
