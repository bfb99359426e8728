//! The deadline of the attempt that runs on this thread, for calls within it, as gRPC passes a
//! deadline on in a context. It is set while an attempt is polled or called, and only then, so it needs no runtime
//! and follows a task from thread to thread.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::{Clock, SharedClock, nanos};

std::thread_local! {
    /// Apart from the deadline, because a call that fails looks at this alone.
    static IS_SET: Cell<bool> = const { Cell::new(false) };
    /// Copied in and out without a borrow flag, because each poll of an attempt with a deadline does.
    static DEADLINE: Cell<Option<Deadline>> = const { Cell::new(None) };
    /// The clock of a [`Reading::Shared`].
    static CLOCK: RefCell<Option<SharedClock>> = const { RefCell::new(None) };
}

/// When an attempt has to be done, by the clock of its call.
#[derive(Clone, Copy)]
struct Deadline {
    end: Duration,
    clock: Reading,
}

/// How the clock of the call is read.
#[derive(Clone, Copy)]
enum Reading {
    Function(fn() -> Duration),
    Shared,
    /// The clock cannot be shared: the time at which the attempt was last polled.
    Fixed(Duration),
}

/// Whether an attempt with a deadline runs on this thread.
#[inline]
pub(crate) fn is_set() -> bool {
    IS_SET.get()
}

/// The time that is left, in nanoseconds; `None` if no attempt with a deadline runs on this thread.
pub(crate) fn remaining_nanos() -> Option<u64> {
    let Deadline { end, clock } = DEADLINE.get()?;
    let now = match clock {
        Reading::Function(now) => now(),
        Reading::Fixed(now) => now,
        // Where the thread is ending, its locals may be gone.
        Reading::Shared => {
            let clock = CLOCK.try_with(|clock| clock.borrow().clone()).ok().flatten()?;
            clock.now()
        }
    };
    Some(nanos(end.saturating_sub(now)))
}

/// Runs an attempt that has to be done at `end` by `clock`, or with the attempt around it if that has
/// to be done earlier.
pub(crate) fn within<T: Clock, R>(clock: &T, end: Duration, attempt: impl FnOnce() -> R) -> R {
    let end = if is_set() { earlier(clock, end) } else { end };
    let (reading, shared) = match clock.share() {
        Some(shared) => match shared.function() {
            Some(function) => (Reading::Function(function), None),
            None => (Reading::Shared, Some(shared)),
        },
        None => (Reading::Fixed(clock.now()), None),
    };
    let deadline = DEADLINE.replace(Some(Deadline { end, clock: reading }));
    IS_SET.set(true);
    let clock = shared.map(|shared| replace_clock(Some(shared)));
    let _restore = Restore { deadline, clock };
    attempt()
}

/// The end of an attempt within another.
#[cold]
fn earlier<T: Clock>(clock: &T, end: Duration) -> Duration {
    match remaining_nanos() {
        Some(left) => end.min(clock.now().saturating_add(Duration::from_nanos(left))),
        None => end,
    }
}

fn replace_clock(clock: Option<SharedClock>) -> Option<SharedClock> {
    CLOCK.try_with(|current| current.replace(clock)).ok().flatten()
}

/// Puts the deadline before back, also when the attempt unwinds.
struct Restore {
    deadline: Option<Deadline>,
    /// The clock before, where it was replaced.
    clock: Option<Option<SharedClock>>,
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        DEADLINE.set(self.deadline);
        IS_SET.set(self.deadline.is_some());
        if let Some(clock) = self.clock.take() {
            drop(replace_clock(clock));
        }
    }
}

/// Returns the time that is left to the attempt which runs on this thread, if its call has a
/// [deadline](crate::Policy::deadline), or a limit on attempts and reads the clock; `None` outside
/// of such attempts. Zero once the deadline is past. Needs `std`.
///
/// Calls within the attempt read it by themselves: no retry starts after it. Pass it on to a server
/// that takes deadlines, such as gRPC's `grpc-timeout`. Tasks that the attempt spawns do not see it.
///
/// ```
/// use persevere::{Policy, RetryExt, immediate, time::{VirtualClock, remaining}};
/// use std::time::Duration;
///
/// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
/// let operation = || {
///     clock.advance(2 * second);
///     remaining()
/// };
/// let retry = operation.retry_with(immediate().max_attempts(3)).deadline(5 * second);
/// let left = retry.timer(clock.clone()).call();
/// assert_eq!((left, remaining()), (Some(3 * second), None));
/// ```
#[must_use]
pub fn remaining() -> Option<Duration> {
    remaining_nanos().map(Duration::from_nanos)
}
