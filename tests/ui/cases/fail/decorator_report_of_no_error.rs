//! In `#[retry]`, too, the error of a `report` implements `Error`.
use persevere::{RetryError, immediate, retry};

struct MyError;

#[retry(immediate().max_attempts(3), report)]
fn plain() -> Result<u8, RetryError<MyError>> {
    Err(MyError)
}

#[retry(immediate().max_attempts(3), report)]
async fn later() -> Result<u8, RetryError<MyError>> {
    Err(MyError)
}

fn main() {}
