//! The error of a call with a guard implements `From<Interrupted>`, or the call has
//! `.or_interrupted(..)` or `.report()`.
use persevere::guard::Guard;
use persevere::{Attempt, Policy, RetryExt, Veto, immediate};
use std::ops::ControlFlow;

#[derive(Clone)]
struct Closed;

impl<O> Guard<O> for Closed {
    fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
        ControlFlow::Break(Veto::Circuit)
    }
}

struct MyError;

async fn fetch() -> Result<u32, MyError> {
    Err(MyError)
}

async fn awaited() -> Result<u32, MyError> {
    let policy = Policy::new(immediate().max_attempts(3)).guard(Closed);
    fetch.retry_with(&policy).await
}

fn called() -> Result<u32, MyError> {
    let policy = Policy::new(immediate().max_attempts(3)).guard(Closed);
    (|| Err(MyError)).retry_with(&policy).call()
}

fn main() {
    let _ = (awaited(), called());
}
