//! From settings to a policy.

use std::fmt;
use std::num::NonZeroU32;
use std::prelude::v1::*;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::validate::Check;
use super::{
    ConfigError, DurationText, Jitter, PolicyConfig, Problem, ProblemKind, Strategy, Toggle,
};
use crate::classify::NamedKinds;
use crate::policy::current::Slot;
use crate::policy::{BySettings, GuardedHandle, Live, Policy, PolicyHandle};
use crate::time::SharedClock;
use crate::{Attempt, Backoff, Budget, CircuitBreaker, DelayBounds, Finite, Limits};

pub(super) type Curve = Box<dyn Backoff + Send + Sync>;

/// The guards that settings ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    pub(crate) budget: Option<Budget>,
    pub(crate) breaker: Option<CircuitBreaker>,
    pub(crate) attempt_timeout: Option<Duration>,
}

/// The backoff that settings describe: a composition of the built-in ones.
///
/// ```
/// use persevere::{Backoff, policy::config::PolicyConfig};
/// let config: PolicyConfig = toml::from_str("strategy = 'constant'\njitter = false")?;
/// assert_eq!(
///     config.policy()?.to_string(),
///     "constant 1s, delays up to 10s, at most 3 attempts: 1s, 1s (2s in all)",
/// );
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[doc(hidden)]
pub struct Configured {
    curve: Curve,
    /// What every call asks for, without asking the curve.
    limits: Limits,
    reads_clock: bool,
}

impl Configured {
    pub(super) fn new(curve: Curve) -> Self {
        Configured { limits: curve.limits(), reads_clock: curve.reads_clock(), curve }
    }
}

impl Backoff for Configured {
    #[inline]
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        self.curve.delay(attempt)
    }
    #[inline]
    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        self.curve.delay_nanos(attempt)
    }
    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        self.curve.bounds(attempt)
    }
    #[inline]
    fn limits(&self) -> Limits {
        self.limits
    }
    #[inline]
    fn reads_clock(&self) -> bool {
        self.reads_clock
    }
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.curve.describe(f)
    }
}

/// Every configuration has a limit on attempts.
impl Finite for Configured {}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configured(")?;
        self.curve.describe(f)?;
        f.write_str(")")
    }
}

impl fmt::Display for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::backoff::print(self, f)
    }
}

impl PolicyConfig {
    /// Checks the settings, with their [defaults](super), and makes a policy of them: a
    /// [`PolicyHandle`] that follows no updates. For updates, see
    /// [`Policies`](crate::policy::Policies).
    ///
    /// # Errors
    /// All that is wrong with them, and `attempt_timeout` and `breaker`, which need
    /// [`guarded_policy`](PolicyConfig::guarded_policy).
    pub fn policy(&self) -> Result<PolicyHandle, ConfigError> {
        let plan = self.plan()?;
        let expected = "none, since calls of a plain policy always end with an outcome of their own \
                        (`guarded_policy` accepts it)";
        let interrupting: Vec<_> = plan.interrupting(expected).collect();
        if !interrupting.is_empty() {
            return Err(ConfigError::new(interrupting));
        }
        let slot = Arc::new(Slot::of_plan(plan, self.clone()));
        Ok(Policy::handle(Live::plain(slot, Weak::new()), ()))
    }

    /// Like [`policy`](PolicyConfig::policy), for settings that may end a call without an outcome.
    ///
    /// # Errors
    /// All that is wrong with the settings.
    ///
    /// ```
    /// use persevere::{Interrupted, RetryExt, policy::config::PolicyConfig, time::VirtualClock};
    /// use std::future::pending;
    ///
    /// let config: PolicyConfig = toml::from_str("attempts = 2\nattempt_timeout = '5s'")?;
    /// assert!(config.policy().is_err());
    /// let policy = config.guarded_policy()?;
    /// let clock = VirtualClock::new();
    /// let retry = (|| pending::<std::io::Result<()>>()).retry_with(&policy).timer(clock.clone());
    /// let error = clock.block_on(retry.report()).unwrap_err();
    /// assert!(matches!(error.interrupted(), Some(Interrupted::AttemptTimeout { .. })));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn guarded_policy(&self) -> Result<GuardedHandle, ConfigError> {
        let slot = Arc::new(Slot::of_plan(self.plan()?, self.clone()));
        Ok(Policy::handle(Live::guarded(slot, Weak::new()), BySettings::new()))
    }

    fn plan(&self) -> Result<Plan, ConfigError> {
        let mut problems = self.contradictions();
        match Plan::of(self, None) {
            Ok(plan) if problems.is_empty() => Ok(plan),
            Ok(_) => Err(ConfigError::new(problems)),
            Err(more) => {
                problems.extend(more);
                Err(ConfigError::new(problems))
            }
        }
    }

    /// Settings of this table that say the same thing twice.
    pub(crate) fn contradictions(&self) -> Vec<Problem> {
        const TWINS: [[&str; 2]; 3] = [
            ["attempts", "max_retries"],
            ["wait_min", "wait_min_seconds"],
            ["wait_max", "wait_max_seconds"],
        ];
        let given = self.given();
        let twice = |[one, other]: [&'static str; 2]| {
            (given.contains(&one) && given.contains(&other)).then(|| {
                let expected = format!("only one of `{one}` and `{other}`");
                let problem = Problem::new(ProblemKind::Contradiction, other, expected);
                problem.found(self.shown(other)).against(one)
            })
        };
        TWINS.into_iter().filter_map(twice).collect()
    }
}

/// Checked settings: everything that a call needs.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: PolicyConfig,
    pub(crate) backoff: Configured,
    pub(crate) kinds: NamedKinds,
    pub(crate) guards: Guards,
}

impl Plan {
    /// Checks `config`, with the defaults for what it leaves out. Budget and breaker read the time from
    /// `clock`, if there is one.
    pub(crate) fn of(
        config: &PolicyConfig,
        clock: Option<&SharedClock>,
    ) -> Result<Self, Vec<Problem>> {
        Self::within(config, config, clock)
    }

    /// The same, of which `own` is not inherited. Where a setting of its own contradicts one that
    /// is inherited, its own is to blame.
    pub(crate) fn within(
        config: &PolicyConfig,
        own: &PolicyConfig,
        clock: Option<&SharedClock>,
    ) -> Result<Self, Vec<Problem>> {
        let (config, own) = (config.clone().complete(), own.given());
        let mut check = Check { config, own, clock: clock.cloned(), problems: Vec::new() };
        let backoff = check.backoff();
        let kinds = check.kinds();
        let guards = check.guards();
        let Check { config, problems, .. } = check;
        match backoff {
            Some(backoff) if problems.is_empty() => Ok(Plan { config, backoff, kinds, guards }),
            _ => Err(problems),
        }
    }

    /// Makes this plan go on with the budget and the breaker of an earlier one, unless their
    /// settings changed.
    pub(crate) fn go_on_with(&mut self, config: &PolicyConfig, guards: &Guards) {
        if let (Some(Toggle::On(new)), Some(Toggle::On(old))) =
            (&self.config.budget, &config.budget)
        {
            if new.is_same(old) {
                self.guards.budget.clone_from(&guards.budget);
            }
        }
        if let (Some(Toggle::On(new)), Some(Toggle::On(old))) =
            (&self.config.breaker, &config.breaker)
        {
            if new.is_same(old) {
                self.guards.breaker.clone_from(&guards.breaker);
            }
        }
    }

    /// The keys that may end a call without an outcome, where nothing like that is expected.
    pub(crate) fn interrupting(&self, expected: &'static str) -> impl Iterator<Item = Problem> {
        let Guards { breaker, attempt_timeout, .. } = &self.guards;
        let on = [("attempt_timeout", attempt_timeout.is_some()), ("breaker", breaker.is_some())];
        let problem = move |key| {
            Problem::new(ProblemKind::Interrupts, key, expected).found(self.config.shown(key))
        };
        on.into_iter().filter(|(_, on)| *on).map(move |(key, _)| problem(key))
    }

    /// What calls take, where anything is retried at all: one attempt and no guards if not.
    pub(crate) fn into_parts(self, retries: bool) -> (Configured, NamedKinds, Guards) {
        if retries && self.config.enabled != Some(false) {
            (self.backoff, self.kinds, self.guards)
        } else {
            (once(), self.kinds, Guards::default())
        }
    }
}

/// One attempt.
pub(crate) fn once() -> Configured {
    Configured::new(Box::new(Off))
}

/// What is left of a policy where nothing is retried.
struct Off;

impl Backoff for Off {
    fn delay(&self, _: &Attempt) -> Option<Duration> {
        None
    }
    fn bounds(&self, _: u32) -> Option<DelayBounds> {
        None
    }
    fn limits(&self) -> Limits {
        Limits::NONE.with_attempts(NonZeroU32::MIN)
    }
    fn reads_clock(&self) -> bool {
        false
    }
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("retries are off, one attempt")
    }
}

impl PolicyConfig {
    /// The same with every default written out that these settings do not exclude.
    pub(crate) fn complete(self) -> Self {
        let mut defaults = PolicyConfig::defaults();
        // What nobody said gives way to what somebody did.
        if let (Some(least), Some(most)) = (defaults.wait_min, self.longest()) {
            defaults.wait_min = Some(least.min(most));
        }
        if let (Some(least), Some(most)) = (self.shortest(), defaults.wait_max) {
            defaults.wait_max = Some(most.max(least));
        }
        match self.strategy.unwrap_or_default() {
            // A list is its own limit.
            Strategy::Delays => (defaults.attempts, defaults.wait_max) = (None, None),
            Strategy::Decorrelated | Strategy::DecorrelatedV2 => {
                defaults.jitter = Some(Jitter::None);
            }
            _ => {}
        }
        self.inherit(&defaults)
    }

    /// The first delay in either spelling, if it is given and makes sense.
    pub(crate) fn shortest(&self) -> Option<DurationText> {
        self.wait_min.or_else(|| of_seconds(self.wait_min_seconds?))
    }

    /// The longest delay in either spelling, if it is given and makes sense.
    pub(crate) fn longest(&self) -> Option<DurationText> {
        self.wait_max.or_else(|| of_seconds(self.wait_max_seconds?))
    }
}

fn of_seconds(number: f64) -> Option<DurationText> {
    Duration::try_from_secs_f64(number).ok().map(DurationText)
}
