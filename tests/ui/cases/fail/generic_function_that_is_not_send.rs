//! The future of a function that takes any `PolicyFor` is not `Send`: `SendPolicyFor` is the bound.
use persevere::time::Timer;
use persevere::{PolicyFor, RetryExt};

async fn fetch<P: PolicyFor<Option<u8>, Timer: Timer>>(policy: P) -> Option<u8> {
    (async || Some(1)).retry_with(policy).await
}

fn spawn<T: Send>(_: T) {}

fn start<P: PolicyFor<Option<u8>, Timer: Timer>>(policy: P) {
    spawn(fetch(policy));
}

fn main() {}
