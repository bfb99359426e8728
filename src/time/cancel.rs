//! [`CancelToken`]: ends calls that block from outside.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use std::vec::Vec;

use super::{BlockingTimer, Clock, Timer};

/// Ends blocking calls from outside: a sleep between their attempts is over at once, and the call
/// returns the outcome that it has, with the reason [`Cancelled`](crate::Reason::Cancelled).
///
/// An attempt that runs is not interrupted, since nothing can interrupt code that blocks; the call
/// ends after it, unless it succeeds. The first attempt is made in any case. A call that is awaited
/// is cancelled by dropping it. Clones are the same token; there is no way back. A policy's token
/// and one of the call hold both: whichever is cancelled first ends the call.
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
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    /// Tokens that are cancelled with this one.
    joined: Vec<Weak<Shared>>,
}

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all calls that have this token. Further times do nothing.
    pub fn cancel(&self) {
        let mut state = self.state();
        state.cancelled = true;
        let joined = mem::take(&mut state.joined);
        drop(state);
        self.shared.told.notify_all();
        for shared in joined.iter().filter_map(Weak::upgrade) {
            CancelToken { shared }.cancel();
        }
    }

    /// A token that is cancelled with either.
    fn joined(&self, other: &CancelToken) -> CancelToken {
        let both = CancelToken::new();
        for token in [self, other] {
            let mut state = token.state();
            if state.cancelled {
                both.cancel();
                break;
            }
            state.joined.retain(|joined| joined.strong_count() > 0);
            state.joined.push(Arc::downgrade(&both.shared));
        }
        both
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state().cancelled
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
        let wait = |state: &mut State| !state.cancelled;
        drop(self.shared.told.wait_timeout_while(self.state(), duration, wait));
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
    fn sleep_unless(&self, duration: Duration, token: &CancelToken) {
        self.timer.sleep_unless(duration, &self.token.joined(token));
    }
    fn is_cancelled(&self) -> bool {
        self.token.is_cancelled() || self.timer.is_cancelled()
    }
}
