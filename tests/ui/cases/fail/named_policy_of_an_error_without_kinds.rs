//! A named policy retries errors by their kinds, so the error type has kinds, or the call has
//! a predicate.
use persevere::policy::PolicyHandle;
use persevere::{PolicyFor, RetryExt};

struct MyError;

async fn fetch() -> Result<u32, MyError> {
    Err(MyError)
}

async fn awaited(policy: &PolicyHandle) -> Result<u32, MyError> {
    fetch.retry_with(policy).await
}

fn called(policy: &PolicyHandle) -> Result<u32, MyError> {
    (|| Err(MyError)).retry_with(policy).call()
}

fn by_the_policy(policy: &PolicyHandle) -> Result<u32, MyError> {
    policy.call(|_| Err(MyError))
}

fn looped(policy: &PolicyHandle) {
    let mut attempts = policy.start();
    let _ = attempts.check_blocking(Err::<u32, _>(MyError));
}

fn generic(policy: &PolicyHandle) {
    fn any(_: impl PolicyFor<Result<u32, MyError>>) {}
    any(policy);
}

fn main() {}
