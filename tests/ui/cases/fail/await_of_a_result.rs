//! The retry of an operation that makes a `Result` ends in `.call()`.
use persevere::{RetryExt, immediate};

fn fetch() -> Result<u32, String> {
    Ok(1)
}

async fn awaited() -> Result<u32, String> {
    fetch.retry_with(immediate().max_attempts(3)).await
}

fn main() {}
