//! Keys of `#[retry(..)]` that are unknown, lack their value, have a wrong one, or are given twice.
//! All errors are reported at once.
use persevere::backoff::{Constant, MaxAttempts};
use persevere::{Policy, immediate, retry};

static POLICY: Policy<MaxAttempts<Constant>> = Policy::new(immediate().max_attempts(3));

#[retry(POLICY, wehn = |_| true, on_rerty = |_| (), attempts = 3)]
fn misspelt() -> Option<u8> {
    None
}

#[retry(POLICY, when = |_| true, report, when = |_| false, report, hook = (), hook = ())]
fn given_twice() -> Option<u8> {
    None
}

#[retry(POLICY, when, on_retry =, timer)]
fn without_value() -> Option<u8> {
    None
}

#[retry(POLICY, named = 7, report = true)]
fn of_another_type() -> Option<u8> {
    None
}

#[retry(POLICY, named = "")]
fn without_a_name() -> Option<u8> {
    None
}

#[retry(when = |_| true, POLICY)]
fn policy_last() -> Option<u8> {
    None
}

#[retry(policy = POLICY)]
fn policy_as_a_key() -> Option<u8> {
    None
}

#[retry(POLICY, crate = "steadfast")]
fn path_in_quotes() -> Option<u8> {
    None
}

#[retry(attempts = 3)]
fn limit_as_a_key() -> Option<u8> {
    None
}

fn main() {}
