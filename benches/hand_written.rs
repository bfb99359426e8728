//! What an expert would write for one call site: the yardstick.
//!
//! A state machine without boxes, integer nanoseconds, jitter by multiply-shift, a random seed that
//! is drawn when it is first needed, and everything about failure in a cold function of its own.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::settings::Settings;

/// Doubling delays below a cap, with full jitter, for a limited number of attempts.
pub struct Schedule {
    /// What the next delay stays below, unless the cap is lower.
    ceiling: u64,
    /// At most half of what a `u64` holds, so that doubling never overflows.
    cap: u64,
    attempts: u32,
    attempt: u32,
    /// Zero: not drawn yet.
    seed: u64,
}

impl Schedule {
    #[inline(always)]
    pub const fn new(settings: Settings) -> Self {
        Self::seeded(settings, 0)
    }

    #[inline(always)]
    pub const fn seeded(settings: Settings, seed: u64) -> Self {
        let ceiling = settings.base.as_nanos() as u64;
        let cap = settings.cap.as_nanos() as u64;
        Self { ceiling, cap, attempts: settings.attempts, attempt: 0, seed }
    }

    /// The delay after a failure, or `None` after the last attempt.
    #[cold]
    #[inline(never)]
    pub fn after_failure(&mut self) -> Option<Duration> {
        self.attempt += 1;
        if self.attempt == self.attempts {
            return None;
        }
        if self.seed == 0 {
            self.draw_seed();
        }
        Some(self.next_delay())
    }

    /// The next delay of a call that has a seed.
    #[inline(always)]
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.ceiling.min(self.cap);
        self.ceiling = 2 * ceiling;
        let fraction = mix(self.seed ^ u64::from(self.attempt));
        Duration::from_nanos(((u128::from(ceiling) * u128::from(fraction)) >> 64) as u64)
    }

    /// One number per call, from a sequence that each thread begins at a random place.
    #[inline(never)]
    fn draw_seed(&mut self) {
        thread_local!(static CALLS: Cell<u64> = const { Cell::new(0) });
        self.seed = match CALLS.get() {
            0 => first_seed(),
            seed => seed,
        };
        CALLS.set(self.seed.wrapping_add(GOLDEN));
    }
}

#[cold]
#[inline(never)]
fn first_seed() -> u64 {
    rand::random()
}

/// An odd number near 2^64 divided by the golden ratio: multiples of it are evenly spread.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The output function of SplitMix64.
#[inline(always)]
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

pin_project! {
    pub struct Retry<Operation, Attempt, Timer, Sleep> {
        operation: Operation,
        timer: Timer,
        schedule: Schedule,
        #[pin]
        state: State<Attempt, Sleep>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<Attempt, Sleep> {
        Idle,
        Running { #[pin] attempt: Attempt },
        Sleeping { #[pin] sleep: Sleep },
    }
}

impl<Operation, Attempt, Timer, Sleep> Retry<Operation, Attempt, Timer, Sleep>
where
    Operation: FnMut() -> Attempt,
    Timer: FnMut(Duration) -> Sleep,
{
    #[inline(always)]
    pub const fn new(operation: Operation, settings: Settings, timer: Timer) -> Self {
        Self { operation, timer, schedule: Schedule::new(settings), state: State::Idle }
    }
}

impl<Operation, Attempt, Timer, Sleep, T, E> Future for Retry<Operation, Attempt, Timer, Sleep>
where
    Operation: FnMut() -> Attempt,
    Attempt: Future<Output = Result<T, E>>,
    Timer: FnMut(Duration) -> Sleep,
    Sleep: Future<Output = ()>,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Running { attempt } => {
                    let error = match ready!(attempt.poll(context)) {
                        Ok(value) => return Poll::Ready(Ok(value)),
                        Err(error) => error,
                    };
                    let Some(delay) = this.schedule.after_failure() else {
                        return Poll::Ready(Err(error));
                    };
                    this.state.set(State::Sleeping { sleep: (this.timer)(delay) });
                    continue;
                }
                StateProjection::Sleeping { sleep } => ready!(sleep.poll(context)),
                StateProjection::Idle => {}
            }
            this.state.set(State::Running { attempt: (this.operation)() });
        }
    }
}
