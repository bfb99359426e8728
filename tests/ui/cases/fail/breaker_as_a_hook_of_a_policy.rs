//! On a policy, a circuit breaker that was added as a hook is refused where the policy is used.
use persevere::{CircuitBreaker, Policy, RetryExt, immediate};

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).hook(CircuitBreaker::default());
    let read = || std::fs::read("page.txt");
    let _ = read.retry_with(&policy).call();
}

async fn awaited() -> std::io::Result<u8> {
    let policy = Policy::new(immediate().max_attempts(3)).hook(CircuitBreaker::default());
    (async || Ok(1)).retry_with(policy).await
}

fn called() -> Option<u8> {
    let policy = Policy::new(immediate().max_attempts(3)).hook(CircuitBreaker::default());
    policy.call(|_| Some(1))
}
