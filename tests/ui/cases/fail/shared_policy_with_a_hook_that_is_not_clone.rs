//! Each call of a shared policy has a clone of its hooks.
use persevere::hook::Hook;
use persevere::{Policy, RetryExt, immediate};
use std::sync::Arc;

struct Log;
impl<O> Hook<O> for Log {}

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).hook(Log);
    let _ = (|| Some(1)).retry_with(&policy).call();
    let _ = policy.call(|_| Some(1));
    let _ = (|| Some(1)).retry_with(Arc::new(policy)).call();
}
