//! A name without quotes is a path to a policy.
use persevere::retry;

static ATTEMPTS: u32 = 3;

#[retry(ATTEMPTS)]
fn number() -> Option<u8> {
    None
}

#[retry(fast_retry)]
fn without_quotes() -> Option<u8> {
    None
}

fn main() {}
