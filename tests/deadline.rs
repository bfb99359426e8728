//! Deadlines: of a call, and of the calls within its attempts. In virtual time.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::RefCell;
use std::future::{Future, pending};
use std::ops::ControlFlow::{Break, Continue};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use futures::FutureExt;
use persevere::hook::budget::{Budget, CostPerRetry};
use persevere::hook::{self, Deadline, Hook};
use persevere::time::{BlockingTimer, Clock, Timer, VirtualClock, VirtualSleep};
use persevere::{
    Backoff, Engine, Finite, Idempotent, Interrupted, MayInterrupt, Policy, Reason, RetryExt,
    constant, hedge_after, immediate,
};

use support::ms;

type Hung = Result<(), Interrupted>;

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
            Err::<(), _>(Interrupted::AttemptTimeout)
        }
    };
    let outcome = clock.block_on(operation.retry_with(&policy).timer(clock.clone()));
    assert_eq!((outcome, clock.now()), (Err(Interrupted::Deadline), ms(250)));
    assert_eq!(calls, [0, 110, 220].map(ms));
}

#[test]
fn a_retry_that_would_start_at_the_deadline_is_not_slept_for() {
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
    assert_eq!((error.interrupted(), clock.now()), (Some(Interrupted::Deadline), ms(130)));
}

/// What a call says that hangs until its deadline of 250 ms, whatever else its policy is.
fn hung_until_the_deadline<B: Backoff + Finite, H: Hook<Hung> + Clone>(
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
fn a_deadline_is_the_reason_whatever_else_would_end_the_call_then() {
    let by_deadline = (Err(Interrupted::Deadline), Some(Reason::Deadline));
    assert_eq!(hung_until_the_deadline(immediate().max_attempts(9), ()), by_deadline);
    assert_eq!(hung_until_the_deadline(immediate().max_attempts(1), ()), by_deadline);
    let as_long = immediate().max_elapsed(ms(250));
    assert_eq!(hung_until_the_deadline(as_long, ()), by_deadline);
    // It is not asked for a retry that cannot be.
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
    assert_eq!((clock.block_on(retry), clock.now()), (Err(Interrupted::AttemptTimeout), ms(200)));
}

#[test]
fn the_longest_duration_is_no_deadline() {
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(ms(100)).max_attempts(3)).deadline(Duration::MAX);
    let retry = (|| Err::<(), _>(Interrupted::AttemptTimeout)).retry_with(&policy);
    assert_eq!(retry.timer(clock.clone()).call(), Err(Interrupted::AttemptTimeout));
    assert_eq!(clock.now(), ms(200));
}

#[test]
fn a_deadline_of_nothing_refuses_the_first_attempt() {
    let policy = Policy::new(immediate().max_attempts(3)).deadline(Duration::ZERO);
    let retry = (|| -> Hung { panic!("it is not made") }).retry_with(&policy);
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
        assert_eq!(
            (error.elapsed(), error.interrupted()),
            (Some(ms(300)), Some(Interrupted::Deadline))
        );
        Ok::<_, Interrupted>(())
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
    assert_eq!((outcome, clock.now()), (Err(Interrupted::Deadline), ms(50)));
}

#[test]
fn a_longer_limit_on_the_attempts_within_does_not_hide_the_deadline_around_them() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let middle = Policy::new(immediate().max_attempts(1)).attempt_timeout(Duration::from_secs(60));
    let left = async || {
        clock.sleep(ms(200)).await;
        Ok::<_, Interrupted>(hook::remaining())
    };
    // The report reads the clock, so that what is within hears of the limit.
    let operation = async || {
        left.retry_with(&middle)
            .timer(clock.clone())
            .report()
            .await
            .map_err(|_| Interrupted::Deadline)
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
        Ok::<_, Interrupted>(())
    };
    let outcome = clock.block_on(operation.retry_with(&outer).timer(clock.clone()));
    assert_eq!((outcome, clock.now()), (Ok(()), ms(480)));
}

#[test]
fn blocking_calls_see_what_is_left_too_exactly() {
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
        Ok::<_, Interrupted>(hook::remaining())
    };
    let outcome = operation.retry_with(&outer).timer(clock.clone()).call();
    assert_eq!(outcome, Ok(Some(ms(80))));
}

#[test]
fn the_loop_and_the_closures_of_a_policy_lend_their_deadline_too() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(3)).deadline(ms(500)).timer(clock.clone());
    let left = clock.block_on(policy.run(async |_| {
        clock.sleep(ms(100)).await;
        Ok::<_, Interrupted>(hook::remaining())
    }));
    assert_eq!(left, Ok(Some(ms(400))));

    let mut attempts = policy.try_start().unwrap();
    clock.advance(ms(50));
    let left = attempts.attempt_blocking(|| Ok::<_, Interrupted>(hook::remaining()));
    assert_eq!(left, Break(Ok(Some(ms(450)))));
}

#[test]
fn a_deadline_is_gone_when_its_attempt_is_not_polled() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(2)).deadline(ms(500));
    let operation = || {
        assert_eq!(hook::remaining(), None, "it is the attempt's, and this only makes it");
        pending::<Hung>()
    };
    let mut retry = Box::pin(operation.retry_with(&outer).timer(clock.clone()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(retry.as_mut().poll(&mut cx).is_pending());
    assert_eq!(hook::remaining(), None);
}

#[test]
fn a_panic_takes_the_deadline_with_it() {
    let policy = Policy::new(immediate().max_attempts(2)).deadline(ms(500));
    let call = || policy.call(|_| -> Hung { std::panic::resume_unwind(Box::new("operation")) });
    assert!(std::panic::catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_eq!(hook::remaining(), None);
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
            Some(hook::remaining())
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
                    seen.borrow_mut().push(hook::remaining());
                }
                Ok::<_, Interrupted>(())
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
        seen.borrow_mut().push(hook::remaining());
        pending::<Hung>().await
    };
    let hedge = hedge_after(ms(30)).at_most(3).timer(clock.clone());
    let retry = operation.hedged(Idempotent, hedge).retry_with(&policy).timer(clock.clone());
    assert_eq!(clock.block_on(retry), Err(Interrupted::Deadline));
    assert_eq!(seen.take(), [100, 70, 40].map(|left| Some(ms(left))));
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn a_panic_within_gives_the_deadline_around_it_back() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let inner = Policy::new(immediate().max_attempts(1)).deadline(ms(50));
    let operation = async || {
        let within = (async || -> Hung { std::panic::resume_unwind(Box::new("within")) })
            .retry_with(&inner)
            .timer(clock.clone());
        assert!(AssertUnwindSafe(within).catch_unwind().await.is_err());
        Ok::<_, Interrupted>(hook::remaining())
    };
    let outcome = clock.block_on(operation.retry_with(&outer).timer(clock.clone()));
    assert_eq!(outcome, Ok(Some(ms(500))));
}

#[test]
fn a_call_within_may_have_another_clock() {
    let [clock, other] = [VirtualClock::new(), VirtualClock::new()];
    other.advance(Duration::from_secs(3600));
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let inner = Policy::new(immediate().max_attempts(9)).guard(Deadline::inherited());
    let operation = || {
        clock.advance(ms(200));
        let within = || {
            other.advance(ms(100));
            Ok::<_, Interrupted>(hook::remaining())
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
fn a_clock_that_cannot_be_shared_tells_the_time_of_the_last_poll() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let operation = async || {
        clock.sleep(ms(200)).await;
        Ok::<_, Interrupted>(hook::remaining())
    };
    let retry = operation.retry_with(&outer).timer(Private(&clock));
    assert_eq!(clock.block_on(retry), Ok(Some(ms(300))));
}

#[test]
fn a_call_that_is_driven_by_hand_ends_with_the_call_around_it_however_late_it_begins() {
    let clock = VirtualClock::new();
    let outer = Policy::new(immediate().max_attempts(1)).deadline(ms(500));
    let operation = || {
        let (mut engine, mut hooks) = (Engine::new(), Deadline::inherited());
        engine.begin(Some(clock.now()));
        clock.advance(ms(200));
        let (backoff, now) = (immediate().max_attempts(9), Some(clock.now()));
        let entered = engine.enter::<Hung, MayInterrupt, _, _>(&backoff, &mut hooks, now);
        Ok::<_, Interrupted>(Hook::<Hung>::attempt_timeout(&hooks, &entered.unwrap()))
    };
    let outcome = operation.retry_with(&outer).timer(clock.clone()).call();
    assert_eq!(outcome, Ok(Some(ms(300))));
}

#[test]
fn an_inherited_deadline_without_a_call_around_is_none() {
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(ms(100)).max_attempts(3)).guard(Deadline::inherited());
    let retry = (|| Err::<(), _>(Interrupted::AttemptTimeout)).retry_with(&policy);
    assert!(retry.timer(clock.clone()).call().is_err());
    assert_eq!(clock.now(), ms(200));
}

#[test]
fn a_thread_that_ends_may_retry_to_the_last() {
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
        // What came last goes first: when this is dropped, the locals of the retry are gone.
        AT_THE_END.set(Some(Flushed(sender)));
        let policy = Policy::new(immediate().max_attempts(2)).deadline(ms(60_000));
        assert_eq!(policy.call(|_| None::<u32>), None);
    });
    thread.join().unwrap();
    assert_eq!(made.recv(), Ok(Some(3)));
}
