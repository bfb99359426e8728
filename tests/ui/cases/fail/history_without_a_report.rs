//! A history of errors is a part of a report.
use persevere::{RetryExt, immediate};

fn main() {
    let _ = (|| "7".parse::<u8>()).retry_with(immediate().max_attempts(3)).history(2).call();
}
