//! A policy in `self` is borrowed for the whole call, so attempts cannot change `self`.
use persevere::backoff::{Constant, MaxAttempts};
use persevere::{Policy, retry};

struct Client {
    policy: Policy<MaxAttempts<Constant>>,
    calls: u32,
}

impl Client {
    #[retry(self.policy)]
    fn call(&mut self) -> Option<u32> {
        self.calls += 1;
        None
    }
}

fn main() {}
