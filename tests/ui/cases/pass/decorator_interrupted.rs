//! `interrupted = |why| ..` in `#[retry]` makes the error of a call that a guard ended.
use persevere::{
    BlockingPolicyFor, CircuitBreaker, Interruption, Policy, StaticPolicy, immediate, retry,
};
use std::fmt;
use std::future::Future;
use std::num::ParseIntError;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

static POLICY: StaticPolicy = Policy::new(&immediate().max_attempts(3));

struct Client {
    breaker: CircuitBreaker,
}

impl Client {
    #[retry(POLICY, guard = self.breaker.by_ref(), interrupted = |why| why.to_string())]
    fn plain(&self, text: &str) -> Result<u8, String> {
        text.parse().map_err(|error: ParseIntError| error.to_string())
    }

    #[retry(
        POLICY,
        interrupted = |why| why.into_last_error().unwrap_or_default(),
        guard = self.breaker.clone(),
        attempt_timeout = MINUTE,
        deadline = MINUTE
    )]
    async fn later(&mut self, text: String) -> Result<u8, String> {
        text.parse().map_err(|error: ParseIntError| error.to_string())
    }
}

/// A function instead of a closure, and an error type of another crate.
fn invalid(_: Interruption<ParseIntError>) -> ParseIntError {
    "x".parse::<u8>().unwrap_err()
}

#[retry(immediate().max_attempts(3), attempt_timeout = MINUTE, interrupted = invalid)]
async fn parse(text: &str) -> Result<u8, ParseIntError> {
    text.parse()
}

/// The policy makes the error.
fn guarded() -> impl BlockingPolicyFor<Result<u8, fmt::Error>> {
    Policy::new(immediate().max_attempts(3)).or_interrupted(|_| fmt::Error).deadline(MINUTE)
}

#[retry(guarded(), when = |error| error.to_string().is_empty())]
fn of_the_policy() -> Result<u8, fmt::Error> {
    Ok(7)
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn main() {
    let mut client = Client { breaker: CircuitBreaker::default() };
    assert_eq!(client.plain("7"), Ok(7));
    assert_eq!(block_on(client.later("7".into())), Ok(7));
    client.breaker.isolate();
    assert_eq!(client.plain("7"), Err("the attempt was refused: circuit open".into()));
    assert_eq!(block_on(client.later("7".into())), Err(String::new()));
    assert_eq!(block_on(parse("7")), Ok(7));
    assert_eq!(of_the_policy(), Ok(7));
}
