//! A `PolicyFor` may have a timer that only blocks; a function that awaits adds `Timer: Timer`.
use persevere::{PolicyFor, RetryExt};

async fn awaited(policy: impl PolicyFor<Option<u8>>) -> Option<u8> {
    (async || Some(1)).retry_with(policy).await
}

fn called(policy: impl PolicyFor<Option<u8>>) -> Option<u8> {
    (|| Some(1)).retry_with(policy).call()
}

fn main() {}
