//! In `#[retry]`, a retry budget is given to `hook`.
use persevere::{Budget, immediate, retry};

#[retry(immediate().max_attempts(3), guard = Budget::default())]
fn call() -> Option<u8> {
    None
}

fn main() {}
