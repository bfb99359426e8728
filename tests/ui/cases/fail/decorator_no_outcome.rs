//! A decorated function returns an outcome.
use persevere::{immediate, retry};

#[retry(immediate().max_attempts(3))]
fn number() -> u32 {
    7
}

#[retry(immediate().max_attempts(3))]
async fn text() -> String {
    String::new()
}

fn main() {}
