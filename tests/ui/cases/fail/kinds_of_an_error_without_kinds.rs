//! The classifier `kinds` needs an error that has kinds.
use persevere::classify::kinds;
use persevere::{Policy, RetryExt, immediate};

struct MyError;

async fn fetch() -> Result<u32, MyError> {
    Err(MyError)
}

async fn awaited() -> Result<u32, MyError> {
    let policy = Policy::new(immediate().max_attempts(3)).classifier(kinds(["Timeout"]));
    fetch.retry_with(&policy).await
}

fn called() -> Result<u32, MyError> {
    let policy = Policy::new(immediate().max_attempts(3)).classifier(kinds(["Timeout"]));
    policy.call(|_| Err(MyError))
}

fn main() {
    let _ = (awaited(), called());
}
