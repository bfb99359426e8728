//! An erased policy is for calls with the error that its type names.
use persevere::{DynPolicy, RetryExt};
use std::io;

fn called(policy: &DynPolicy<io::Error>) {
    let _ = policy.call(|_| "7".parse::<u8>());
    let _ = (|| "7".parse::<u8>()).retry_with(policy).call();
}

async fn awaited(policy: &DynPolicy<io::Error>) -> Option<u8> {
    (async || Some(1)).retry_with(policy).await
}

fn main() {}
