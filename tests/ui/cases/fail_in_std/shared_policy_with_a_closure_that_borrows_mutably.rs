//! Nor can a shared policy count in a variable of the caller's: that is for the call site.
use persevere::{Policy, RetryExt, immediate};

fn main() {
    let mut retries = 0;
    let policy = Policy::new(immediate().max_attempts(3)).on_retry(|_| retries += 1);
    let _ = (|| Some(1)).retry_with(&policy).call();
}
