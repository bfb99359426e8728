//! A closure on a shared policy is `Clone`, so it cannot borrow `&mut`; one at a call can.
use persevere::{Policy, RetryExt, immediate};

fn main() {
    let mut retries = 0;
    let policy = Policy::new(immediate().max_attempts(3)).on_retry(|_| retries += 1);
    let _ = (|| Some(1)).retry_with(&policy).call();
}
