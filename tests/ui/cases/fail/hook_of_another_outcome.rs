//! A hook for one outcome is no hook for calls that make another.
use persevere::hook::{Hook, RetryEvent};
use persevere::{Policy, RetryExt, immediate};

#[derive(Clone)]
struct Log;

impl Hook<Result<u32, String>> for Log {
    fn before_retry(&mut self, _: &RetryEvent<'_, Result<u32, String>>) {}
}

fn main() {
    let _ = (|| Some(1)).retry_with(immediate().max_attempts(3)).hook(Log).call();
    let policy = Policy::new(immediate().max_attempts(3)).hook(Log);
    let _ = (|| Some(1)).retry_with(&policy).call();
    let _ = policy.call(|_| Some(1));
}
