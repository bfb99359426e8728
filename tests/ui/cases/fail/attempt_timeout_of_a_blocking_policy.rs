//! A policy with an attempt timeout has no blocking calls.
use persevere::{Policy, RetryExt, immediate};
use std::io;
use std::time::Duration;

fn called() -> io::Result<Vec<u8>> {
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(Duration::from_secs(5));
    policy.call(|_| std::fs::read("page.txt"))
}

fn shared() -> io::Result<Vec<u8>> {
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(Duration::from_secs(5));
    (|| std::fs::read("page.txt")).retry_with(&policy).call()
}

fn main() {}
