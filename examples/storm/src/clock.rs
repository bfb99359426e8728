//! The time of the simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use persevere::time::Clock;

/// A clock that stands until it is set. Budgets and breakers read it as they would read a real one.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimulatedClock(Arc<AtomicU64>);

impl SimulatedClock {
    /// Sets it to so many milliseconds after its epoch.
    pub(crate) fn set(&self, millis: u64) {
        self.0.store(millis, Relaxed);
    }
}

impl Clock for SimulatedClock {
    type Sleep = ();
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Relaxed))
    }
}
