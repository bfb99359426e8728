//! `when` takes the error of the function.
use persevere::classify::io;
use persevere::{immediate, retry};

#[retry(immediate().max_attempts(3), when = io::is_transient)]
fn call() -> Result<u8, String> {
    Err("busy".into())
}

fn main() {}
