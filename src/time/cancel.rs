//! [`CancelToken`]: ends calls that block from outside.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{BlockingTimer, Clock, Timer};

/// Ends blocking calls from outside: a sleep between their attempts is over at once, and the call
/// returns the outcome that it has, with the reason [`Cancelled`](crate::Reason::Cancelled).
///
/// An attempt that runs is not interrupted, since nothing can interrupt code that blocks; the call
/// ends after it, unless it succeeds. The first attempt is made in any case. A call that is awaited
/// is cancelled by dropping it. Clones are the same token; there is no way back.
///
/// ```
/// use persevere::{Reason, RetryExt, constant, time::CancelToken};
/// use std::{thread, time::Duration};
///
/// let token = CancelToken::new();
/// let stop = token.clone();
/// let shutdown = thread::spawn(move || stop.cancel());
/// let error = (|| Err::<(), _>("down"))
///     .retry_with(constant(Duration::from_secs(3600)).max_attempts(3))
///     .cancel_by(&token)
///     .report()
///     .call()
///     .unwrap_err();
/// assert_eq!((error.reason(), error.attempts()), (Reason::Cancelled, 1));
/// assert_eq!(error.into_error(), Some("down"));
/// # shutdown.join().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cancelled: Mutex<bool>,
    told: Condvar,
}

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn cancelled(&self) -> MutexGuard<'_, bool> {
        self.shared.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all calls that have this token. Further times do nothing.
    pub fn cancel(&self) {
        *self.cancelled() = true;
        self.shared.told.notify_all();
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled()
    }

    /// Blocks for `duration`, or until it is cancelled: for a
    /// [`sleep_unless`](BlockingTimer::sleep_unless) of your own.
    ///
    /// ```
    /// use persevere::time::CancelToken;
    /// use std::time::Duration;
    /// let token = CancelToken::new();
    /// token.cancel();
    /// token.sleep(Duration::MAX);
    /// ```
    pub fn sleep(&self, duration: Duration) {
        let wait = |cancelled: &mut bool| !*cancelled;
        let cancelled = self.cancelled();
        drop(self.shared.told.wait_timeout_while(cancelled, duration, wait));
    }
}

/// A timer whose blocking sleeps a token ends. Made by
/// [`Retry::cancel_by`](crate::Retry::cancel_by) and [`Policy::cancel_by`](crate::Policy::cancel_by).
#[derive(Clone, Debug)]
pub struct Cancellable<T> {
    timer: T,
    token: CancelToken,
}

impl<T> Cancellable<T> {
    /// `timer`, with sleeps that `token` ends.
    #[must_use]
    pub const fn new(timer: T, token: CancelToken) -> Self {
        Cancellable { timer, token }
    }
}

impl<T: Clock> Clock for Cancellable<T> {
    type Sleep = T::Sleep;

    fn now(&self) -> Duration {
        self.timer.now()
    }
    fn share(&self) -> Option<super::SharedClock> {
        self.timer.share()
    }
}

impl<T: Timer> Timer for Cancellable<T> {
    fn sleep(&self, duration: Duration) -> T::Sleep {
        self.timer.sleep(duration)
    }
}

impl<T: BlockingTimer> BlockingTimer for Cancellable<T> {
    fn sleep_blocking(&self, duration: Duration) {
        self.timer.sleep_unless(duration, &self.token);
    }
    fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }
}
