//! An operation takes no argument, or the attempt.
use persevere::{RetryExt, immediate};

fn fetch(url: &str) -> Result<u32, String> {
    Err(url.into())
}

fn main() {
    let _ = fetch.retry_with(immediate().max_attempts(3)).call();
}
