//! The parts of a breaker.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::shared::{Parts, Shared};
use super::{Change, CircuitBreaker, Settings};
use crate::time::{Clock, SharedClock};
use crate::{Backoff, DefaultTimer, InvalidSetting, constant};

/// The parts of a [`CircuitBreaker`] before it exists; made by [`CircuitBreaker::builder`].
#[must_use = "a builder does nothing until `.build()`"]
pub struct CircuitBreakerBuilder {
    parts: Parts,
}

impl CircuitBreaker {
    /// Begins a breaker with more parts than its [`Settings`].
    ///
    /// ```
    /// use persevere::{Backoff, CircuitBreaker, breaker::Settings, exponential};
    /// use std::time::Duration;
    ///
    /// let breaker = CircuitBreaker::builder(Settings::consecutive(5))
    ///     .open_for(exponential(Duration::from_secs(5)).max_delay(Duration::from_secs(60)))
    ///     .on_change(|change| println!("store: {change}"))
    ///     .build();
    /// breaker.force_open();
    /// assert!(breaker.retry_after().is_some());
    /// ```
    pub fn builder(settings: Settings) -> CircuitBreakerBuilder {
        CircuitBreakerBuilder {
            parts: Parts {
                settings,
                open_for: Arc::new(constant(Duration::from_secs(30))),
                seed: None,
                clock: SharedClock::of(DefaultTimer),
                listeners: Vec::new(),
            },
        }
    }
}

impl CircuitBreakerBuilder {
    /// Sets how long the circuit stays open: by the first delay of `backoff` the first time, and so on
    /// for each time that it opens before it has closed again. Where the backoff ends, its last delay
    /// is repeated. 30 seconds by default.
    ///
    /// Jitter keeps many clients from probing at once.
    ///
    /// ```
    /// use persevere::{Backoff, CircuitBreaker, breaker::Settings, exponential, time::VirtualClock};
    /// use std::time::Duration;
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let breaker = CircuitBreaker::builder(Settings::DEFAULT)
    ///     .open_for(exponential(second).max_delay(3 * second))
    ///     .clock(clock.clone())
    ///     .build();
    /// breaker.force_open();
    /// for seconds in [1, 2, 3, 3] {
    ///     assert_eq!(breaker.retry_after(), Some(seconds * second));
    ///     clock.advance(seconds * second);
    ///     breaker.try_acquire().unwrap().failure();
    /// }
    /// ```
    pub fn open_for<B: Backoff + Send + Sync + 'static>(mut self, backoff: B) -> Self {
        self.parts.open_for = Arc::new(backoff);
        self
    }

    /// Draws the open durations from the random stream of `seed`, so that they repeat: for tests and
    /// simulations. Breakers with equal seeds open and close in step. By default, each opening draws
    /// anew.
    ///
    /// ```
    /// use persevere::{Backoff, CircuitBreaker, breaker::Settings, constant, time::VirtualClock};
    /// use std::time::Duration;
    ///
    /// let open_for = |seed| {
    ///     let breaker = CircuitBreaker::builder(Settings::DEFAULT)
    ///         .open_for(constant(Duration::from_secs(60)).full_jitter())
    ///         .clock(VirtualClock::new())
    ///         .seed(seed)
    ///         .build();
    ///     breaker.force_open();
    ///     breaker.retry_after()
    /// };
    /// assert_eq!(open_for(1), open_for(1));
    /// assert_ne!(open_for(1), open_for(2));
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.parts.seed = Some(seed);
        self
    }

    /// Reads the time from `clock`: a device's own without `std`. In tests,
    /// [`VirtualClock::block_on`](crate::time::VirtualClock::block_on) and a
    /// [`TestScope`](crate::testing::TestScope) change the clock of breakers without this.
    pub fn clock<T: Clock + Send + Sync + 'static>(mut self, clock: T) -> Self {
        self.parts.clock = SharedClock::of(clock);
        self
    }

    /// Calls `listener` after every change of the state, once for each. Listeners add up.
    ///
    /// It is called on the thread that made the change, and blocks no other. It may use the breaker: a
    /// change that it makes itself reaches all listeners first. If it panics, the panic continues
    /// in the call that made the change; later listeners are called, and the state has changed all the
    /// same.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, breaker::Settings};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let log = Arc::new(Mutex::new(vec![]));
    /// let lines = log.clone();
    /// let breaker = CircuitBreaker::builder(Settings::DEFAULT)
    ///     .on_change(move |change| lines.lock().unwrap().push(change.to_string()))
    ///     .build();
    /// breaker.force_open();
    /// breaker.reset();
    /// assert_eq!(*log.lock().unwrap(), ["closed to open for 30 s", "open to closed"]);
    /// ```
    pub fn on_change<F: Fn(&Change) + Send + Sync + 'static>(mut self, listener: F) -> Self {
        self.parts.listeners.push(Arc::new(listener));
        self
    }

    /// Creates the breaker, with a closed circuit.
    ///
    /// # Panics
    /// If a setting is out of its range; see [`try_build`](CircuitBreakerBuilder::try_build).
    #[must_use]
    #[track_caller]
    #[inline]
    pub fn build(self) -> CircuitBreaker {
        match self.try_build() {
            Ok(breaker) => breaker,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// Creates the breaker, with a closed circuit, from settings from outside of the program.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    #[inline]
    pub fn try_build(self) -> Result<CircuitBreaker, InvalidSetting> {
        self.parts.settings.check()?;
        Ok(CircuitBreaker { shared: Arc::new(Shared::new(self.parts)), ticket: None })
    }
}

impl fmt::Debug for CircuitBreakerBuilder {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerBuilder")
            .field("settings", &self.parts.settings)
            .finish_non_exhaustive()
    }
}
