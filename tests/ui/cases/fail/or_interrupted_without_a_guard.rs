//! `.or_interrupted(..)` has no use where nothing can interrupt the call.
use persevere::{Policy, RetryExt, immediate};

fn called() -> Result<u8, String> {
    (|| Ok(1)).retry_with(immediate().max_attempts(3)).or_interrupted(|why| why.to_string()).call()
}

async fn awaited() -> Result<u8, String> {
    (async || Ok(1))
        .retry_with(immediate().max_attempts(3))
        .or_interrupted(|why| why.to_string())
        .await
}

fn of_a_policy() -> Result<u8, String> {
    let policy = Policy::new(immediate().max_attempts(3)).or_interrupted(|_| String::new());
    policy.call(|_| Ok(1))
}

fn main() {}
