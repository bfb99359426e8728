//! Functions that take any policy: `PolicyFor` awaits on its own thread, `SendPolicyFor` in a
//! spawned task, `BlockingPolicyFor` blocks.
use persevere::policy::config::PolicyConfig;
use persevere::time::Timer;
use persevere::{
    Attempts, BlockingPolicyFor, CircuitBreaker, Policy, PolicyFor, RetryExt, SendPolicyFor,
    immediate,
};
use std::future::Future;
use std::ops::ControlFlow::Break;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{fmt, io};

async fn fetch() -> io::Result<u8> {
    Ok(7)
}

async fn awaited(policy: impl PolicyFor<io::Result<u8>, Timer: Timer>) -> io::Result<u8> {
    fetch.retry_with(policy).when(|error| error.kind() == io::ErrorKind::TimedOut).await
}

async fn spawned<P>(policy: P) -> io::Result<u8>
where
    P: SendPolicyFor<io::Result<u8>>,
{
    fetch.retry_with(policy).await
}

fn blocking(policy: impl BlockingPolicyFor<io::Result<u8>>) -> io::Result<u8> {
    (|| Ok(7)).retry_with(policy).on_retry(|_| {}).call()
}

/// A loop of any policy, which a guard may refuse.
fn looped(policy: impl BlockingPolicyFor<Option<u8>>) -> Option<u8> {
    let mut attempts = Attempts::try_start(policy).ok()?;
    loop {
        if let Break(outcome) = attempts.attempt_blocking(|| Some(7)) {
            break outcome;
        }
    }
}

/// The bound of a type that holds a policy.
struct Client<P> {
    policy: P,
}

impl<P> Client<P> {
    async fn get(&self) -> io::Result<u8>
    where
        for<'a> &'a P: SendPolicyFor<io::Result<u8>>,
    {
        fetch.retry_with(&self.policy).await
    }
}

fn spawn<F: Future + Send>(task: F) -> F::Output {
    block_on(task)
}

fn block_on<F: Future>(task: F) -> F::Output {
    let mut task = pin!(task);
    loop {
        if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn main() {
    let backoff = immediate().max_attempts(3);
    let local = Rc::new(());
    let policy = Policy::new(backoff).on_retry(|_| {}).guard(CircuitBreaker::default());
    let limited = policy.clone().attempt_timeout(Duration::from_secs(60));
    let handle = PolicyConfig::default().policy().unwrap();
    let guarded = PolicyConfig::default().guarded_policy().unwrap();

    let sevens = [
        block_on(awaited(backoff)),
        block_on(awaited(&policy)),
        block_on(awaited(limited.by_ref())),
        block_on(awaited(Policy::new(backoff).on_retry(move |_| drop(local.clone())))),
        spawn(spawned(backoff)),
        spawn(spawned(policy.clone())),
        spawn(spawned(&limited)),
        spawn(spawned(Arc::new(limited.clone()))),
        spawn(spawned(policy.clone().erase())),
        spawn(spawned(&handle)),
        spawn(spawned(guarded.clone())),
        spawn(Client { policy: limited }.get_owned()),
        blocking(backoff),
        blocking(&policy),
        blocking(Arc::new(policy.clone())),
        blocking(&policy.clone().erase()),
        blocking(&handle),
        blocking(guarded),
    ];
    assert!(sevens.into_iter().all(|seven| matches!(seven, Ok(7))));
    assert_eq!((looped(backoff), looped(&policy)), (Some(7), Some(7)));

    // The error of a guarded policy comes from the policy.
    fn formatted(policy: impl BlockingPolicyFor<Result<u8, fmt::Error>>) -> Result<u8, fmt::Error> {
        (|| Ok(7)).retry_with(policy).call()
    }
    assert_eq!(formatted(policy.or_interrupted(|_| fmt::Error)), Ok(7));
}

impl<P> Client<P>
where
    P: Send + Sync,
    for<'a> &'a P: SendPolicyFor<io::Result<u8>>,
{
    async fn get_owned(self) -> io::Result<u8> {
        self.get().await
    }
}
