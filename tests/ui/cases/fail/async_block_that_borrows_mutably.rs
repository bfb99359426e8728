//! A future cannot borrow `&mut` from the closure that makes it: a limit of the language. The loop,
//! `Policy::run_lending` and `Policy::run_with` are for such operations.
use persevere::{RetryExt, immediate};

async fn count() -> Result<u32, String> {
    let mut calls = 0;
    let counted = (|| async {
        calls += 1;
        Err(String::from("busy"))
    })
    .retry_with(immediate().max_attempts(3));
    counted.await
}

fn main() {}
