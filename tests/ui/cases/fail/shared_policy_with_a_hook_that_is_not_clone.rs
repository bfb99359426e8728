//! Each call of a shared policy has a clone of its hooks.
use persevere::backoff::{Constant, MaxAttempts};
use persevere::hook::Hook;
use persevere::{DefaultTimer, Policy, RetryExt, immediate};
use std::sync::Arc;

struct Log;
impl<O> Hook<O> for Log {}

static POLICY: Policy<MaxAttempts<Constant>, Log> =
    Policy::with(immediate().max_attempts(3), Log, (), DefaultTimer);

fn borrowed(policy: &Policy<MaxAttempts<Constant>, ((), Log)>) {
    let _ = (|| Some(1)).retry_with(policy).call();
    let _ = policy.call(|_| Some(1));
    let _ = policy.start::<Option<u8>>();
    let _ = policy.run(|_| Some(1)).call();
    let _ = policy.by_ref();
}

fn main() {
    let _ = (|| Some(1)).retry_with(&POLICY).call();
    let _ = POLICY.call(|_| Some(1));
    let policy = Policy::new(immediate().max_attempts(3)).hook(Log);
    let _ = (|| Some(1)).retry_with(Arc::new(policy)).call();
}
