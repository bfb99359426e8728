//! A closure is given to `.classify`, `.when` or `.until`, not to `.classifier`.
use persevere::{RetryExt, immediate};

fn main() {
    let _ = (|| "1".parse::<u32>())
        .retry_with(immediate().max_attempts(3))
        .classifier(|_: &Result<u32, _>| None)
        .call();
}
