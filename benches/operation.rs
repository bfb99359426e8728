//! The operation that everybody retries, and how its futures are driven.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[derive(Clone, Copy, Debug)]
pub struct Refused(
    #[allow(dead_code, reason = "the error carries something, as real ones do")] pub u32,
);

pub type Outcome = Result<u32, Refused>;

/// An operation that fails a given number of times and then succeeds. Which of the two it will be
/// is unknown to the optimiser.
pub struct Flaky {
    failures_left: Cell<u32>,
}

impl Flaky {
    #[inline(always)]
    pub fn succeeds_at_first() -> Self {
        Self { failures_left: Cell::new(black_box(0)) }
    }

    #[allow(dead_code, reason = "only the benchmark of guards has use for it")]
    #[inline(always)]
    pub fn fails_once() -> Self {
        Self { failures_left: Cell::new(black_box(1)) }
    }

    #[inline(always)]
    pub fn fails_thrice() -> Self {
        Self { failures_left: Cell::new(black_box(3)) }
    }

    #[inline(always)]
    pub fn call(&self) -> Outcome {
        match self.failures_left.get() {
            0 => Ok(black_box(7)),
            left => {
                self.failures_left.set(left - 1);
                Err(Refused(black_box(left)))
            }
        }
    }

    /// The same as a future that is ready at its first poll.
    #[inline(always)]
    pub fn call_async(&self) -> Ready<Outcome> {
        ready(self.call())
    }
}

/// Polls to completion with a waker that does nothing.
#[inline(always)]
pub fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}
