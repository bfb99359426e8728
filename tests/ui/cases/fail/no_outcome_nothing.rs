//! Errors that were swallowed inside cannot be retried.
use persevere::{RetryExt, immediate};

fn main() {
    (|| {
        let _ = std::fs::read_to_string("page.txt");
    })
    .retry_with(immediate().max_attempts(2))
    .call();
}
