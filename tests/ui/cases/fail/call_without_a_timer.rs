//! A timer that is only awaited cannot block.
use persevere::time::{Clock, Timer};
use persevere::{Policy, RetryExt, immediate};
use std::future::{Ready, ready};
use std::time::Duration;

#[derive(Clone)]
struct Async;

impl Clock for Async {
    type Sleep = Ready<()>;
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl Timer for Async {
    fn sleep(&self, _: Duration) -> Ready<()> {
        ready(())
    }
}

fn main() {
    let _ = (|| Some(1)).retry_with(immediate().max_attempts(3)).timer(Async).call();
    let _ = Policy::new(immediate().max_attempts(3)).timer(Async).call(|_| Some(1));
}
