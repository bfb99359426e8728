//! A policy serves any error, so the argument of its predicate has a type: a limit of the language.
use persevere::{Policy, immediate};

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).when(|error| error.is_empty());
    let _ = policy.call(|_| Err::<(), _>(String::new()));
}
