//! A future runs once: only one that is `Clone` can be retried. A closure makes a new one each time.
use persevere::{RetryExt, immediate};

async fn fetch() -> Result<u32, String> {
    Ok(1)
}

async fn awaited() -> Result<u32, String> {
    fetch().retry_with(immediate().max_attempts(3)).await
}

fn main() {}
