//! A loop of a guarded policy may not even start.
use persevere::hook::Hook;
use persevere::{Attempt, Policy, Veto, immediate};
use std::ops::ControlFlow;

#[derive(Clone)]
struct Closed;

impl<O> Hook<O> for Closed {
    fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
        ControlFlow::Break(Veto::Circuit)
    }
}

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(Closed);
    let mut attempts = policy.start();
    let _ = attempts.check_blocking(Some(1));
}
