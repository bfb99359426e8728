//! An async closure whose futures borrow from it mutably is not `FnMut`: a limit of the language.
use persevere::{RetryExt, immediate};

async fn count() -> Result<u32, String> {
    let mut calls = 0;
    let counted = (async || {
        calls += 1;
        Err(String::from("busy"))
    })
    .retry_with(immediate().max_attempts(3));
    counted.await
}

fn main() {}
