//! All attempts of a loop make one type of outcome.
use persevere::{Policy, immediate};

fn main() {
    let policy = Policy::new(immediate().max_attempts(3));
    let mut attempts = policy.start();
    let _ = attempts.check_blocking(Some(1));
    let _ = attempts.check_blocking(Err::<u32, _>("busy"));
}
