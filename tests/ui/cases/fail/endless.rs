//! A backoff without a limit is no policy.
use persevere::{RetryExt, exponential};
use std::time::Duration;

async fn fetch() -> Result<u32, String> {
    Ok(1)
}

async fn endless() -> Result<u32, String> {
    fetch.retry_with(exponential(Duration::from_millis(1))).await
}

fn main() {}
