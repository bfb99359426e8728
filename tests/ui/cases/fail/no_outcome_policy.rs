//! `policy.call` takes a closure that makes an outcome.
use persevere::{Policy, immediate};

fn main() {
    let _ = Policy::new(immediate().max_attempts(2)).call(|_| 5_u32);
}
