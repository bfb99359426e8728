//! A policy whose rules are about one error is no `PolicyFor` another.
use persevere::{BlockingPolicyFor, Policy, immediate};
use std::io;

fn called(_: impl BlockingPolicyFor<io::Result<u8>>) {}

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).when(|error: &String| error.is_empty());
    called(&policy);
    called(immediate());
    called(3);
}
