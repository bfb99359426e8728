//! The limit on the time of an attempt, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::{Future, pending, ready};
use std::io::ErrorKind;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use persevere::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use persevere::time::{CancelToken, Clock, Timer, VirtualClock, VirtualSleep};
use persevere::{
    Attempt, Backoff, Decision, Engine, Interrupted, Policy, Reason, RetryExt, Verdict, Veto,
    constant, immediate,
};

use support::{ms, secs};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Busy,
    /// The last attempt was dropped after this time.
    TimedOut(Duration),
}

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::AttemptTimeout { limit, .. } => Fault::TimedOut(limit),
            other => panic!("{other}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Error for Fault {}

type Hung = Result<(), Fault>;

const TIMED_OUT: Fault = Fault::TimedOut(ms(50));

/// An operation whose nth attempt takes the nth of `millis`. All attempts fail but the last of them.
/// `calls` has the times at which they began.
fn taking<'a>(
    clock: &'a VirtualClock,
    calls: &'a RefCell<Vec<Duration>>,
    millis: &'a [u64],
) -> impl FnMut(Attempt) -> std::pin::Pin<Box<dyn Future<Output = Result<u32, Fault>> + 'a>> {
    move |attempt| {
        calls.borrow_mut().push(clock.now());
        let number = attempt.number();
        let takes = ms(millis[number as usize - 1]);
        Box::pin(async move {
            if !takes.is_zero() {
                clock.sleep(takes).await;
            }
            if number as usize == millis.len() { Ok(number) } else { Err(Fault::Busy) }
        })
    }
}

#[test]
fn an_attempt_that_takes_too_long_is_dropped_and_retried() {
    let (clock, calls) = (VirtualClock::new(), RefCell::default());
    let policy = Policy::new(constant(ms(100)).max_attempts(5)).attempt_timeout(ms(50));
    let operation = taking(&clock, &calls, &[1_000, 20, 50_000, 0]);
    let outcome = clock.block_on(operation.retry_with(&policy).timer(clock.clone()));
    assert_eq!(outcome, Ok(4));
    assert_eq!(calls.take(), [0, 150, 270, 420].map(ms));
}

#[test]
fn a_last_attempt_that_takes_too_long_is_an_error_made_from_the_interruption() {
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(ms(100)).max_attempts(3)).attempt_timeout(ms(50));
    let retry = (|| pending::<Result<(), Fault>>()).retry_with(&policy).timer(clock.clone());
    assert_eq!(clock.block_on(retry), Err(TIMED_OUT));
    assert_eq!(clock.now(), ms(50 + 100 + 50 + 100 + 50));
}

#[test]
fn a_last_attempt_that_takes_too_long_is_none_for_an_option() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(2)).attempt_timeout(ms(50));
    let retry = (|| pending::<Option<()>>()).retry_with(&policy).timer(clock.clone());
    assert_eq!((clock.block_on(retry), clock.now()), (None, ms(100)));
}

#[test]
fn a_report_has_the_interruption_and_the_error_before_it() {
    let (clock, calls) = (VirtualClock::new(), RefCell::default());
    let policy = Policy::new(constant(ms(100)).max_attempts(2)).attempt_timeout(ms(50));
    let operation = taking(&clock, &calls, &[0, 1_000, 0]);
    let retry = operation.retry_with(&policy).timer(clock.clone()).report();
    let error = clock.block_on(retry).unwrap_err();
    assert_eq!(error.interrupted().map(Fault::from), Some(TIMED_OUT));
    assert_eq!((error.reason(), error.attempts()), (Reason::AttemptTimeout, 2));
    assert_eq!((error.error(), error.elapsed()), (Some(&Fault::Busy), ms(150)));
    assert_eq!(
        error.to_string(),
        "gave up after 2 attempts (150 ms): the attempt timed out after 50 ms"
    );
}

/// Counts the sleeps that are made.
#[derive(Clone)]
struct Counting<'a>(VirtualClock, &'a Cell<u32>);

impl Clock for Counting<'_> {
    type Sleep = VirtualSleep;
    fn now(&self) -> Duration {
        self.0.now()
    }
}

impl Timer for Counting<'_> {
    fn sleep(&self, duration: Duration) -> VirtualSleep {
        self.1.set(self.1.get() + 1);
        self.0.sleep(duration)
    }
}

#[test]
fn an_attempt_that_is_ready_at_once_arms_no_timer() {
    let (clock, asked) = (VirtualClock::new(), Cell::new(0));
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(ms(50));
    let timer = Counting(clock.clone(), &asked);
    let retry = (|| ready(Err::<(), _>(Fault::Busy))).retry_with(&policy).timer(timer);
    assert_eq!((clock.block_on(retry), asked.get()), (Err(Fault::Busy), 0));
}

#[test]
fn a_timer_is_armed_once_for_an_attempt_however_often_it_is_polled() {
    let (clock, asked) = (VirtualClock::new(), Cell::new(0));
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(ms(50));
    let timer = Counting(clock.clone(), &asked);
    let operation = || async {
        for _ in 0..10 {
            clock.sleep(ms(1)).await;
        }
        Some(())
    };
    let retry = operation.retry_with(&policy).timer(timer);
    assert_eq!((clock.block_on(retry), asked.get()), (Some(()), 1));
}

#[test]
fn an_attempt_that_is_done_when_its_time_is_up_is_done() {
    let (clock, calls) = (VirtualClock::new(), RefCell::default());
    let policy = Policy::new(constant(ms(100)).max_attempts(5)).attempt_timeout(ms(50));
    let operation = taking(&clock, &calls, &[50]);
    let outcome = clock.block_on(operation.retry_with(&policy).timer(clock.clone()));
    assert_eq!((outcome, clock.now()), (Ok(1), ms(50)));
}

#[test]
fn the_longest_duration_is_no_limit() {
    let (clock, asked) = (VirtualClock::new(), Cell::new(0));
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(Duration::MAX);
    let timer = Counting(clock.clone(), &asked);
    let operation = || async {
        clock.sleep(secs(1_000_000)).await;
        Some(())
    };
    let outcome = clock.block_on(operation.retry_with(&policy).timer(timer));
    assert_eq!((outcome, asked.get()), (Some(()), 0));
}

#[test]
fn a_limit_of_zero_interrupts_an_attempt_that_is_not_ready_at_once() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(2)).attempt_timeout(Duration::ZERO);
    let hung = (|| pending::<Hung>()).retry_with(&policy).timer(clock.clone()).report();
    let error = clock.block_on(hung).unwrap_err();
    let timed_out = matches!(error.interrupted(), Some(Interrupted::AttemptTimeout { .. }));
    assert!(timed_out && error.attempts() == 2);
    let quick = (|| ready(Some(1))).retry_with(&policy).timer(clock.clone());
    assert_eq!(clock.block_on(quick), Some(1));

    let by_closure =
        Policy::new(immediate().max_attempts(2)).attempt_timeout_by(|_| Duration::ZERO);
    let hung = (|| pending::<Hung>()).retry_with(&by_closure).timer(clock.clone()).report();
    assert_eq!(clock.block_on(hung).unwrap_err().attempts(), 2);
}

/// A limit that grows with the attempt.
fn growing(attempt: &Attempt) -> Duration {
    attempt.number() * ms(10)
}

#[test]
fn a_limit_may_depend_on_the_attempt() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(4)).attempt_timeout_by(growing);
    let retry = (|| pending::<Option<()>>()).retry_with(&policy).timer(clock.clone());
    assert_eq!((clock.block_on(retry), clock.now()), (None, ms(10 + 20 + 30 + 40)));
}

#[test]
fn the_shortest_of_several_limits_counts() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(4))
        .attempt_timeout(ms(25))
        .attempt_timeout_by(growing)
        .attempt_timeout(secs(9));
    let retry = (|| pending::<Option<()>>()).retry_with(&policy).timer(clock.clone());
    assert_eq!((clock.block_on(retry), clock.now()), (None, ms(10 + 20 + 25 + 25)));
}

/// Logs that it is dropped.
struct Held<'a>(&'a RefCell<Vec<&'static str>>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push("dropped");
    }
}

#[derive(Clone)]
struct Watch<'a>(&'a RefCell<Vec<&'static str>>);

impl<O> Hook<O> for Watch<'_> {
    fn before_attempt(&mut self, _: &Attempt) {
        self.0.borrow_mut().push("attempt");
    }
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        assert!(event.outcome().is_none() && event.verdict() == Verdict::Retry);
        self.0.borrow_mut().push("timed out");
    }
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        assert!(event.outcome().is_none());
        self.0.borrow_mut().push("retry");
    }
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        assert!(event.outcome().is_none() && event.reason() == Reason::AttemptTimeout);
        self.0.borrow_mut().push("finish");
    }
}

#[test]
fn an_attempt_is_dropped_before_hooks_hear_of_its_end() {
    let (clock, log) = (VirtualClock::new(), RefCell::default());
    let policy = Policy::new(immediate().max_attempts(2)).attempt_timeout(ms(50)).hook(Watch(&log));
    let operation = || {
        let held = Held(&log);
        async move {
            let _held = held;
            pending::<Option<()>>().await
        }
    };
    assert_eq!(clock.block_on(operation.retry_with(&policy).timer(clock.clone())), None);
    let one = ["attempt", "dropped", "timed out"];
    assert_eq!(log.take(), [&one[..], &["retry"], &one, &["finish"]].concat());
}

#[test]
fn the_time_of_attempts_that_timed_out_counts_towards_the_limit_of_the_call() {
    let clock = VirtualClock::new();
    let backoff = constant(ms(100)).max_elapsed(ms(400));
    let policy = Policy::new(backoff).attempt_timeout(ms(90));
    let retry = (|| pending::<Result<(), Fault>>()).retry_with(&policy).timer(clock.clone());
    let error = clock.block_on(retry.report()).unwrap_err();
    assert_eq!((error.attempts(), error.elapsed()), (3, ms(90 + 100 + 90 + 100 + 90)));
}

/// Refuses every retry.
#[derive(Clone)]
struct Spent;

impl<O> Hook<O> for Spent {
    fn allow_retry(&mut self, _: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        Break(Veto::Budget)
    }
}

#[test]
fn a_refused_retry_after_a_timeout_ends_the_call_as_interrupted() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(9)).attempt_timeout(ms(50)).hook(Spent);
    let retry = (|| pending::<Result<(), Fault>>()).retry_with(&policy).timer(clock.clone());
    assert_eq!((clock.block_on(retry), clock.now()), (Err(TIMED_OUT), ms(50)));
}

#[test]
fn a_loop_goes_on_after_a_timeout_and_ends_with_the_interruption() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(constant(ms(100)).max_attempts(2)).attempt_timeout(ms(50)).timer(clock.clone());
    let mut attempts = policy.try_start().unwrap();
    let first = clock.block_on(attempts.attempt(pending::<Result<(), Fault>>()));
    assert_eq!((first, attempts.number(), clock.now()), (Continue(()), 2, ms(150)));
    let second = clock.block_on(attempts.attempt(pending()));
    assert_eq!((second, clock.now()), (Break(Err(TIMED_OUT)), ms(200)));
}

#[test]
fn an_async_closure_is_lent_anew_after_a_timeout() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(constant(ms(100)).max_attempts(3)).attempt_timeout(ms(50)).timer(clock.clone());
    let mut seen = vec![];
    let outcome = clock.block_on(policy.run_lending(async |attempt| {
        seen.push(attempt.number());
        if attempt.number() < 3 { pending().await } else { Ok::<_, Fault>(seen.len()) }
    }));
    assert_eq!((outcome, clock.now()), (Ok(3), ms(300)));
}

#[test]
fn a_retry_that_is_dropped_drops_the_timer_of_its_attempt() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(3)).attempt_timeout(ms(50));
    let heard = Cell::new(None);
    let mut retry = Box::pin(
        (|| pending::<Option<()>>())
            .retry_with(&policy)
            .timer(clock.clone())
            .on_finish(|finish| heard.set(Some(finish.reason()))),
    );
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(retry.as_mut().poll(&mut cx).is_pending());
    assert_eq!(clock.sleepers(), 1);
    drop(retry);
    assert_eq!((heard.get(), clock.sleepers()), (Some(Reason::Cancelled), 0));
}

/// The limit of the first attempt may be jittered.
#[test]
fn a_limit_by_the_attempt_draws_from_the_seed_of_its_call() {
    let limits = |call: fn(&VirtualClock, &dyn Fn(&Attempt) -> Duration)| {
        let (clock, limits) = (VirtualClock::new(), RefCell::new(vec![]));
        let jittered = |attempt: &Attempt| {
            let limit = constant(secs(100)).full_jitter().delay(attempt).unwrap();
            limits.borrow_mut().push(limit);
            limit
        };
        for _ in 0..8 {
            call(&clock, &jittered);
        }
        limits.take()
    };
    let by_call = limits(|clock, jittered| {
        let retry = (|| pending::<Option<()>>()).retry_with(immediate().max_attempts(1));
        clock.block_on(retry.attempt_timeout_by(jittered).timer(clock.clone()));
    });
    let by_loop = limits(|clock, jittered| {
        let policy = Policy::new(immediate().max_attempts(1)).attempt_timeout_by(jittered);
        let policy = policy.timer(clock.clone());
        let mut attempts = policy.try_start::<Option<()>>().unwrap();
        assert_eq!(clock.block_on(attempts.attempt(pending())), Break(None));
    });
    for mut limits in [by_call, by_loop] {
        limits.sort();
        limits.dedup();
        assert_eq!(limits.len(), 8);
    }
}

/// A token cancels a call whose first attempt timed out, in its sleep or during the attempt.
#[test]
fn a_cancelled_call_without_an_outcome_is_interrupted() {
    for (cancelled_at, ends_at) in [(secs(6), secs(6)), (secs(2), secs(5))] {
        let (clock, token) = (VirtualClock::new(), CancelToken::new());
        let ends = RefCell::new(vec![]);
        let retry = (|| pending::<std::io::Result<()>>())
            .retry_with(constant(secs(3600)).max_attempts(9))
            .attempt_timeout(secs(5))
            .cancel_by(&token)
            .timer(clock.clone())
            .on_finish(|finish| ends.borrow_mut().push((finish.reason(), finish.interrupted())))
            .report();
        let cancel = async {
            clock.sleep(cancelled_at).await;
            token.cancel();
        };
        let (outcome, ()) = clock.block_on(futures::future::join(retry, cancel));
        let error = outcome.unwrap_err();
        assert_eq!((error.interrupted(), clock.now()), (Some(Interrupted::Cancelled), ends_at));
        assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 1));
        assert_eq!(ends.take(), [(Reason::Cancelled, Some(Interrupted::Cancelled))]);
    }
}

/// The attempt timed out at 800 ms of 1 s: the event does not report a deadline that is not over.
#[test]
fn the_end_event_says_that_no_time_was_left() {
    let (clock, text) = (VirtualClock::new(), RefCell::new(String::new()));
    let retry = (|| pending::<std::io::Result<()>>())
        .retry_with(constant(ms(300)).max_attempts(9))
        .attempt_timeout(ms(800))
        .deadline(secs(1))
        .timer(clock.clone())
        .on_give_up(|finish| *text.borrow_mut() = finish.facts().to_string());
    assert!(clock.block_on(retry).is_err());
    let expected = "gave up after 1 attempt (800 ms): the attempt timed out after 800 ms, and the \
                    200 ms until the deadline are too short for another";
    assert_eq!(text.take(), expected);

    // An error at 800 ms, too.
    let failing = async || {
        clock.sleep(ms(800)).await;
        Err::<(), _>(std::io::Error::other("down"))
    };
    let retry = failing.retry_with(constant(ms(300)).max_attempts(9)).deadline(secs(1));
    let error = clock.block_on(retry.timer(clock.clone()).report()).unwrap_err();
    let expected = "gave up after 1 attempt (800 ms): no time for another attempt before the \
                    deadline";
    assert_eq!((error.to_string().as_str(), error.reason()), (expected, Reason::Deadline));

    // And the engine.
    let policy =
        Policy::new(constant(ms(300)).max_attempts(9)).attempt_timeout(ms(800)).deadline(secs(1));
    let mut engine = Engine::<Option<u8>, _>::new(policy);
    engine.enter(secs(0)).unwrap();
    let Decision::Return(facts) = engine.time_out(ms(800)) else { panic!("no time was left") };
    assert_eq!(facts.interrupted().map(Interrupted::reason), Some(Reason::Deadline));
    assert!(facts.to_string().contains("too short for another"), "{facts}");
}

/// Vetoes the retry for a deadline that the call does not have.
struct OutOfTime;

impl<O> Hook<O> for OutOfTime {
    fn allow_retry(&mut self, _: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        Break(Veto::Deadline)
    }
}

#[test]
fn a_veto_for_a_deadline_prints_no_time_that_nothing_limits() {
    let clock = VirtualClock::new();
    let retry = (|| pending::<std::io::Result<()>>())
        .retry_with(immediate().max_attempts(3))
        .attempt_timeout(secs(5))
        .hook(OutOfTime)
        .timer(clock.clone())
        .report();
    let error = clock.block_on(retry).unwrap_err();
    assert_eq!(error.interrupted(), Some(Interrupted::Vetoed(Veto::Deadline)));
    assert_eq!(error.reason(), Reason::Deadline);
}

/// `Read::read_exact` and others repeat a call whose kind is `Interrupted`.
#[test]
fn an_io_error_of_an_interruption_is_not_repeated_by_readers() {
    for (interrupted, kind) in [
        (Interrupted::Cancelled, ErrorKind::Other),
        (Interrupted::AttemptTimeout { limit: secs(1) }, ErrorKind::TimedOut),
        (Interrupted::Deadline { limit: secs(1) }, ErrorKind::TimedOut),
        (Interrupted::Vetoed(Veto::Deadline), ErrorKind::TimedOut),
        (Interrupted::Vetoed(Veto::Circuit), ErrorKind::ConnectionRefused),
    ] {
        assert_eq!(std::io::Error::from(interrupted).kind(), kind);
    }
}
