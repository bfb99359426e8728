//! A policy does not lend its backoff: a new policy of that would lose rules, hooks and timer.
use persevere::{Backoff, Policy, RetryExt, immediate};

fn main() {
    let policy = Policy::new(immediate().max_attempts(5)).when(|code: &u8| *code == 7);
    let _ = (|| Err::<(), _>(7)).retry_with(policy.backoff().max_attempts(2)).call();
}
