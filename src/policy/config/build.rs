//! From settings to a policy: what is checked, and what comes of it.

use std::fmt;
use std::num::NonZeroU32;
use std::prelude::v1::*;
use std::sync::Arc;
use std::time::Duration;

use super::{
    BreakerConfig, BudgetConfig, ConfigError, DurationText, Jitter, PolicyConfig, Problem,
    ProblemKind, Strategy, Toggle,
};
use crate::backoff::{decorrelated, decorrelated_v2, delays, fibonacci, linear, polynomial};
use crate::classify::NamedKinds;
use crate::hook::{AttemptTimeout, Budget, CircuitBreaker};
use crate::time::Clock;
use crate::{
    Attempt, Backoff, DefaultTimer, DelayBounds, Finite, Limits, MayInterrupt, Own, Policy,
    constant, exponential, immediate,
};

/// A clock of any kind.
pub(crate) type SharedClock = Arc<dyn Clock<Sleep = ()> + Send + Sync>;

type Curve = Box<dyn Backoff + Send + Sync>;

/// The hooks that settings ask for: budget, breaker, limit on attempts.
pub type Guards = (Option<Budget>, Option<CircuitBreaker>, Option<AttemptTimeout>);

/// The policy that a [`PolicyConfig`] describes.
pub type ConfiguredPolicy<X = Own> = Policy<Configured, NamedKinds, Guards, X>;

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
    fn new(curve: Curve) -> Self {
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
        let interrupting: Vec<_> = plan.interrupting().collect();
        if !interrupting.is_empty() {
            return Err(ConfigError::new(interrupting));
        }
        let (backoff, kinds, guards) = plan.into_parts(true);
        Ok(Policy::with(backoff, kinds, guards, DefaultTimer))
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
        Ok(Policy::assemble(backoff, kinds, guards, DefaultTimer))
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

/// A key that does nothing where another one is not as said.
pub(super) fn belongs(key: &str, found: String, other: &'static str, with: &str) -> Problem {
    let expected = format!("only with `{with}`");
    Problem::new(ProblemKind::Contradiction, key, expected).found(found).against(other)
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
    /// is inherited or is there by default, its own is to blame.
    pub(crate) fn within(config: &PolicyConfig, own: &PolicyConfig) -> Result<Self, Vec<Problem>> {
        let (own, given) = (own.given(), config.given());
        let config = config.clone().complete();
        let mut check = Check { config, own, given, problems: Vec::new() };
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
        if let Some(budget) = &mut self.guards.0 {
            *budget = budget.clone().clock(clock.clone());
        }
        if let Some(breaker) = &mut self.guards.1 {
            *breaker = breaker.clone().clock(clock.clone());
        }
    }

    /// Makes this plan go on with the budget and the breaker of an earlier one, unless their
    /// settings changed.
    pub(crate) fn go_on_with(&mut self, config: &PolicyConfig, guards: &Guards) {
        if self.config.budget == config.budget {
            self.guards.0.clone_from(&guards.0);
        }
        if self.config.breaker == config.breaker {
            self.guards.1.clone_from(&guards.1);
        }
    }

    /// The keys that may end a call without an outcome.
    pub(crate) fn interrupting(&self) -> impl Iterator<Item = Problem> {
        let on =
            [("attempt_timeout", self.guards.2.is_some()), ("breaker", self.guards.1.is_some())];
        let expected = "none, since code has a plain handle of this policy, and a call of that \
                        always ends with an outcome of its own (take an interrupting handle)";
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

/// No delay over `most`; only a list may have no cap.
fn cap(curve: Curve, most: Option<Duration>) -> Curve {
    match most {
        Some(most) => Box::new(curve.max_delay(most)),
        None => curve,
    }
}

/// One attempt.
pub(crate) fn once() -> Configured {
    Configured::new(Box::new(immediate().max_attempts(1)))
}

impl PolicyConfig {
    /// The same with every default written out that these settings do not exclude.
    pub(crate) fn complete(self) -> Self {
        let mut defaults = PolicyConfig::defaults();
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
}

/// Settings in check, and what is wrong with them so far.
struct Check {
    config: PolicyConfig,
    /// The keys that the policy itself gives.
    own: Vec<&'static str>,
    /// These, and those that it inherits.
    given: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Check {
    fn wrong(&mut self, key: &str) {
        let problem = Problem::wrong(key, self.config.shown(key), PolicyConfig::expected(key));
        self.problems.push(problem);
    }

    /// Two settings that do not go together, each with what it has to be to the other. One of them
    /// is to blame: the one that is said closer to here, or else the first.
    fn clash(&mut self, one: (&'static str, &str), other: (&'static str, &str)) {
        let distance = |(key, _): (&str, &str)| {
            u8::from(!self.own.contains(&key)) + u8::from(!self.given.contains(&key))
        };
        let ((key, is), (against, _)) =
            if distance(one) <= distance(other) { (one, other) } else { (other, one) };
        let found = self.config.shown(against);
        let found = if self.own.contains(&against) {
            format!("which is {found}")
        } else if self.given.contains(&against) {
            format!("which is inherited as {found}")
        } else {
            format!("which is {found} by default")
        };
        let expected = format!("{is} `{against}`, {found}");
        let problem = Problem::new(ProblemKind::Contradiction, key, expected).against(against);
        self.problems.push(problem.found(self.config.shown(key)));
    }

    fn belongs(&mut self, key: &str, with: &str) {
        self.problems.push(belongs(key, self.config.shown(key), "strategy", with));
    }

    /// The wait under one of its two spellings, and the spelling.
    fn wait(
        &mut self,
        text: &'static str,
        seconds: &'static str,
        given: (Option<DurationText>, Option<f64>),
    ) -> (&'static str, Option<Duration>) {
        match given {
            (_, Some(number)) => match Duration::try_from_secs_f64(number) {
                Ok(wait) => (seconds, Some(wait)),
                Err(_) => {
                    self.wrong(seconds);
                    (seconds, None)
                }
            },
            (wait, None) => (text, wait.map(|wait| wait.0)),
        }
    }

    fn backoff(&mut self) -> Option<Configured> {
        let config = self.config.clone();
        let attempts = self.attempts();
        let (min_key, min) =
            self.wait("wait_min", "wait_min_seconds", (config.wait_min, config.wait_min_seconds));
        let (max_key, max) =
            self.wait("wait_max", "wait_max_seconds", (config.wait_max, config.wait_max_seconds));
        let curve = self.curve(min);
        let jitter = config.jitter.unwrap_or(Jitter::None);
        if let Jitter::Ratio(ratio) = jitter {
            if !(0.0..=1.0).contains(&ratio) {
                self.wrong("jitter");
            }
        }
        let elapsed = config.max_elapsed.and_then(Toggle::on).map(|limit| limit.0);
        if elapsed.is_some_and(|limit| limit.is_zero()) {
            let found = self.config.shown("max_elapsed");
            self.problems.push(Problem::wrong("max_elapsed", found, "more than nothing, or false"));
        }
        if let (Some(min), Some(max)) = (min, max) {
            let too_long = config.delays.iter().flatten().any(|delay| delay.0 > max);
            match config.strategy {
                Some(Strategy::Immediate) => {}
                Some(Strategy::Delays) if too_long => {
                    self.clash(("delays", "none over"), (max_key, "at least all of"));
                }
                Some(Strategy::Delays) => {}
                _ if min > max => self.clash((max_key, "at least"), (min_key, "at most")),
                _ => {}
            }
        }
        let (attempts, curve) = (attempts?, curve?);
        if !self.problems.is_empty() {
            return None;
        }

        let capped = cap(curve, max);
        let jittered: Curve = match jitter {
            Jitter::None => capped,
            Jitter::Full => Box::new(capped.full_jitter()),
            Jitter::Equal => Box::new(capped.equal_jitter()),
            // These lengthen delays too, and the longest is the longest.
            Jitter::Ratio(ratio) => cap(Box::new(capped.jitter(ratio)), max),
            Jitter::Additive(most) => {
                cap(Box::new(capped.additive_jitter(Duration::ZERO..=most.0)), max)
            }
        };
        let timed: Curve = match elapsed {
            Some(limit) => Box::new(jittered.max_elapsed(limit)),
            None => jittered,
        };
        let ceiling = config.retry_after_max.map_or(Limits::RETRY_AFTER, |ceiling| ceiling.0);
        let obedient: Curve = if ceiling == Limits::RETRY_AFTER {
            timed
        } else {
            Box::new(timed.max_retry_after(ceiling))
        };
        Some(Configured::new(Box::new(obedient.max_attempts(attempts.get()))))
    }

    fn attempts(&mut self) -> Option<NonZeroU32> {
        let PolicyConfig { attempts, max_retries, delays, .. } = &self.config;
        let given = match (*attempts, *max_retries, delays) {
            (Some(attempts), _, _) => attempts,
            (None, Some(retries), _) => retries.saturating_add(1),
            (None, None, Some(list)) => {
                u32::try_from(list.len()).map_or(u32::MAX, |n| n.saturating_add(1))
            }
            (None, None, None) => 1,
        };
        let attempts = NonZeroU32::new(given);
        if attempts.is_none() {
            self.wrong("attempts");
        }
        attempts
    }

    /// The curve, if its settings fit it and nothing is given that belongs to another.
    fn curve(&mut self, min: Option<Duration>) -> Option<Curve> {
        let config = self.config.clone();
        let strategy = config.strategy.unwrap_or_default();
        let owners = [
            ("backoff", config.backoff.is_some(), Strategy::Exponential, "exponential"),
            ("step", config.step.is_some(), Strategy::Linear, "linear"),
            ("degree", config.degree.is_some(), Strategy::Polynomial, "polynomial"),
            ("delays", config.delays.is_some(), Strategy::Delays, "delays"),
        ];
        for (key, given, owner, name) in owners {
            if given && owner != strategy {
                self.belongs(key, &format!("strategy = {name:?}"));
            }
        }
        let factor = config.backoff.unwrap_or(2.0);
        if !(factor.is_finite() && factor >= 1.0) {
            self.wrong("backoff");
            return None;
        }
        match &config.delays {
            Some(list) if list.is_empty() => {
                self.wrong("delays");
                return None;
            }
            None if strategy == Strategy::Delays => {
                let found = self.config.shown("strategy");
                self.problems.push(belongs("strategy", found, "delays", "delays"));
                return None;
            }
            _ => {}
        }
        let min = min?;
        Some(match strategy {
            Strategy::Exponential => Box::new(exponential(min).factor(factor)),
            Strategy::Constant => Box::new(constant(min)),
            Strategy::Linear => Box::new(linear(min).step(config.step.map_or(min, |step| step.0))),
            Strategy::Fibonacci => Box::new(fibonacci(min)),
            Strategy::Polynomial => Box::new(polynomial(min, config.degree.unwrap_or(2))),
            Strategy::Decorrelated => Box::new(decorrelated(min)),
            Strategy::DecorrelatedV2 => Box::new(decorrelated_v2(min)),
            Strategy::Immediate => Box::new(immediate()),
            Strategy::Delays => {
                let list: Vec<_> = config.delays.iter().flatten().map(|delay| delay.0).collect();
                Box::new(delays(list))
            }
        })
    }

    fn kinds(&mut self) -> NamedKinds {
        let names = self.config.exceptions.clone().unwrap_or_default();
        if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) {
            self.wrong("exceptions");
        }
        NamedKinds::new(names)
    }

    fn guards(&mut self) -> Guards {
        let PolicyConfig { budget, breaker, attempt_timeout, max_elapsed, .. } =
            self.config.clone();
        let limit = attempt_timeout.and_then(Toggle::on).map(|limit| limit.0);
        if limit.is_some_and(|limit| limit.is_zero()) {
            let found = self.config.shown("attempt_timeout");
            let expected = "more than nothing, or false";
            self.problems.push(Problem::wrong("attempt_timeout", found, expected));
        }
        if let (Some(limit), Some(total)) = (limit, max_elapsed.and_then(Toggle::on)) {
            if limit > total.0 {
                self.clash(("attempt_timeout", "at most"), ("max_elapsed", "at least"));
            }
        }
        let budget = budget.and_then(Toggle::on);
        let breaker = breaker.and_then(Toggle::on);
        (
            budget.and_then(|settings: BudgetConfig| settings.build(&mut self.problems)),
            breaker.and_then(|settings: BreakerConfig| settings.build(&mut self.problems)),
            limit.map(AttemptTimeout::new),
        )
    }
}
