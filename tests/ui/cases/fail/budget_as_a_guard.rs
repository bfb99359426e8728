//! A retry budget refuses retries and no attempts, so it is a hook: `.hook(budget)`.
use persevere::{Budget, Policy, RetryExt, immediate};

fn main() {
    let budget = Budget::default();
    let read = || std::fs::read("page.txt");
    let _ = read.retry_with(immediate().max_attempts(3)).guard(budget.by_ref()).call();
}

fn of_a_policy() {
    let read = || std::fs::read("page.txt");
    let policy = Policy::new(immediate().max_attempts(3)).guard(Budget::default());
    let _ = read.retry_with(&policy).call();
}

fn called() -> Option<u8> {
    let policy = Policy::new(immediate().max_attempts(3)).guard(Budget::default());
    policy.call(|_| Some(1))
}
