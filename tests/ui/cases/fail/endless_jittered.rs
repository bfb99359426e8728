//! Neither a cap nor jitter makes a backoff finite.
use persevere::{RetryExt, exponential};
use std::time::Duration;

async fn fetch() -> Result<u32, String> {
    Ok(1)
}

async fn endless() -> Result<u32, String> {
    fetch
        .retry_with(
            exponential(Duration::from_millis(1)).max_delay(Duration::from_secs(1)).full_jitter(),
        )
        .when(|error| error.is_empty())
        .await
}

fn main() {}
