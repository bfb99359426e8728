//! A `dyn Backoff` may be endless; a `dyn Finite` is not.
use persevere::{Backoff, RetryExt};
use std::sync::Arc;

async fn fetch() -> Result<u32, String> {
    Ok(1)
}

async fn endless(backoff: Arc<dyn Backoff>) -> Result<u32, String> {
    fetch.retry_with(backoff).await
}

fn main() {}
