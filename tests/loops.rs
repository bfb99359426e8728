//! Loops that say at their call site what a closure can say.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::RefCell;
use std::num::ParseIntError;
use std::ops::ControlFlow::{self, Break, Continue};

use persevere::hook::Hook;
use persevere::retry::Loop;
use persevere::time::VirtualClock;
use persevere::{
    Attempt, Interrupted, Policy, Reason, RetryError, RetryExt, Veto, constant, immediate,
};

use support::ms;

type Parsed = Result<u8, ParseIntError>;

#[test]
fn a_loop_asks_its_own_predicate() {
    let mut attempts = Loop::<Parsed>::new()
        .retry_with(immediate().max_attempts(5))
        .when(|error| error.to_string().contains("empty"))
        .start();
    assert!(attempts.check_blocking("".parse()).is_continue());
    assert!(matches!(attempts.check_blocking("x".parse()), Break(Err(_))));
}

#[test]
fn a_loop_polls_until_its_value_is_good() {
    let mut attempts = Loop::<Result<u8, ()>>::new()
        .retry_with(immediate().max_attempts(5))
        .until(|progress| *progress == 100)
        .start();
    assert_eq!(attempts.check_blocking(Ok(99)), Continue(()));
    assert_eq!(attempts.check_blocking(Ok(100)), Break(Ok(100)));
}

#[test]
fn a_loop_tells_its_own_hooks_with_the_name_of_its_operation() {
    let log = RefCell::new(vec![]);
    let clock = VirtualClock::new();
    let mut attempts = Loop::<Result<(), &str>>::new()
        .retry_with(constant(ms(100)).max_attempts(2))
        .timer(clock.clone())
        .operation("load")
        .seed(7)
        .on_retry(|retry| log.borrow_mut().push(retry.to_string()))
        .on_give_up(|finish| log.borrow_mut().push(finish.to_string()))
        .start();
    assert!(attempts.check_blocking(Err("busy")).is_continue());
    assert!(attempts.check_blocking(Err("busy")).is_break());
    assert_eq!(clock.slept(), [ms(100)]);
    assert_eq!(
        log.take(),
        [
            "load: attempt 1 of 2 failed, next in 100ms: busy",
            "load: gave up after 2 attempts: no attempts left: busy",
        ]
    );
}

#[test]
fn a_loop_makes_a_report() {
    let clock = VirtualClock::new();
    let mut attempts = Loop::<Parsed>::new()
        .retry_with(constant(ms(100)).max_attempts(3))
        .timer(clock.clone())
        .report()
        .history(5)
        .start();
    let error: RetryError<ParseIntError> = loop {
        if let Break(outcome) = clock.block_on(attempts.attempt(async { "x".parse() })) {
            break outcome.unwrap_err();
        }
    };
    assert_eq!((error.reason(), error.attempts()), (Reason::Attempts, 3));
    assert_eq!((error.elapsed(), error.history().len()), (Some(ms(200)), 2));
}

#[test]
fn a_report_of_a_loop_that_is_over_says_what_came_last() {
    let retry = Loop::<Result<u8, &str>>::new().retry_with(immediate().max_attempts(1));
    let mut attempts = retry.report().start();
    assert!(attempts.check_blocking(Ok(1)).is_break());
    assert_eq!(attempts.check_blocking(Ok(2)), Break(Ok(2)));
    let Break(Err(error)) = attempts.check_blocking(Err("late")) else { panic!("it is over") };
    assert_eq!((error.reason(), error.attempts()), (Reason::NotRetryable, 1));
}

/// Refuses attempts from this one on.
#[derive(Clone)]
struct From(u32);

impl<O> Hook<O> for From {
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        if attempt.number() < self.0 { Continue(()) } else { Break(Veto::Circuit) }
    }
}

#[test]
fn a_loop_that_is_refused_at_once_says_so_when_it_begins() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(From(1));
    assert!(matches!(Loop::<Option<u8>>::new().retry_with(&policy).begin(), Break(None)));
    let Break(Err(error)) = Loop::<Parsed>::new().retry_with(&policy).report().begin() else {
        panic!("the guard refuses it")
    };
    assert_eq!(error.interrupted(), Some(Interrupted::Vetoed(Veto::Circuit)));
    assert_eq!((error.attempts(), error.error()), (0, None));
}

#[test]
fn a_loop_that_is_refused_later_reports_the_error_before() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(From(2));
    let Continue(mut attempts) = Loop::<Parsed>::new().retry_with(&policy).report().begin() else {
        panic!("the first attempt is allowed")
    };
    let Break(Err(error)) = attempts.check_blocking("x".parse()) else { panic!("it is refused") };
    assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 1));
    assert!(error.error().is_some());
}

#[test]
fn a_loop_that_was_not_started_does_nothing() {
    let retry = Loop::<Parsed>::new().retry_with(immediate().max_attempts(3));
    drop(retry.on_attempt(|_| panic!("no attempt")).on_finish(|_| panic!("no end")));
}
