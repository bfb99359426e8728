//! Circuit breakers: attempts that would fail are not made.
//!
//! A [`CircuitBreaker`] watches outcomes. Closed, it lets everything through; after too many
//! failures it opens, and refuses at once, with [`Reason::Circuit`](crate::Reason::Circuit); when its
//! open duration is over it is half-open, and lets a few probes through that decide whether it
//! closes or opens again, for longer.
//!
//! ```
//! use persevere::{Backoff, CircuitBreaker, Policy, Reason, RetryExt, exponential, immediate};
//! use persevere::breaker::{Settings, State};
//! use persevere::time::VirtualClock;
//! use std::time::Duration;
//!
//! let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
//! let breaker = CircuitBreaker::builder(Settings::consecutive(3))
//!     .open_for(exponential(30 * second).max_delay(600 * second))
//!     .clock(clock.clone())
//!     .build();
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
//! | | [`CircuitBreaker`] itself | [`.per_call()`](CircuitBreaker::per_call) |
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
//! # Outcomes that count
//!
//! | | counts |
//! |---|---|
//! | accepted | success |
//! | [`Retry`](crate::Verdict::Retry), [`RetryAfter`](crate::Verdict::RetryAfter), also if no retry follows | failure |
//! | [`Forbidden`](crate::Verdict::Forbidden) | failure |
//! | [`Stop`](crate::Verdict::Stop) | success, since the service answered; [`Settings::stop`] changes it |
//! | cancelled, abandoned or panicked | nothing: a probe is returned |
//!
//! An outcome counts in the generation in which its attempt began. One that comes after the circuit
//! has opened or closed is no sign of the new state, and is ignored.
//!
//! # The names elsewhere
//!
//! | here | resilience4j | Polly |
//! |---|---|---|
//! | [`consecutive(5)`](Settings::consecutive) | | version 7's `exceptionsAllowedBeforeBreaking` |
//! | [`failure_rate(0.5, 20)`](Settings::failure_rate) | `failureRateThreshold = 50`, `minimumNumberOfCalls` | `FailureRatio`, `MinimumThroughput` |
//! | [`over_calls`](Settings::over_calls), [`over_time`](Settings::over_time) | `slidingWindowSize`, `COUNT_BASED` or `TIME_BASED` | `SamplingDuration` |
//! | [`open_for`](CircuitBreakerBuilder::open_for) | `waitDurationInOpenState` | `BreakDuration`, `BreakDurationGenerator` |
//! | [`probes`](Settings::probes), [`successes`](Settings::successes) | `permittedNumberOfCallsInHalfOpenState` | one |
//! | [`isolate`](CircuitBreaker::isolate), [`reset`](CircuitBreaker::reset) | `transitionToForcedOpenState`, `reset` | `IsolateAsync`, `CloseAsync` |
//!
//! A breaker is a [guard](crate::guard): it is added with [`.guard(..)`](crate::Retry::guard) to a
//! call or a policy.
//!
//! **Do** have one breaker for each service that can fail on its own. **Don't** let a call that was
//! refused be retried by another retry around it, unless that waits for
//! [`retry_after`](CircuitBreaker::retry_after).

mod builder;
mod external;
mod guard;
mod health;
mod machine;
mod permit;
mod settings;
mod shared;
mod state;

use alloc::sync::Arc;
use core::sync::atomic;
use core::time::Duration;

use self::machine::Kind;
pub(crate) use self::machine::Ticket;
use self::shared::Shared;
use crate::InvalidSetting;
use crate::time::from_nanos;

pub use self::builder::CircuitBreakerBuilder;
pub use self::external::{Observe, RefuseIf, observe, refuse_if};
pub use self::guard::{BreakerRef, PerCall};
pub use self::permit::{Permit, Refused};
pub use self::settings::{Counts, Settings, Trip, Window};
pub use self::state::{Change, State};

/// A circuit breaker, shared by its clones: a [`Guard`](crate::guard::Guard) for calls of any outcome.
/// It takes no lock.
///
/// A clone shares the circuit, and not the probe of a call: a call that is dropped or panics returns
/// its own probe. The [module](self) lists the outcomes that count, and the places for a breaker.
///
/// | part | default |
/// |---|---|
/// | [`Settings`] | five failures in a row; one probe, which decides |
/// | [`open_for`](CircuitBreakerBuilder::open_for) | 30 s, every time |
/// | [`seed`](CircuitBreakerBuilder::seed) | each opening draws anew |
/// | [`clock`](CircuitBreakerBuilder::clock) | [`DefaultTimer`](crate::DefaultTimer) |
/// | [`on_change`](CircuitBreakerBuilder::on_change) | no listener |
///
/// ```
/// use persevere::{CircuitBreaker, Interrupted, Policy, immediate};
///
/// #[derive(Debug, PartialEq)]
/// enum StoreError { Busy, Unavailable }
/// impl From<Interrupted> for StoreError {
///     fn from(_: Interrupted) -> Self { StoreError::Unavailable }
/// }
///
/// let policy = Policy::new(immediate().max_attempts(5)).guard(CircuitBreaker::default());
/// let read = || policy.call(|_| Err::<(), _>(StoreError::Busy));
/// assert_eq!(read(), Err(StoreError::Busy)); // five failures: the circuit opens
/// assert_eq!(read(), Err(StoreError::Unavailable));
/// ```
pub struct CircuitBreaker {
    shared: Arc<Shared>,
    /// The leave of this call to run, until its outcome is counted.
    ticket: Option<Ticket>,
}

/// A pause while [`Kind::Opening`] lasts.
fn pause() {
    #[cfg(feature = "std")]
    std::thread::yield_now();
    #[cfg(not(feature = "std"))]
    core::hint::spin_loop();
}

impl CircuitBreaker {
    /// Creates a closed circuit with these settings.
    ///
    /// # Panics
    /// If a setting is out of its range; see [`try_new`](CircuitBreaker::try_new).
    ///
    /// ```
    /// use persevere::{CircuitBreaker, breaker::{Settings, State}};
    /// let breaker = CircuitBreaker::new(Settings::consecutive(3));
    /// assert_eq!(breaker.state(), State::Closed);
    /// ```
    #[must_use]
    #[track_caller]
    #[inline]
    pub fn new(settings: Settings) -> Self {
        CircuitBreaker::builder(settings).build()
    }

    /// Like [`new`](CircuitBreaker::new), for settings from outside of the program.
    ///
    /// # Errors
    /// The first setting that is out of its range. The setters panic for such a value; a field can have
    /// one.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, breaker::Settings};
    /// let mut settings = Settings::DEFAULT;
    /// settings.probes = 0;
    /// let error = CircuitBreaker::try_new(settings).unwrap_err();
    /// assert_eq!(error.to_string(), "`probes` is from 1 to 65535");
    /// ```
    #[inline]
    pub fn try_new(settings: Settings) -> Result<Self, InvalidSetting> {
        CircuitBreaker::builder(settings).try_build()
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared.parts.settings
    }

    /// Returns the current state.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.machine.kind().into()
    }

    /// Returns how long the circuit will stay open; `None` if it is not open, or isolated, or its time is
    /// over. An outer retry can wait for it, as for a server's `Retry-After`.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, Policy, RetryExt, Verdict, constant, immediate};
    /// use persevere::breaker::Settings;
    /// use persevere::time::VirtualClock;
    /// use std::time::Duration;
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let breaker = CircuitBreaker::builder(Settings::consecutive(1)).clock(clock.clone()).build();
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
    #[inline]
    pub fn retry_after(&self) -> Option<Duration> {
        self.shared.left().map(from_nanos)
    }

    /// Returns how often the circuit opened since it was closed last: 0 while it is closed or isolated.
    #[must_use]
    #[inline]
    pub fn openings(&self) -> u32 {
        self.shared.machine.openings()
    }

    /// Opens the circuit now, as too many failures do: for its open duration, after which probes decide.
    /// If it is open, its open duration begins again; if it is isolated, it stays so.
    #[inline]
    pub fn force_open(&self) {
        let shared = &*self.shared;
        let transition =
            shared.machine.force_open(|| shared.parts.clock.nanos(), |n, d| shared.duration(n, d));
        shared.tell(transition);
    }

    /// Opens the circuit until [`reset`](CircuitBreaker::reset), whatever the time.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, breaker::State};
    /// let breaker = CircuitBreaker::default();
    /// breaker.isolate();
    /// assert!(breaker.state() == State::Isolated && breaker.try_acquire().is_err());
    /// breaker.reset();
    /// assert!(breaker.state() == State::Closed && breaker.try_acquire().is_ok());
    /// ```
    #[inline]
    pub fn isolate(&self) {
        self.shared.tell(self.shared.machine.put(Kind::Isolated));
    }

    /// Closes the circuit, and forgets its failures.
    #[inline]
    pub fn reset(&self) {
        self.shared.tell(self.shared.machine.put(Kind::Closed));
    }

    /// Returns whether both are the same circuit: one is a clone of the other.
    #[must_use]
    pub fn is_shared_with(&self, other: &CircuitBreaker) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// [`Settings::DEFAULT`].
impl Default for CircuitBreaker {
    #[inline]
    fn default() -> Self {
        CircuitBreaker::new(Settings::DEFAULT)
    }
}
