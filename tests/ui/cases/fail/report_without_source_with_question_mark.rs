//! A report is an error whose source is an error: `?` into `Box<dyn Error>` needs that.
use persevere::{RetryExt, immediate};
use std::error::Error;

struct MyError;

fn report() -> Result<u32, Box<dyn Error>> {
    let fetch = || Err(MyError);
    Ok(fetch.retry_with(immediate().max_attempts(3)).report_without_source().call()?)
}

fn main() {
    let _ = report();
}
