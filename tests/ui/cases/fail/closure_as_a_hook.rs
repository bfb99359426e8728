//! A closure is given to `.on_retry` and its like, not to `.hook`.
use persevere::{RetryExt, immediate};

fn main() {
    let _ = (|| Some(1))
        .retry_with(immediate().max_attempts(3))
        .hook(|retry| eprintln!("{retry}"))
        .call();
}
