//! Clocks, timers and sleeps: the only part of the crate that knows what time is.
//!
//! A [`Timer`] tells a monotonic time and makes sleeps; a [`BlockingTimer`] blocks. Everything in a call
//! asks the same one, so that virtual time is virtual throughout.
//!
//! | timer | feature | awaits | blocks |
//! |---|---|---|---|
//! | [`DefaultTimer`] | `futures-timer`; `std` to block | on any runtime | yes |
//! | `TokioTimer` | `tokio` | on tokio, and follows its paused clock | yes |
//! | `AsyncIoTimer` | `async-io` | on any runtime; smol's own | yes |
//! | `VirtualClock` | `test-util` | in tests, at once | at once |
//! | a custom timer, in a [`ChunkedTimer`] if its range is short | | | |
//!
//! ```
//! use persevere::time::{BlockingTimer, Clock};
//! use persevere::{RetryExt, constant};
//! use std::cell::Cell;
//! use std::time::Duration;
//!
//! /// Counts ticks instead of sleeping.
//! #[derive(Default)]
//! struct Ticks(Cell<Duration>);
//!
//! impl Clock for Ticks {
//!     type Sleep = ();
//!     fn now(&self) -> Duration { self.0.get() }
//! }
//! impl BlockingTimer for Ticks {
//!     fn sleep_blocking(&self, duration: Duration) { self.0.set(self.0.get() + duration); }
//! }
//!
//! let ticks = Ticks::default();
//! let backoff = constant(Duration::from_secs(60)).max_elapsed(Duration::from_secs(150));
//! let _ = (|| None::<()>).retry_with(backoff).timer(&ticks).call();
//! assert_eq!(ticks.now(), Duration::from_secs(120));
//! ```
//!
//! **Do** give the runtime's own timer where there is one: it makes no thread, and tests can pause it.
//! **Don't** read a wall clock in a timer of your own; it jumps.

use core::future::Future;
use core::time::Duration;

#[cfg(feature = "std")]
pub(crate) mod ambient_deadline;
#[cfg(feature = "async-io")]
mod async_io;
#[cfg(feature = "std")]
mod cancel;
mod chunked;
mod default;
mod rounded;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod shared;
pub(crate) mod signal;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "test-util")]
mod virtual_clock;

#[cfg(feature = "std")]
pub use self::ambient_deadline::remaining;
#[cfg(feature = "async-io")]
pub use self::async_io::{AsyncIoSleep, AsyncIoTimer};
#[cfg(feature = "std")]
pub use self::cancel::{CancelFuture, CancelToken, RetrySignal};
pub use self::chunked::{ChunkedSleep, ChunkedTimer};
#[cfg(any(feature = "futures-timer", feature = "tokio"))]
pub use self::default::DefaultSleep;
pub use self::default::DefaultTimer;
pub(crate) use self::rounded::Rounded;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use self::shared::SharedClock;
#[cfg(feature = "tokio")]
pub use self::tokio::TokioTimer;
#[cfg(feature = "test-util")]
pub use self::virtual_clock::{VirtualClock, VirtualSleep};

/// Reads a monotonic time. The part that asynchronous and blocking timers share.
///
/// A call reads the clock if a time limit, a report, a hook or a backoff uses it; and a
/// [loop](crate::Attempts) once for each sleep, which may be cut short.
///
/// ```
/// use persevere::time::Clock;
/// use std::{cell::Cell, time::Duration};
///
/// /// A counter that a device increments every millisecond, and that starts over after 49 days.
/// #[derive(Default)]
/// struct Counter { last: Cell<u32>, rounds: Cell<u64> }
/// # impl Counter { fn read(&self) -> u32 { 1500 } }
///
/// impl Clock for Counter {
///     type Sleep = ();
///     fn now(&self) -> Duration {
///         let count = self.read();
///         if count < self.last.replace(count) {
///             self.rounds.set(self.rounds.get() + 1);
///         }
///         Duration::from_millis((self.rounds.get() << 32) + u64::from(count))
///     }
/// }
/// assert_eq!(Counter::default().now(), Duration::from_millis(1500));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no timer",
    label = "neither a timer nor a clock",
    note = "give `TokioTimer`, `AsyncIoTimer`, a `VirtualClock` in tests, or a timer of your own",
    note = "to limit the time of a call, add `.max_elapsed(duration)` to its backoff"
)]
pub trait Clock {
    /// The future that [`Timer::sleep`] gives; `()` for a clock that can only block.
    type Sleep;

    /// The time since an epoch of the clock's own, such as the start of the process. It must never
    /// go backwards. A call counts its own time up to 584 years, whatever the epoch.
    fn now(&self) -> Duration;

    /// The same clock for those who cannot hold this one: calls within an attempt, which look at
    /// its [deadline](crate::Policy::deadline). `None`, the default, where there is no such thing;
    /// they then know the time at which the attempt was last polled.
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    #[doc(hidden)]
    fn share(&self) -> Option<SharedClock> {
        None
    }
}

/// Sleeps without blocking. Implemented by the timers of this module, and by a few lines of your
/// own for any other runtime.
///
/// A timer is held by each call and cloned for it, so it should be small; most are empty.
///
/// ```
/// use persevere::{RetryExt, constant};
/// use persevere::time::{Clock, Timer, VirtualClock};
/// use std::time::Duration;
///
/// /// Another timer ten times as fast, to run through a bad day before lunch.
/// struct Fast<T>(T);
/// impl<T: Clock> Clock for Fast<T> {
///     type Sleep = T::Sleep;
///     fn now(&self) -> Duration { self.0.now() * 10 }
/// }
/// impl<T: Timer> Timer for Fast<T> {
///     fn sleep(&self, duration: Duration) -> T::Sleep { self.0.sleep(duration / 10) }
/// }
///
/// let (clock, backoff) = (VirtualClock::new(), constant(Duration::from_secs(60)).max_attempts(2));
/// let retry = (|| async { None::<u8> }).retry_with(backoff).timer(Fast(clock.clone()));
/// assert_eq!(clock.block_on(retry), None);
/// assert_eq!(clock.slept(), [Duration::from_secs(6)]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot sleep without blocking",
    label = "no asynchronous timer",
    note = "turn on persevere's `futures-timer` feature (it is a default feature), or give a timer with `.timer(TokioTimer)`, `.timer(AsyncIoTimer)` or your own",
    note = "in code that is not async, end the retry with `.call()`",
    note = "a function that takes any policy and awaits takes an `impl SendPolicyFor<O>`, or an `impl PolicyFor<O, Timer: Timer>`"
)]
pub trait Timer: Clock<Sleep: Future<Output = ()>> {
    /// A future that is ready once `duration` has passed, and never earlier.
    ///
    /// It is not asked for a zero duration. `duration` may be as long as [`Duration::MAX`]; a
    /// timer with a shorter range is wrapped in a [`ChunkedTimer`].
    fn sleep(&self, duration: Duration) -> Self::Sleep;

    /// A future that is ready once [`now`](Clock::now) is `time`, and never earlier: for the end of an
    /// attempt. By default it sleeps for the time from now to then, of at least a nanosecond; a runtime
    /// that sleeps until a time saves the reading of its clock.
    fn sleep_until(&self, time: Duration) -> Self::Sleep {
        self.sleep(time.saturating_sub(self.now()).max(Duration::from_nanos(1)))
    }
}

/// Sleeps by blocking the thread, for [`Retry::call`](crate::Retry::call) and the blocking loop.
///
/// ```
/// use persevere::{RetryExt, constant};
/// use persevere::time::{BlockingTimer, Clock};
/// use std::{cell::RefCell, time::Duration};
///
/// /// Writes down what it would sleep.
/// #[derive(Default)]
/// struct DryRun(RefCell<Vec<Duration>>);
/// impl Clock for DryRun {
///     type Sleep = ();
///     fn now(&self) -> Duration { self.0.borrow().iter().sum() }
/// }
/// impl BlockingTimer for DryRun {
///     fn sleep_blocking(&self, duration: Duration) { self.0.borrow_mut().push(duration); }
/// }
///
/// let (dry, minute) = (DryRun::default(), Duration::from_secs(60));
/// let _ = (|| None::<u8>).retry_with(constant(minute).max_attempts(3)).timer(&dry).call();
/// assert_eq!(dry.0.take(), [minute, minute]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot block the thread",
    label = "no blocking timer",
    note = "turn on persevere's `std` feature, or give a timer of your own with `.timer(..)`; in async code `.await` the retry instead"
)]
pub trait BlockingTimer: Clock {
    /// Blocks for `duration`, and never less. It is not asked for a zero duration.
    fn sleep_blocking(&self, duration: Duration);

    /// Like [`sleep_blocking`](BlockingTimer::sleep_blocking), but ends early once `woken` returns
    /// `true`. `woken` is called at the beginning, and again each time that the thread is unparked.
    ///
    /// By default a sleep that has begun is not ended early. A timer that passes real time parks the
    /// thread instead of sleeping, as the timers of this module do.
    fn sleep_unless(&self, duration: Duration, woken: &mut dyn FnMut() -> bool) {
        if !woken() {
            self.sleep_blocking(duration);
        }
    }
}

/// Parks the thread for `duration` of real time, or until `woken` returns `true`.
#[cfg(feature = "std")]
pub(crate) fn park_unless(duration: Duration, woken: &mut dyn FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !woken() {
        let left = duration.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}

/// A pointer to a timer is a timer.
macro_rules! forward {
    ([$($lifetime:lifetime)?] $pointer:ty) => {
        impl<$($lifetime,)? T: Clock + ?Sized> Clock for $pointer {
            type Sleep = T::Sleep;
            fn now(&self) -> Duration {
                (**self).now()
            }
            #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
            fn share(&self) -> Option<SharedClock> {
                (**self).share()
            }
        }

        impl<$($lifetime,)? T: Timer + ?Sized> Timer for $pointer {
            fn sleep(&self, duration: Duration) -> T::Sleep {
                (**self).sleep(duration)
            }
            fn sleep_until(&self, time: Duration) -> T::Sleep {
                (**self).sleep_until(time)
            }
        }

        impl<$($lifetime,)? T: BlockingTimer + ?Sized> BlockingTimer for $pointer {
            fn sleep_blocking(&self, duration: Duration) {
                (**self).sleep_blocking(duration);
            }
            fn sleep_unless(&self, duration: Duration, woken: &mut dyn FnMut() -> bool) {
                (**self).sleep_unless(duration, woken);
            }
        }
    };
}
forward!(['a] &'a T);
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
forward!([] alloc::sync::Arc<T>);

/// A duration in whole nanoseconds. From 584 years on, all are the same to a retry, so that nothing
/// below overflows.
#[inline]
pub(crate) const fn nanos(duration: Duration) -> u64 {
    if duration.as_secs() >= u64::MAX / 1_000_000_000 {
        return u64::MAX;
    }
    duration.as_secs() * 1_000_000_000 + duration.subsec_nanos() as u64
}

/// The other way round.
#[inline]
pub(crate) const fn from_nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}
