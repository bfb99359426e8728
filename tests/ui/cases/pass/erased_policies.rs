//! An erased policy in the field of a struct: its type names the error alone, and it serves awaited
//! and blocking calls of any value, loops and reports.
use persevere::{
    BlockingPolicyFor, Budget, CircuitBreaker, DynPolicy, Interrupted, Policy, RetryError,
    RetryExt, SendPolicyFor, exponential, immediate,
};
use std::future::{Future, ready};
use std::ops::ControlFlow::Break;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{fmt, io};

#[derive(Clone)]
struct Client {
    retry: DynPolicy<io::Error>,
}

impl Client {
    fn read(&self, path: &str) -> io::Result<String> {
        (|| std::fs::read_to_string(path)).retry_with(&self.retry).call()
    }

    fn len(&self, path: &str) -> io::Result<u64> {
        self.retry.call(|_| Ok(std::fs::metadata(path)?.len()))
    }

    async fn fetch(&self, url: &str) -> io::Result<usize> {
        let attempt = || ready(Ok(url.len()));
        attempt.retry_with(&self.retry).when(|error| error.kind() == io::ErrorKind::TimedOut).await
    }

    async fn send(&self) -> io::Result<u32> {
        self.retry.run(|attempt| ready(Ok(attempt.number()))).await
    }

    /// A value that borrows.
    async fn first<'a>(&self, words: &'a [String]) -> Result<&'a str, RetryError<io::Error>> {
        let attempt =
            || ready(words.first().map(String::as_str).ok_or(io::ErrorKind::NotFound.into()));
        attempt.retry_with(&self.retry).until(|word| !word.is_empty()).report().await
    }

    async fn count(&self, calls: &mut u32) -> io::Result<u32> {
        let mut attempts = self.retry.try_start().map_err(io::Error::from)?;
        loop {
            let attempt = async {
                *calls += 1;
                Ok(*calls)
            };
            if let Break(outcome) = attempts.attempt(attempt).await {
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

fn takes_any(policy: impl BlockingPolicyFor<io::Result<u8>> + SendPolicyFor<io::Result<u8>>) {
    drop(policy);
}

fn main() {
    let bare = Policy::new(immediate().max_attempts(3));
    let full = Policy::new(exponential(Duration::from_millis(1)).max_attempts(3))
        .when(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut)
        .hook(Budget::default())
        .guard(CircuitBreaker::default())
        .deadline(Duration::from_secs(60));
    for retry in [bare.erase(), full.erase()] {
        let client = Client { retry };
        assert!(client.read("/no/such/file").is_err());
        assert!(client.len("/no/such/file").is_err());
        takes_any(&client.retry);
        let task = async move {
            let words = vec!["word".to_owned()];
            let mut calls = 0;
            let fetched =
                client.fetch("url").await.unwrap() + client.first(&words).await.unwrap().len();
            (fetched, client.send().await.unwrap(), client.count(&mut calls).await.unwrap())
        };
        assert_eq!(spawn(task), (7, 1, 1));
    }

    // The error of an interrupted call comes from the policy, or from the error type.
    let breaker = CircuitBreaker::default();
    breaker.isolate();
    let guarded = Policy::new(immediate().max_attempts(3)).guard(breaker);
    let policy: DynPolicy<fmt::Error> = guarded.clone().or_interrupted(|_| fmt::Error).erase();
    assert_eq!(policy.call(|_| Ok(1)), Err(fmt::Error));
    let policy: DynPolicy<Interrupted> = guarded.erase();
    assert!(policy.call(|_| Ok(1)).is_err());
}
