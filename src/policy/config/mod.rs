//! Policies as data: what a settings file may say, its defaults, and what it is checked for.
//!
//! [`PolicyConfig`] is one policy, [`RetryConfig`] a whole section of named ones. Both are plain
//! data for serde, in and out; [`Policies`](super::Policies) reads them from a figment, which knows
//! where every value came from. Formats and the environment are features of figment, and the
//! program asks for those that it reads: `cargo add figment --features toml,env`.
//!
//! ```
//! use persevere::policy::config::PolicyConfig;
//!
//! let config: PolicyConfig = toml::from_str(r#"
//!     attempts = 5
//!     wait_min = "100ms"
//!     wait_max = "2s"
//!     jitter = "none"
//! "#)?;
//! assert_eq!(
//!     config.policy()?.to_string(),
//!     "exponential 100ms ×2, delays up to 2s, at most 5 attempts: \
//!      100ms, 200ms, 400ms, 800ms (1.5s in all)",
//! );
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # A section
//!
//! | key | takes | default |
//! |---|---|---|
//! | `enabled` | `false`: one attempt, and nothing else of any policy | `true` |
//! | `mode` | `"application"`, or `"mesh"`: the mesh's sidecar retries, so one attempt | `"application"` |
//! | `default_policy` | a policy | `{}` |
//! | `policies` | policies by name; what one leaves out is as in `default_policy` | `{}` |
//!
//! # A policy
//!
//! Everything has a default, and this is the one table of them:
//!
//! | key | takes | default |
//! |---|---|---|
//! | `enabled` | `false`: one attempt | `true` |
//! | `attempts` | executions, the first included | `3` |
//! | `max_retries` | or those that follow the first | |
//! | `strategy` | the curve of the delays: see [`Strategy`] | `"exponential"` |
//! | `wait_min` | the first delay, before jitter | `"1s"` |
//! | `wait_min_seconds` | or the same as a number of seconds | |
//! | `wait_max` | the longest delay | `"10s"` |
//! | `wait_max_seconds` | or the same as a number of seconds | |
//! | `backoff` | the factor of `"exponential"`, from 1 | `2.0` |
//! | `step` | what `"linear"` adds each time; `wait_min` unless set | |
//! | `degree` | the exponent of `"polynomial"`; 2 unless set | |
//! | `delays` | the list of `"delays"`, which must have one | |
//! | `jitter` | how delays are spread: see [`Jitter`] | `"full"` |
//! | `exceptions` | the [kinds](crate::classify::Kinded) of errors that are retried; `"any"` is all | `["any"]` |
//! | `max_elapsed` | no retry starts this long after the call began; `false` is no limit | `false` |
//! | `attempt_timeout` | no attempt that is awaited takes longer; `false` is no limit | `false` |
//! | `retry_after_max` | the longest wait that a server may ask for | `"5m"` |
//! | `budget` | a [`BudgetConfig`], shared by all calls of the policy | `false` |
//! | `breaker` | a [`BreakerConfig`], shared by all calls of the policy | `false` |
//!
//! The nth delay is `min(wait_max, wait_min · backoff^(n−1))`, and then jitter. Full jitter, the
//! default, keeps a fleet from retrying in step; it may shorten a delay to nothing, so `wait_min` is
//! no lower bound unless jitter is `"none"`. No jitter exceeds `wait_max`. What nobody says gives way
//! to what somebody does: a `wait_max` under a second is the first delay too, and a `wait_min` over
//! ten is the longest.
//!
//! Two spellings of one thing in the same table (`attempts` with `max_retries`, `wait_min` with
//! `wait_min_seconds`) contradict each other and are refused, as are unknown keys and impossible
//! values. A named policy that gives the one replaces the other of its default. One that gives a
//! `strategy` does not inherit what belongs to another curve. A `budget` or a `breaker` is inherited
//! whole or not at all, and policies that inherit one have one each.
//!
//! The layers of a figment are merged key by key before all this: a profile or a variable of the
//! environment that overrides a setting has to spell it as the file does. Figment reads the names of
//! variables in small letters, so none reaches a policy with a capital in its name; in their values a
//! list is `[Timeout, "503"]`, where a bare `503` were a number. An empty value, such as JSON's `null`,
//! is as if the key were not there; only a policy has to be a table, and `{}` is one that inherits
//! everything. A key that stands twice in one file is the format's business: TOML refuses it, JSON
//! takes the last. A profile that no source mentions is none to figment, so that `[default]` holds.
//!
//! **Do** let operators limit the whole call with `max_elapsed` where somebody waits for it. **Don't**
//! set `attempt_timeout` or `breaker` for a policy that code takes a plain handle of: such a call
//! has no outcome to end with, so the settings are refused; see [`Policies`](super::Policies). An
//! operation that blocks cannot be interrupted: the first `.call()` or `run_with` of a
//! policy with an `attempt_timeout` reports that it has no effect.

mod breaker;
mod budget;
mod build;
mod duration;
mod problem;
mod reader;
mod validate;
mod values;

use std::collections::BTreeMap;
use std::prelude::v1::*;

use figment::value::Value;

pub use self::breaker::BreakerConfig;
pub use self::budget::{BudgetConfig, BudgetModel};
pub use self::build::Configured;
pub(crate) use self::build::Guards;
pub(crate) use self::build::Plan;
pub use self::duration::DurationText;
#[cfg(any(feature = "watch", feature = "consul"))]
pub(crate) use self::problem::quoted;
pub use self::problem::{ConfigError, Problem, ProblemKind};
pub(crate) use self::problem::{Nearest, Origin, described, listed, nearest};
pub(crate) use self::reader::{Reader, join, part};
use self::reader::{Setting, settings};
pub use self::values::{Jitter, Mode, Strategy, Toggle};

const DURATION: &str = r#"a duration in text, such as "250ms" or "1m 30s""#;
const SECONDS: &str = "a number of seconds from 0 to 1.8e19";

settings! {
    /// One policy, as a settings file says it. What is `None` is inherited or has its
    /// [default](self).
    ///
    /// ```
    /// use persevere::policy::config::{Jitter, PolicyConfig};
    /// use std::time::Duration;
    ///
    /// let mut config = PolicyConfig::default();
    /// config.attempts = Some(3);
    /// config.wait_min = Some(Duration::from_millis(10).into());
    /// config.jitter = Some(Jitter::None);
    /// let policy = config.policy()?;
    /// assert_eq!(policy.worst_case(), Some(Duration::from_millis(10 + 20)));
    /// assert_eq!(policy.call(|attempt| Err::<(), _>(std::io::Error::other("busy"))).is_err(), true);
    /// # Ok::<_, persevere::policy::config::ConfigError>(())
    /// ```
    pub struct PolicyConfig {
        /// Whether anything is retried.
        enabled: bool = "true or false",
        /// Executions, the first included.
        attempts: u32 = "a whole number of at least 1",
        /// Executions without the first.
        max_retries: u32 = "a whole number that is not negative",
        /// The curve of the delays.
        strategy: Strategy = r#""exponential", "constant", "linear", "fibonacci", "polynomial", "decorrelated", "decorrelated_v2", "immediate" or "delays""#,
        /// The first delay, before jitter.
        wait_min: DurationText = DURATION,
        /// The same in seconds.
        wait_min_seconds: f64 = SECONDS,
        /// The longest delay.
        wait_max: DurationText = DURATION,
        /// The same in seconds.
        wait_max_seconds: f64 = SECONDS,
        /// The factor of an exponential curve.
        backoff: f64 = "a finite factor of at least 1",
        /// What a linear curve adds each time.
        step: DurationText = DURATION,
        /// The exponent of a polynomial curve.
        degree: u32 = "a whole number that is not negative",
        /// The delays of a list.
        delays: Vec<DurationText> = r#"a list of durations, such as ["1s", "5s"]"#,
        /// How delays are spread at random.
        jitter: Jitter = Jitter::EXPECTED,
        /// The kinds of errors that are retried.
        exceptions: Vec<String> = r#"a list of error kinds in quotes, such as ["Timeout", "503"], or ["any"]"#,
        /// The limit on the time of the whole call.
        max_elapsed: Toggle<DurationText> = r#"a duration in text, such as "30s", or false"#,
        /// The limit on the time of each attempt.
        attempt_timeout: Toggle<DurationText> = r#"a duration in text, such as "5s", or false"#,
        /// The longest wait that a server may ask for.
        retry_after_max: DurationText = DURATION,
        /// The retry budget.
        budget: Toggle<BudgetConfig> = "a table of settings of a retry budget, or false",
        /// The circuit breaker.
        breaker: Toggle<BreakerConfig> = "a table of settings of a circuit breaker, or false",
    }
}

settings! {
    /// A section of named policies, as a settings file says it.
    ///
    /// ```
    /// use persevere::policy::config::RetryConfig;
    ///
    /// let section: RetryConfig = toml::from_str(r#"
    ///     default_policy = { attempts = 3, wait_min_seconds = 1.0 }
    ///     policies.fast_retry = { wait_min_seconds = 0.1 }
    /// "#)?;
    /// let fast = section.named("fast_retry").unwrap();
    /// assert_eq!((fast.attempts, fast.wait_min_seconds), (Some(3), Some(0.1)));
    /// # Ok::<_, toml::de::Error>(())
    /// ```
    pub struct RetryConfig {
        /// Whether any policy retries.
        enabled: bool = "true or false",
        /// Who retries.
        mode: Mode = r#""application" or "mesh""#,
        /// What named policies inherit, and the policy of those who name none.
        default_policy: PolicyConfig = "a table of settings of a policy",
        /// The policies by name.
        policies: BTreeMap<String, PolicyConfig> = "a table of policies by name",
    }
}

impl RetryConfig {
    /// The policy called `name`, with all that it inherits from the default policy; `None` if there
    /// is none.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<PolicyConfig> {
        let named = self.policies.as_ref()?.get(name)?.clone();
        Some(named.inherit(&self.default_policy()))
    }

    /// The default policy, as far as it is said.
    #[must_use]
    pub fn default_policy(&self) -> PolicyConfig {
        self.default_policy.clone().unwrap_or_default()
    }

    /// Whether the application retries at all: enabled, and not left to a mesh.
    #[must_use]
    pub fn retries(&self) -> bool {
        self.enabled != Some(false) && self.mode != Some(Mode::Mesh)
    }
}

impl PolicyConfig {
    /// All defaults, written out: the [table](self).
    #[must_use]
    pub fn defaults() -> Self {
        let seconds = |n| Some(DurationText(std::time::Duration::from_secs(n)));
        PolicyConfig {
            enabled: Some(true),
            attempts: Some(3),
            strategy: Some(Strategy::Exponential),
            wait_min: seconds(1),
            wait_max: seconds(10),
            backoff: Some(2.0),
            jitter: Some(Jitter::Full),
            exceptions: Some(vec!["any".to_owned()]),
            max_elapsed: Some(Toggle::Off),
            attempt_timeout: Some(Toggle::Off),
            retry_after_max: seconds(300),
            budget: Some(Toggle::Off),
            breaker: Some(Toggle::Off),
            ..PolicyConfig::default()
        }
    }

    /// These settings, and those of `base` for what they leave out. One that is given in another
    /// spelling here is not taken from there, and neither is what belongs to another curve.
    ///
    /// ```
    /// use persevere::policy::config::PolicyConfig;
    /// let base: PolicyConfig = toml::from_str("attempts = 3\nwait_min = '1s'")?;
    /// let named: PolicyConfig = toml::from_str("max_retries = 1")?;
    /// let both = named.inherit(&base);
    /// assert_eq!((both.attempts, both.max_retries, both.wait_min), (None, Some(1), base.wait_min));
    /// # Ok::<_, toml::de::Error>(())
    /// ```
    #[must_use]
    pub fn inherit(self, base: &PolicyConfig) -> Self {
        let mut base = base.clone();
        if self.attempts.is_some() || self.max_retries.is_some() {
            (base.attempts, base.max_retries) = (None, None);
        }
        if self.wait_min.is_some() || self.wait_min_seconds.is_some() {
            (base.wait_min, base.wait_min_seconds) = (None, None);
        }
        if self.wait_max.is_some() || self.wait_max_seconds.is_some() {
            (base.wait_max, base.wait_max_seconds) = (None, None);
        }
        if self.strategy.is_some_and(|strategy| strategy != base.strategy.unwrap_or_default()) {
            (base.backoff, base.step, base.degree, base.delays) = (None, None, None, None);
        }
        self.or(&base)
    }
}

macro_rules! tables {
    ($($type:ty),*) => { $(
        impl Setting for $type {
            fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
                reader.table(value)
            }
        }
    )* };
}
tables!(PolicyConfig, BudgetConfig, BreakerConfig);

impl Setting for BTreeMap<String, PolicyConfig> {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        let mut policies = BTreeMap::new();
        for (name, value) in value.as_dict()? {
            reader.at(&part(name), |reader| match PolicyConfig::read(value, reader) {
                Some(policy) => drop(policies.insert(name.clone(), policy)),
                None => reader.wrong(value, "a table of settings of a policy"),
            });
        }
        Some(policies)
    }
}
