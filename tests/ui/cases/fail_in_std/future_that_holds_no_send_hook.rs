//! A call in a spawned task owns its hooks, so they are `Send`.
use persevere::{RetryExt, immediate};
use std::rc::Rc;

fn spawn<T: Send>(_: T) {}

fn main() {
    let log = Rc::new(());
    let fetch = async || Ok::<u32, String>(1);
    spawn(fetch.retry_with(immediate().max_attempts(3)).on_retry(move |_| drop(log.clone())));
}
