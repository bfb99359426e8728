//! From settings to a policy.

use std::fmt;
use std::num::NonZeroU32;
use std::prelude::v1::*;
use std::time::Duration;

use super::check::Check;
use super::{
    ConfigError, DurationText, Jitter, PolicyConfig, Problem, ProblemKind, Strategy, Toggle,
};
use crate::classify::NamedKinds;
use crate::hook::{AttemptTimeout, Budget, CircuitBreaker};
use crate::policy::Guarding;
use crate::time::SharedClock;
use crate::{
    Attempt, Backoff, DefaultTimer, DelayBounds, Finite, Limits, MayInterrupt, Own, Policy,
};

pub(super) type Curve = Box<dyn Backoff + Send + Sync>;

/// The guards that settings ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    pub(crate) budget: Option<Budget>,
    pub(crate) breaker: Option<CircuitBreaker>,
    pub(crate) attempt_timeout: Option<AttemptTimeout>,
}

/// The policy that a [`PolicyConfig`] describes.
pub type ConfiguredPolicy<X = Own> = Policy<Configured, NamedKinds, Guarding, X>;

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
        crate::backoff::display(self, f)
    }
}

impl PolicyConfig {
    /// Checks the settings, with their [defaults](super), and makes a policy of them. The policy is
    /// not live; for that, see [`Policies`](crate::policy::Policies).
    ///
    /// # Errors
    /// All that is wrong with them, and `attempt_timeout` and `breaker`, which need
    /// [`interrupting_policy`](PolicyConfig::interrupting_policy).
    pub fn policy(&self) -> Result<ConfiguredPolicy, ConfigError> {
        let plan = self.plan()?;
        let expected = "none, since calls of a plain policy always end with an outcome of their own \
                        (`interrupting_policy` takes it)";
        let interrupting: Vec<_> = plan.interrupting(expected).collect();
        if !interrupting.is_empty() {
            return Err(ConfigError::new(interrupting));
        }
        let (backoff, kinds, guards) = plan.into_parts(true);
        Ok(Policy::with(backoff, kinds, Guarding::by(guards), DefaultTimer))
    }

    /// The same, for settings that may end a call without an outcome.
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
    /// let policy = config.interrupting_policy()?;
    /// let clock = VirtualClock::new();
    /// let retry = (|| pending::<std::io::Result<()>>()).retry_with(&policy).timer(clock.clone());
    /// let error = clock.block_on(retry.report()).unwrap_err();
    /// assert_eq!(error.interrupted(), Some(Interrupted::AttemptTimeout));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn interrupting_policy(&self) -> Result<ConfiguredPolicy<MayInterrupt>, ConfigError> {
        let (backoff, kinds, guards) = self.plan()?.into_parts(true);
        Ok(Policy::assemble(backoff, kinds, Guarding::by(guards), DefaultTimer))
    }

    fn plan(&self) -> Result<Plan, ConfigError> {
        let mut problems = self.contradictions();
        match Plan::of(self) {
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
    /// Checks `config`, with the defaults for what it leaves out.
    pub(crate) fn of(config: &PolicyConfig) -> Result<Self, Vec<Problem>> {
        Self::within(config, config)
    }

    /// The same, of which `own` is not inherited. Where a setting of its own contradicts one that
    /// is inherited, its own is to blame.
    pub(crate) fn within(config: &PolicyConfig, own: &PolicyConfig) -> Result<Self, Vec<Problem>> {
        let (config, own) = (config.clone().complete(), own.given());
        let mut check = Check { config, own, problems: Vec::new() };
        let backoff = check.backoff();
        let kinds = check.kinds();
        let guards = check.guards();
        let Check { config, problems, .. } = check;
        match backoff {
            Some(backoff) if problems.is_empty() => Ok(Plan { config, backoff, kinds, guards }),
            _ => Err(problems),
        }
    }

    /// Makes budget and breaker tell the time by `clock`.
    pub(crate) fn tell_time_by(&mut self, clock: &SharedClock) {
        if let Some(budget) = &mut self.guards.budget {
            *budget = budget.clone().clock(clock.clone());
        }
        if let Some(breaker) = &mut self.guards.breaker {
            *breaker = breaker.clone().clock(clock.clone());
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
