use again::RetryPolicy;

use super::{Entry, repeat, settings};
use crate::operation::{Flaky, drive};
use crate::work::Work;

/// Its sleep cannot be exchanged, so that only a success at the first try is comparable.
pub const ENTRIES: &[Entry] = &[Entry::new("again", Work::AsyncFirstTry, |n| {
    repeat(n, || {
        let settings = settings();
        let policy = RetryPolicy::exponential(settings.base)
            .with_max_delay(settings.cap)
            .with_max_retries(settings.attempts as usize - 1)
            .with_jitter(true);
        let flaky = Flaky::succeeds_at_first();
        drive(policy.retry(|| flaky.call_async()))
    });
})];
