//! A generic function that spawns takes a `SendPolicyFor`: one whose hooks, guards and timer are
//! `Send`.
use persevere::{Policy, RetryExt, SendPolicyFor, immediate};
use std::rc::Rc;

async fn fetch(policy: impl SendPolicyFor<Option<u8>>) -> Option<u8> {
    (async || Some(1)).retry_with(policy).await
}

fn main() {
    let log = Rc::new(());
    let policy = Policy::new(immediate().max_attempts(3)).on_retry(move |_| drop(log.clone()));
    drop(fetch(policy));
}
