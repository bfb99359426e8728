//! A closure that gives away what it captured runs once.
use persevere::{RetryExt, immediate};

fn send(text: String) -> Result<(), String> {
    Err(text)
}

fn main() {
    let text = String::from("hello");
    let _ = (|| send(text)).retry_with(immediate().max_attempts(3)).call();
}
