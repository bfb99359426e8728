//! The name of a policy is a string that is not empty.
use persevere::retry;

#[retry("")]
fn empty() -> Option<u8> {
    None
}

#[retry(3)]
fn number() -> Option<u8> {
    None
}

#[retry(b"fast_retry")]
fn bytes() -> Option<u8> {
    None
}

fn main() {}
