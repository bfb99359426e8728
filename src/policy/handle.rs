//! [`PolicyHandle`]: a named policy whose settings can change while the program runs.

use std::fmt;
use std::ops::ControlFlow;
use std::prelude::v1::*;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::Guard;

use super::Policy;
use super::config::{ConfigError, Configured, Jitter};
use super::current::{Slot, Snapshot};
use super::guards::{BySettings, Held};
use super::kind_registry::KindRegistry;
use super::overrides::Overrides;
use super::policies::Shared;
use super::rules::{Classify, Delays, FiniteRules, Rules, Whole};
use crate::classify::Kinded;
use crate::guard::GuardEvents;
use crate::hook::{AttemptEvent, FinishEvent, RetryEvent};
use crate::time::DefaultTimer;
use crate::{Attempt, Outcome, Verdict, Veto};

/// A named policy that follows the updates of its [`Policies`](super::Policies), from
/// [`Policies::get`](super::Policies::get): a [`Policy`] like any other, whose rules are [`Live`].
///
/// Each call takes one immutable form of the settings when it begins, and keeps it to its end. That
/// takes no lock, and no reference count either while at most eight calls of a thread are in flight.
///
/// Errors are retried by the kinds that the settings name, so the error type has to be
/// [`Kinded`]; with `.when(..)` it has not. Code may change settings too:
/// [`attempts`](Policy::attempts), [`wait_min`](Policy::wait_min) and others go before those that are
/// loaded, at every revision. The setters of a policy add hooks, guards and a timer. A clone is
/// another handle of the same policy.
///
/// ```
/// use figment::{Figment, providers::{Format, Toml}};
/// use persevere::{RetryExt, policy::Policies, time::VirtualClock};
/// use std::io::{Error, ErrorKind};
///
/// let settings = "[policies.store]\nattempts = 2\nexceptions = ['TimedOut']\njitter = false";
/// let policies = Policies::load(&Figment::from(Toml::string(settings)), "")?;
/// let clock = VirtualClock::new();
/// let store = policies.get("store")?.attempts(4).timer(clock.clone());
///
/// let slow = store.call(|_| Err::<(), _>(Error::from(ErrorKind::TimedOut)));
/// assert!(slow.is_err() && clock.slept().len() == 3);
/// let parsed = (|| "7".parse::<u8>()).retry_with(&store).when(|_| true).call();
/// assert_eq!(parsed, Ok(7));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub type PolicyHandle<T = DefaultTimer> = Policy<Live, (), (), T>;

/// A [`PolicyHandle`] whose settings may have a circuit breaker and a limit on the time of attempts, so
/// that its calls may end without an outcome. From
/// [`Policies::get_guarded`](super::Policies::get_guarded).
///
/// ```
/// use figment::{Figment, providers::{Format, Toml}};
/// use persevere::policy::{GuardedHandle, Policies};
/// use persevere::{RetryExt, time::VirtualClock};
/// use std::{future::pending, io};
///
/// struct Client { policy: GuardedHandle }
/// impl Client {
///     async fn fetch(&self, clock: &VirtualClock) -> io::Result<()> {
///         let hung = || pending::<io::Result<()>>();
///         hung.retry_with(&self.policy).timer(clock.clone()).await
///     }
/// }
///
/// let settings = "policies.slow = { attempts = 2, attempt_timeout = '5s' }";
/// let policies = Policies::load(&Figment::from(Toml::string(settings)), "")?;
/// let (client, clock) = (Client { policy: policies.get_guarded("slow")? }, VirtualClock::new());
/// let error = clock.block_on(client.fetch(&clock)).unwrap_err();
/// assert_eq!(error.to_string(), "the attempt timed out after 5 s");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub type GuardedHandle<T = DefaultTimer> = Policy<Live, (), BySettings, T>;

/// The rules of a handle: the current settings of a named policy.
#[derive(Clone)]
#[doc(hidden)]
pub struct Live {
    slot: Arc<Slot>,
    shared: Weak<Shared>,
    /// Counts the plain handles, whose calls always end with an outcome.
    plain: Option<Arc<()>>,
}

impl Live {
    /// The rules of a plain handle.
    pub(super) fn plain(slot: Arc<Slot>, shared: Weak<Shared>) -> Self {
        let plain = Some(slot.plain.clone());
        Live { slot, shared, plain }
    }

    /// The rules of a guarded handle.
    pub(super) fn guarded(slot: Arc<Slot>, shared: Weak<Shared>) -> Self {
        Live { slot, shared, plain: None }
    }

    /// This policy with other settings of code.
    fn overridden(self, change: impl FnOnce(&mut Overrides)) -> Self {
        let mut overrides = self.slot.overrides;
        change(&mut overrides);
        let slot = match self.shared.upgrade() {
            Some(shared) => shared.derive(&self.slot, overrides),
            None => Arc::new(self.slot.under(overrides)),
        };
        let plain = self.plain.map(|_| slot.plain.clone());
        Live { slot, shared: self.shared, plain }
    }
}

impl<G> Policy<Live, (), G> {
    pub(super) fn handle(live: Live, guards: G) -> Self {
        Policy::with(live, (), guards, DefaultTimer)
    }
}

/// The settings of a handle, before other setters.
impl<H, G, T, K> Policy<Live, H, G, T, K> {
    /// Returns the name of the policy; `"policy"` for one of a
    /// [`PolicyConfig`](super::config::PolicyConfig).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.rules.slot.name
    }

    /// Returns the revision of the settings that a call would take now.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.rules.slot.current.load().revision
    }

    /// Checks that the policy names only error kinds of `E`, or of a type that was
    /// [announced](super::PoliciesBuilder::kinds_of) or checked before. From then on, updates may name
    /// the kinds of `E` too, and no unknown ones.
    ///
    /// # Errors
    /// The unknown names. The check has no effect then.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::policy::Policies;
    ///
    /// let toml = |text: &str| Figment::from(Toml::string(text));
    /// let policies = Policies::load(&toml("policies.read.exceptions = ['TimedOut']"), "")?;
    /// policies.get("read")?.check_kinds::<std::io::Error>()?;
    /// assert!(policies.reload(&toml("policies.read.exceptions = ['Timeout']")).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_kinds<E: Kinded>(&self) -> Result<(), ConfigError> {
        let mut kinds = KindRegistry::default();
        kinds.announce::<E>();
        let Live { slot, shared, .. } = &self.rules;
        match shared.upgrade() {
            Some(shared) => shared.check(slot, &kinds),
            None => slot.check(&kinds, |problem| problem),
        }
    }

    fn overridden(self, change: impl FnOnce(&mut Overrides)) -> Self {
        super::with_slot!(self, rules: rules => rules.overridden(change))
    }

    /// Sets the attempts, the first included, whatever is loaded.
    ///
    /// # Panics
    /// If `attempts` is zero.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::policy::Policies;
    ///
    /// let figment = Figment::from(Toml::string("[default_policy]\nattempts = 3\nwait_min = '0s'"));
    /// let policy = Policies::load(&figment, "")?.default_policy()?.attempts(5);
    /// let mut calls = 0;
    /// let _ = policy.call(|_| { calls += 1; Err::<(), _>(std::io::Error::other("busy")) });
    /// assert_eq!(calls, 5);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn attempts(self, attempts: u32) -> Self {
        assert!(
            attempts > 0,
            "`attempts` counts the first attempt, so it must be at least 1, got 0"
        );
        self.overridden(|overrides| overrides.attempts = Some(attempts))
    }

    /// Sets the first delay, before jitter. A loaded `wait_max` that is shorter is raised to it; one in
    /// code is not. `immediate` and a list of delays have no first delay, and do not change.
    #[must_use]
    pub fn wait_min(self, delay: Duration) -> Self {
        self.overridden(|overrides| overrides.wait_min = Some(delay))
    }

    /// Sets the longest delay. A `wait_min` that is longer is cut to it.
    #[must_use]
    pub fn wait_max(self, delay: Duration) -> Self {
        self.overridden(|overrides| overrides.wait_max = Some(delay))
    }

    /// Sets the jitter.
    ///
    /// # Panics
    /// If it is a ratio that is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn jitter(self, jitter: Jitter) -> Self {
        if let Jitter::Ratio(ratio) = jitter {
            assert!(
                (0.0..=1.0).contains(&ratio),
                "the ratio of a jitter is from 0 to 1, got {ratio}"
            );
        }
        self.overridden(|overrides| overrides.jitter = Some(jitter))
    }

    /// Sets the limit on the elapsed time: no retry starts this long after the call began. An
    /// `attempt_timeout` that is longer is cut to it.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[must_use]
    #[track_caller]
    pub fn max_elapsed(self, limit: Duration) -> Self {
        assert!(!limit.is_zero(), "`max_elapsed` must be more than zero");
        self.overridden(|overrides| overrides.max_elapsed = Some(limit))
    }

    /// Sets the longest delay that a server may request with `Retry-After`.
    #[must_use]
    pub fn retry_after_max(self, limit: Duration) -> Self {
        self.overridden(|overrides| overrides.retry_after_max = Some(limit))
    }
}

/// The settings of a call: empty before the call begins.
#[doc(hidden)]
pub struct LiveForm {
    snapshot: Option<Guard<Arc<Snapshot>>>,
    held: Held,
}

impl LiveForm {
    #[inline]
    fn snapshot(&self) -> &Snapshot {
        self.snapshot.as_ref().expect("a call takes its settings when it begins")
    }

    /// Passes an event to the guards of the settings, if there are any.
    #[inline]
    fn pass<R>(&mut self, event: impl FnOnce(&mut super::guards::InUse<'_>) -> R) -> Option<R> {
        let guards = self.snapshot.as_ref()?.guards.as_deref()?;
        Some(self.held.pass(guards, event))
    }
}

/// A call that is dropped returns its permits to a budget and a breaker.
impl Drop for LiveForm {
    #[inline]
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.pass(|guards| *guards = (None, None));
        }
    }
}

impl Rules for Live {
    type Form = LiveForm;
    type Backoff = Configured;
    const SEES_ATTEMPT: bool = false;
    #[inline]
    fn idle(&self) -> LiveForm {
        LiveForm { snapshot: None, held: Held::default() }
    }
    #[inline]
    fn begin(&self, form: &mut LiveForm) {
        form.snapshot = Some(self.slot.current.load());
    }
    #[inline]
    fn backoff<'a>(&'a self, form: &'a LiveForm) -> &'a Configured {
        &form.snapshot().backoff
    }
}

#[diagnostic::do_not_recommend]
impl<O: Outcome<Error: Kinded>> Classify<O, Whole> for Live {
    #[inline]
    fn classify(&self, form: &LiveForm, outcome: &O, _: &Attempt) -> Option<Verdict> {
        Some(match outcome.as_result() {
            Ok(_) => Verdict::Accept,
            Err(error) if form.snapshot().kinds.matches(error) => Verdict::Retry,
            Err(_) => Verdict::Stop,
        })
    }
}

/// Where a `.when` decides about errors, their kinds do not count.
#[diagnostic::do_not_recommend]
impl<O: Outcome> Classify<O, Delays> for Live {
    #[inline]
    fn classify(&self, _: &LiveForm, outcome: &O, _: &Attempt) -> Option<Verdict> {
        outcome.as_result().is_ok().then_some(Verdict::Accept)
    }
}

/// The guards of the settings. Attempts are refused and limited only in a
/// [`GuardedHandle`].
impl<O> GuardEvents<O> for LiveForm {
    #[inline]
    fn reads_clock(&self) -> bool {
        false
    }
    handles!(BEFORE_ATTEMPT | AFTER_ATTEMPT | RETRY | FINISH);

    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        let allowed = self.pass(|(_, breaker)| {
            breaker
                .as_mut()
                .map(|breaker| crate::guard::Guard::<O>::allow_attempt(breaker, attempt))
        });
        allowed.flatten().unwrap_or(ControlFlow::Continue(()))
    }

    #[inline]
    fn attempt_limit(&self, _: &Attempt) -> u64 {
        self.snapshot().attempt_limit()
    }

    #[inline]
    fn begin_blocking(&mut self) {
        let snapshot = self.snapshot();
        if snapshot.attempt_limit() != u64::MAX {
            snapshot.report_ineffective();
        }
    }

    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        self.pass(|guards| super::guards::before_attempt::<O>(guards, attempt));
    }

    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        self.pass(|guards| super::guards::after_attempt(guards, event));
    }

    #[inline]
    fn attempt_dropped(&mut self, attempt: &Attempt) {
        self.pass(|guards| super::guards::attempt_dropped::<O>(guards, attempt));
    }

    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        let allowed = self.pass(|guards| super::guards::allow_retry(guards, event));
        allowed.unwrap_or(ControlFlow::Continue(()))
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        self.pass(|guards| super::guards::finish(guards, event));
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.slot.current.load();
        f.debug_struct("Live")
            .field("name", &self.slot.name)
            .field("revision", &current.revision)
            .field("backoff", &current.backoff)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LiveForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveForm").finish_non_exhaustive()
    }
}

/// Settings always have a limit on attempts.
const _: fn() = || {
    fn is_finite<S: FiniteRules>() {}
    is_finite::<Live>();
};
