use std::future::ready;
use std::hint::black_box;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{Entry, repeat, settings};
use crate::channel;
use crate::hand_written::{Retry, Schedule};
use crate::names::{DIRECT, HAND_WRITTEN};
use crate::operation::{Flaky, Outcome, Refused, drive};
use crate::settings::Settings;
use crate::work::Work;

pub const ENTRIES: &[Entry] = &[
    Entry::new(HAND_WRITTEN, Work::AsyncFirstTry, |n| {
        repeat(n, || asynchronous(Flaky::succeeds_at_first()));
    }),
    Entry::new(HAND_WRITTEN, Work::AsyncFourthTry, |n| {
        repeat(n, || asynchronous(Flaky::fails_thrice()));
    }),
    Entry::new(HAND_WRITTEN, Work::SyncFirstTry, |n| {
        repeat(n, || blocking(Flaky::succeeds_at_first(), settings()));
    }),
    Entry::new(HAND_WRITTEN, Work::SyncFourthTry, |n| {
        repeat(n, || blocking(Flaky::fails_thrice(), settings()));
    }),
    Entry::new(DIRECT, Work::Channel, |n| {
        channel::repeat(n, async |echo, number| echo.call(number).await);
    }),
    Entry::new(HAND_WRITTEN, Work::Channel, |n| {
        channel::repeat(n, async |echo, number| in_loop(async || echo.call(number).await).await);
    }),
    Entry::new(HAND_WRITTEN, Work::ChannelTimeout, |n| {
        channel::repeat(n, async |echo, number| {
            in_loop(async || timeout(SECOND, echo.call(number)).await.unwrap_or(Err(Refused(0))))
                .await
        });
    }),
    Entry::new(HAND_WRITTEN, Work::ChannelDeadline, |n| {
        channel::repeat(n, async |echo, number| {
            let call = in_loop(async || echo.call(number).await);
            timeout(9 * SECOND, call).await.unwrap_or(Err(Refused(0)))
        });
    }),
    Entry::new(HAND_WRITTEN, Work::Delay, |n| {
        repeat(n, || Schedule::seeded(settings(), black_box(0x5EED)).next_delay());
    }),
];

const SECOND: Duration = Duration::from_secs(1);

#[inline(always)]
async fn in_loop(mut call: impl AsyncFnMut() -> Outcome) -> Outcome {
    let mut schedule = Schedule::new(settings());
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match schedule.after_failure() {
            Some(delay) => sleep(delay).await,
            None => return Err(error),
        }
    }
}

#[inline(always)]
fn asynchronous(flaky: Flaky) -> Outcome {
    drive(Retry::new(
        || flaky.call_async(),
        settings(),
        |delay| {
            black_box(delay);
            ready(())
        },
    ))
}

#[inline(always)]
fn blocking(flaky: Flaky, settings: Settings) -> Outcome {
    let mut schedule = Schedule::new(settings);
    loop {
        let error = match flaky.call() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match schedule.after_failure() {
            Some(delay) => black_box::<Duration>(delay),
            None => return Err(error),
        };
    }
}
