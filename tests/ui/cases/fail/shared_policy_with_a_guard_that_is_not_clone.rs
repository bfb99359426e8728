//! Each call of a shared policy has a clone of its guards and of its timer.
use persevere::guard::Guard;
use persevere::time::{BlockingTimer, Clock};
use persevere::{Policy, RetryExt, immediate};
use std::time::Duration;

struct Open;
impl<O> Guard<O> for Open {}

struct Spin;
impl Clock for Spin {
    type Sleep = ();
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}
impl BlockingTimer for Spin {
    fn sleep_blocking(&self, _: Duration) {}
}

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(Open);
    let _ = (|| Some(1)).retry_with(&policy).call();
    let _ = policy.call(|_| Some(1));
    let policy = Policy::new(immediate().max_attempts(3)).timer(Spin);
    let _ = (|| Some(1)).retry_with(&policy).call();
    let _ = policy.call(|_| Some(1));
}
