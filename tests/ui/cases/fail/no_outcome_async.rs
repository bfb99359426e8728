//! A future of a number makes no outcome.
use persevere::{RetryExt, immediate};

async fn number() -> u32 {
    (async || 5_u32).retry_with(immediate().max_attempts(2)).await
}

fn main() {}
