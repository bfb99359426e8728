//! Deadlines: of a call, and of the calls within its attempts. In virtual time.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::{Future, pending};
use std::ops::ControlFlow::{Break, Continue};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures::FutureExt;
use persevere::budget::{Budget, CostPerRetry};
use persevere::hook::Hook;
use persevere::time::{self, BlockingTimer, Clock, Timer, VirtualClock, VirtualSleep};
use persevere::{
    Decision, Engine, Finite, Idempotent, Interrupted, Now, Policy, Reason, RetryExt, constant,
    hedge_after, immediate,
};

use support::ms;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Busy,
    TimedOut(Duration),
    /// The deadline was exceeded; the time that the call had.
    Deadline(Duration),
    NoTimeLeft {
        attempt_limit: Duration,
        left: Duration,
    },
}

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::AttemptTimeout { limit, .. } => Fault::TimedOut(limit),
            Interrupted::Deadline { limit, .. } => Fault::Deadline(limit),
            Interrupted::NoTimeLeft { attempt_limit, left, .. } => {
                Fault::NoTimeLeft { attempt_limit, left }
            }
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

#[test]
fn a_deadline_ends_the_attempt_that_is_running() {
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(ms(100)).max_attempts(9)).deadline(ms(250));
    let mut calls = vec![];
    let operation = || {
        calls.push(clock.now());
        let takes = if calls.len() < 3 { ms(10) } else { Duration::MAX };
        let sleep = clock.sleep(takes);
        async move {
            sleep.await;
            Err::<(), _>(Fault::Busy)
        }
    };
    let outcome = clock.block_on(operation.retry_with(&policy).timer(clock.clone()));
    assert_eq!((outcome, clock.now()), (Err(Fault::Deadline(ms(250))), ms(250)));
    assert_eq!(calls, [0, 110, 220].map(ms));
}

#[test]
fn a_retry_that_would_start_at_the_deadline_is_refused_before_its_sleep() {
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(ms(100)).max_attempts(9)).deadline(ms(200));
    let retry = (|| Err::<(), _>("busy")).retry_with(&policy).timer(clock.clone()).report();
    let error = retry.call().unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Deadline, 2));
    assert_eq!((error.error(), clock.now()), (Some(&"busy"), ms(100)));
    assert_eq!(error.interrupted(), None);
}

#[test]
fn an_attempt_timeout_is_retried_until_the_deadline() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(constant(ms(10)).max_attempts(99)).attempt_timeout(ms(40)).deadline(ms(130));
    let retry = (|| pending::<Hung>()).retry_with(&policy).timer(clock.clone()).report();
    let error = clock.block_on(retry).unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Deadline, 3));
    let interrupted = error.interrupted().map(Fault::from);
    assert_eq!((interrupted, clock.now()), (Some(Fault::Deadline(ms(130))), ms(130)));
}

#[test]
fn an_attempt_timeout_after_which_no_time_is_left_for_a_retry_ends_the_call_at_once() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(constant(ms(100)).max_attempts(99)).attempt_timeout(ms(40)).deadline(ms(140));
    let retry = (|| pending::<Hung>()).retry_with(&policy).timer(clock.clone()).report();
    let error = clock.block_on(retry).unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Deadline, 1));
    let no_time_left = Fault::NoTimeLeft { attempt_limit: ms(40), left: ms(100) };
    let interrupted = error.interrupted().map(Fault::from);
    assert_eq!((interrupted, clock.now()), (Some(no_time_left), ms(40)));
}

/// The outcome and the reason of a call that hangs until its deadline of 250 ms.
fn hung_until_the_deadline<B: Finite, H: Hook<Hung> + Clone>(
    backoff: B,
    hooks: H,
) -> (Hung, Option<Reason>) {
    let (clock, mut reason) = (VirtualClock::new(), None);
    let policy = Policy::new(backoff).hook(hooks).deadline(ms(250));
    let retry = (|| pending::<Hung>())
        .retry_with(&policy)
        .on_finish(|finish| reason = Some(finish.reason()))
        .timer(clock.clone());
    let outcome = clock.block_on(retry);
    assert_eq!(clock.now(), ms(250));
    (outcome, reason)
}

#[test]
fn a_deadline_is_the_reason_whatever_other_limit_would_end_the_call_at_the_same_time() {
    let by_deadline = (Err(Fault::Deadline(ms(250))), Some(Reason::Deadline));
    assert_eq!(hung_until_the_deadline(immediate().max_attempts(9), ()), by_deadline);
    assert_eq!(hung_until_the_deadline(immediate().max_attempts(1), ()), by_deadline);
    let as_long = immediate().max_elapsed(ms(250));
    assert_eq!(hung_until_the_deadline(as_long, ()), by_deadline);
    // A retry that cannot be made withdraws nothing from the budget.
    let spent = Budget::new(CostPerRetry::new(14));
    while let Some(permit) = spent.try_acquire() {
        permit.spend();
    }
    assert_eq!(hung_until_the_deadline(immediate().max_attempts(9), spent), by_deadline);
}

#[test]
fn an_attempt_timeout_before_the_deadline_is_its_own_reason() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(immediate().max_attempts(2)).attempt_timeout(ms(100)).deadline(ms(250));
    let retry = (|| pending::<Hung>()).retry_with(&policy).timer(clock.clone());
    assert_eq!((clock.block_on(retry), clock.now()), (Err(Fault::TimedOut(ms(100))), ms(200)));
}

#[test]
fn the_longest_duration_is_no_deadline() {
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(ms(100)).max_attempts(3)).deadline(Duration::MAX);
    let retry = (|| Err::<(), _>(Fault::Busy)).retry_with(&policy);
    assert_eq!(retry.timer(clock.clone()).call(), Err(Fault::Busy));
    assert_eq!(clock.now(), ms(200));
}

#[test]
fn a_deadline_of_zero_refuses_the_first_attempt() {
    let policy = Policy::new(immediate().max_attempts(3)).deadline(Duration::ZERO);
    let retry = (|| -> Hung { panic!("the attempt is not made") }).retry_with(&policy);
    let error = retry.timer(VirtualClock::new()).report().call().unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Deadline, 0));
}

#[test]
fn a_call_within_ends_with_the_call_around_it() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let inner = Policy::new(constant(ms(10)).max_attempts(9)).deadline(Duration::from_secs(60));
    let operation = async || {
        clock.sleep(ms(200)).await;
        let within = (|| pending::<Hung>()).retry_with(&inner).timer(clock.clone()).report();
        let error = within.await.unwrap_err();
        let interrupted = error.interrupted().map(Fault::from);
        assert_eq!((error.elapsed(), interrupted), (ms(300), Some(Fault::Deadline(ms(300)))));
        Ok::<_, Fault>(())
    };
    assert_eq!(clock.block_on(operation.retry_with(&outer).timer(clock.clone())), Ok(()));
    assert_eq!(clock.now(), ms(500));
}

#[test]
fn a_call_within_keeps_its_own_deadline_if_that_is_earlier() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let inner = Policy::new(immediate().max_attempts(9)).deadline(ms(50));
    let operation = async || (|| pending::<Hung>()).retry_with(&inner).timer(clock.clone()).await;
    let outcome = clock.block_on(operation.retry_with(&outer).timer(clock.clone()));
    assert_eq!((outcome, clock.now()), (Err(Fault::Deadline(ms(50))), ms(50)));
}

#[test]
fn a_longer_limit_on_the_attempts_within_does_not_hide_the_deadline_around_them() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let middle = Policy::new(immediate().max_attempts(1)).attempt_timeout(Duration::from_secs(60));
    let left = async || {
        clock.sleep(ms(200)).await;
        Ok::<_, Fault>(time::remaining())
    };
    // The report reads the clock, so that calls within the attempt see its limit.
    let operation = async || {
        left.retry_with(&middle).timer(clock.clone()).report().await.map_err(|_| Fault::Busy)
    };
    let outcome = clock.block_on(operation.retry_with(&outer).timer(clock.clone()));
    assert_eq!(outcome, Ok(Some(ms(300))));
}

#[test]
fn any_retry_within_refuses_to_sleep_past_the_deadline_around_it() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let operation = async || {
        clock.sleep(ms(200)).await;
        let within = (async || Err::<(), _>("busy"))
            .retry_with(constant(ms(140)).max_attempts(9))
            .timer(clock.clone())
            .report();
        let error = within.await.unwrap_err();
        // After 340 and 480 ms, the next would come at 620.
        assert_eq!((error.reason(), error.attempts()), (Reason::Deadline, 3));
        Ok::<_, Fault>(())
    };
    let outcome = clock.block_on(operation.retry_with(&outer).timer(clock.clone()));
    assert_eq!((outcome, clock.now()), (Ok(()), ms(480)));
}

#[test]
fn blocking_calls_within_see_exactly_the_time_that_is_left() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let operation = || {
        // Two calls one after the other in the same attempt.
        for (attempts, at) in [(2, 140), (3, 420)] {
            let within = (|| Err::<(), _>("busy"))
                .retry_with(constant(ms(140)).max_attempts(attempts))
                .timer(clock.clone())
                .report();
            assert_eq!(within.call().unwrap_err().reason(), Reason::Attempts);
            assert_eq!(clock.now(), ms(at));
        }
        let within = (|| Err::<(), _>("busy")).retry_with(constant(ms(80)).max_attempts(2));
        let error = within.timer(clock.clone()).report().call().unwrap_err();
        assert_eq!((error.reason(), error.attempts()), (Reason::Deadline, 1));
        Ok::<_, Fault>(time::remaining())
    };
    let outcome = operation.retry_with(&outer).timer(clock.clone()).call();
    assert_eq!(outcome, Ok(Some(ms(80))));
}

#[test]
fn loops_and_closures_of_a_policy_set_the_deadline_of_their_attempts() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(3)).deadline(ms(500)).timer(clock.clone());
    let operation = async |_| {
        clock.sleep(ms(100)).await;
        Ok::<_, Fault>(time::remaining())
    };
    assert_eq!(clock.block_on(policy.run(operation)), Ok(Some(ms(400))));
    assert_eq!(clock.block_on(policy.run_lending(operation)), Ok(Some(ms(400))));

    let mut attempts = policy.try_start().unwrap();
    clock.advance(ms(50));
    let left = attempts.attempt_blocking(|| Ok::<_, Fault>(time::remaining()));
    assert_eq!(left, Break(Ok(Some(ms(450)))));
}

#[test]
fn a_deadline_is_set_only_while_its_attempt_is_polled() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(2)).deadline(ms(500));
    let operation = || {
        assert_eq!(time::remaining(), None, "the closure makes the attempt and is not part of it");
        pending::<Hung>()
    };
    let mut retry = Box::pin(operation.retry_with(&outer).timer(clock.clone()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(retry.as_mut().poll(&mut cx).is_pending());
    assert_eq!(time::remaining(), None);
}

#[test]
fn a_panic_removes_the_deadline_of_its_attempt() {
    let policy = Policy::new(immediate().max_attempts(2)).deadline(ms(500));
    let call = || policy.call(|_| -> Hung { std::panic::resume_unwind(Box::new("operation")) });
    assert!(std::panic::catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_eq!(time::remaining(), None);
}

#[test]
fn a_deadline_follows_a_task_to_another_thread() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500)).timer(clock.clone());
    let sleeper = clock.clone();
    let mut moved: Pin<Box<dyn Future<Output = Option<Duration>> + Send>> = Box::pin(async move {
        let mut attempts = outer.try_start().unwrap();
        let attempt = attempts.attempt(async {
            sleeper.sleep(ms(200)).await;
            Some(time::remaining())
        });
        match attempt.await {
            Break(outcome) => outcome.flatten(),
            Continue(()) => None,
        }
    });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(moved.as_mut().poll(&mut cx).is_pending());
    let left = std::thread::spawn(move || clock.block_on(moved)).join().unwrap();
    assert_eq!(left, Some(ms(300)));
}

#[test]
fn calls_that_run_side_by_side_keep_their_own_deadlines() {
    let (clock, seen) = (VirtualClock::new(), RefCell::new(vec![]));
    let call = |deadline: u64| {
        let policy = Policy::new(immediate().max_attempts(1)).deadline(ms(deadline));
        let (clock, seen) = (&clock, &seen);
        async move {
            let twice = async || {
                for _ in 0..2 {
                    clock.sleep(ms(10)).await;
                    seen.borrow_mut().push(time::remaining());
                }
                Ok::<_, Fault>(())
            };
            twice.retry_with(&policy).timer(clock.clone()).await
        }
    };
    let both = clock.block_on(futures::future::join(call(100), call(900)));
    assert_eq!(both, (Ok(()), Ok(())));
    assert_eq!(seen.take(), [90, 890, 80, 880].map(|left| Some(ms(left))));
}

#[test]
fn all_copies_of_a_hedge_see_the_deadline_of_their_attempt() {
    let (clock, seen) = (VirtualClock::new(), RefCell::new(vec![]));
    let policy = Policy::new(immediate().max_attempts(1)).deadline(ms(100));
    let operation = || async {
        seen.borrow_mut().push(time::remaining());
        pending::<Hung>().await
    };
    let hedge = hedge_after(ms(30)).at_most(3).timer(clock.clone());
    let retry = operation.hedged(Idempotent, hedge).retry_with(&policy).timer(clock.clone());
    assert_eq!(clock.block_on(retry), Err(Fault::Deadline(ms(100))));
    assert_eq!(seen.take(), [100, 70, 40].map(|left| Some(ms(left))));
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn a_panic_within_restores_the_deadline_around_it() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let inner = Policy::new(immediate().max_attempts(1)).deadline(ms(50));
    let operation = async || {
        let within = (async || -> Hung { std::panic::resume_unwind(Box::new("within")) })
            .retry_with(&inner)
            .timer(clock.clone());
        assert!(AssertUnwindSafe(within).catch_unwind().await.is_err());
        Ok::<_, Fault>(time::remaining())
    };
    let outcome = clock.block_on(operation.retry_with(&outer).timer(clock.clone()));
    assert_eq!(outcome, Ok(Some(ms(500))));
}

#[test]
fn a_call_within_may_have_another_clock() {
    let [clock, other] = [VirtualClock::new(), VirtualClock::new()];
    other.advance(Duration::from_secs(3600));
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let inner = Policy::new(immediate().max_attempts(9)).inherit_deadline();
    let operation = || {
        clock.advance(ms(200));
        let within = || {
            other.advance(ms(100));
            Ok::<_, Fault>(time::remaining())
        };
        within.retry_with(&inner).timer(other.clone()).call()
    };
    let outcome = operation.retry_with(&outer).timer(clock.clone()).call();
    assert_eq!(outcome, Ok(Some(ms(200))));
}

/// A clock that cannot be shared.
struct Private<'a>(&'a VirtualClock);

impl Clock for Private<'_> {
    type Sleep = VirtualSleep;
    fn now(&self) -> Duration {
        self.0.now()
    }
}

impl Timer for Private<'_> {
    fn sleep(&self, duration: Duration) -> VirtualSleep {
        self.0.sleep(duration)
    }
}

impl BlockingTimer for Private<'_> {
    fn sleep_blocking(&self, duration: Duration) {
        self.0.sleep_blocking(duration);
    }
}

#[test]
fn a_clock_that_cannot_be_shared_stands_at_the_time_of_the_last_poll() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let operation = async || {
        clock.sleep(ms(200)).await;
        Ok::<_, Fault>(time::remaining())
    };
    let retry = operation.retry_with(&outer).timer(Private(&clock));
    assert_eq!(clock.block_on(retry), Ok(Some(ms(300))));
}

#[test]
fn a_call_that_is_driven_by_hand_ends_with_the_call_around_it_however_late_it_begins() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let now = || Now::from(clock.now()).deadline_in(time::remaining().unwrap());
    let operation = || {
        let inner = Policy::new(constant(ms(100)).max_attempts(9)).inherit_deadline();
        let mut engine = Engine::new(inner);
        clock.advance(ms(200));
        engine.enter(now()).unwrap();
        let limit = engine.attempt_limit(now());
        clock.advance(ms(200));
        let Decision::Return(facts) = engine.decide(&Hung::Err(Fault::Busy), now()) else {
            panic!("the retry would start at the deadline")
        };
        Ok::<_, Fault>((limit, facts.reason()))
    };
    let outcome = operation.retry_with(&outer).timer(clock.clone()).call();
    assert_eq!(outcome, Ok((Some(ms(300)), Reason::Deadline)));
}

#[test]
fn an_inherited_deadline_without_a_call_around_is_no_limit() {
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(ms(100)).max_attempts(3)).inherit_deadline();
    let retry = (|| Err::<(), _>(Fault::Busy)).retry_with(&policy);
    assert!(retry.timer(clock.clone()).call().is_err());
    assert_eq!(clock.now(), ms(200));
}

#[test]
fn a_blocking_attempt_runs_to_its_end_past_the_deadline() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(3)).deadline(ms(50)).timer(clock.clone());
    let slow = |outcome| {
        policy.call(|_| {
            clock.advance(ms(1_000));
            outcome
        })
    };
    assert_eq!((slow(Ok(1)), clock.now()), (Ok::<_, Fault>(1), ms(1_000)));
    // No attempt starts after the deadline.
    assert_eq!((slow(Err(Fault::Busy)), clock.now()), (Err(Fault::Busy), ms(2_000)));
}

#[test]
fn a_state_that_attempts_hand_on_is_not_lost_at_the_deadline() {
    let clock = VirtualClock::new();
    let policy =
        Policy::new(constant(ms(100)).max_attempts(3)).deadline(ms(600)).timer(clock.clone());
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
fn retries_work_while_the_locals_of_a_thread_are_dropped() {
    use std::sync::mpsc::{Sender, channel};
    use std::thread;

    struct Flushed(Sender<Option<u32>>);
    impl Drop for Flushed {
        fn drop(&mut self) {
            let policy = Policy::new(immediate().max_attempts(3)).deadline(ms(60_000));
            let made = policy.call(|attempt| Some(attempt.number()).filter(|number| *number == 3));
            self.0.send(made).unwrap();
        }
    }
    thread_local!(static AT_THE_END: RefCell<Option<Flushed>> = const { RefCell::new(None) });

    let (sender, made) = channel();
    let thread = thread::spawn(move || {
        // Thread-locals are dropped in reverse order: those of the retry are gone before this one.
        AT_THE_END.set(Some(Flushed(sender)));
        let policy = Policy::new(immediate().max_attempts(2)).deadline(ms(60_000));
        assert_eq!(policy.call(|_| None::<u32>), None);
    });
    thread.join().unwrap();
    assert_eq!(made.recv(), Ok(Some(3)));
}
