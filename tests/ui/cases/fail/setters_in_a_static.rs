//! Setters that change a policy's type are not `const` on stable Rust; `Policy::with` is.
use persevere::backoff::{Constant, MaxAttempts};
use persevere::policy::When;
use persevere::{Policy, constant};
use std::time::Duration;

static POLICY: Policy<When<MaxAttempts<Constant>, fn(&u16) -> bool>> =
    Policy::new(constant(Duration::from_millis(1)).max_attempts(3))
        .when(|status: &u16| *status == 503);

fn main() {
    let _ = POLICY.call(|_| Err::<(), _>(404));
}
