//! Circuit breakers: calls that would fail are not made.
//!
//! A [`CircuitBreaker`] watches outcomes. Closed, it lets everything through; after too many
//! failures it opens, and refuses at once, with [`Reason::Circuit`](crate::Reason::Circuit); when its
//! open duration is over it is half-open, and lets a few probes through that decide whether it
//! closes or opens again, for longer.
//!
//! ```
//! use persevere::{Backoff, Policy, Reason, RetryExt, exponential, immediate};
//! use persevere::hook::{CircuitBreaker, breaker::{Settings, State}};
//! use persevere::time::VirtualClock;
//! use std::time::Duration;
//!
//! let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
//! let breaker = CircuitBreaker::new(Settings::consecutive(3))
//!     .open_for(exponential(30 * second).max_delay(600 * second))
//!     .clock(clock.clone());
//! let policy = Policy::new(immediate().max_attempts(5)).guard(breaker.clone());
//!
//! // The third failure opens it, so there is no third retry.
//! let error = (|| Err::<(), _>("down")).retry_with(&policy).report().call().unwrap_err();
//! assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 3));
//! // The next call is not made at all.
//! let error = (|| Err::<(), _>("down")).retry_with(&policy).report().call().unwrap_err();
//! assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 0));
//! assert_eq!(breaker.retry_after(), Some(30 * second));
//! // Half a minute later one is, and closes the circuit.
//! clock.advance(30 * second);
//! assert_eq!((|| Ok::<_, &str>("up")).retry_with(&policy).report().call().ok(), Some("up"));
//! assert_eq!(breaker.state(), State::Closed);
//! ```
//!
//! # Inside the retry, or outside?
//!
//! | | [`CircuitBreaker`] itself | [`.operations()`](CircuitBreaker::operations) |
//! |---|---|---|
//! | sees | every attempt | every call, retries and all, once |
//! | a call with three failed attempts | three failures | one failure |
//! | a call that succeeds at its third attempt | two failures, one success | one success |
//! | may refuse | every attempt, and a retry that would come while it is open | the first attempt |
//! | opens | soon, in the middle of a call | when retries no longer help |
//! | half-open, a probe is | one attempt | one call with its retries |
//!
//! Inside is what protects a service: each attempt is load. Outside is what protects callers from
//! waiting: the circuit opens when the retry as a whole is of no use. Both can stand on one policy,
//! as two breakers.
//!
//! # What counts
//!
//! | | counts |
//! |---|---|
//! | accepted | success |
//! | [`Retry`](crate::Verdict::Retry), [`RetryAfter`](crate::Verdict::RetryAfter), also if no retry follows | failure |
//! | [`Never`](crate::Verdict::Never) | failure |
//! | [`Stop`](crate::Verdict::Stop) | success, since the service answered; [`Settings::stop`] changes it |
//! | cancelled, left or panicked | nothing: a probe goes back |
//!
//! An outcome counts in the generation in which its attempt began. One that comes after the circuit
//! has opened or closed says nothing about the new state, and is ignored.
//!
//! # The names elsewhere
//!
//! | here | resilience4j | Polly |
//! |---|---|---|
//! | [`consecutive(5)`](Settings::consecutive) | | version 7's `exceptionsAllowedBeforeBreaking` |
//! | [`failure_rate(0.5, 20)`](Settings::failure_rate) | `failureRateThreshold = 50`, `minimumNumberOfCalls` | `FailureRatio`, `MinimumThroughput` |
//! | [`over_calls`](Settings::over_calls), [`over_time`](Settings::over_time) | `slidingWindowSize`, `COUNT_BASED` or `TIME_BASED` | `SamplingDuration` |
//! | [`open_for`](CircuitBreaker::open_for) | `waitDurationInOpenState` | `BreakDuration`, `BreakDurationGenerator` |
//! | [`probes`](Settings::probes), [`successes`](Settings::successes) | `permittedNumberOfCallsInHalfOpenState` | one |
//! | [`isolate`](CircuitBreaker::isolate), [`reset`](CircuitBreaker::reset) | `transitionToForcedOpenState`, `reset` | `IsolateAsync`, `CloseAsync` |
//!
//! **Do** add it with [`guard`](crate::Policy::guard). With [`hook`](crate::Policy::hook) no first
//! attempt can be refused, since the call would have nothing to return; then it refuses retries only.
//! **Do** have one breaker for each service that can fail on its own. **Don't** let a call that was
//! refused be retried by another retry around it, unless that waits for
//! [`retry_after`](CircuitBreaker::retry_after).

mod adapter;
mod hooks;
mod machine;
mod permit;
mod rate;
mod settings;
mod shared;
mod state;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic;
use core::time::Duration;

use self::machine::Kind;
pub(crate) use self::machine::Ticket;
use self::shared::{Parts, Shared};
use super::InvalidSetting;
use super::now::Now;
use crate::time::{Clock, from_nanos};
use crate::{Backoff, DefaultTimer, constant};

pub use self::adapter::{Observe, Observed, RefuseIf, observe, refuse_if};
pub use self::hooks::{BreakerRef, Operations};
pub use self::permit::{Permit, Refused};
pub use self::settings::{Counts, Settings, Trip, Window};
pub use self::state::{Change, State};

/// A circuit breaker, shared by its clones. It is a [`Hook`](super::Hook) for calls of any outcome,
/// for [`Policy::guard`](crate::Policy::guard), and takes no lock.
///
/// A clone shares the circuit, not the probe that a call holds: a call that is dropped or panics
/// gives its probe back, and nobody else's. The [module](self) says what counts, and where to put
/// it.
///
/// | part | default |
/// |---|---|
/// | [`Settings`] | five failures in a row; one probe, which decides |
/// | [`open_for`](CircuitBreaker::open_for) | 30 s, every time |
/// | [`seed`](CircuitBreaker::seed) | each opening draws anew |
/// | [`clock`](CircuitBreaker::clock) | [`DefaultTimer`] |
/// | [`on_change`](CircuitBreaker::on_change) | nobody is told |
///
/// ```
/// use persevere::{Interrupted, Policy, hook::CircuitBreaker, immediate};
///
/// #[derive(Debug, PartialEq)]
/// enum StoreError { Busy, Unavailable }
/// impl From<Interrupted> for StoreError {
///     fn from(_: Interrupted) -> Self { StoreError::Unavailable }
/// }
///
/// let policy = Policy::new(immediate().max_attempts(5)).guard(CircuitBreaker::default());
/// let read = || policy.call(|_| Err::<(), _>(StoreError::Busy));
/// assert_eq!(read(), Err(StoreError::Busy)); // five failures
/// assert_eq!(read(), Err(StoreError::Unavailable));
/// ```
pub struct CircuitBreaker {
    shared: Arc<Shared>,
    /// What this call was allowed and has not answered for.
    ticket: Option<Ticket>,
}

/// What waits for [`Kind::Opening`] to pass.
fn pause() {
    #[cfg(feature = "std")]
    std::thread::yield_now();
    #[cfg(not(feature = "std"))]
    core::hint::spin_loop();
}

impl CircuitBreaker {
    /// A closed circuit with these settings.
    ///
    /// # Panics
    /// If a setting is out of its range; see [`try_new`](CircuitBreaker::try_new).
    ///
    /// ```
    /// use persevere::hook::{CircuitBreaker, breaker::{Settings, State}};
    /// let breaker = CircuitBreaker::new(Settings::consecutive(3));
    /// assert_eq!(breaker.state(), State::Closed);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(settings: Settings) -> Self {
        match CircuitBreaker::try_new(settings) {
            Ok(breaker) => breaker,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// The same for settings that come from outside.
    ///
    /// # Errors
    /// The first setting that is out of its range. The setters cannot make such; whoever writes the
    /// fields can.
    ///
    /// ```
    /// use persevere::hook::{CircuitBreaker, breaker::Settings};
    /// let mut settings = Settings::DEFAULT;
    /// settings.probes = 0;
    /// let error = CircuitBreaker::try_new(settings).unwrap_err();
    /// assert_eq!(error.to_string(), "`probes` is from 1 to 65535");
    /// ```
    pub fn try_new(settings: Settings) -> Result<Self, InvalidSetting> {
        settings.check()?;
        Ok(CircuitBreaker::of(Parts {
            settings,
            open_for: Arc::new(constant(Duration::from_secs(30))),
            seed: None,
            clock: Arc::new(Now::new(DefaultTimer)),
            listeners: Vec::new(),
        }))
    }

    /// A closed circuit of these parts.
    fn of(parts: Parts) -> Self {
        CircuitBreaker { shared: Arc::new(Shared::new(parts)), ticket: None }
    }

    /// A closed circuit like this one, but for what `change` changes.
    fn rebuild(&self, change: impl FnOnce(&mut Parts)) -> Self {
        let mut parts = self.shared.parts.clone();
        change(&mut parts);
        CircuitBreaker::of(parts)
    }

    /// A closed circuit like this one that is open for as long as `backoff` says: its first delay the
    /// first time, and so on for each time that it opens before it has closed again. Where the
    /// backoff ends, its last delay is repeated. It shares no state with this one.
    ///
    /// Jitter keeps many clients from probing at once. Each opening draws anew, unless the breaker has
    /// a [seed](CircuitBreaker::seed).
    ///
    /// ```
    /// use persevere::{Backoff, exponential, hook::CircuitBreaker, time::VirtualClock};
    /// use std::time::Duration;
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let breaker = CircuitBreaker::default()
    ///     .open_for(exponential(second).max_delay(3 * second))
    ///     .clock(clock.clone());
    /// breaker.force_open();
    /// for seconds in [1, 2, 3, 3] {
    ///     assert_eq!(breaker.retry_after(), Some(seconds * second));
    ///     clock.advance(seconds * second);
    ///     breaker.try_acquire().unwrap().failure();
    /// }
    /// ```
    #[must_use]
    pub fn open_for<B: Backoff + Send + Sync + 'static>(self, backoff: B) -> Self {
        self.rebuild(|parts| parts.open_for = Arc::new(backoff))
    }

    /// A closed circuit like this one whose open durations draw from the random stream of `seed`, so
    /// that they repeat: for tests and simulations. Give each breaker its own, or they open and close
    /// in step. It shares no state with this one.
    ///
    /// ```
    /// use persevere::{Backoff, constant, hook::CircuitBreaker, time::VirtualClock};
    /// use std::time::Duration;
    ///
    /// let open_for = |seed| {
    ///     let breaker = CircuitBreaker::default()
    ///         .open_for(constant(Duration::from_secs(60)).full_jitter())
    ///         .clock(VirtualClock::new())
    ///         .seed(seed);
    ///     breaker.force_open();
    ///     breaker.retry_after()
    /// };
    /// assert_eq!(open_for(1), open_for(1));
    /// assert_ne!(open_for(1), open_for(2));
    /// ```
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.rebuild(|parts| parts.seed = Some(seed))
    }

    /// A closed circuit like this one that tells the time with `clock`: a virtual one in tests, a
    /// device's own without `std`. It shares no state with this one.
    #[must_use]
    pub fn clock<T: Clock + Send + Sync + 'static>(self, clock: T) -> Self {
        self.rebuild(|parts| parts.clock = Arc::new(Now::new(clock)))
    }

    /// A closed circuit like this one that also tells `listener` of every change of its state, once.
    /// It is called after the change, by whoever made it, and holds nobody else up. It may use the
    /// breaker: what it changes itself is told at once, so listeners after it hear of that first. One
    /// that panics takes the call with it; those after it are told, and the circuit has changed all
    /// the same. It shares no state with this one.
    ///
    /// ```
    /// use persevere::hook::CircuitBreaker;
    /// use std::sync::{Arc, Mutex};
    ///
    /// let log = Arc::new(Mutex::new(vec![]));
    /// let lines = log.clone();
    /// let breaker = CircuitBreaker::default()
    ///     .on_change(move |change| lines.lock().unwrap().push(change.to_string()));
    /// breaker.force_open();
    /// breaker.reset();
    /// assert_eq!(*log.lock().unwrap(), ["closed to open for 30s", "open to closed"]);
    /// ```
    #[must_use]
    pub fn on_change<F: Fn(&Change) + Send + Sync + 'static>(self, listener: F) -> Self {
        self.rebuild(|parts| parts.listeners.push(Arc::new(listener)))
    }

    /// What it is made of.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared.parts.settings
    }

    /// What state it is in just now.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.machine.kind().into()
    }

    /// How long it will stay open; `None` if it is not open, or isolated, or its time is over. It is
    /// what a `Retry-After` would say: an outer retry can wait for it.
    ///
    /// ```
    /// use persevere::{Attempt, Interrupted, Policy, RetryExt, Verdict, constant, immediate};
    /// use persevere::hook::{CircuitBreaker, breaker::Settings};
    /// use persevere::time::VirtualClock;
    /// use std::time::Duration;
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let breaker = CircuitBreaker::new(Settings::consecutive(1)).clock(clock.clone());
    /// let inner = Policy::new(immediate().max_attempts(1)).guard(breaker.clone());
    /// let mut replies = [None, Some("up")].into_iter();
    /// let outcome = (|| inner.call(|_| replies.next().flatten()))
    ///     .retry_with(constant(second).max_attempts(3))
    ///     .classify(|outcome, _| {
    ///         outcome.is_none().then(|| breaker.retry_after().map_or(Verdict::Retry, Verdict::RetryAfter))
    ///     })
    ///     .timer(clock.clone())
    ///     .call();
    /// assert_eq!((outcome, clock.slept()), (Some("up"), vec![30 * second]));
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.shared.left().map(from_nanos)
    }

    /// How often it opened since it was closed last: 0 while it is closed or isolated.
    #[must_use]
    pub fn openings(&self) -> u32 {
        self.shared.machine.openings()
    }

    /// Opens it now, as too many failures would: for its open duration, after which probes decide. One
    /// that is open already begins that anew, and one that is isolated stays so.
    pub fn force_open(&self) {
        let shared = &*self.shared;
        let transition =
            shared.machine.force_open(|| shared.parts.clock.nanos(), |n, d| shared.duration(n, d));
        shared.tell(transition);
    }

    /// Opens it until [`reset`](CircuitBreaker::reset), whatever the time.
    ///
    /// ```
    /// use persevere::hook::{CircuitBreaker, breaker::State};
    /// let breaker = CircuitBreaker::default();
    /// breaker.isolate();
    /// assert!(breaker.state() == State::Isolated && breaker.try_acquire().is_err());
    /// breaker.reset();
    /// assert!(breaker.state() == State::Closed && breaker.try_acquire().is_ok());
    /// ```
    pub fn isolate(&self) {
        self.shared.tell(self.shared.machine.put(Kind::Isolated));
    }

    /// Closes it, and forgets what it has seen.
    pub fn reset(&self) {
        self.shared.tell(self.shared.machine.put(Kind::Closed));
    }

    /// Whether both are the same circuit: one is a clone of the other.
    #[must_use]
    pub fn is_shared_with(&self, other: &CircuitBreaker) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// [`Settings::DEFAULT`].
impl Default for CircuitBreaker {
    fn default() -> Self {
        CircuitBreaker::new(Settings::DEFAULT)
    }
}
