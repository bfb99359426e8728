//! [`PolicyHandle`]: a named policy, as code holds it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::prelude::v1::*;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Cache, Guard};

use super::config::{ConfigError, Configured, Jitter};
use super::guarding::Guarding;
use super::known::Known;
use super::overrides::Overrides;
use super::policies::Shared;
use super::slot::{Slot, Snapshot};
use crate::classify::{Kinded, NamedKinds, OnError};
use crate::hook::{
    FinishFacts, OnAttempt, OnFinishFacts, OnGiveUpFacts, OnRetryFacts, OnSuccessFacts, RetryFacts,
};
use crate::retry::{
    Attempts, AttemptsOf, Ends, Finish, IntoPolicy, MayInterrupt, Own, Plain, PolicyParts,
    RetryExt, Source, marker,
};
use crate::time::{BlockingTimer, Clock, DefaultTimer, Timer};
use crate::{Attempt, Backoff, Classifier, Hook, Interrupted, Outcome};

/// A named policy that follows the updates of its [`Policies`](super::Policies). Give it to
/// `retry_with` by reference, or use it as a policy: [`call`](PolicyHandle::call),
/// [`run`](PolicyHandle::run), [`start`](PolicyHandle::start).
///
/// Each call takes one immutable form of the policy when it begins, and keeps it to its end. It
/// costs no lock, and no reference count either while at most eight calls of its thread are in
/// flight, unless the policy has a budget or a breaker.
///
/// What code says on a handle goes over what is loaded, at every revision: the settings
/// ([`attempts`](PolicyHandle::attempts), [`wait_min`](PolicyHandle::wait_min), …), which change
/// the policy, and hooks, a timer and a seed, which are added to it. A clone is another handle of
/// the same.
///
/// Errors are retried by the kinds that the settings name, so the error type has to be
/// [`Kinded`]; with `.when(..)` at the call it has not.
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
pub struct PolicyHandle<X = Own, H = (), T = DefaultTimer> {
    slot: Arc<Slot>,
    shared: Weak<Shared>,
    hooks: H,
    timer: T,
    seed: Option<u64>,
    ends: PhantomData<fn() -> X>,
}

impl<X> PolicyHandle<X> {
    pub(super) fn new(slot: Arc<Slot>, shared: Weak<Shared>) -> Self {
        let (hooks, timer, seed, ends) = ((), DefaultTimer, None, PhantomData);
        PolicyHandle { slot, shared, hooks, timer, seed, ends }
    }
}

impl<X, H, T> PolicyHandle<X, H, T> {
    /// The name of the policy.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.slot.name
    }

    /// The revision of the settings that a call which begins now would take.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.slot.current.load().revision
    }

    /// The longest that a call may sleep in all; see [`Backoff::worst_case`].
    #[must_use]
    pub fn worst_case(&self) -> Option<Duration> {
        self.slot.current.load().backoff.worst_case()
    }

    /// Checks that the policy names only error kinds that `E` knows, or a type that was
    /// [announced](super::PoliciesBuilder::kinds_of) or checked before. From now on, an update may
    /// name the kinds of `E` too, and none that nobody knows.
    ///
    /// # Errors
    /// The names that nobody knows. The check is not kept then.
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
        let mut known = Known::default();
        known.announce::<E>();
        match self.shared.upgrade() {
            Some(shared) => shared.check(&self.slot, &known),
            None => self.slot.check(&known, |problem| problem),
        }
    }

    /// The same policy with other settings over it.
    fn overridden(self, change: impl FnOnce(&mut Overrides)) -> Self {
        let mut overrides = self.slot.overrides;
        change(&mut overrides);
        let slot = match self.shared.upgrade() {
            Some(shared) => shared.derive(&self.slot, overrides),
            None => Arc::new(self.slot.under(overrides)),
        };
        PolicyHandle { slot, ..self }
    }

    /// At most so many executions, the first included, whatever is loaded.
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
    pub fn attempts(self, attempts: u32) -> Self {
        assert!(attempts > 0, "`attempts` counts the first execution, so it is at least 1");
        self.overridden(|overrides| overrides.attempts = Some(attempts))
    }

    /// This first delay, before jitter. A loaded `wait_max` that is shorter is lifted to it; one in
    /// code has the last word. Nothing changes where there is no first delay, as for `immediate` and
    /// a list of delays.
    #[must_use]
    pub fn wait_min(self, delay: Duration) -> Self {
        self.overridden(|overrides| overrides.wait_min = Some(delay))
    }

    /// No delay longer than this. A `wait_min` that is longer is cut down to it.
    #[must_use]
    pub fn wait_max(self, delay: Duration) -> Self {
        self.overridden(|overrides| overrides.wait_max = Some(delay))
    }

    /// This jitter.
    ///
    /// # Panics
    /// If it is a ratio that is not from 0 to 1.
    #[must_use]
    pub fn jitter(self, jitter: Jitter) -> Self {
        if let Jitter::Ratio(ratio) = jitter {
            assert!((0.0..=1.0).contains(&ratio), "the ratio of a jitter is from 0 to 1");
        }
        self.overridden(|overrides| overrides.jitter = Some(jitter))
    }

    /// No retry starts this long after the call began. An `attempt_timeout` that is longer is cut
    /// down to it.
    ///
    /// # Panics
    /// If `limit` is zero.
    #[must_use]
    pub fn max_elapsed(self, limit: Duration) -> Self {
        assert!(!limit.is_zero(), "`max_elapsed` is more than nothing");
        self.overridden(|overrides| overrides.max_elapsed = Some(limit))
    }

    /// A server may ask for no longer wait than this.
    #[must_use]
    pub fn retry_after_max(self, ceiling: Duration) -> Self {
        self.overridden(|overrides| overrides.retry_after_max = Some(ceiling))
    }

    fn rebuild<H2, T2>(self, change: impl FnOnce(H, T) -> (H2, T2)) -> PolicyHandle<X, H2, T2> {
        let PolicyHandle { slot, shared, hooks, timer, seed, ends } = self;
        let (hooks, timer) = change(hooks, timer);
        PolicyHandle { slot, shared, hooks, timer, seed, ends }
    }

    /// Adds a [`Hook`], as [`Policy::hook`](crate::Policy::hook) does; and as
    /// [`Policy::guard`](crate::Policy::guard) where the handle is one of
    /// [`get_interrupting`](super::Policies::get_interrupting). A [`Deadline`](crate::hook::Deadline),
    /// which settings do not have, is added so.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::{Reason, RetryExt, hook::Deadline, policy::Policies, time::VirtualClock};
    /// use std::{future::pending, time::Duration};
    ///
    /// let policies = Policies::load(&Figment::from(Toml::string("[default_policy]")), "")?;
    /// let (clock, limit) = (VirtualClock::new(), Duration::from_secs(5));
    /// let policy = policies
    ///     .get_interrupting("default_policy")?
    ///     .hook(Deadline::new(limit))
    ///     .timer(clock.clone());
    /// let hung = || pending::<std::io::Result<()>>();
    /// let error = clock.block_on(hung.retry_with(&policy).report()).unwrap_err();
    /// assert_eq!((error.reason(), error.elapsed()), (Reason::Deadline, Some(limit)));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hook<K>(self, hook: K) -> PolicyHandle<X, (H, K), T> {
        self.rebuild(|hooks, timer| ((hooks, hook), timer))
    }

    /// Tells and passes the time with `timer`, as [`Policy::timer`](crate::Policy::timer) does. A
    /// breaker or a budget of the settings has a clock of its own.
    #[must_use]
    pub fn timer<U: Clock>(self, timer: U) -> PolicyHandle<X, H, U> {
        self.rebuild(|hooks, _| (hooks, timer))
    }

    /// Gives every call the random stream of `seed`, as [`Policy::seed`](crate::Policy::seed) does.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        PolicyHandle { seed: Some(seed), ..self }
    }

    /// A handle for a place where calls are very frequent: it remembers the current form, and only
    /// looks whether that was replaced. It is used by `&mut`, so each thread or task has its own.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::{RetryExt, policy::Policies};
    ///
    /// let policies = Policies::load(&Figment::from(Toml::string("[default_policy]")), "")?;
    /// let mut cached = policies.default_policy()?.cached();
    /// for number in 0..3 {
    ///     let outcome = (|| Ok::<_, std::io::Error>(number)).retry_with(&mut cached).call()?;
    ///     assert_eq!(outcome, number);
    /// }
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cached(self) -> CachedHandle<X, H, T> {
        CachedHandle { cache: Cache::new(InSlot(self.slot.clone())), handle: self }
    }
}

macro_rules! closures {
    ($($name:ident($facts:ty): $hook:ident;)*) => {
        impl<X, H, T> PolicyHandle<X, H, T> { $(
            #[doc = concat!("As [`Policy::", stringify!($name), "`](crate::Policy::", stringify!($name), ").")]
            #[must_use]
            pub fn $name<F: FnMut($facts)>(self, function: F) -> PolicyHandle<X, (H, $hook<F>), T> {
                self.hook($hook(function))
            }
        )* }
    };
}
closures! {
    on_attempt(&Attempt): OnAttempt;
    on_retry(&RetryFacts): OnRetryFacts;
    on_give_up(&FinishFacts): OnGiveUpFacts;
    on_success(&FinishFacts): OnSuccessFacts;
    on_finish(&FinishFacts): OnFinishFacts;
}

impl<H: Clone, T: Clock + Clone> PolicyHandle<Own, H, T> {
    /// Begins a call as a loop, as [`Policy::start`](crate::Policy::start) does.
    pub fn start<O>(&self) -> AttemptsOf<O, &Self>
    where
        H: Hook<O>,
    {
        Attempts::start(self)
    }
}

impl<H: Clone, T: Clock + Clone> PolicyHandle<MayInterrupt, H, T> {
    /// Begins a call as a loop, as [`Policy::try_start`](crate::Policy::try_start) does.
    ///
    /// # Errors
    /// The refusal of a breaker that is open.
    pub fn try_start<O>(&self) -> Result<AttemptsOf<O, &Self>, Interrupted>
    where
        H: Hook<O>,
    {
        Attempts::try_start(self)
    }
}

impl<X: Ends, H: Clone, T: Clock + Clone> PolicyHandle<X, H, T> {
    /// Runs an operation, blocking between attempts, as [`Policy::call`](crate::Policy::call) does.
    pub fn call<O, F>(&self, operation: F) -> O
    where
        F: FnMut(Attempt) -> O,
        O: Outcome,
        NamedKinds: Classifier<O>,
        H: Hook<O>,
        Plain: Finish<O, X, Output = O>,
        T: BlockingTimer,
    {
        RetryExt::<marker::CallWith>::retry_with::<marker::Sync, _>(operation, self).call()
    }

    /// Runs an asynchronous operation, as [`Policy::run`](crate::Policy::run) does.
    pub async fn run<O>(&self, operation: impl AsyncFnMut(Attempt) -> O) -> O
    where
        O: Outcome,
        NamedKinds: Classifier<O>,
        H: Hook<O>,
        Plain: Finish<O, X, Output = O>,
        T: Timer,
    {
        super::run(self, operation).await
    }

    /// Runs an asynchronous operation on a state that is handed on, as
    /// [`Policy::run_with`](crate::Policy::run_with) does.
    pub async fn run_with<St, Fut, O>(
        &self,
        state: St,
        operation: impl FnMut(St, Attempt) -> Fut,
    ) -> (St, O)
    where
        Fut: Future<Output = (St, O)>,
        O: Outcome,
        NamedKinds: Classifier<O>,
        H: Hook<O>,
        Plain: Finish<O, X, Output = O>,
        T: Timer,
    {
        super::run_with(self, state, operation).await
    }
}

/// The form of a policy that a call has taken.
pub struct Taken(Guard<Arc<Snapshot>>);

/// A call that speaks for its errors itself need not have kinds: values are as ever.
macro_rules! source {
    ([$($lifetime:lifetime)?] $type:ty, |$this:ident| $snapshot:expr) => {
        impl$(<$lifetime>)? Source for $type {
            type Backoff = Configured;
            type Classifier = NamedKinds;
            type Values = OnError;

            #[inline]
            fn backoff(&self) -> &Configured {
                let $this = self;
                &$snapshot.backoff
            }
            #[inline]
            fn classifier(&self) -> &NamedKinds {
                let $this = self;
                &$snapshot.kinds
            }
            #[inline]
            fn values(&self) -> &OnError {
                &OnError
            }
        }
    };
}
source!([] Taken, |taken| taken.0);
source!(['a] &'a Snapshot, |snapshot| snapshot);

impl<X: Ends, H: Clone, T: Clone> IntoPolicy for &PolicyHandle<X, H, T> {
    type Source = Taken;
    type Hooks = (Guarding, H);
    type Ends = X;
    type Timer = T;

    #[inline]
    fn into_parts(self) -> PolicyParts<Taken, (Guarding, H), T> {
        let snapshot = self.slot.current.load();
        let hooks = (snapshot.guards.clone(), self.hooks.clone());
        PolicyParts::new(Taken(snapshot), hooks, self.timer.clone()).with_seed(self.seed)
    }
}

impl<X: Ends, H, T> IntoPolicy for PolicyHandle<X, H, T> {
    type Source = Taken;
    type Hooks = (Guarding, H);
    type Ends = X;
    type Timer = T;

    fn into_parts(self) -> PolicyParts<Taken, (Guarding, H), T> {
        let snapshot = self.slot.current.load();
        let hooks = (snapshot.guards.clone(), self.hooks);
        PolicyParts::new(Taken(snapshot), hooks, self.timer).with_seed(self.seed)
    }
}

/// A handle that remembers the form of its policy. Made by [`PolicyHandle::cached`].
pub struct CachedHandle<X = Own, H = (), T = DefaultTimer> {
    cache: Cache<InSlot, Arc<Snapshot>>,
    handle: PolicyHandle<X, H, T>,
}

/// What the cache looks into.
#[derive(Clone)]
struct InSlot(Arc<Slot>);

impl Deref for InSlot {
    type Target = ArcSwap<Snapshot>;
    #[inline]
    fn deref(&self) -> &ArcSwap<Snapshot> {
        &self.0.current
    }
}

impl<'a, X: Ends, H: Clone, T: Clone> IntoPolicy for &'a mut CachedHandle<X, H, T> {
    type Source = &'a Snapshot;
    type Hooks = (Guarding, H);
    type Ends = X;
    type Timer = T;

    #[inline]
    fn into_parts(self) -> PolicyParts<&'a Snapshot, (Guarding, H), T> {
        let CachedHandle { cache, handle } = self;
        let snapshot: &Snapshot = cache.load();
        let hooks = (snapshot.guards.clone(), handle.hooks.clone());
        PolicyParts::new(snapshot, hooks, handle.timer.clone()).with_seed(handle.seed)
    }
}

impl<X, H: Clone, T: Clone> Clone for PolicyHandle<X, H, T> {
    fn clone(&self) -> Self {
        PolicyHandle {
            slot: self.slot.clone(),
            shared: self.shared.clone(),
            hooks: self.hooks.clone(),
            timer: self.timer.clone(),
            seed: self.seed,
            ends: PhantomData,
        }
    }
}

/// The backoff's description and schedule, at the current revision.
impl<X, H, T> fmt::Display for PolicyHandle<X, H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.slot.current.load().backoff.fmt(f)
    }
}

impl<X, H, T> fmt::Debug for PolicyHandle<X, H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyHandle")
            .field("name", &self.name())
            .field("revision", &self.revision())
            .field("policy", &self.slot.current.load().backoff)
            .finish_non_exhaustive()
    }
}

impl<X, H, T> fmt::Debug for CachedHandle<X, H, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CachedHandle").field(&self.handle).finish()
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
