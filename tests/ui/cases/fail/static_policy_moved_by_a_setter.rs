//! A setter takes its policy by value, which would move it out of a `static` if it is not `Copy`;
//! `POLICY.by_ref()` has the setters too.
use persevere::backoff::{Constant, MaxAttempts};
use persevere::hook::Hook;
use persevere::{DefaultTimer, Policy, RetryExt, immediate};
use std::time::Duration;

#[derive(Clone)]
struct Log;
impl<O> Hook<O> for Log {}

static POLICY: Policy<MaxAttempts<Constant>, Log> =
    Policy::with(immediate().max_attempts(3), Log, (), DefaultTimer);

async fn awaited() -> Option<u8> {
    (async || Some(1)).retry_with(POLICY.attempt_timeout(Duration::from_secs(5))).await
}

fn called() -> Option<u8> {
    (|| Some(1)).retry_with(POLICY).call()
}

fn main() {}
