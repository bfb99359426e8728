//! A spawned call owns its closures, counts in its own variables, and shares a policy.
use persevere::{Policy, RetryExt, immediate};
use std::sync::Arc;

async fn fetch() -> Result<u32, String> {
    Ok(1)
}

fn spawn<T: Send + 'static>(_: T) {}

fn main() {
    let policy = Arc::new(Policy::new(immediate().max_attempts(3)).on_retry(|_| {}));
    let shared = policy.clone();
    spawn(async move {
        let mut retries = 0;
        let _ = fetch.retry_with(&*shared).on_retry(|_| retries += 1).await;
        retries
    });
    spawn(fetch.retry_with(policy.clone()).when(|error| error.is_empty()));
    spawn(async move {
        let mut rows = vec![];
        let run = policy.run_with(&mut rows, |rows, attempt| async move {
            rows.push(attempt.number());
            (rows, fetch().await)
        });
        run.await.1
    });
}
