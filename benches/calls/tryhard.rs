use super::{Entry, repeat, settings};
use crate::operation::{Flaky, drive};
use crate::work::Work;

/// It has no jitter of its own, and its sleep cannot be exchanged, so that only a success at the
/// first try is comparable.
pub const ENTRIES: &[Entry] = &[Entry::new("tryhard", Work::AsyncFirstTry, |n| {
    repeat(n, || {
        let settings = settings();
        let flaky = Flaky::succeeds_at_first();
        drive(
            tryhard::retry_fn(|| flaky.call_async())
                .retries(settings.attempts - 1)
                .exponential_backoff(settings.base)
                .max_delay(settings.cap),
        )
    });
})];
