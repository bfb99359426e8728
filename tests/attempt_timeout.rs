//! The limit on the time of an attempt, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use persevere::hook::{AttemptEvent, AttemptTimeout, FinishEvent, Hook, RetryEvent};
use persevere::time::{Clock, Timer, VirtualClock, VirtualSleep};
use persevere::{Attempt, Interrupted, Policy, Reason, RetryExt, Verdict, constant, immediate};

use support::{ms, secs};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Busy,
    Interrupted(Interrupted),
}

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        Fault::Interrupted(interrupted)
    }
}

type Hung = Result<(), Fault>;

const TOO_LONG: Fault = Fault::Interrupted(Interrupted::AttemptTimeout);

/// An operation whose nth attempt takes the nth of `millis` and then fails, the last one succeeds;
/// with the times at which it was called.
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
fn a_last_attempt_that_takes_too_long_is_told_by_the_error_type() {
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(ms(100)).max_attempts(3)).attempt_timeout(ms(50));
    let retry = (|| pending::<Result<(), Fault>>()).retry_with(&policy).timer(clock.clone());
    assert_eq!(clock.block_on(retry), Err(TOO_LONG));
    assert_eq!(clock.now(), ms(50 + 100 + 50 + 100 + 50));
}

#[test]
fn a_last_attempt_that_takes_too_long_is_nothing_for_an_option() {
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
    assert_eq!(error.interrupted(), Some(Interrupted::AttemptTimeout));
    assert_eq!((error.reason(), error.attempts()), (Reason::Interrupted, 2));
    assert_eq!((error.error(), error.elapsed()), (Some(&Fault::Busy), Some(ms(150))));
    assert_eq!(
        error.to_string(),
        "gave up after 2 attempts and 150ms: the last attempt was interrupted"
    );
}

/// Counts the sleeps that a timer is asked for.
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
fn a_limit_of_nothing_interrupts_what_is_not_ready_at_once() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(2)).attempt_timeout(Duration::ZERO);
    let hung = (|| pending::<Hung>()).retry_with(&policy).timer(clock.clone()).report();
    let error = clock.block_on(hung).unwrap_err();
    assert_eq!((error.interrupted(), error.attempts()), (Some(Interrupted::AttemptTimeout), 2));
    let quick = (|| ready(Some(1))).retry_with(&policy).timer(clock.clone());
    assert_eq!(clock.block_on(quick), Some(1));

    let by_closure =
        Policy::new(immediate().max_attempts(2)).attempt_timeout_by(|_| Duration::ZERO);
    let hung = (|| pending::<Hung>()).retry_with(&by_closure).timer(clock.clone()).report();
    assert_eq!(clock.block_on(hung).unwrap_err().attempts(), 2);
}

/// A limit that grows with the attempt.
#[derive(Clone)]
struct Patience;

impl<O> Hook<O> for Patience {
    fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
        Some(attempt.number() * ms(10))
    }
}

#[test]
fn a_limit_may_depend_on_the_attempt() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(4)).guard(Patience);
    let retry = (|| pending::<Option<()>>()).retry_with(&policy).timer(clock.clone());
    assert_eq!((clock.block_on(retry), clock.now()), (None, ms(10 + 20 + 30 + 40)));
}

#[test]
fn the_shortest_of_several_limits_counts() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(4)).attempt_timeout(ms(25)).guard((
        Patience,
        Some(AttemptTimeout::new(secs(9))),
        (),
    ));
    let retry = (|| pending::<Option<()>>()).retry_with(&policy).timer(clock.clone());
    assert_eq!((clock.block_on(retry), clock.now()), (None, ms(10 + 20 + 25 + 25)));
}

#[test]
fn a_limit_that_is_no_guard_is_not_asked_for() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(4)).hook(AttemptTimeout::new(ms(1)));
    let operation = || async {
        clock.sleep(ms(50)).await;
        Some(())
    };
    let outcome = clock.block_on(operation.retry_with(&policy).timer(clock.clone()));
    assert_eq!((outcome, clock.now()), (Some(()), ms(50)));
}

/// Says when it is dropped.
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
        self.0.borrow_mut().push("took too long");
    }
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        assert!(event.outcome().is_none());
        self.0.borrow_mut().push("retry");
    }
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        assert!(event.outcome().is_none() && event.reason() == Reason::Interrupted);
        self.0.borrow_mut().push("finish");
    }
}

#[test]
fn an_attempt_is_dropped_before_anybody_hears_of_its_end() {
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
    let one = ["attempt", "dropped", "took too long"];
    assert_eq!(log.take(), [&one[..], &["retry"], &one, &["finish"]].concat());
}

#[test]
fn the_time_that_was_waited_in_vain_counts_towards_the_limit_of_the_call() {
    let clock = VirtualClock::new();
    let backoff = constant(ms(100)).max_elapsed(ms(400));
    let policy = Policy::new(backoff).attempt_timeout(ms(90));
    let retry = (|| pending::<Result<(), Fault>>()).retry_with(&policy).timer(clock.clone());
    let error = clock.block_on(retry.report()).unwrap_err();
    assert_eq!((error.attempts(), error.elapsed()), (3, Some(ms(90 + 100 + 90 + 100 + 90))));
}

/// Refuses every retry.
#[derive(Clone)]
struct Spent;

impl<O> Hook<O> for Spent {
    fn allow_retry(&mut self, _: &RetryEvent<'_, O>) -> ControlFlow<persevere::Veto> {
        Break(persevere::Veto::Budget)
    }
}

#[test]
fn a_refused_retry_after_it_ends_the_call_as_interrupted() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(9)).attempt_timeout(ms(50)).hook(Spent);
    let retry = (|| pending::<Result<(), Fault>>()).retry_with(&policy).timer(clock.clone());
    assert_eq!((clock.block_on(retry), clock.now()), (Err(TOO_LONG), ms(50)));
}

#[test]
fn the_loop_goes_on_after_it_and_leaves_with_the_interruption() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(constant(ms(100)).max_attempts(2)).attempt_timeout(ms(50)).timer(clock.clone());
    let mut attempts = policy.try_start().unwrap();
    let first = clock.block_on(attempts.attempt(pending::<Result<(), Fault>>()));
    assert_eq!((first, attempts.number(), clock.now()), (Continue(()), 2, ms(150)));
    let second = clock.block_on(attempts.attempt(pending()));
    assert_eq!((second, clock.now()), (Break(Err(TOO_LONG)), ms(200)));
}

#[test]
fn an_async_closure_is_lent_anew_after_it() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(constant(ms(100)).max_attempts(3)).attempt_timeout(ms(50)).timer(clock.clone());
    let mut seen = vec![];
    let outcome = clock.block_on(policy.run(async |attempt| {
        seen.push(attempt.number());
        if attempt.number() < 3 { pending().await } else { Ok::<_, Fault>(seen.len()) }
    }));
    assert_eq!((outcome, clock.now()), (Ok(3), ms(300)));
}

#[test]
fn a_state_that_is_handed_on_is_never_lost() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(constant(ms(100)).max_attempts(3)).attempt_timeout(ms(50)).timer(clock.clone());
    let sleeper = clock.clone();
    let run = policy.run_with(vec![], |mut seen, attempt| {
        let clock = sleeper.clone();
        async move {
            seen.push(attempt.number());
            clock.sleep(ms(400)).await;
            let outcome = if attempt.number() < 2 { Err(Fault::Busy) } else { Ok(()) };
            (seen, outcome)
        }
    });
    assert_eq!(clock.block_on(run), (vec![1, 2], Ok(())));
    assert_eq!(clock.now(), ms(900));
}

#[test]
fn what_blocks_is_not_interrupted() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(immediate().max_attempts(3)).attempt_timeout(ms(50)).timer(clock.clone());
    let outcome = policy.call(|_| {
        clock.advance(secs(1));
        Ok::<_, Fault>(())
    });
    assert_eq!((outcome, clock.now()), (Ok(()), secs(1)));
}

#[test]
fn dropping_the_retry_drops_the_timer_of_its_attempt() {
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
