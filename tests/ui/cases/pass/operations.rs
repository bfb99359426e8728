//! Every operation that can be retried, with the types of its closures inferred.
use persevere::{Attempt, RetryExt, immediate};
use std::future::{Future, ready};
use std::ops::ControlFlow;

fn page() -> Result<u32, String> {
    Ok(1)
}

async fn fetch() -> Result<u32, String> {
    Ok(1)
}

/// Tells a closure the type of its argument.
fn numbered<F: FnMut(Attempt) -> R, R>(operation: F) -> F {
    operation
}

fn is_future<F: Future + Send>(_: F) {}

fn main() {
    let backoff = immediate().max_attempts(3);
    let mut lines = vec![];

    let _ = page.retry_with(backoff).when(|error| error.is_empty()).call();
    let _ = (|| Some(1)).retry_with(backoff).until(|value| *value == 1).call();
    let _ = (|| ControlFlow::<u8, u8>::Break(1)).retry_with(backoff).when(|code| *code > 1).call();
    let _ = (|attempt: Attempt| Ok::<_, String>(attempt.number())).retry_with(backoff).call();
    let _ = numbered(|attempt| Ok::<_, String>(attempt.number())).retry_with(backoff).call();
    let _ = page.retry_with(backoff).on_retry(|retry| lines.push(retry.to_string())).call();

    is_future(fetch.retry_with(backoff).when(|error| error.is_empty()));
    is_future((|| fetch()).retry_with(backoff).until(|value| *value == 1));
    is_future((async || fetch().await).retry_with(backoff).report());
    is_future(numbered(|_| fetch()).retry_with(backoff));
    is_future(ready(Some(1)).retry_with(backoff));
    is_future(ready(Some(1)).retry_with(backoff).on_retry(|retry| lines.push(retry.to_string())));
}
