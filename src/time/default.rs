//! The timer that a retry has when it is given none.

use core::time::Duration;

use super::Clock;

/// The timer of every retry that is given no other: `futures-timer` when awaited (feature
/// `futures-timer`, on by default), [`std::thread::sleep`] when blocking.
///
/// It works on every runtime and in none. `futures-timer` keeps one helper thread for the whole
/// process, started at the first sleep. An awaited sleep longer than a century is cut to one. The
/// features `tokio` and `async-io` add timers and leave this one as it is: a test that pauses tokio's
/// clock asks for `TokioTimer`.
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
    use crate::time::{BlockingTimer, CancelToken};
    use std::sync::OnceLock;

    #[cfg(not(all(target_family = "wasm", feature = "wasm")))]
    use std::time::Instant;
    #[cfg(all(target_family = "wasm", feature = "wasm"))]
    use web_time::Instant;

    /// The monotonic time since the first time anybody asked.
    pub(in crate::time) fn since_first_read() -> Duration {
        static EPOCH: OnceLock<Instant> = OnceLock::new();
        EPOCH.get_or_init(Instant::now).elapsed()
    }

    impl Clock for DefaultTimer {
        #[cfg(feature = "futures-timer")]
        type Sleep = super::awaiting::Sleep;
        #[cfg(not(feature = "futures-timer"))]
        type Sleep = ();

        fn now(&self) -> Duration {
            since_first_read()
        }
        #[cfg(target_has_atomic = "ptr")]
        fn share(&self) -> Option<SharedClock> {
            Some(SharedClock::from_fn(since_first_read))
        }
    }

    impl BlockingTimer for DefaultTimer {
        fn sleep_blocking(&self, duration: Duration) {
            std::thread::sleep(duration);
        }
        fn sleep_unless(&self, duration: Duration, token: &CancelToken) {
            token.sleep(duration);
        }
    }
}
#[cfg(feature = "async-io")]
pub(super) use real::since_first_read;

#[cfg(feature = "futures-timer")]
mod awaiting {
    use super::{DefaultTimer, Duration};
    #[cfg(not(all(target_family = "wasm", feature = "wasm")))]
    use crate::time::Timer;

    /// `Instant + Duration::MAX` panics inside `futures-timer`.
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

    #[cfg(not(all(target_family = "wasm", feature = "wasm")))]
    pub(super) type Sleep = futures_timer::Delay;

    #[cfg(not(all(target_family = "wasm", feature = "wasm")))]
    impl Timer for DefaultTimer {
        fn sleep(&self, duration: Duration) -> Sleep {
            futures_timer::Delay::new(duration.min(CENTURY))
        }
    }

    #[cfg(all(target_family = "wasm", feature = "wasm"))]
    pub(super) use browser::Sleep;

    /// A browser's `setTimeout` takes whole milliseconds, and fires at once above `i32::MAX`.
    #[cfg(all(target_family = "wasm", feature = "wasm"))]
    mod browser {
        use super::{CENTURY, DefaultTimer, Duration};
        use crate::time::{Clock, Pieces, SleepPieces, Timer};

        pub(in crate::time::default) type Sleep = SleepPieces<Browser>;

        #[derive(Clone, Copy, Debug)]
        pub struct Browser;

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

        impl Timer for DefaultTimer {
            fn sleep(&self, duration: Duration) -> Sleep {
                Pieces::new(
                    Browser,
                    Duration::from_millis(1),
                    Duration::from_millis(i32::MAX as u64),
                )
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
