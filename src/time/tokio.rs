//! tokio's timer.

use core::time::Duration;
use std::sync::OnceLock;

use tokio::time::Instant;

use super::{BlockingTimer, Clock, Timer};

/// The timer of the tokio runtime (feature `tokio`).
///
/// It reads tokio's clock, so a test with `start_paused = true` passes hours of backoff at once.
/// Sleeping needs a running tokio runtime with its time driver enabled, and panics without one,
/// as every tokio timer does; reading the clock and blocking need none. Blocking passes real time
/// in any case.
///
/// ```
/// use persevere::{RetryExt, constant};
/// use persevere::time::TokioTimer;
/// use std::time::Duration;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// let brief = constant(Duration::from_millis(1)).max_attempts(3);
/// let outcome = runtime.block_on(async {
///     (|| async { Err::<(), _>("down") }).retry_with(brief).timer(TokioTimer).await
/// });
/// assert_eq!(outcome, Err("down"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokioTimer;

/// The paused clocks of two runtimes differ, and one that was advanced may be days ahead; but all
/// begin at the real time. So the epoch is the real time, less what a clock may lag behind it.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(|| {
        let now = Instant::from_std(std::time::Instant::now());
        [86_400, 3_600, 60]
            .into_iter()
            .find_map(|seconds| now.checked_sub(Duration::from_secs(seconds)))
            .unwrap_or(now)
    })
}

/// Out of line, because each call site reads the clock at two places.
#[inline(never)]
pub(super) fn since_epoch() -> Duration {
    epoch().elapsed()
}

#[cfg(feature = "test-util")]
fn assert_real_time() {
    crate::testing::assert_real_time("TokioTimer");
}
#[cfg(not(feature = "test-util"))]
fn assert_real_time() {}

/// The sleep until a time since the epoch, without a reading of the clock.
pub(super) fn sleep_until(time: Duration) -> tokio::time::Sleep {
    match epoch().checked_add(time) {
        Some(time) => tokio::time::sleep_until(time),
        // As long as tokio can sleep.
        None => tokio::time::sleep(Duration::MAX),
    }
}

impl Clock for TokioTimer {
    type Sleep = tokio::time::Sleep;

    fn now(&self) -> Duration {
        since_epoch()
    }
    fn share(&self) -> Option<super::SharedClock> {
        Some(super::SharedClock::from_fn(since_epoch))
    }
}

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> tokio::time::Sleep {
        assert_real_time();
        tokio::time::sleep(duration)
    }
    fn sleep_until(&self, time: Duration) -> tokio::time::Sleep {
        assert_real_time();
        sleep_until(time)
    }
}

impl BlockingTimer for TokioTimer {
    fn sleep_blocking(&self, duration: Duration) {
        assert_real_time();
        std::thread::sleep(duration);
    }
    fn sleep_unless(&self, duration: Duration, woken: &mut dyn FnMut() -> bool) {
        assert_real_time();
        super::park_unless(duration, woken);
    }
}
