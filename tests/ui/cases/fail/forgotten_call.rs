//! A retry does nothing until it is awaited or ended in `.call()`.
#![deny(unused_must_use)]
use persevere::{RetryExt, immediate};

fn main() {
    (|| Some(1)).retry_with(immediate().max_attempts(3));
}
