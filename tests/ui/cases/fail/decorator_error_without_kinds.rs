//! A named policy retries errors by their kinds, unless the function has a `when`.
use persevere::retry;

#[retry("fast_retry")]
fn call() -> Result<u8, String> {
    Err("busy".into())
}

fn main() {}
