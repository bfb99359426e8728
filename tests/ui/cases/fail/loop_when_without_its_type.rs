//! A loop meets its outcomes in its body, so a predicate before it needs the type of the error;
//! `Loop::<Outcome>::new().retry_with(policy)` has it.
use persevere::{Policy, immediate};

fn main() {
    let policy = Policy::new(immediate().max_attempts(3)).when(|error| error.is_empty());
    let mut attempts = policy.start();
    let _ = attempts.check_blocking(Err::<(), _>(String::new()));
}
