//! A clock that others can hold.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use super::Clock;

/// Tells the time of a [`Clock`](super::Clock) wherever it is held; see
/// [`Clock::share`](super::Clock::share).
///
/// ```
/// use persevere::time::{Clock, VirtualClock};
/// use std::time::Duration;
/// let clock = VirtualClock::new();
/// let shared = clock.share().unwrap();
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(shared.now(), Duration::from_secs(1));
/// ```
#[derive(Clone)]
#[doc(hidden)]
pub struct SharedClock(Inner);

#[derive(Clone)]
enum Inner {
    Function(fn() -> Duration),
    Closure(Arc<dyn Fn() -> Duration + Send + Sync>),
}

impl SharedClock {
    /// The clock that `function` reads.
    #[must_use]
    pub const fn from_fn(function: fn() -> Duration) -> Self {
        SharedClock(Inner::Function(function))
    }

    /// The clock that a closure reads.
    #[must_use]
    pub fn new(closure: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        SharedClock(Inner::Closure(Arc::new(closure)))
    }

    /// The clock of a timer.
    #[cfg(target_has_atomic = "64")]
    pub(crate) fn of<T: Clock + Send + Sync + 'static>(timer: T) -> Self {
        timer.share().unwrap_or_else(|| SharedClock::new(move || timer.now()))
    }

    /// The time in nanoseconds, modulo 584 years: times that are compared are never that far apart, whatever
    /// the epoch of the clock.
    #[cfg(target_has_atomic = "64")]
    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        self.now().as_nanos() as u64
    }

    /// The function that is read, where no closure is.
    #[cfg(feature = "std")]
    pub(crate) fn function(&self) -> Option<fn() -> Duration> {
        match &self.0 {
            Inner::Function(function) => Some(*function),
            Inner::Closure(_) => None,
        }
    }

    /// The time since the epoch of the clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        match &self.0 {
            Inner::Function(function) => function(),
            Inner::Closure(closure) => closure(),
        }
    }
}

impl Clock for SharedClock {
    type Sleep = ();
    fn now(&self) -> Duration {
        SharedClock::now(self)
    }
    fn share(&self) -> Option<SharedClock> {
        Some(self.clone())
    }
}

impl fmt::Debug for SharedClock {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedClock").field(&self.now()).finish()
    }
}
