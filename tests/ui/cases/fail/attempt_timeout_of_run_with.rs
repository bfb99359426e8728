//! The attempts of `run_with` own their state, so they are not dropped and their time has no limit.
use persevere::{Policy, immediate};
use std::io;
use std::time::Duration;

async fn run() -> io::Result<()> {
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(Duration::from_secs(5));
    policy.run_with(7, async |state, _| (state, Ok(()))).await.1
}

fn main() {}
