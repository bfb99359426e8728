//! The order of setters decides nothing but the order of hooks, guards and rules: each compiles
//! before and after each other, at a call and on a policy.
use persevere::time::{BlockingTimer, CancelToken, Clock, RetrySignal, Timer};
use persevere::{Budget, CircuitBreaker, Policy, RetryExt, immediate};
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A timer that passes no time.
#[derive(Clone)]
struct Still;

impl Clock for Still {
    type Sleep = Ready<()>;
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl Timer for Still {
    fn sleep(&self, _: Duration) -> Ready<()> {
        ready(())
    }
}

impl BlockingTimer for Still {
    fn sleep_blocking(&self, _: Duration) {}
}

const MINUTE: Duration = Duration::from_secs(60);

fn block_on<F: Future + Send>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn main() {
    let backoff = immediate().max_attempts(3);
    let (breaker, budget) = (CircuitBreaker::default(), Budget::default());
    let (token, signal) = (CancelToken::new(), RetrySignal::new());
    let fetch = || ready(Ok::<u8, fmt::Error>(7));
    let read = || Ok::<u8, fmt::Error>(7);

    /// Awaits a call with two groups of setters in both orders, and calls of a policy with them.
    macro_rules! awaited {
        ([$($a:tt)*], [$($b:tt)*]) => {
            assert_eq!(block_on(fetch.retry_with(backoff)$($a)*$($b)*), Ok(7));
            assert_eq!(block_on(fetch.retry_with(backoff)$($b)*$($a)*), Ok(7));
            let policy = Policy::new(backoff)$($a)*$($b)*;
            assert_eq!(block_on(fetch.retry_with(&policy)), Ok(7));
            assert_eq!(block_on(policy.run(|_| fetch())), Ok(7));
            let policy = Policy::new(backoff)$($b)*$($a)*;
            assert_eq!(block_on(fetch.retry_with(policy)), Ok(7));
            let policy = Policy::new(backoff)$($a)*;
            assert_eq!(block_on(fetch.retry_with(&policy)$($b)*), Ok(7));
            let policy = Policy::new(backoff)$($b)*;
            assert_eq!(block_on(fetch.retry_with(&policy)$($a)*), Ok(7));
        };
    }

    /// Blocks instead.
    macro_rules! called {
        ([$($a:tt)*], [$($b:tt)*]) => {
            assert_eq!(read.retry_with(backoff)$($a)*$($b)*.call(), Ok(7));
            assert_eq!(read.retry_with(backoff)$($b)*$($a)*.call(), Ok(7));
            assert_eq!(Policy::new(backoff)$($a)*$($b)*.call(|_| read()), Ok(7));
            assert_eq!(Policy::new(backoff)$($b)*$($a)*.call(|_| read()), Ok(7));
            awaited!([$($a)*], [$($b)*]);
        };
    }

    called!([.guard(breaker.by_ref())], [.or_interrupted(|_| fmt::Error)]);
    called!([.deadline(MINUTE)], [.or_interrupted(|_| fmt::Error)]);
    called!([.inherit_deadline()], [.or_interrupted(|_| fmt::Error)]);
    awaited!([.attempt_timeout(MINUTE)], [.or_interrupted(|_| fmt::Error)]);
    awaited!([.attempt_timeout_by(|_| MINUTE)], [.or_interrupted(|_| fmt::Error)]);
    awaited!(
        [.guard(breaker.by_ref()).or_interrupted(|_| fmt::Error)],
        [.attempt_timeout(MINUTE).deadline(MINUTE)]
    );
    called!([.timer(Still)], [.cancel_by(&token)]);
    called!([.timer(Still)], [.retry_now_by(&signal)]);
    called!([.cancel_by(&token)], [.retry_now_by(&signal)]);
    called!([.timer(Still).when(|_: &fmt::Error| true)], [.on_retry(|_| {}).hook(budget.by_ref())]);
    called!([.when(|_: &fmt::Error| true)], [.until(|value: &u8| *value == 7)]);
    called!(
        [.seed(7).named("seven").timed()],
        [.timer(Still).deadline(MINUTE).or_interrupted(|_| fmt::Error)]
    );
    called!(
        [.guard(breaker.by_ref()).timer(Still)],
        [.cancel_by(&token).on_give_up(|_| {}).or_interrupted(|_| fmt::Error)]
    );

    // A future cancels one call, so a policy has none.
    assert_eq!(block_on(fetch.retry_with(backoff).timer(Still).cancel_when(ready(()))), Ok(7));
    assert_eq!(block_on(fetch.retry_with(backoff).cancel_when(ready(())).timer(Still)), Ok(7));

    // A report, before and after hooks, guards and tokens.
    let retry = || read.retry_with(backoff);
    assert!(retry().report().guard(breaker.by_ref()).timer(Still).cancel_by(&token).call().is_ok());
    assert!(retry().guard(breaker.by_ref()).timer(Still).cancel_by(&token).report().call().is_ok());
    assert!(block_on(fetch.retry_with(backoff).report().attempt_timeout(MINUTE)).is_ok());
}
