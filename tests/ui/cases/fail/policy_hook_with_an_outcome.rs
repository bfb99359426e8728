//! A policy serves any outcome, so its closures are not given one.
use persevere::{Policy, immediate};

fn main() {
    let policy =
        Policy::new(immediate().max_attempts(3)).on_retry(|retry| eprintln!("{:?}", retry.error()));
    let _ = policy.call(|_| Err::<(), _>("busy"));
}
