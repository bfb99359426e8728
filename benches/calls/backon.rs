use std::future::ready;
use std::hint::black_box;
use std::time::Duration;

use backon::{BackoffBuilder, BlockingRetryable, ExponentialBuilder, Retryable};

use tokio::time::timeout;

use super::{Entry, repeat, settings};
use crate::channel;
use crate::operation::{Flaky, Outcome, Refused, drive};
use crate::work::Work;

const NAME: &str = "backon";
const SECOND: Duration = Duration::from_secs(1);

pub const ENTRIES: &[Entry] = &[
    Entry::new(NAME, Work::AsyncFirstTry, |n| {
        repeat(n, || asynchronous(Flaky::succeeds_at_first()));
    }),
    Entry::new(NAME, Work::AsyncFourthTry, |n| {
        repeat(n, || asynchronous(Flaky::fails_thrice()));
    }),
    Entry::new(NAME, Work::SyncFirstTry, |n| {
        repeat(n, || blocking(Flaky::succeeds_at_first()));
    }),
    Entry::new(NAME, Work::SyncFourthTry, |n| {
        repeat(n, || blocking(Flaky::fails_thrice()));
    }),
    Entry::new(NAME, Work::Channel, |n| {
        channel::repeat(n, async |echo, number| (|| echo.call(number)).retry(exponential()).await);
    }),
    Entry::new(NAME, Work::ChannelTimeout, |n| {
        channel::repeat(n, async |echo, number| {
            let limited =
                || async { timeout(SECOND, echo.call(number)).await.unwrap_or(Err(Refused(0))) };
            limited.retry(exponential()).await
        });
    }),
    Entry::new(NAME, Work::ChannelDeadline, |n| {
        channel::repeat(n, async |echo, number| {
            let retry = (|| echo.call(number)).retry(exponential());
            timeout(9 * SECOND, retry.into_future()).await.unwrap_or(Err(Refused(0)))
        });
    }),
    Entry::new(NAME, Work::Delay, |n| {
        repeat(n, || exponential().build().next());
    }),
];

/// backon's jitter adds up to as much again, which is the nearest that it has to full jitter.
#[inline(always)]
fn exponential() -> ExponentialBuilder {
    let settings = settings();
    ExponentialBuilder::new()
        .with_min_delay(settings.base)
        .with_max_delay(settings.cap)
        .with_max_times(settings.attempts as usize - 1)
        .with_jitter()
}

#[inline(always)]
fn asynchronous(flaky: Flaky) -> Outcome {
    let sleep = |delay| {
        black_box(delay);
        ready(())
    };
    drive((|| flaky.call_async()).retry(exponential()).sleep(sleep))
}

#[inline(always)]
fn blocking(flaky: Flaky) -> Outcome {
    let sleep = |delay| {
        black_box(delay);
    };
    (|| flaky.call()).retry(exponential()).sleep(sleep).call()
}
