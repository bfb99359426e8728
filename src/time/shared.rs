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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedClock").field(&self.now()).finish()
    }
}
