//! A closure that moves out of its captures runs once, so it cannot be retried.
use persevere::{RetryExt, immediate};

fn send(text: String) -> Result<(), String> {
    Err(text)
}

fn main() {
    let text = String::from("hello");
    let _ = (|| send(text)).retry_with(immediate().max_attempts(3)).call();
}
