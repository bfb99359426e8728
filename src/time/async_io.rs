//! The timer of `async-io`, which smol and async-std use.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::default::since_first_read;
use super::{BlockingTimer, Clock, Timer};

/// The timer of `async-io` (feature `async-io`): smol's and async-std's own.
///
/// It works on every runtime; outside smol, `async-io` starts one thread for the process.
///
/// ```
/// use persevere::{RetryExt, constant};
/// use persevere::time::AsyncIoTimer;
/// use std::time::Duration;
///
/// let twice = constant(Duration::from_millis(1)).max_attempts(2);
/// let outcome = async_io::block_on(
///     (|| async { Err::<(), _>("down") }).retry_with(twice).timer(AsyncIoTimer),
/// );
/// assert_eq!(outcome, Err("down"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsyncIoTimer;

/// The future of [`AsyncIoTimer`].
#[derive(Debug)]
#[must_use = "a sleep does nothing until it is awaited"]
#[doc(hidden)]
pub struct AsyncIoSleep(async_io::Timer);

#[cfg(feature = "test-util")]
fn assert_real_time() {
    crate::testing::assert_real_time("AsyncIoTimer");
}
#[cfg(not(feature = "test-util"))]
fn assert_real_time() {}

impl Clock for AsyncIoTimer {
    type Sleep = AsyncIoSleep;

    fn now(&self) -> Duration {
        since_first_read()
    }
    fn share(&self) -> Option<super::SharedClock> {
        Some(super::SharedClock::from_fn(since_first_read))
    }
}

impl Timer for AsyncIoTimer {
    fn sleep(&self, duration: Duration) -> AsyncIoSleep {
        assert_real_time();
        AsyncIoSleep(async_io::Timer::after(duration))
    }
}

impl BlockingTimer for AsyncIoTimer {
    fn sleep_blocking(&self, duration: Duration) {
        assert_real_time();
        std::thread::sleep(duration);
    }
    fn sleep_unless(&self, duration: Duration, woken: &mut dyn FnMut() -> bool) {
        assert_real_time();
        super::park_unless(duration, woken);
    }
}

impl Future for AsyncIoSleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
