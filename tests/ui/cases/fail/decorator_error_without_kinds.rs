//! A named policy asks for the kinds of the error, unless the function says what is retried.
use persevere::retry;

#[retry("fast_retry")]
fn call() -> Result<u8, String> {
    Err("busy".into())
}

fn main() {}
