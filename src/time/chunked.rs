//! Timers with a short range or a coarse grain.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::{BlockingTimer, Clock, Timer};

/// Makes a timer with a limited range serve any duration: longer sleeps are made in pieces,
/// and each piece is rounded up to what the timer can measure, never down.
///
/// Browser timers stop at `i32::MAX` milliseconds and fire at once beyond it; embedded ones count
/// whole ticks and truncate less than one to nothing.
///
/// ```
/// use persevere::time::{DefaultTimer, ChunkedTimer};
/// use std::time::Duration;
///
/// let millisecond = Duration::from_millis(1);
/// let timer = ChunkedTimer::new(DefaultTimer, millisecond, Duration::from_secs(60));
/// assert_eq!(timer.piece(Duration::from_micros(1)), millisecond);
/// assert_eq!(timer.piece(Duration::from_secs(3600)), Duration::from_secs(60));
/// ```
///
/// A sleep of 150 minutes on a timer that can do one hour:
///
/// ```
/// use persevere::time::{BlockingTimer, ChunkedTimer, VirtualClock};
/// use std::time::Duration;
///
/// let (clock, minute) = (VirtualClock::new(), Duration::from_secs(60));
/// ChunkedTimer::new(clock.clone(), minute, 60 * minute).sleep_blocking(150 * minute);
/// assert_eq!(clock.slept(), [60, 60, 30].map(|n| n * minute));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ChunkedTimer<T> {
    timer: T,
    grain: Duration,
    longest: Duration,
}

impl<T> ChunkedTimer<T> {
    /// Wraps `timer`, which measures multiples of `grain` up to `longest`. If `longest` is no
    /// multiple of `grain`, the next lower one is the longest piece.
    ///
    /// # Panics
    /// If `grain` is zero or `longest` is shorter than it.
    #[must_use]
    pub const fn new(timer: T, grain: Duration, longest: Duration) -> Self {
        assert!(!grain.is_zero(), "the grain of a timer is its shortest sleep: more than zero");
        assert!(
            longest.as_nanos() >= grain.as_nanos(),
            "a timer's longest sleep is below its grain"
        );
        let grains = longest.as_nanos() / grain.as_nanos();
        let whole = grains * grain.as_nanos();
        let seconds = (whole / 1_000_000_000) as u64;
        let longest = Duration::new(seconds, (whole % 1_000_000_000) as u32);
        ChunkedTimer { timer, grain, longest }
    }

    /// The sleep that is asked of the timer for the next part of `remaining`: a multiple of the
    /// grain, and zero only for zero.
    #[must_use]
    pub fn piece(&self, remaining: Duration) -> Duration {
        if remaining >= self.longest {
            return self.longest;
        }
        let grain = self.grain.as_nanos();
        let rounded = remaining.as_nanos().div_ceil(grain).saturating_mul(grain);
        u64::try_from(rounded).map_or(self.longest, Duration::from_nanos).min(self.longest)
    }
}

impl<T: Clock> Clock for ChunkedTimer<T> {
    type Sleep = ChunkedSleep<T>;
    fn now(&self) -> Duration {
        self.timer.now()
    }
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    fn share(&self) -> Option<super::SharedClock> {
        self.timer.share()
    }
}

impl<T: Timer + Clone> Timer for ChunkedTimer<T> {
    fn sleep(&self, duration: Duration) -> ChunkedSleep<T> {
        let piece = self.piece(duration);
        let sleep = self.timer.sleep(piece);
        ChunkedSleep { timer: self.clone(), remaining: duration.saturating_sub(piece), sleep }
    }
}

impl<T: BlockingTimer> BlockingTimer for ChunkedTimer<T> {
    fn sleep_blocking(&self, mut duration: Duration) {
        while !duration.is_zero() {
            let piece = self.piece(duration);
            self.timer.sleep_blocking(piece);
            duration = duration.saturating_sub(piece);
        }
    }
    fn sleep_unless(&self, mut duration: Duration, woken: &mut dyn FnMut() -> bool) {
        let mut over = false;
        while !duration.is_zero() && !over {
            let piece = self.piece(duration);
            self.timer.sleep_unless(piece, &mut || {
                over = over || woken();
                over
            });
            duration = duration.saturating_sub(piece);
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`ChunkedTimer::sleep`](Timer::sleep).
    #[doc(hidden)]
    #[must_use = "a sleep does nothing until it is awaited"]
    pub struct ChunkedSleep<T: Clock> {
        timer: ChunkedTimer<T>,
        remaining: Duration,
        #[pin]
        sleep: T::Sleep,
    }
}

impl<T: Timer + Clone> Future for ChunkedSleep<T> {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            ready!(this.sleep.as_mut().poll(cx));
            if this.remaining.is_zero() {
                return Poll::Ready(());
            }
            let piece = this.timer.piece(*this.remaining);
            *this.remaining = this.remaining.saturating_sub(piece);
            this.sleep.set(this.timer.timer.sleep(piece));
        }
    }
}

impl<T: Clock> fmt::Debug for ChunkedSleep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkedSleep").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}
