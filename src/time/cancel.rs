//! Signals from outside that end a sleep: [`CancelToken`], [`RetrySignal`], any future.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::boxed::Box;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use super::signal::{Signal, SignalSource};

/// Ends calls from outside: a sleep between attempts ends at once, and the call returns the outcome
/// of the attempt before it, with the reason [`Cancelled`](crate::Reason::Cancelled).
///
/// A running attempt is not interrupted. It runs to its end, and is not retried. The first attempt
/// is made in any case. Awaited and blocking calls, loops and policies take tokens alike, with
/// [`Retry::cancel_by`](crate::Retry::cancel_by) and [`Policy::cancel_by`](crate::Policy::cancel_by);
/// a call with several tokens ends with the first that is cancelled. Clones are the same token. A
/// token stays cancelled.
///
/// To drop a running attempt as well, drop the future of the call.
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
#[derive(Clone, Default)]
pub struct CancelToken {
    listener: Listener<bool>,
}

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all calls that have this token. Further calls of `cancel` do nothing.
    #[inline]
    pub fn cancel(&self) {
        self.listener.wake_all(|cancelled| *cancelled = true);
    }

    /// Whether [`cancel`](CancelToken::cancel) was called.
    #[must_use]
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.listener.lock().value
    }
}

impl SignalSource for CancelToken {
    #[inline]
    fn is_cancelled(&self) -> bool {
        CancelToken::is_cancelled(self)
    }

    #[inline]
    fn begin_sleep(&mut self) {}

    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        match self.listener.poll(cx, |cancelled| *cancelled) {
            Poll::Ready(()) => Poll::Ready(Signal::Cancel),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl fmt::Debug for CancelToken {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("cancelled", &self.is_cancelled()).finish()
    }
}

/// Ends sleeps from outside so that the next attempt is made at once: a network that is back, a
/// button "retry now".
///
/// [`retry_now`](RetrySignal::retry_now) ends the sleeps that run at that moment, in all calls that
/// were given the signal by [`Retry::retry_now_by`](crate::Retry::retry_now_by) or
/// [`Policy::retry_now_by`](crate::Policy::retry_now_by). A call that is not asleep is not affected,
/// neither now nor later. Limits on attempts hold. Clones are the same signal. A loop whose attempt
/// was dropped has [`Attempts::retry_now`](crate::Attempts::retry_now).
///
/// ```
/// use persevere::time::{RetrySignal, VirtualClock};
/// use persevere::{RetryExt, constant};
/// use std::{future::{Future, ready}, pin::pin, task::{Context, Waker}, time::Duration};
///
/// let (clock, online) = (VirtualClock::new(), RetrySignal::new());
/// let mut replies = [None, Some("page")].into_iter();
/// let retry = (|| ready(replies.next().flatten()))
///     .retry_with(constant(Duration::from_secs(3600)).max_attempts(3))
///     .timer(clock.clone())
///     .retry_now_by(&online);
/// let (mut retry, mut cx) = (pin!(retry), Context::from_waker(Waker::noop()));
/// assert!(retry.as_mut().poll(&mut cx).is_pending());
/// online.retry_now();
/// assert_eq!(clock.block_on(retry), Some("page"));
/// assert_eq!(clock.slept(), [Duration::from_secs(3600)]);
/// assert_eq!(persevere::time::Clock::now(&clock), Duration::ZERO);
/// ```
#[derive(Default)]
pub struct RetrySignal {
    listener: Listener<u64>,
    /// The count of signals when the sleep began that this clone belongs to.
    seen: u64,
}

impl RetrySignal {
    /// A signal that was not given yet.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the sleeps that run now; their next attempts begin at once.
    #[inline]
    pub fn retry_now(&self) {
        self.listener.wake_all(|count| *count = count.wrapping_add(1));
    }
}

/// The clone belongs to another call.
impl Clone for RetrySignal {
    fn clone(&self) -> Self {
        RetrySignal { listener: self.listener.clone(), seen: 0 }
    }
}

impl SignalSource for RetrySignal {
    #[inline]
    fn is_cancelled(&self) -> bool {
        false
    }

    #[inline]
    fn begin_sleep(&mut self) {
        self.seen = self.listener.lock().value;
    }

    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        let seen = self.seen;
        match self.listener.poll(cx, |count| *count != seen) {
            Poll::Ready(()) => Poll::Ready(Signal::RetryNow),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl fmt::Debug for RetrySignal {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetrySignal").finish_non_exhaustive()
    }
}

/// A value that clones share, and the wakers of those that wait for a change of it.
#[derive(Default)]
struct Listener<V> {
    shared: Arc<Mutex<Shared<V>>>,
    /// The place of this clone's waker.
    place: Option<usize>,
}

#[derive(Default)]
struct Shared<V> {
    value: V,
    /// A place for each clone that has waited.
    wakers: Vec<Option<Waker>>,
    /// The places of clones that were dropped.
    free: Vec<usize>,
}

impl<V> Listener<V> {
    /// A waker that panics leaves the state whole: wakers are called and dropped without the lock. They
    /// are cloned with it.
    fn lock(&self) -> MutexGuard<'_, Shared<V>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self, change: impl FnOnce(&mut V)) {
        let wakers = {
            let mut shared = self.lock();
            change(&mut shared.value);
            shared.wakers.iter_mut().filter_map(Option::take).collect::<Vec<_>>()
        };
        WakeAll(wakers.into_iter()).wake();
    }

    /// Ready once `is_over` holds of the value. Only the waker of the latest poll is kept.
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>, is_over: impl FnOnce(&V) -> bool) -> Poll<()> {
        let replaced = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let shared = &mut *shared;
            if is_over(&shared.value) {
                return Poll::Ready(());
            }
            let place = *self.place.get_or_insert_with(|| {
                shared.free.pop().unwrap_or_else(|| {
                    shared.wakers.push(None);
                    shared.wakers.len() - 1
                })
            });
            match &mut shared.wakers[place] {
                Some(waker) if waker.will_wake(cx.waker()) => None,
                waker => waker.replace(cx.waker().clone()),
            }
        };
        drop(replaced);
        Poll::Pending
    }
}

/// Wakes all, also if one panics.
struct WakeAll(std::vec::IntoIter<Waker>);

impl WakeAll {
    fn wake(&mut self) {
        self.0.by_ref().for_each(Waker::wake);
    }
}

impl Drop for WakeAll {
    fn drop(&mut self) {
        while self.0.len() > 0 {
            crate::hook::run_during_unwind(|| self.wake());
        }
    }
}

/// The clone has no waker yet.
impl<V> Clone for Listener<V> {
    fn clone(&self) -> Self {
        Listener { shared: self.shared.clone(), place: None }
    }
}

impl<V> Drop for Listener<V> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = {
                let mut shared = self.lock();
                shared.free.push(place);
                shared.wakers[place].take()
            };
            drop(waker);
        }
    }
}

/// A future that cancels the call it is given to: [`Retry::cancel_when`](crate::Retry::cancel_when).
/// It is boxed, since the slot of signals is not pinned.
#[doc(hidden)]
pub struct CancelFuture<F>(Option<Pin<Box<F>>>);

impl<F> CancelFuture<F> {
    #[inline]
    pub(crate) fn new(future: F) -> Self {
        CancelFuture(Some(Box::pin(future)))
    }
}

impl<F: Future> SignalSource for CancelFuture<F> {
    #[inline]
    fn is_cancelled(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    fn begin_sleep(&mut self) {}

    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        if let Some(future) = &mut self.0 {
            if future.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // A future is polled to its end once.
            self.0 = None;
        }
        Poll::Ready(Signal::Cancel)
    }
}

impl<F> fmt::Debug for CancelFuture<F> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelFuture").finish_non_exhaustive()
    }
}
