//! The predicate of `.when` takes the error of the operation.
use persevere::{RetryExt, immediate};
use std::io;

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

fn main() {
    let parse = || "1".parse::<u32>();
    let _ = parse.retry_with(immediate().max_attempts(3)).when(is_reset).call();
    let _ = parse.retry_with(immediate().max_attempts(3)).when(|_| "yes").call();
    let _ = parse.retry_with(immediate().max_attempts(3)).when(|| true).call();
}
