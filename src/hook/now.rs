//! A clock whose type does not show.

use alloc::boxed::Box;
use core::fmt;

use crate::time::{Clock, nanos};

/// Reads any [`Clock`], so that what holds one is not generic over it.
pub(super) struct Now(Box<dyn Fn() -> u64 + Send + Sync>);

impl Now {
    pub(super) fn new<T: Clock + Send + Sync + 'static>(clock: T) -> Self {
        Now(Box::new(move || nanos(clock.now())))
    }

    /// The time in nanoseconds, since the clock's epoch.
    #[inline]
    pub(super) fn nanos(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Now").field(&self.nanos()).finish()
    }
}
