//! A guard may refuse the first attempt of a loop, so the loop begins with `try_start`.
use persevere::guard::Guard;
use persevere::retry::Loop;
use persevere::{Attempt, Attempts, Policy, RetryExt, Veto, immediate};
use std::ops::ControlFlow;
use std::time::Duration;

#[derive(Clone)]
struct Closed;

impl<O> Guard<O> for Closed {
    fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
        ControlFlow::Break(Veto::Circuit)
    }
}

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(Closed);
    let mut attempts = policy.start();
    let _ = attempts.check_blocking(Some(1));

    let policy = Policy::new(immediate().max_attempts(3)).deadline(Duration::from_secs(5));
    let _ = Attempts::<Option<u8>, _>::start(&policy);

    let _ = Loop::<Option<u8>>::new().retry_with(immediate().max_attempts(3)).guard(Closed).start();
}
