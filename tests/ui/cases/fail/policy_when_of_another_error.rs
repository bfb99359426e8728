//! The predicate of a policy is checked where the policy is used.
use persevere::{Policy, RetryExt, immediate};
use std::io;

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).when(is_reset);
    let _ = policy.call(|_| "1".parse::<u32>());
    let _ = (|| "1".parse::<u32>()).retry_with(&policy).call();
}
