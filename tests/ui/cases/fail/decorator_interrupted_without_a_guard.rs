//! `interrupted` has no use where nothing can interrupt the call.
use persevere::{immediate, retry};

#[retry(immediate().max_attempts(3), interrupted = |_| String::new())]
fn plain() -> Result<u8, String> {
    Ok(1)
}

#[retry(immediate().max_attempts(3), interrupted = |_| String::new())]
async fn later() -> Result<u8, String> {
    Ok(1)
}

fn main() {}
