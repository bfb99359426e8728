//! A blocking loop has no attempt timeout.
use persevere::{Policy, immediate};
use std::io;
use std::time::Duration;

fn attempted() -> io::Result<()> {
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(Duration::from_secs(5));
    let mut attempts = policy.try_start()?;
    let _ = attempts.attempt_blocking(|| std::fs::read("page.txt"));
    let _ = attempts.check_blocking(std::fs::read("page.txt"));
    Ok(())
}

fn again() -> io::Result<()> {
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(Duration::from_secs(5));
    let mut attempts = policy.try_start()?;
    attempts.again_blocking(io::Error::other("busy"))
}

fn main() {}
