//! A future runs once, so it can be retried only if it is `Clone`. A closure makes a new one for
//! each attempt.
use persevere::{RetryExt, immediate};

async fn fetch() -> Result<u32, String> {
    Ok(1)
}

async fn awaited() -> Result<u32, String> {
    fetch().retry_with(immediate().max_attempts(3)).await
}

fn main() {}
