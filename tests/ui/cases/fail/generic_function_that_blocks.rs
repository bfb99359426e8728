//! A function that takes a `BlockingPolicyFor` takes no policy with an attempt timeout.
use persevere::{BlockingPolicyFor, Policy, RetryExt, immediate};
use std::time::Duration;

fn called(policy: impl BlockingPolicyFor<Option<u8>>) -> Option<u8> {
    (|| Some(1)).retry_with(policy).call()
}

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(Duration::from_secs(5));
    let _ = called(&policy);
}
