use std::time::Duration;

use tokio_retry::Retry;
use tokio_retry::strategy::{ExponentialBackoff, jitter};

use super::{Entry, repeat, settings};
use crate::channel;
use crate::operation::{Flaky, drive};
use crate::work::Work;

const NAME: &str = "tokio-retry";

/// Its sleep cannot be exchanged, so that only a success at the first try is comparable.
pub const ENTRIES: &[Entry] = &[
    Entry::new(NAME, Work::AsyncFirstTry, |n| {
        repeat(n, || {
            let flaky = Flaky::succeeds_at_first();
            drive(Retry::start(delays(), || flaky.call_async()))
        });
    }),
    Entry::new(NAME, Work::Channel, |n| {
        channel::repeat(n, async |echo, number| Retry::start(delays(), || echo.call(number)).await);
    }),
    Entry::new(NAME, Work::Delay, |n| {
        repeat(n, || delays().next());
    }),
];

/// The nth delay is `2^n` times the factor: half of the base doubles from the base.
#[inline(always)]
fn delays() -> impl Iterator<Item = Duration> {
    let settings = settings();
    ExponentialBackoff::from_millis(2)
        .factor(settings.base.as_millis() as u64 / 2)
        .max_delay(settings.cap)
        .map(jitter)
        .take(settings.attempts as usize - 1)
}
