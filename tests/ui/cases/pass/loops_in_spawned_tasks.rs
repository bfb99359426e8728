//! Loops in spawned tasks. Without its last outcome, a loop is `Send` whatever its error is.
use persevere::retry::Loop;
use persevere::time::CancelToken;
use persevere::{Attempts, Policy, RetryExt, StaticPolicy, immediate};
use std::error::Error;
use std::future::{Future, ready};
use std::ops::ControlFlow::Break;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

static POLICY: StaticPolicy = Policy::new(&immediate().max_attempts(3));

async fn fetch() -> Result<u8, Box<dyn Error>> {
    Err("busy".into())
}

async fn looped() -> Result<u8, String> {
    let mut attempts = POLICY.start().without_last_outcome();
    loop {
        if let Break(outcome) = attempts.attempt(fetch()).await {
            break outcome.map_err(|error| error.to_string());
        }
    }
}

/// Neither the value nor the error is `Send`.
async fn of_values_that_stay() -> usize {
    let policy = Policy::new(immediate().max_attempts(3)).on_retry(|_| {});
    let mut attempts = Attempts::start(policy).without_last_outcome();
    loop {
        let attempt = async { Err::<Rc<u8>, _>(Rc::new(String::from("busy"))) };
        if let Break(Err(error)) = attempts.attempt(attempt).await {
            break error.len();
        }
    }
}

async fn with_setters() -> u32 {
    let mut attempts = Loop::<Result<u8, Box<dyn Error>>>::new()
        .retry_with(&POLICY)
        .when(|error| !error.to_string().is_empty())
        .start()
        .without_last_outcome();
    while attempts.attempt(fetch()).await.is_continue() {}
    attempts.number()
}

/// A call without guards and signals keeps no outcome.
async fn called() -> bool {
    fetch.retry_with(&POLICY).await.is_ok()
}

/// A loop whose error is `Send` keeps its last outcome.
async fn of_an_error_that_is_send(token: CancelToken) -> Result<u8, String> {
    let policy = POLICY.by_ref().cancel_by(&token);
    let mut attempts = policy.start();
    loop {
        if let Break(outcome) = attempts.attempt(ready(Err(String::from("busy")))).await {
            break outcome;
        }
    }
}

fn spawn<F: Future + Send + 'static>(task: F) -> F::Output {
    let mut task = pin!(task);
    loop {
        if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn main() {
    assert_eq!(spawn(looped()), Err("busy".into()));
    assert_eq!(spawn(of_values_that_stay()), 4);
    assert_eq!(spawn(with_setters()), 3);
    assert!(!spawn(called()));
    assert_eq!(spawn(of_an_error_that_is_send(CancelToken::new())), Err("busy".into()));
}
