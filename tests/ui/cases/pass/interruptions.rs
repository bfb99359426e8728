//! What a guarded call may end in: an error that says so, nothing, or a report.
use persevere::hook::Hook;
use persevere::{Attempt, Interrupted, Policy, Reason, RetryExt, Veto, immediate};
use std::ops::ControlFlow;

#[derive(Clone)]
struct Closed;

impl<O> Hook<O> for Closed {
    fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
        ControlFlow::Break(Veto::Circuit)
    }
}

#[derive(Debug, PartialEq)]
enum MyError {
    Interrupted(Interrupted),
}

impl From<Interrupted> for MyError {
    fn from(interrupted: Interrupted) -> Self {
        MyError::Interrupted(interrupted)
    }
}

struct Bare;

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(Closed);
    let refused = Interrupted::Vetoed(Veto::Circuit);
    let said = (|| Ok::<(), MyError>(())).retry_with(&policy).call();
    assert_eq!(said, Err(MyError::Interrupted(refused)));
    assert_eq!((|| Some(1)).retry_with(&policy).call(), None);
    let report = (|| Err::<(), _>(Bare)).retry_with(&policy).report().call();
    assert_eq!(report.map_err(|error| error.reason()), Err(Reason::Circuit));
    assert!(policy.try_start::<Option<()>>().is_err());
}
