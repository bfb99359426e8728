//! The deadline of the attempt that is running on this thread, for calls within it: what gRPC hands
//! on in a context. It is there while an attempt is polled or called, and only then, so it needs no
//! runtime and follows a task from thread to thread.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::time::{Clock, SharedClock, nanos};

std::thread_local! {
    static DEADLINE: RefCell<Option<Deadline>> = const { RefCell::new(None) };
    /// Whether there is one: what a failing retry looks at, and nothing more if not.
    static IS_SET: Cell<bool> = const { Cell::new(false) };
}

/// When an attempt has to be done, by the clock of its call.
struct Deadline {
    end: u64,
    clock: Clocked,
}

enum Clocked {
    By(SharedClock),
    /// The clock cannot be shared: the time at which the attempt was last polled has to do.
    At(u64),
}

/// The time that is left, in nanoseconds; `None` if no attempt with a deadline runs here.
#[inline]
pub(crate) fn remaining() -> Option<u64> {
    if IS_SET.get() { look() } else { None }
}

#[cold]
fn look() -> Option<u64> {
    let left = |deadline: &RefCell<Option<Deadline>>| {
        let deadline = deadline.borrow();
        let Deadline { end, clock } = deadline.as_ref()?;
        let now = match clock {
            Clocked::By(clock) => nanos(clock.now()),
            Clocked::At(now) => *now,
        };
        Some(end.saturating_sub(now))
    };
    // A thread that ends has no deadlines any more, but what its locals do may be retried.
    DEADLINE.try_with(left).ok().flatten()
}

/// Puts the deadline before back when it is dropped.
struct Within(Option<Deadline>);

/// Sets another deadline, and gives the one before.
fn set(deadline: Option<Deadline>) -> Option<Deadline> {
    IS_SET.set(deadline.is_some());
    DEADLINE.try_with(|before| before.replace(deadline)).ok().flatten()
}

/// Runs an attempt under its deadline, `end` by `clock`, or that of the attempt around it if that is
/// earlier.
pub(crate) fn within<T: Clock, R>(clock: &T, end: u64, attempt: impl FnOnce() -> R) -> R {
    let end = match remaining() {
        Some(left) => end.min(nanos(clock.now()).saturating_add(left)),
        None => end,
    };
    let clock = match clock.share() {
        Some(shared) => Clocked::By(shared),
        None => Clocked::At(nanos(clock.now())),
    };
    let _within = Within(set(Some(Deadline { end, clock })));
    attempt()
}

impl Drop for Within {
    fn drop(&mut self) {
        drop(set(self.0.take()));
    }
}

/// The time that is left to whoever calls this, in the attempt of an enclosing call that has a
/// [deadline](crate::Policy::deadline); `None` if there is none. Hand it on to a server that wants
/// to know, such as in gRPC's `grpc-timeout`. Retries within the attempt see it by themselves.
///
/// ```
/// use persevere::{Policy, RetryExt, hook, immediate, time::VirtualClock};
/// use std::time::Duration;
///
/// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
/// let policy = Policy::new(immediate().max_attempts(3)).deadline(5 * second);
/// let operation = || {
///     clock.advance(2 * second);
///     hook::remaining()
/// };
/// let left = operation.retry_with(&policy).timer(clock.clone()).call();
/// assert_eq!((left, hook::remaining()), (Some(3 * second), None));
/// ```
#[must_use]
pub fn remaining_time() -> Option<Duration> {
    remaining().map(Duration::from_nanos)
}
