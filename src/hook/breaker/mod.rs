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
//! | [`Stop`](crate::Verdict::Stop) | success, since the service answered; [`Settings::stop`] changes it |
//! | cancelled, left or panicked | nothing: a probe goes back |
//!
//! An outcome counts in the generation in which its attempt began. One that comes after the circuit
//! has opened or closed says nothing about the new state, and is ignored.
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

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic;
use core::time::Duration;

use self::machine::{Kind, Machine, Ticket, Transition};
use super::InvalidSetting;
use super::now::Now;
use crate::time::{Clock, from_nanos, nanos};
use crate::{Attempt, Backoff, DefaultTimer, constant, random};

pub use self::adapter::{Observe, Observed, RefuseIf, observe, refuse_if};
pub use self::hooks::Operations;
pub use self::permit::{Permit, Refused};
pub use self::settings::{Counts, Settings, Trip, Window};

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

struct Shared {
    parts: Parts,
    machine: Machine,
    rate: Rate,
}

type Listener = dyn Fn(&Change) + Send + Sync;

/// What a breaker is built of, without its state.
#[derive(Clone)]
struct Parts {
    settings: Settings,
    open_for: Arc<dyn Backoff + Send + Sync>,
    clock: Arc<Now>,
    listeners: Vec<Arc<Listener>>,
}

/// What a failure rate is taken from.
enum Rate {
    None,
    Calls(rate::Ring),
    Time(rate::Slots),
}

/// What state a circuit is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Everything is let through.
    Closed,
    /// Everything is refused. It stays so when the open duration is over, until somebody asks.
    Open,
    /// A few probes are let through.
    HalfOpen,
    /// Everything is refused until [`reset`](CircuitBreaker::reset).
    Isolated,
}

impl State {
    /// The state in one word, for the labels of metrics: `closed`, `open`, `half_open`, `isolated`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half_open",
            State::Isolated => "isolated",
        }
    }
}

/// `half-open`
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::HalfOpen => "half-open",
            other => other.as_str(),
        })
    }
}

impl From<Kind> for State {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Closed => State::Closed,
            Kind::Opening | Kind::Open => State::Open,
            Kind::HalfOpen => State::HalfOpen,
            Kind::Isolated => State::Isolated,
        }
    }
}

/// A circuit went from one state to another. [`CircuitBreaker::on_change`] is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    transition: Transition,
}

impl Change {
    /// The state before.
    #[must_use]
    pub fn from(&self) -> State {
        self.transition.from.into()
    }

    /// The state after.
    #[must_use]
    pub fn to(&self) -> State {
        self.transition.to.into()
    }

    /// How long the circuit will be open, if that is what it became.
    #[must_use]
    pub fn open_for(&self) -> Option<Duration> {
        self.transition.open_for.map(from_nanos)
    }

    /// The number of this change: 1 for the first. Changes in quick succession may be told out of
    /// order by two threads; this is their order.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.transition.generation
    }
}

/// `closed to open for 30s`
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from(), self.to())?;
        match self.open_for() {
            Some(open_for) => write!(f, " for {open_for:?}"),
            None => Ok(()),
        }
    }
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
            clock: Arc::new(Now::new(DefaultTimer)),
            listeners: Vec::new(),
        }))
    }

    /// A closed circuit of these parts.
    fn of(parts: Parts) -> Self {
        let rate = match parts.settings.trip {
            Trip::Consecutive(_) => Rate::None,
            Trip::FailureRate { window: Window::Calls(calls), .. } => {
                Rate::Calls(rate::Ring::new(calls))
            }
            Trip::FailureRate { window: Window::Time(time), .. } => {
                Rate::Time(rate::Slots::new(nanos(time)))
            }
        };
        let shared = Shared { parts, machine: Machine::closed(), rate };
        CircuitBreaker { shared: Arc::new(shared), ticket: None }
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
    /// Jitter keeps many clients from probing at once. A draw has no seed of a call here; each is
    /// new.
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

    /// A closed circuit like this one that tells the time with `clock`: a virtual one in tests, a
    /// device's own without `std`. It shares no state with this one.
    #[must_use]
    pub fn clock<T: Clock + Send + Sync + 'static>(self, clock: T) -> Self {
        self.rebuild(|parts| parts.clock = Arc::new(Now::new(clock)))
    }

    /// A closed circuit like this one that also tells `listener` of every change of its state. It is
    /// called after the change, by whoever made it, and holds nobody else up. It shares no state
    /// with this one.
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
        let left = self.shared.machine.until()?.saturating_sub(self.shared.parts.clock.nanos());
        (left > 0).then(|| from_nanos(left))
    }

    /// How often it opened since it was closed last: 0 while it is closed.
    #[must_use]
    pub fn openings(&self) -> u32 {
        self.shared.machine.openings()
    }

    /// Opens it now, as too many failures would: for its open duration, after which probes decide.
    pub fn force_open(&self) {
        let shared = &*self.shared;
        let transition =
            shared.machine.force_open(|| shared.parts.clock.nanos(), |n, d| shared.duration(n, d));
        shared.tell(Some(transition));
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
        self.shared.tell(Some(self.shared.machine.put(Kind::Isolated)));
    }

    /// Closes it, and forgets what it has seen.
    pub fn reset(&self) {
        self.shared.tell(Some(self.shared.machine.put(Kind::Closed)));
    }

    /// Whether both are the same circuit: one is a clone of the other.
    #[must_use]
    pub fn is_shared_with(&self, other: &CircuitBreaker) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Shared {
    /// Leave to run; or how long to wait for it.
    #[inline]
    fn acquire(&self) -> Result<Ticket, Option<u64>> {
        let probes = self.parts.settings.probes;
        let (ticket, transition) = self.machine.acquire(probes, || self.parts.clock.nanos())?;
        if transition.is_some() {
            // A listener that panics takes the call with it, and that holds no ticket yet.
            let unheld = Unheld { machine: &self.machine, ticket };
            self.tell(transition);
            core::mem::forget(unheld);
        }
        Ok(ticket)
    }

    /// The holder of `ticket` is done.
    #[inline]
    fn record(&self, ticket: Ticket, counts: Counts) {
        match counts {
            Counts::Success => self.succeed(ticket),
            Counts::Failure => self.fail(ticket),
            Counts::Nothing => self.machine.release(ticket),
        }
    }

    #[inline]
    fn succeed(&self, ticket: Ticket) {
        if !matches!(self.rate, Rate::None) {
            self.see(ticket, false);
        }
        self.tell(self.machine.succeed(ticket, self.parts.settings.successes));
    }

    fn fail(&self, ticket: Ticket) {
        let trip = match self.parts.settings.trip {
            Trip::Consecutive(failures) => machine::Trip::AtRun(failures),
            Trip::FailureRate { rate, min_calls, .. } => {
                let seen = self.see(ticket, true);
                if seen.calls >= min_calls && seen.reaches(rate) {
                    machine::Trip::Now
                } else {
                    machine::Trip::NotYet
                }
            }
        };
        let now = || self.parts.clock.nanos();
        self.tell(self.machine.fail(ticket, trip, now, |n, d| self.duration(n, d)));
    }

    /// Records an outcome of a closed circuit, and says what was seen lately if it is a failure.
    fn see(&self, ticket: Ticket, failed: bool) -> rate::Seen {
        if self.machine.kind() != Kind::Closed || self.machine.generation() != ticket.generation {
            return rate::Seen::default();
        }
        match &self.rate {
            Rate::None => rate::Seen::default(),
            Rate::Calls(ring) => ring.record(ticket.generation, failed),
            Rate::Time(slots) => {
                let now = self.parts.clock.nanos();
                slots.record(ticket.generation, failed, now);
                if failed { slots.seen(ticket.generation, now) } else { rate::Seen::default() }
            }
        }
    }

    /// How long it is open for the nth time, in nanoseconds, after it was for so long before.
    fn duration(&self, opening: u32, before: u64) -> u64 {
        let attempt = Attempt::new(opening)
            .with_seed(random::fresh().get())
            .with_previous_delay(from_nanos(before));
        self.parts.open_for.delay_nanos(&attempt).unwrap_or(before)
    }

    #[inline]
    fn tell(&self, transition: Option<Transition>) {
        if let Some(transition) = transition {
            for listener in &self.parts.listeners {
                listener(&Change { transition });
            }
        }
    }
}

/// Gives a ticket back that nobody came to hold.
struct Unheld<'a> {
    machine: &'a Machine,
    ticket: Ticket,
}

impl Drop for Unheld<'_> {
    fn drop(&mut self) {
        self.machine.release(self.ticket);
    }
}

/// The circuit is shared. The clone holds no probe: it is for another call.
impl Clone for CircuitBreaker {
    #[inline]
    fn clone(&self) -> Self {
        CircuitBreaker { shared: Arc::clone(&self.shared), ticket: None }
    }
}

/// A call that is not brought to its end still gives its probe back.
impl Drop for CircuitBreaker {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.machine.release(ticket);
        }
    }
}

/// [`Settings::DEFAULT`].
impl Default for CircuitBreaker {
    fn default() -> Self {
        CircuitBreaker::new(Settings::DEFAULT)
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("settings", &self.shared.parts.settings)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
