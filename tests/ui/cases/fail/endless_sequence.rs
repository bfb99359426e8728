//! A sequence is finite if its last part is.
use persevere::{RetryExt, constant, exponential};
use std::time::Duration;

fn main() {
    let quick = constant(Duration::from_millis(1)).first(3);
    let endless = quick.then(exponential(Duration::from_millis(1)));
    let _ = (|| "1".parse::<u32>()).retry_with(endless).call();
}
