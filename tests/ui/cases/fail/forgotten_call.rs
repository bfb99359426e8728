//! A retry that is neither awaited nor called does nothing.
#![deny(unused_must_use)]
use persevere::{RetryExt, immediate};

fn main() {
    (|| Some(1)).retry_with(immediate().max_attempts(3));
}
