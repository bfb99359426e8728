//! What execution-policy is given in place of a runtime.

use std::future::ready;
use std::hint::black_box;
use std::time::{Duration, Instant};

use execution_policy::core::{BoxFuture, Core, TokioCore};

/// A core whose clock and sleep cost nothing, and whose random numbers are the library's own.
pub struct Stopped {
    now: Instant,
    random: TokioCore,
}

impl Stopped {
    pub fn new() -> Self {
        Self { now: Instant::now(), random: TokioCore::new() }
    }
}

impl Core for Stopped {
    #[inline(always)]
    fn now(&self) -> Instant {
        self.now
    }

    #[inline(always)]
    fn sleep(&self, delay: Duration) -> BoxFuture<'_, ()> {
        black_box(delay);
        Box::pin(ready(()))
    }

    #[inline(always)]
    fn next_u64(&self) -> u64 {
        self.random.next_u64()
    }
}
