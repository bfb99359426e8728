//! The retry of an operation that makes a future is awaited.
use persevere::{RetryExt, immediate};

async fn fetch() -> Result<u32, String> {
    Ok(1)
}

fn main() {
    let _ = fetch.retry_with(immediate().max_attempts(3)).call();
}
