//! The output of a call that a guard ended: an error that implements `From<Interrupted>`,
//! `None`, a report, or the error that `.or_interrupted(..)` makes.
use persevere::guard::Guard;
use persevere::{Attempt, CircuitBreaker, Interrupted, Policy, Reason, RetryExt, Veto, immediate};
use std::io;
use std::num::ParseIntError;
use std::ops::ControlFlow;
use std::time::Duration;

#[derive(Clone)]
struct Closed;

impl<O> Guard<O> for Closed {
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

#[derive(Debug, PartialEq)]
struct Bare;

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(Closed);
    let refused = Interrupted::Vetoed(Veto::Circuit);
    let outcome = (|| Ok::<(), MyError>(())).retry_with(&policy).call();
    assert_eq!(outcome, Err(MyError::Interrupted(refused)));
    assert_eq!((|| Some(1)).retry_with(&policy).call(), None);
    assert_eq!(policy.call(|_| Some(1)), None);
    let outcome = (|| io::Result::Ok(1)).retry_with(&policy).call();
    assert!(outcome.is_err());
    let report = (|| Err::<(), _>(Bare)).retry_with(&policy).report_without_source().call();
    assert_eq!(report.map_err(|error| error.reason()), Err(Reason::Circuit));
    let report = (|| "7".parse::<u8>()).retry_with(&policy).report().call();
    assert_eq!(report.map_err(|error| error.reason()), Err(Reason::Circuit));
    assert!(policy.try_start::<Option<()>>().is_err());

    // An error type of another crate.
    let invalid = || "x".parse::<u8>().unwrap_err();
    let outcome: Result<u8, ParseIntError> =
        (|| "7".parse()).retry_with(&policy).or_interrupted(|_| invalid()).call();
    assert_eq!(outcome, Err(invalid()));
    let policy = policy.or_interrupted(|_| Bare);
    assert_eq!(policy.call(|_| Ok::<u8, Bare>(1)), Err(Bare));

    // Every guard that ends calls.
    let breaker = CircuitBreaker::default();
    let minute = Duration::from_secs(60);
    let outcome = (|| "7".parse::<u8>())
        .retry_with(immediate().max_attempts(3))
        .guard(breaker.by_ref())
        .deadline(minute)
        .inherit_deadline()
        .or_interrupted(|why| why.into_last_error().unwrap_or_else(invalid))
        .call();
    assert_eq!(outcome, Ok(7));
}
