//! The type of a closure's argument, `Attempt`, is written: a limit of the language.
use persevere::{RetryExt, immediate};

async fn fetch(number: u32) -> Result<u32, String> {
    Ok(number)
}

async fn untyped() -> Result<u32, String> {
    (|attempt| fetch(attempt.number())).retry_with(immediate().max_attempts(3)).await
}

fn main() {}
