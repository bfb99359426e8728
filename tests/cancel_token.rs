//! Blocking calls that are ended from outside.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use persevere::time::{
    AsyncIoTimer, BlockingTimer, CancelToken, Clock, Pieces, TokioTimer, VirtualClock,
};
use persevere::{Policy, Reason, RetryExt, constant, immediate};

use support::{ms, secs};

#[test]
fn a_sleep_is_over_when_its_token_is_cancelled() {
    let token = CancelToken::new();
    let (asleep, cancel) = mpsc::channel();
    let stop = token.clone();
    let other = thread::spawn(move || {
        cancel.recv().unwrap();
        stop.cancel();
    });
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
    assert!(error.elapsed().unwrap() < secs(3600));
}

#[test]
fn a_cancelled_call_returns_the_outcome_that_it_has() {
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
fn a_success_is_a_success_whatever_the_token_says() {
    let token = CancelToken::new();
    let operation = || {
        token.cancel();
        Some(1)
    };
    let retry = operation.retry_with(immediate().max_attempts(3)).cancel_by(&token);
    assert_eq!(retry.call(), Some(1));
}

#[test]
fn hooks_hear_that_it_was_cancelled_and_not_that_it_gave_up() {
    let token = CancelToken::new();
    token.cancel();
    let mut reason = None;
    let _ = (|| None::<()>)
        .retry_with(immediate().max_attempts(3))
        .cancel_by(&token)
        .on_give_up(|_| panic!("it did not give up"))
        .on_finish(|finish| reason = Some(finish.reason()))
        .call();
    assert_eq!(reason, Some(Reason::Cancelled));
}

#[test]
fn a_retry_that_will_not_come_is_not_announced() {
    let token = CancelToken::new();
    let outcome = (|| {
        token.cancel();
        Err::<(), _>("down")
    })
    .retry_with(constant(secs(3600)).max_attempts(3))
    .cancel_by(&token)
    .on_retry(|retry| panic!("it will not come: {retry}"))
    .call();
    assert_eq!(outcome, Err("down"));
}

#[test]
fn the_loop_is_cancelled_too() {
    let token = CancelToken::new();
    let policy = Policy::new(constant(secs(3600)).max_attempts(3)).cancel_by(&token);
    let mut attempts = policy.start();
    token.cancel();
    assert_eq!(
        attempts.check_blocking(Err::<(), _>("down")),
        std::ops::ControlFlow::Break(Err("down"))
    );
}

#[test]
fn one_token_ends_many_calls() {
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
fn an_awaited_retry_keeps_its_timer() {
    let (clock, token) = (VirtualClock::new(), CancelToken::new());
    let retry = (|| async { None::<()> })
        .retry_with(constant(ms(100)).max_attempts(3))
        .timer(clock.clone())
        .cancel_by(&token);
    assert_eq!((clock.block_on(retry), clock.now()), (None, ms(200)));
}

/// Cancels `token` in the first sleep of a call that would sleep for an hour.
fn ends_an_hour<T: BlockingTimer>(
    timer: T,
    policy: &CancelToken,
    call: &CancelToken,
    end: &CancelToken,
) {
    let (asleep, cancel) = mpsc::channel();
    let stop = end.clone();
    let other = thread::spawn(move || {
        cancel.recv().unwrap();
        stop.cancel();
    });
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
fn every_timer_that_passes_real_time_lets_a_sleep_be_ended() {
    let [token, other] = [CancelToken::new(), CancelToken::new()];
    ends_an_hour(TokioTimer, &token, &other, &token);
    let [token, other] = [CancelToken::new(), CancelToken::new()];
    ends_an_hour(AsyncIoTimer, &token, &other, &token);
    let [token, other] = [CancelToken::new(), CancelToken::new()];
    let pieces = Pieces::new(persevere::DefaultTimer, ms(1), secs(1800));
    ends_an_hour(pieces, &token, &other, &token);
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
    ends(Pieces::new(persevere::DefaultTimer, ms(1), secs(1)), Duration::MAX);
}
