//! Calls that are cancelled, or retried at once, from outside: by tokens, futures and signals; blocking
//! calls in real time, awaited calls in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::Cell;
use std::future::{Future, ready};
use std::ops::ControlFlow::Break;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use persevere::retry::Loop;
use persevere::time::{
    AsyncIoTimer, BlockingTimer, CancelToken, ChunkedTimer, Clock, RetrySignal, Timer, TokioTimer,
    VirtualClock,
};
use persevere::{Policy, Reason, RetryExt, constant, immediate};

use support::{ms, secs};

/// Runs `act` on another thread once a call announces its sleep to the sender.
fn once_asleep(act: impl FnOnce() + Send + 'static) -> (mpsc::Sender<()>, thread::JoinHandle<()>) {
    let (asleep, announced) = mpsc::channel();
    let other = thread::spawn(move || {
        announced.recv().unwrap();
        act();
    });
    (asleep, other)
}

#[test]
fn a_sleep_ends_when_its_token_is_cancelled() {
    let token = CancelToken::new();
    let stop = token.clone();
    let (asleep, other) = once_asleep(move || stop.cancel());
    // Without the token, this test would take an hour.
    let error = (|| Err::<(), _>("down"))
        .retry_with(constant(secs(3600)).max_attempts(3))
        .cancel_by(&token)
        .on_retry(|_| asleep.send(()).unwrap())
        .report()
        .call()
        .unwrap_err();
    other.join().unwrap();
    assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 1));
    assert!(error.elapsed() < secs(3600));
}

#[test]
fn a_cancelled_call_returns_the_outcome_of_its_last_attempt() {
    let token = CancelToken::new();
    token.cancel();
    let clock = VirtualClock::new();
    let policy =
        Policy::new(constant(ms(100)).max_attempts(9)).timer(clock.clone()).cancel_by(&token);
    assert_eq!(policy.call(|attempt| Err::<(), _>(attempt.number())), Err(1));
    assert_eq!(policy.call(|attempt| Ok::<_, ()>(attempt.number())), Ok(1));
    assert_eq!(clock.now(), Duration::ZERO);
}

#[test]
fn a_retry_without_a_delay_is_cancelled_too() {
    let token = CancelToken::new();
    let mut calls = 0;
    let outcome = (|| {
        calls += 1;
        if calls == 3 {
            token.cancel();
        }
        Err::<(), _>(calls)
    })
    .retry_with(immediate().forever())
    .cancel_by(&token)
    .call();
    assert_eq!(outcome, Err(3));
}

#[test]
fn a_success_is_returned_also_if_the_token_is_cancelled() {
    let token = CancelToken::new();
    let operation = || {
        token.cancel();
        Some(1)
    };
    let retry = operation.retry_with(immediate().max_attempts(3)).cancel_by(&token);
    assert_eq!(retry.call(), Some(1));
}

#[test]
fn hooks_hear_that_a_call_was_cancelled_and_not_that_it_gave_up() {
    let token = CancelToken::new();
    token.cancel();
    let mut reason = None;
    let _ = (|| None::<()>)
        .retry_with(immediate().max_attempts(3))
        .cancel_by(&token)
        .on_give_up(|_| panic!("the call did not give up"))
        .on_finish(|finish| reason = Some(finish.reason()))
        .call();
    assert_eq!(reason, Some(Reason::Cancelled));
}

#[test]
fn a_retry_that_is_cancelled_is_not_announced() {
    let token = CancelToken::new();
    let outcome = (|| {
        token.cancel();
        Err::<(), _>("down")
    })
    .retry_with(constant(secs(3600)).max_attempts(3))
    .cancel_by(&token)
    .on_retry(|retry| panic!("announced: {retry}"))
    .call();
    assert_eq!(outcome, Err("down"));
}

#[test]
fn a_loop_is_cancelled_like_a_call() {
    let token = CancelToken::new();
    let policy = Policy::new(constant(secs(3600)).max_attempts(3)).cancel_by(&token);
    let mut attempts = policy.start();
    token.cancel();
    assert_eq!(attempts.check_blocking(Err::<(), _>("down")), Break(Err("down")));
}

#[test]
fn a_token_ends_many_calls() {
    let token = CancelToken::new();
    let (asleep, ready) = mpsc::channel();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (token, asleep) = (token.clone(), asleep.clone());
            thread::spawn(move || {
                (|| None::<()>)
                    .retry_with(constant(Duration::MAX).max_attempts(2))
                    .cancel_by(&token)
                    .on_retry(|_| asleep.send(()).unwrap())
                    .call()
            })
        })
        .collect();
    for _ in &calls {
        ready.recv().unwrap();
    }
    token.cancel();
    assert!(calls.into_iter().all(|call| call.join().unwrap().is_none()));
}

#[test]
fn an_awaited_retry_with_a_token_keeps_its_timer() {
    let (clock, token) = (VirtualClock::new(), CancelToken::new());
    let retry = (|| async { None::<()> })
        .retry_with(constant(ms(100)).max_attempts(3))
        .timer(clock.clone())
        .cancel_by(&token);
    assert_eq!((clock.block_on(retry), clock.now()), (None, ms(200)));
}

#[test]
fn an_awaited_retry_ends_when_its_token_is_cancelled_in_a_sleep() {
    let (clock, token, attempts) = (VirtualClock::new(), CancelToken::new(), Cell::new(0));
    let retry = (|| async {
        attempts.set(attempts.get() + 1);
        Err::<(), _>(attempts.get())
    })
    .retry_with(constant(ms(100)).max_attempts(9))
    .timer(clock.clone())
    .cancel_by(&token)
    .report();
    let cancel = async {
        clock.sleep(ms(150)).await;
        token.cancel();
    };
    let (outcome, ()) = clock.block_on(futures::future::join(retry, cancel));
    let error = outcome.unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 2));
    assert_eq!((error.elapsed(), error.into_error()), (ms(150), Some(2)));
    assert_eq!(clock.sleepers(), 0);
}

/// Asserts that `end` ends the first sleep of a call that would sleep for an hour.
fn ends_an_hour<T: BlockingTimer>(
    timer: T,
    policy: &CancelToken,
    call: &CancelToken,
    end: &CancelToken,
) {
    let stop = end.clone();
    let (asleep, other) = once_asleep(move || stop.cancel());
    let policy = Policy::new(constant(secs(3600)).max_attempts(3)).timer(timer).cancel_by(policy);
    let error = (|| Err::<(), _>("down"))
        .retry_with(policy)
        .cancel_by(call)
        .on_retry(|_| asleep.send(()).unwrap())
        .report()
        .call()
        .unwrap_err();
    other.join().unwrap();
    assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 1));
}

#[test]
fn a_token_ends_a_sleep_of_every_timer_that_passes_real_time() {
    let [token, other] = [CancelToken::new(), CancelToken::new()];
    ends_an_hour(TokioTimer, &token, &other, &token);
    let [token, other] = [CancelToken::new(), CancelToken::new()];
    ends_an_hour(AsyncIoTimer, &token, &other, &token);
    let [token, other] = [CancelToken::new(), CancelToken::new()];
    let chunked = ChunkedTimer::new(persevere::DefaultTimer, ms(1), secs(1800));
    ends_an_hour(chunked, &token, &other, &token);
}

#[test]
fn the_token_of_a_policy_and_that_of_a_call_both_end_it() {
    for which in 0..2 {
        let tokens = [CancelToken::new(), CancelToken::new()];
        ends_an_hour(persevere::DefaultTimer, &tokens[0], &tokens[1], &tokens[which]);

        let (clock, tokens) = (VirtualClock::new(), [CancelToken::new(), CancelToken::new()]);
        tokens[which].cancel();
        let policy = Policy::new(constant(ms(100)).max_attempts(9)).timer(clock.clone());
        let policy = policy.cancel_by(&tokens[0]).cancel_by(&tokens[1]);
        assert_eq!(policy.call(|attempt| Err::<(), _>(attempt.number())), Err(1));
        assert_eq!(clock.now(), Duration::ZERO);
    }
}

#[test]
fn a_token_that_is_cancelled_between_the_announcement_and_the_sleep_ends_the_call() {
    fn ends<T: BlockingTimer>(timer: T, delay: Duration) {
        for which in 0..2 {
            let tokens = [CancelToken::new(), CancelToken::new()];
            let error = (|| Err::<(), _>("down"))
                .retry_with(constant(delay).max_attempts(3))
                .timer(&timer)
                .cancel_by(&tokens[0])
                .cancel_by(&tokens[1])
                .on_retry(|_| tokens[which].cancel())
                .report()
                .call()
                .unwrap_err();
            assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 1));
        }
    }
    let clock = VirtualClock::new();
    ends(&clock, secs(3600));
    ends(&clock, Duration::ZERO);
    assert!(clock.slept().is_empty());
    // Without the token, these would never end.
    ends(persevere::DefaultTimer, Duration::MAX);
    ends(ChunkedTimer::new(persevere::DefaultTimer, ms(1), secs(1)), Duration::MAX);
}

/// A running attempt is neither interrupted nor retried.
#[test]
fn a_running_attempt_of_a_cancelled_call_runs_to_its_end_and_is_not_retried() {
    let (clock, token, attempts) = (VirtualClock::new(), CancelToken::new(), Cell::new(0));
    let operation = || async {
        attempts.set(attempts.get() + 1);
        clock.sleep(secs(10)).await;
        Err::<(), _>("down")
    };
    let retry = operation.retry_with(constant(ms(100)).max_attempts(9)).cancel_by(&token).report();
    let cancel = async {
        clock.sleep(secs(3)).await;
        token.cancel();
    };
    let (outcome, ()) = clock.block_on(futures::future::join(retry, cancel));
    let error = outcome.unwrap_err();
    assert_eq!((error.reason(), error.attempts(), attempts.get()), (Reason::Cancelled, 1, 1));
    assert_eq!((clock.now(), error.into_error()), (secs(10), Some("down")));
}

#[test]
fn a_future_cancels_awaited_and_blocking_calls_and_loops() {
    let down = || ready(Err::<(), _>("down"));
    let backoff = || constant(secs(60)).max_attempts(9);

    // A future that is not `Unpin`.
    let clock = VirtualClock::new();
    let shutdown = async { clock.sleep(secs(90)).await };
    let retry = down.retry_with(backoff()).cancel_when(shutdown).report();
    let error = clock.block_on(retry).unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 2));
    assert_eq!((clock.now(), clock.sleepers()), (secs(90), 0));

    // One that is ready before the call: the first attempt is made, and no other.
    let clock = VirtualClock::new();
    let retry = down.retry_with(backoff()).cancel_when(ready(())).report();
    let error = clock.block_on(retry).unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 1));

    let mut attempts = Loop::new().retry_with(backoff()).cancel_when(clock.sleep(secs(90))).start();
    let looped = async {
        loop {
            if let Break(outcome) = attempts.attempt(down()).await {
                break outcome;
            }
        }
    };
    let begun = clock.now();
    assert_eq!(clock.block_on(looped), Err("down"));
    assert_eq!(clock.now() - begun, secs(90));

    // A call that blocks is woken as well.
    let (ready, cancelled) = futures::channel::oneshot::channel::<()>();
    let (asleep, other) = once_asleep(move || drop(ready));
    let error = (|| Err::<(), _>("down"))
        .retry_with(constant(secs(3600)).max_attempts(3))
        .cancel_when(cancelled)
        .on_retry(|_| asleep.send(()).unwrap())
        .report()
        .call()
        .unwrap_err();
    other.join().unwrap();
    assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 1));
}

/// A signal ends the sleeps that run, and no later ones.
#[test]
fn retry_now_ends_the_sleeps_that_run_and_no_others() {
    let (clock, signal) = (VirtualClock::new(), RetrySignal::new());
    let backoff = || constant(secs(60)).max_attempts(3);
    let policy = Policy::new(backoff()).retry_now_by(&signal);
    let calls = [Cell::new(vec![]), Cell::new(vec![])];
    let note = |call: usize| {
        let mut times = calls[call].take();
        times.push(clock.now().as_secs());
        calls[call].set(times);
        ready(Err::<(), _>("down"))
    };
    let first = policy.run(|_| note(0));
    let second = (|| note(1)).retry_with(backoff()).retry_now_by(&signal);
    signal.retry_now(); // no call sleeps
    let press = async {
        clock.sleep(secs(10)).await;
        signal.retry_now();
        signal.retry_now();
    };
    let _ = clock.block_on(futures::future::join3(first, second, press));
    assert_eq!(calls.map(Cell::into_inner), [[0, 10, 70], [0, 10, 70]]);
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn retry_now_wakes_a_blocking_call() {
    let signal = RetrySignal::new();
    let (asleep, announced) = mpsc::channel();
    let press = signal.clone();
    let other = thread::spawn(move || {
        announced.recv().unwrap();
        // The sleep may not have begun yet; the call drops its sender when it has ended.
        while announced.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
            press.retry_now();
            thread::yield_now();
        }
    });
    // Without the signal, this test would take an hour.
    let outcome = (|| Err::<(), _>("down"))
        .retry_with(constant(secs(3600)).max_attempts(2))
        .retry_now_by(&signal)
        .on_retry(move |_| asleep.send(()).unwrap())
        .report()
        .call();
    other.join().unwrap();
    assert_eq!(outcome.unwrap_err().attempts(), 2);
}

/// A token that is cancelled wins over a signal that comes with it.
#[test]
fn a_cancelled_call_is_not_retried_by_a_signal() {
    let (clock, token, signal) = (VirtualClock::new(), CancelToken::new(), RetrySignal::new());
    let retry = (|| ready(None::<()>))
        .retry_with(constant(secs(60)).max_attempts(9))
        .retry_now_by(&signal)
        .cancel_by(&token)
        .report();
    let both = async {
        clock.sleep(secs(10)).await;
        signal.retry_now();
        token.cancel();
    };
    let (outcome, ()) = clock.block_on(futures::future::join(retry, both));
    let error = outcome.unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 1));
}

/// A future may begin to listen only when it is first polled, as an `async` block does.
#[test]
fn a_future_that_cancels_is_polled_from_the_first_attempt_on() {
    let begins_when_polled = |clock: &VirtualClock| {
        let clock = clock.clone();
        async move { clock.sleep(secs(2)).await }
    };
    let slow = |clock: VirtualClock| async move {
        clock.sleep(secs(10)).await;
        Err::<(), _>("down")
    };
    let backoff = constant(secs(1)).max_attempts(9);

    let clock = VirtualClock::new();
    let retry = (|| slow(clock.clone())).retry_with(backoff).timer(clock.clone());
    let error = clock.block_on(retry.cancel_when(begins_when_polled(&clock)).report()).unwrap_err();
    assert_eq!((error.attempts(), clock.now()), (1, secs(10)), "an awaited call");

    let clock = VirtualClock::new();
    let error = (|| {
        clock.advance(secs(10));
        Err::<(), _>("down")
    })
    .retry_with(backoff)
    .timer(clock.clone())
    .cancel_when(begins_when_polled(&clock))
    .report()
    .call()
    .unwrap_err();
    assert_eq!((error.attempts(), clock.now()), (1, secs(10)), "a blocking call");

    let clock = VirtualClock::new();
    let retry = Loop::<Result<(), &str>>::new().retry_with(backoff).timer(clock.clone());
    let mut attempts = retry.cancel_when(begins_when_polled(&clock)).start();
    assert_eq!(clock.block_on(attempts.attempt(slow(clock.clone()))), Break(Err("down")), "a loop");
    assert_eq!(clock.now(), secs(10));
}

/// A timer that sleeps to the end, whatever comes.
#[derive(Clone)]
struct Stubborn(CancelToken);

impl Clock for Stubborn {
    type Sleep = ();
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl BlockingTimer for Stubborn {
    fn sleep_blocking(&self, _: Duration) {
        self.0.cancel();
    }
}

#[test]
fn a_call_cancelled_in_a_sleep_that_cannot_be_interrupted_is_not_retried() {
    let token = CancelToken::new();
    let policy = Policy::new(constant(secs(1)).max_attempts(9)).cancel_by(&token);
    let policy = policy.timer(Stubborn(token.clone()));
    assert_eq!(policy.call(|attempt| Err::<(), _>(attempt.number())), Err(1));
}

/// Counts its wakes; the first of all panics.
struct Alarm(Arc<AtomicU32>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if self.0.fetch_add(1, Relaxed) == 0 {
            resume_unwind(Box::new("alarm"));
        }
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_call_asleep() {
    let (token, wakes) = (CancelToken::new(), Arc::new(AtomicU32::new(0)));
    let sleeping = || {
        let clock = VirtualClock::new();
        let retry = (|| ready(None::<()>)).retry_with(constant(secs(60)).max_attempts(9));
        let mut retry = Box::pin(retry.cancel_by(&token).timer(clock));
        let waker = Waker::from(Arc::new(Alarm(wakes.clone())));
        assert!(retry.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        retry
    };
    let calls = [sleeping(), sleeping(), sleeping()];
    assert!(catch_unwind(AssertUnwindSafe(|| token.cancel())).is_err());
    assert_eq!(wakes.load(Relaxed), 3);
    drop(calls);
}
