//! The same of a policy, which meets its operation only at the call.
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
