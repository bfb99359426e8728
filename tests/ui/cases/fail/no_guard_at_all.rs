//! A type that is no `Guard`, and a closure, are no guards.
use persevere::{Attempt, RetryExt, immediate};

struct Open;

fn main() {
    let retry = || (|| Some(1)).retry_with(immediate().max_attempts(3));
    let _ = retry().guard(Open).call();
    let _ = retry().guard(|attempt: &Attempt| attempt.number() < 3).call();
}
