//! Policies of settings are policies like any other: a call that selects errors by `.when(..)` needs
//! no kinds, and handles lie in fields, are spawned, block and have setters.
use persevere::policy::config::PolicyConfig;
use persevere::policy::{GuardedHandle, PolicyHandle};
use persevere::time::CancelToken;
use persevere::{Kinded, RetryExt};
use std::future::{Future, ready};
use std::io;
use std::ops::ControlFlow::Break;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

struct Bare;

#[derive(Debug, Kinded)]
enum StoreError {
    Busy,
}

#[derive(Clone)]
struct Client {
    plain: PolicyHandle,
    guarded: GuardedHandle,
}

impl Client {
    async fn get(&self) -> Result<u8, Bare> {
        (async || Ok(7)).retry_with(&self.plain).when(|Bare| true).await
    }

    fn read(&self) -> io::Result<u8> {
        (|| Ok(7)).retry_with(&self.guarded).call()
    }

    fn store(&self) -> Result<u8, StoreError> {
        self.plain.call(|attempt| u8::try_from(attempt.number()).map_err(|_| StoreError::Busy))
    }

    fn guarded_report(&self) -> bool {
        (|| Err::<u8, _>(Bare))
            .retry_with(&self.guarded)
            .when(|Bare| false)
            .report_without_source()
            .call()
            .is_ok()
    }

    fn looped(&self) -> io::Result<u8> {
        let mut attempts = self.plain.start();
        loop {
            if let Break(outcome) = attempts.attempt_blocking(|| Ok(7)) {
                break outcome;
            }
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
    let config = PolicyConfig::default();
    let client =
        Client { plain: config.policy().unwrap(), guarded: config.guarded_policy().unwrap() };
    assert!(matches!(client.read(), Ok(7)));
    assert!(matches!(client.store(), Ok(1)));
    assert!(matches!(client.looped(), Ok(7)));
    assert!(!client.guarded_report());
    let spawned = client.clone();
    assert!(matches!(spawn(async move { spawned.get().await }), Ok(7)));

    // With all setters, in the call and in the policy.
    let token = CancelToken::new();
    let policy = client.plain.clone().attempts(2).on_retry(|_| {}).cancel_by(&token).named("get");
    let outcome = spawn((|| ready(io::Result::Ok(7))).retry_with(policy.clone()).seed(7));
    assert!(matches!(outcome, Ok(7)));
    let policy = policy.when(|Bare: &Bare| true);
    assert!(policy.call(|_| Ok::<_, Bare>(7)).is_ok());
}
