//! A report shows the last error as its source, so `?` needs one that is an `Error`.
use persevere::{RetryExt, immediate};
use std::error::Error;

#[derive(Debug)]
struct MyError;

fn fetch() -> Result<u32, MyError> {
    Err(MyError)
}

fn report() -> Result<u32, Box<dyn Error>> {
    let page = fetch.retry_with(immediate().max_attempts(3)).report().call()?;
    Ok(page)
}

fn main() {
    let _ = report();
}
