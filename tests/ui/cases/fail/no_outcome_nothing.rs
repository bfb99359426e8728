//! A closure that discards its errors has no outcome.
use persevere::{RetryExt, immediate};

fn main() {
    (|| {
        let _ = std::fs::read_to_string("page.txt");
    })
    .retry_with(immediate().max_attempts(2))
    .call();
}
