//! Retries in tests: without waits, with a fixed number of attempts, in virtual time (feature
//! `test-util`).
//!
//! A [`TestScope`] changes all retries that begin while it is entered: those of policies in code, in
//! statics, in `#[retry]` and of named policies. The code under test does not change.
//!
//! ```
//! use persevere::{Policy, StaticPolicy, exponential, testing::TestScope};
//! use std::time::Duration;
//!
//! static POLICY: StaticPolicy = Policy::new(&exponential(Duration::from_secs(1)).max_attempts(5));
//!
//! let _scope = TestScope::new().no_waits().enter();
//! let mut calls = 0;
//! let outcome = POLICY.call(|_| { calls += 1; Err::<(), _>("down") });
//! assert_eq!((outcome, calls), (Err("down"), 5)); // fifteen seconds of backoff pass at once
//! ```
//!
//! | wanted | scope |
//! |---|---|
//! | no waits, and all else as in production | `TestScope::new().no_waits()` |
//! | one attempt, so that a failing test fails at once | `TestScope::new().attempts(1)` |
//! | exact delays of blocking code | `TestScope::new().clock(&clock)` with a [`VirtualClock`] |
//! | exact delays, awaited | no scope: [`clock.block_on(future)`](VirtualClock::block_on) |
//! | exact delays on tokio | no scope: the feature `tokio`, and `#[tokio::test(start_paused = true)]` |
//!
//! **Do** bind the guard to a name: `let _ = ..enter()` leaves the scope at once. **Do** use
//! [`VirtualClock::slept`] to assert delays. **Don't** look for the scope on threads that the test
//! spawns, unless it is entered with [`enter_everywhere`](TestScope::enter_everywhere).

use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::cell::RefCell;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use crate::time::VirtualClock;

/// Changes for all retries of a test; the [module](self) shows one. A new scope changes nothing.
///
/// Scopes nest: the outer scope applies where the inner one sets nothing, and a scope of the thread goes
/// before one that is entered everywhere. A scope ends when its guard is dropped, also by a panic.
/// A call takes waits and attempts of the scope when it begins.
///
/// | setting | default |
/// |---|---|
/// | [`no_waits`](TestScope::no_waits) | retries wait |
/// | [`attempts`](TestScope::attempts), [`max_attempts`](TestScope::max_attempts) | the limit of the policy |
/// | [`clock`](TestScope::clock) | real time |
#[derive(Clone, Debug, Default)]
#[must_use = "a scope changes nothing until it is entered"]
pub struct TestScope {
    no_waits: bool,
    attempts: Option<Attempts>,
    clock: Option<VirtualClock>,
}

/// A limit on attempts of a scope.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attempts {
    Exactly(NonZeroU32),
    AtMost(NonZeroU32),
}

impl Attempts {
    pub(crate) const fn is_exact(self) -> bool {
        matches!(self, Attempts::Exactly(_))
    }

    /// The limit of a call whose policy has the limit `policy`.
    pub(crate) fn apply(self, policy: Option<NonZeroU32>) -> Option<NonZeroU32> {
        match (self, policy) {
            (Attempts::AtMost(most), Some(policy)) => Some(most.min(policy)),
            (Attempts::Exactly(most) | Attempts::AtMost(most), _) => Some(most),
        }
    }
}

const ZERO: &str = "`attempts` counts the first attempt, so it must be at least 1, got 0";

impl TestScope {
    /// A scope that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Skips the waits between attempts: those of the backoff, and those that a server requests.
    ///
    /// Decisions and events are those of production: [`delay`](crate::hook::RetryFacts::delay) and
    /// [`waited`](crate::hook::RetryFacts::waited) have the delays that would have been slept, and
    /// they count toward time limits. An awaited retry yields to its executor instead of sleeping.
    ///
    /// ```
    /// use persevere::{Reason, RetryExt, constant, testing::TestScope};
    /// use std::time::Duration;
    ///
    /// let _scope = TestScope::new().no_waits().enter();
    /// let minute = Duration::from_secs(60);
    /// let retry = (|| None::<()>).retry_with(constant(minute).max_elapsed(5 * minute));
    /// let error = retry.report().call().unwrap_err();
    /// assert_eq!((error.reason(), error.attempts()), (Reason::Elapsed, 5));
    /// assert_eq!(error.waited(), 4 * minute);
    /// ```
    pub fn no_waits(mut self) -> Self {
        self.no_waits = true;
        self
    }

    /// Sets the number of attempts of all calls, the first included, whatever the limit of their
    /// policies. A policy with fewer delays repeats its last one. Time limits hold.
    ///
    /// # Panics
    /// If `attempts` is zero.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate, testing::TestScope};
    ///
    /// let _scope = TestScope::new().attempts(2).enter();
    /// let mut calls = 0;
    /// let _ = (|| { calls += 1; None::<()> }).retry_with(immediate().max_attempts(9)).call();
    /// assert_eq!(calls, 2);
    /// ```
    #[track_caller]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(Attempts::Exactly(NonZeroU32::new(attempts).expect(ZERO)));
        self
    }

    /// Limits the attempts of all calls to `attempts`, the first included. A policy with a lower
    /// limit keeps it.
    ///
    /// # Panics
    /// If `attempts` is zero.
    #[track_caller]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(Attempts::AtMost(NonZeroU32::new(attempts).expect(ZERO)));
        self
    }

    /// Makes `clock` the clock of everything that uses the [`DefaultTimer`](crate::DefaultTimer):
    /// retries, hedges, budgets, circuit breakers and `Policies`.
    ///
    /// Blocking sleeps move the clock forward at once. Awaited sleeps need
    /// [`VirtualClock::block_on`], which enters such a scope itself, or
    /// [`VirtualClock::advance`]. A retry whose timer sleeps in real time (`TokioTimer`,
    /// `AsyncIoTimer`) panics in the scope instead of waiting.
    ///
    /// ```
    /// use persevere::testing::TestScope;
    /// use persevere::time::{Clock, VirtualClock};
    /// use persevere::{CircuitBreaker, RetryExt, constant};
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let _scope = TestScope::new().clock(&clock).enter();
    /// let breaker = CircuitBreaker::default();
    /// breaker.force_open();
    /// let _ = (|| None::<()>).retry_with(constant(Duration::from_secs(10)).max_attempts(4)).call();
    /// assert_eq!(clock.now(), Duration::from_secs(30));
    /// assert!(breaker.try_acquire().is_ok()); // half-open after 30 s
    /// ```
    pub fn clock(mut self, clock: &VirtualClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Enters the scope on this thread, until the guard is dropped.
    pub fn enter(self) -> ScopeGuard {
        let id = next_id();
        SCOPES.with_borrow_mut(|scopes| scopes.push((id, self)));
        ScopeGuard { id, everywhere: false, not_send: PhantomData }
    }

    /// Enters the scope on all threads, until the guard is dropped: for runtimes with several
    /// threads. Tests that run meanwhile are in the scope too.
    pub fn enter_everywhere(self) -> ScopeGuard {
        let id = next_id();
        everywhere().push((id, self));
        ScopeGuard { id, everywhere: true, not_send: PhantomData }
    }

    /// `outer` sets the rest.
    fn or(self, outer: &TestScope) -> TestScope {
        TestScope {
            no_waits: self.no_waits || outer.no_waits,
            attempts: self.attempts.or(outer.attempts),
            clock: self.clock.or_else(|| outer.clock.clone()),
        }
    }
}

/// The scopes that are entered on this thread, and everywhere; the innermost is the last.
type Scopes = Vec<(usize, TestScope)>;

std::thread_local! {
    static SCOPES: RefCell<Scopes> = const { RefCell::new(Vec::new()) };
}
static EVERYWHERE: Mutex<Scopes> = Mutex::new(Vec::new());
/// How many scopes are entered: retries outside of tests read only this.
static ENTERED: AtomicUsize = AtomicUsize::new(0);

fn everywhere() -> MutexGuard<'static, Scopes> {
    EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The identity of a scope that is entered now.
fn next_id() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    ENTERED.fetch_add(1, Relaxed);
    NEXT.fetch_add(1, Relaxed)
}

/// Leaves a [`TestScope`] when it is dropped. Guards may be dropped in any order.
#[derive(Debug)]
#[must_use = "the scope ends when the guard is dropped: bind it to a name, as in `let _scope = ..`"]
#[doc(hidden)]
pub struct ScopeGuard {
    id: usize,
    everywhere: bool,
    /// The scope is that of one thread.
    not_send: PhantomData<*const ()>,
}

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        let leave = |scopes: &mut Scopes| scopes.retain(|(id, _)| *id != self.id);
        if self.everywhere {
            leave(&mut everywhere());
        } else {
            // A thread that ends may have dropped its scopes before.
            let _ = SCOPES.try_with(|scopes| leave(&mut scopes.borrow_mut()));
        }
        ENTERED.fetch_sub(1, Relaxed);
    }
}

/// The scope of a call that begins here, if one is entered.
fn current() -> Option<TestScope> {
    if ENTERED.load(Relaxed) == 0 {
        return None;
    }
    let merge = |scopes: &Scopes, outer: TestScope| {
        scopes.iter().fold(outer, |outer, (_, inner)| inner.clone().or(&outer))
    };
    let outer = merge(&everywhere(), TestScope::new());
    SCOPES.try_with(|scopes| merge(&scopes.borrow(), outer)).ok()
}

/// The changes of the scope for a call that begins here.
pub(crate) fn changes() -> Option<(bool, Option<Attempts>)> {
    current().map(|scope| (scope.no_waits, scope.attempts))
}

/// The clock of the scope.
pub(crate) fn clock() -> Option<VirtualClock> {
    current().and_then(|scope| scope.clock)
}

/// Panics where a timer would sleep in real time inside of virtual time: the test would hang.
#[cfg_attr(
    not(any(feature = "tokio", feature = "async-io")),
    allow(dead_code, reason = "the timers of other features use it")
)]
#[track_caller]
pub(crate) fn assert_real_time(timer: &str) {
    assert!(
        clock().is_none(),
        "`{timer}` would sleep in real time, and this test runs in the time of a `VirtualClock`: \
         give the retry no timer, so that it follows the clock of the test scope, or pass \
         `.timer(clock.clone())`"
    );
}
