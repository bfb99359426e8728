//! Tokens and signals are shared, so calls take them by reference; a future goes to
//! `.cancel_when(..)`.
use persevere::time::{CancelToken, RetrySignal};
use persevere::{RetryExt, immediate};
use std::future::ready;

fn main() {
    let retry = || (|| Some(1)).retry_with(immediate().max_attempts(3));
    let _ = retry().cancel_by(CancelToken::new()).call();
    let _ = retry().retry_now_by(RetrySignal::new()).call();
    let _ = retry().cancel_by(&ready(())).call();
    let _ = retry().cancel_when(CancelToken::new()).call();
}
