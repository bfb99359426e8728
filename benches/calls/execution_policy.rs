use std::hint::black_box;

use execution_policy::core::{Core, TokioCore};
use execution_policy::{ExecutionPolicy, ExecutionPolicyBuilder, Jitter, Retry};

use super::stopped::Stopped;
use super::{Entry, repeat, settings};
use crate::operation::{Flaky, Refused, drive};
use crate::work::Work;

const NAME: &str = "execution-policy";
const REAL_CLOCK: &str = "execution-policy with a real clock";

pub const ENTRIES: &[Entry] = &[
    Entry::new(NAME, Work::AsyncFirstTry, |n| {
        let policy = policy(Stopped::new());
        repeat(n, || asynchronous(Flaky::succeeds_at_first(), &policy));
    }),
    Entry::new(REAL_CLOCK, Work::AsyncFirstTry, |n| {
        let policy = policy(TokioCore::new());
        repeat(n, || asynchronous(Flaky::succeeds_at_first(), &policy));
    }),
    Entry::new(NAME, Work::AsyncFourthTry, |n| {
        let policy = policy(Stopped::new());
        repeat(n, || asynchronous(Flaky::fails_thrice(), &policy));
    }),
];

/// Building one allocates; it is meant to be built once.
fn policy<C: Core>(core: C) -> ExecutionPolicy<C, u32, Refused> {
    let settings = settings();
    ExecutionPolicyBuilder::new()
        .retry(
            Retry::exponential()
                .base_delay(settings.base)
                .max_delay(settings.cap)
                .jitter(Jitter::Full)
                .max_attempts(settings.attempts),
        )
        .build_with(core)
}

#[inline(always)]
fn asynchronous<C: Core>(flaky: Flaky, policy: &ExecutionPolicy<C, u32, Refused>) -> impl Sized {
    drive(black_box(policy).run(|| flaky.call_async()))
}
