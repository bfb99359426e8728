//! Nor is one from a policy's call.
use persevere::{Policy, immediate};

fn main() {
    let _ = Policy::new(immediate().max_attempts(2)).call(|_| 5_u32);
}
