//! Virtual time, for tests.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::vec::Vec;

use super::{BlockingTimer, Clock, Timer};

/// How long [`VirtualClock::block_on`] waits, in real time, for a wake-up from elsewhere.
const PATIENCE: Duration = Duration::from_secs(10);

/// A clock that stands still until something sleeps: hours of backoff pass in microseconds, and
/// a test asserts the exact delays (feature `test-util`).
///
/// It is a [`Timer`] and a [`BlockingTimer`]; clones share one time. A blocking sleep moves the
/// time forward at once; asynchronous sleeps wait until [`VirtualClock::block_on`] has nothing
/// else to do, or until somebody calls [`VirtualClock::advance`].
///
/// ```
/// use persevere::{RetryExt, exponential};
/// use persevere::time::VirtualClock;
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let hours = exponential(Duration::from_secs(3600)).max_attempts(4);
/// let outcome = clock.block_on(
///     (|| async { Err::<(), _>("down") }).retry_with(hours).timer(clock.clone()),
/// );
/// assert_eq!(outcome, Err("down"));
/// assert_eq!(clock.slept(), [1, 2, 4].map(|hours| Duration::from_secs(hours * 3600)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    now: Duration,
    slept: Vec<Duration>,
    sleepers: Vec<Sleeper>,
    names: u64,
}

#[derive(Debug)]
struct Sleeper {
    name: u64,
    due: Duration,
    waker: Option<Waker>,
}

impl State {
    /// Moves to `now`, and hands out the wakers of all whose time has come: they are woken by the
    /// caller, when the lock is free again.
    fn move_to(&mut self, now: Duration) -> Vec<Waker> {
        self.now = self.now.max(now);
        let due = self.sleepers.iter_mut().filter(|sleeper| sleeper.due <= now);
        due.filter_map(|sleeper| sleeper.waker.take()).collect()
    }
}

impl VirtualClock {
    /// A clock at time zero, at which nothing has slept.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every sleep asked of the clock so far, blocking or not, in order.
    ///
    /// A zero delay is not among them: no timer is asked for it.
    #[must_use]
    pub fn slept(&self) -> Vec<Duration> {
        self.state().slept.clone()
    }

    /// How many asynchronous sleeps are held by somebody just now; a leak shows here.
    ///
    /// ```
    /// use persevere::time::{Timer, VirtualClock};
    /// use std::time::Duration;
    /// let clock = VirtualClock::new();
    /// let sleep = clock.sleep(Duration::from_secs(1));
    /// assert_eq!(clock.sleepers(), 1);
    /// drop(sleep);
    /// assert_eq!(clock.sleepers(), 0);
    /// ```
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.state().sleepers.len()
    }

    /// Moves the time forward, and wakes all whose sleep is over. An operation calls it to make
    /// an attempt last. Saturates at [`Duration::MAX`].
    ///
    /// ```
    /// use persevere::{Reason, RetryExt, constant, time::VirtualClock};
    /// use std::time::Duration;
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let error = (|| { clock.advance(4 * second); None::<u8> })
    ///     .retry_with(constant(second).max_elapsed(10 * second))
    ///     .timer(clock.clone())
    ///     .report()
    ///     .call()
    ///     .unwrap_err();
    /// // Two attempts of four seconds and a sleep of one: another sleep would end at the limit.
    /// assert_eq!((error.reason(), error.attempts()), (Reason::Elapsed, 2));
    /// ```
    pub fn advance(&self, duration: Duration) {
        let due = {
            let mut state = self.state();
            let now = state.now.saturating_add(duration);
            state.move_to(now)
        };
        due.into_iter().for_each(Waker::wake);
    }

    /// Runs `future` to its end on this thread, and returns its output. Whenever the future waits for
    /// nothing but sleeps, the time jumps to where the first of them ends.
    ///
    /// The future runs in a [test scope](crate::testing::TestScope::clock) with this clock, so that a
    /// retry without a timer follows it.
    ///
    /// # Panics
    /// If a retry inside sleeps by a timer of real time, such as `TokioTimer`; and if the future waits
    /// for anything else, and is not woken for ten seconds of real time.
    ///
    /// ```
    /// use persevere::{RetryExt, constant, time::{Clock, VirtualClock}};
    /// use std::time::Duration;
    ///
    /// let (clock, hour) = (VirtualClock::new(), Duration::from_secs(3600));
    /// let retry = (|| async { None::<()> }).retry_with(constant(hour).max_attempts(3));
    /// assert_eq!(clock.block_on(retry), None);
    /// assert_eq!(clock.now(), 2 * hour);
    /// ```
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _scope = crate::testing::TestScope::new().clock(self).enter();
        let mut future = pin!(future);
        let signal = Arc::new(Signal::default());
        let waker = Waker::from(signal.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            if signal.take() {
                continue;
            }
            if !self.jump() {
                assert!(
                    signal.wait(),
                    "the future waits for something that is not a sleep of this virtual clock, and \
                     was not woken for 10 s: give custom timers and other runtimes' sleeps this \
                     clock, as in `.timer(clock.clone())`"
                );
            }
        }
    }

    /// Moves to the end of the shortest sleep. False if there is none.
    fn jump(&self) -> bool {
        let due = {
            let mut state = self.state();
            let waiting = state.sleepers.iter().filter(|sleeper| sleeper.waker.is_some());
            let Some(next) = waiting.map(|sleeper| sleeper.due).min() else {
                return false;
            };
            state.move_to(next)
        };
        due.into_iter().for_each(Waker::wake);
        true
    }

    /// A test that panics elsewhere leaves nothing half-written here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    type Sleep = VirtualSleep;

    fn now(&self) -> Duration {
        self.state().now
    }
    fn share(&self) -> Option<super::SharedClock> {
        let clock = self.clone();
        Some(super::SharedClock::new(move || clock.now()))
    }
}

impl Timer for VirtualClock {
    fn sleep(&self, duration: Duration) -> VirtualSleep {
        let mut state = self.state();
        state.slept.push(duration);
        state.names += 1;
        let (name, due) = (state.names, state.now.saturating_add(duration));
        state.sleepers.push(Sleeper { name, due, waker: None });
        VirtualSleep { clock: self.clone(), name }
    }
}

impl BlockingTimer for VirtualClock {
    fn sleep_blocking(&self, duration: Duration) {
        self.state().slept.push(duration);
        self.advance(duration);
    }
}

/// The future of a [`VirtualClock`]. Dropping it takes it off the clock.
#[derive(Debug)]
#[must_use = "a sleep does nothing until it is awaited"]
#[doc(hidden)]
pub struct VirtualSleep {
    clock: VirtualClock,
    name: u64,
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        let now = state.now;
        match state.sleepers.iter_mut().find(|sleeper| sleeper.name == self.name) {
            Some(sleeper) if sleeper.due > now => {
                // The latest waker counts: the task may have moved. The one before is dropped when
                // the lock is free, since that may drop a task that sleeps here too.
                let before = sleeper.waker.replace(cx.waker().clone());
                drop(state);
                drop(before);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        let place = state.sleepers.iter().position(|sleeper| sleeper.name == self.name);
        let sleeper = place.map(|place| state.sleepers.remove(place));
        drop(state);
        drop(sleeper);
    }
}

/// Whether the future was woken since it was last polled.
#[derive(Default)]
struct Signal {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn take(&self) -> bool {
        core::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wait(&self) -> bool {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(woken, PATIENCE, |woken| !*woken);
        let (mut woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        core::mem::take(&mut *woken)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}
