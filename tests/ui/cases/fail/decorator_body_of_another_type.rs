//! Errors in the body of a decorated function are shown in the body.
use persevere::{immediate, retry};

#[retry(immediate().max_attempts(3))]
fn plain(text: &str) -> Result<usize, String> {
    text.len()
}

#[retry(immediate().max_attempts(3))]
async fn later(mut text: String, unused: u8) -> Result<u8, String> {
    text.psuh('x');
}

fn main() {}
