//! A policy with a guard is a `PolicyFor` outcomes that can be built from an interruption.
use persevere::{
    BlockingPolicyFor, CircuitBreaker, Policy, PolicyFor, RetryExt, SendPolicyFor, immediate,
};
use std::num::ParseIntError;

fn any(_: impl PolicyFor<Result<u8, ParseIntError>>) {}

async fn awaited(policy: impl SendPolicyFor<Result<u8, ParseIntError>>) {
    let _ = (async || "7".parse()).retry_with(policy).await;
}

fn called(policy: impl BlockingPolicyFor<Result<u8, ParseIntError>>) {
    let _ = (|| "7".parse()).retry_with(policy).call();
}

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(CircuitBreaker::default());
    any(&policy);
    drop(awaited(&policy));
    called(&policy);
}
