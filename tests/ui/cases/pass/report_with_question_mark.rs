//! `?` takes a report where it takes the operation's own error.
use persevere::{RetryExt, immediate};
use std::error::Error;

fn report() -> Result<u32, Box<dyn Error + Send + Sync>> {
    Ok((|| "x".parse::<u32>()).retry_with(immediate().max_attempts(3)).report().call()?)
}

fn main() {
    let error = report().expect_err("x is no number");
    assert!(error.source().is_some());
}
