//! A number is no outcome.
use persevere::{RetryExt, immediate};

fn main() {
    let _ = (|| 5_u32).retry_with(immediate().max_attempts(2)).call();
}
