//! The timer of a retry that is given no other.

use core::time::Duration;

use super::Clock;

/// The timer of a retry that is given no other.
///
/// | features | awaited, inside of a tokio runtime | awaited elsewhere | blocking |
/// |---|---|---|---|
/// | `futures-timer` (default) | `futures-timer` | `futures-timer` | [`std::thread::sleep`] |
/// | `tokio`, `futures-timer` | tokio | `futures-timer` | [`std::thread::sleep`] |
/// | `tokio` | tokio | panics | [`std::thread::sleep`] |
/// | `std` alone | does not compile | does not compile | [`std::thread::sleep`] |
/// | none of these | does not compile | does not compile | does not compile; the time is always zero |
///
/// With the feature `tokio` the clock is tokio's too, so that tests with a paused clock pass hours of
/// backoff at once. The runtime needs its time driver (`enable_time` or `enable_all`): without it, tokio
/// panics at the first sleep. In a [test scope](crate::testing::TestScope) with a virtual clock, and in
/// [`VirtualClock::block_on`](super::VirtualClock::block_on), the timer is that clock (feature
/// `test-util`).
///
/// `futures-timer` keeps one helper thread for the process, started at the first sleep. An awaited
/// sleep of more than a century is cut to a century.
///
/// ```
/// use persevere::{DefaultTimer, time::Clock};
/// let earlier = DefaultTimer.now();
/// assert!(DefaultTimer.now() >= earlier);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultTimer;

#[cfg(feature = "std")]
mod real {
    use super::{Clock, DefaultTimer, Duration};
    #[cfg(target_has_atomic = "ptr")]
    use crate::time::SharedClock;
    use crate::time::{BlockingTimer, park_unless};
    #[cfg(any(not(feature = "tokio"), feature = "async-io"))]
    use std::sync::OnceLock;

    #[cfg(all(
        any(not(feature = "tokio"), feature = "async-io"),
        not(all(target_family = "wasm", feature = "wasm"))
    ))]
    use std::time::Instant;
    #[cfg(all(target_family = "wasm", feature = "wasm"))]
    use web_time::Instant;

    /// The monotonic time since the first reading of this clock.
    #[cfg(any(not(feature = "tokio"), feature = "async-io"))]
    pub(in crate::time) fn since_first_read() -> Duration {
        static EPOCH: OnceLock<Instant> = OnceLock::new();
        EPOCH.get_or_init(Instant::now).elapsed()
    }

    // Out of line, because each call site reads the clock at two places.
    #[inline(never)]
    fn now() -> Duration {
        #[cfg(feature = "test-util")]
        if let Some(clock) = crate::testing::clock() {
            return clock.now();
        }
        #[cfg(feature = "tokio")]
        return crate::time::tokio::since_epoch();
        #[cfg(not(feature = "tokio"))]
        since_first_read()
    }

    impl Clock for DefaultTimer {
        #[cfg(any(feature = "futures-timer", feature = "tokio"))]
        type Sleep = super::awaited::DefaultSleep;
        #[cfg(not(any(feature = "futures-timer", feature = "tokio")))]
        type Sleep = ();

        #[inline]
        fn now(&self) -> Duration {
            now()
        }
        #[cfg(target_has_atomic = "ptr")]
        fn share(&self) -> Option<SharedClock> {
            Some(SharedClock::from_fn(now))
        }
    }

    impl BlockingTimer for DefaultTimer {
        fn sleep_blocking(&self, duration: Duration) {
            #[cfg(feature = "test-util")]
            if let Some(clock) = crate::testing::clock() {
                return clock.sleep_blocking(duration);
            }
            std::thread::sleep(duration);
        }
        fn sleep_unless(&self, duration: Duration, woken: &mut dyn FnMut() -> bool) {
            #[cfg(feature = "test-util")]
            if let Some(clock) = crate::testing::clock() {
                return clock.sleep_unless(duration, woken);
            }
            park_unless(duration, woken);
        }
    }
}
#[cfg(feature = "async-io")]
pub(super) use real::since_first_read;

#[cfg(any(feature = "futures-timer", feature = "tokio"))]
pub use self::awaited::DefaultSleep;

#[cfg(any(feature = "futures-timer", feature = "tokio"))]
mod awaited {
    use core::future::Future;
    use core::pin::Pin;
    use core::task::{Context, Poll};
    use core::time::Duration;
    #[cfg(feature = "tokio")]
    use std::boxed::Box;

    use super::DefaultTimer;
    #[cfg(feature = "tokio")]
    use crate::time::Clock as _;
    use crate::time::Timer;

    /// The sleep of a [`DefaultTimer`].
    #[derive(Debug)]
    #[must_use = "a sleep does nothing until it is awaited"]
    #[doc(hidden)]
    pub struct DefaultSleep(Sleep);

    #[derive(Debug)]
    enum Sleep {
        /// Boxed, because tokio's sleep has 112 bytes, which every future would carry.
        #[cfg(feature = "tokio")]
        Tokio(Pin<Box<::tokio::time::Sleep>>),
        #[cfg(feature = "futures-timer")]
        FuturesTimer(futures::Delay),
        #[cfg(feature = "test-util")]
        Virtual(crate::time::VirtualSleep),
    }

    impl Timer for DefaultTimer {
        fn sleep(&self, duration: Duration) -> DefaultSleep {
            #[cfg(feature = "test-util")]
            if let Some(clock) = crate::testing::clock() {
                return DefaultSleep(Sleep::Virtual(clock.sleep(duration)));
            }
            #[cfg(feature = "tokio")]
            if ::tokio::runtime::Handle::try_current().is_ok() {
                return DefaultSleep(Sleep::Tokio(Box::pin(::tokio::time::sleep(duration))));
            }
            #[cfg(feature = "futures-timer")]
            return DefaultSleep(Sleep::FuturesTimer(futures::delay(duration)));
            #[cfg(not(feature = "futures-timer"))]
            panic!(
                "the default timer of persevere sleeps by tokio here, and there is no tokio runtime: \
                 run the retry in a tokio runtime, turn on the feature `futures-timer`, or give \
                 another timer with `.timer(..)`"
            )
        }

        #[cfg(feature = "tokio")]
        fn sleep_until(&self, time: Duration) -> DefaultSleep {
            #[cfg(feature = "test-util")]
            if let Some(clock) = crate::testing::clock() {
                return DefaultSleep(Sleep::Virtual(clock.sleep_until(time)));
            }
            if ::tokio::runtime::Handle::try_current().is_ok() {
                return DefaultSleep(Sleep::Tokio(Box::pin(crate::time::tokio::sleep_until(time))));
            }
            self.sleep(time.saturating_sub(self.now()).max(Duration::from_nanos(1)))
        }
    }

    impl Future for DefaultSleep {
        type Output = ();

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            match &mut self.get_mut().0 {
                #[cfg(feature = "tokio")]
                Sleep::Tokio(sleep) => sleep.as_mut().poll(cx),
                #[cfg(feature = "futures-timer")]
                Sleep::FuturesTimer(sleep) => Pin::new(sleep).poll(cx),
                #[cfg(feature = "test-util")]
                Sleep::Virtual(sleep) => Pin::new(sleep).poll(cx),
            }
        }
    }

    #[cfg(feature = "futures-timer")]
    mod futures {
        use core::time::Duration;

        /// `Instant + Duration::MAX` panics inside of `futures-timer`.
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

        #[cfg(not(all(target_family = "wasm", feature = "wasm")))]
        pub(super) use futures_timer::Delay;

        #[cfg(not(all(target_family = "wasm", feature = "wasm")))]
        pub(super) fn delay(duration: Duration) -> Delay {
            Delay::new(duration.min(CENTURY))
        }

        #[cfg(all(target_family = "wasm", feature = "wasm"))]
        pub(super) use browser::{Delay, delay};

        /// A browser's `setTimeout` takes whole milliseconds, and fires at once above `i32::MAX`.
        #[cfg(all(target_family = "wasm", feature = "wasm"))]
        mod browser {
            use core::time::Duration;

            use super::CENTURY;
            use crate::DefaultTimer;
            use crate::time::{ChunkedSleep, ChunkedTimer, Clock, Timer};

            pub(in super::super) type Delay = ChunkedSleep<Browser>;

            #[derive(Clone, Copy, Debug)]
            pub(crate) struct Browser;

            impl Clock for Browser {
                type Sleep = futures_timer::Delay;
                fn now(&self) -> Duration {
                    DefaultTimer.now()
                }
            }

            impl Timer for Browser {
                fn sleep(&self, duration: Duration) -> futures_timer::Delay {
                    futures_timer::Delay::new(duration)
                }
            }

            pub(in super::super) fn delay(duration: Duration) -> Delay {
                let millisecond = Duration::from_millis(1);
                ChunkedTimer::new(Browser, millisecond, i32::MAX as u32 * millisecond)
                    .sleep(duration.min(CENTURY))
            }
        }
    }
}

#[cfg(not(feature = "std"))]
impl Clock for DefaultTimer {
    type Sleep = ();
    /// Always zero: without `std` there is no clock. Give the retry a timer of your own.
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}
