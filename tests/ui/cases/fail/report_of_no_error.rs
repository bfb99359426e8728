//! A report has the last error as its source, so that error implements `Error`; otherwise the
//! report is one without a source.
use persevere::{Policy, RetryExt, immediate};
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

async fn awaited() -> bool {
    let retry = (async || fetch()).retry_with(immediate().max_attempts(3));
    retry.report().await.is_ok()
}

fn of_a_policy() -> bool {
    let policy = Policy::new(immediate().max_attempts(3));
    policy.run(|_| fetch()).report().call().is_ok()
}

fn main() {
    let _ = report();
}
