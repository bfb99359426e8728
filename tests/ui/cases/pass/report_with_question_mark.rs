//! `?` converts a report where it converts the error of the operation, a boxed error too.
use persevere::{Policy, RetryExt, immediate};
use std::error::Error;

type BoxedError = Box<dyn Error + Send + Sync>;

fn report() -> Result<u32, BoxedError> {
    Ok((|| "x".parse::<u32>()).retry_with(immediate().max_attempts(3)).report().call()?)
}

/// The operation makes a boxed error itself.
fn boxed() -> Result<u32, BoxedError> {
    let read = || Err::<u32, BoxedError>("no answer".into());
    Ok(read.retry_with(immediate().max_attempts(3)).report().call()?)
}

fn local() -> Result<u32, Box<dyn Error>> {
    let policy = Policy::new(immediate().max_attempts(3));
    Ok(policy.run(|_| Err::<u32, Box<dyn Error>>("no answer".into())).report().call()?)
}

/// A text is an error without a source.
fn text() -> Result<u32, BoxedError> {
    let read = || Err::<u32, _>("no answer");
    Ok(read.retry_with(immediate().max_attempts(3)).report().call()?)
}

fn main() {
    for report in [report(), boxed()] {
        assert!(report.expect_err("no number").source().is_some());
    }
    assert!(local().expect_err("no number").source().is_some());
    assert!(text().expect_err("no number").source().is_none());
}
