//! A decorated function with `report` returns a `RetryError`.
use persevere::{RetryError, immediate, retry};
use std::io;

#[retry(immediate().max_attempts(3), report)]
fn bare() -> Result<u8, io::Error> {
    Ok(1)
}

#[retry(immediate().max_attempts(3), report)]
async fn absent() -> Option<u8> {
    None
}

type Alias = Result<u8, RetryError<io::Error>>;

#[retry(immediate().max_attempts(3), report)]
fn alias() -> Alias {
    Ok(1)
}

fn main() {}
