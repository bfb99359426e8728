//! A circuit breaker as data.

use std::prelude::v1::*;
use std::time::Duration;

use super::DurationText;
use super::problem::{Problem, ProblemKind};
use super::reader::settings;
use crate::breaker::{Settings, Trip, Window};
use crate::time::SharedClock;
use crate::{CircuitBreaker, exponential};

settings! {
    /// A circuit breaker, as a settings file says it: shared by all calls of its policy, which it
    /// sees attempt by attempt, and kept over updates that do not change it. See
    /// [`breaker`](crate::breaker).
    ///
    /// | key | what it is | default |
    /// |---|---|---|
    /// | `failures` | it opens after so many failures in a row | 5 |
    /// | `failure_rate` | or when this part of the last outcomes are failures | |
    /// | `min_calls` | the fewest outcomes of which there is a rate | 20 |
    /// | `window_calls` | the rate is over the last so many outcomes, | 100, or `min_calls` if that is more |
    /// | `window` | or over the outcomes of this last time | |
    /// | `open_for` | how long it stays open | `"30s"` |
    /// | `open_for_max` | how long at most: each opening in a row is twice as long as the one before | `open_for` |
    /// | `probes` | how many attempts at once are let through when it is half-open | 1 |
    /// | `successes` | how many of them must succeed to close it | 1 |
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::{Reason, RetryExt, policy::Policies};
    ///
    /// let settings = "[policies.store]\nattempts = 5\nwait_min = '0s'\nbreaker = { failures = 2 }";
    /// let store = Policies::load(&Figment::from(Toml::string(settings)), "")?
    ///     .get_guarded("store")?;
    /// let down = || Err::<(), _>(std::io::Error::other("down"));
    /// let error = down.retry_with(&store).report().call().unwrap_err();
    /// assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 2));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub struct BreakerConfig {
        /// Failures in a row.
        failures: u32 = "a whole number of at least 1",
        /// The part of failures.
        failure_rate: f64 = "a number over 0 and up to 1",
        /// The fewest outcomes of which there is a rate.
        min_calls: u32 = "a whole number from 1 to 10000",
        /// How many outcomes the rate is over.
        window_calls: u32 = "a whole number from `min_calls` to 10000",
        /// How much time the rate is over.
        window: DurationText = r#"a duration in text, from "1s" to "1h""#,
        /// How long it stays open.
        open_for: DurationText = r#"a duration in text, such as "30s""#,
        /// How long at most.
        open_for_max: DurationText = r#"a duration in text, such as "10m""#,
        /// How many probes there are at once.
        probes: u32 = "a whole number from 1 to 65535",
        /// How many of them must succeed.
        successes: u32 = "a whole number from 1 to 65535",
    }
}

impl BreakerConfig {
    /// The breaker that these settings describe, or all that is wrong with them, by key.
    pub(super) fn build(
        &self,
        clock: &SharedClock,
        problems: &mut Vec<Problem>,
    ) -> Option<CircuitBreaker> {
        let before = problems.len();
        self.refuse_others(problems);

        let (open_for, most) = self.opening();
        if open_for.is_zero() {
            self.wrong("open_for", "more than nothing", problems);
        } else if most < open_for {
            let open = match self.open_for {
                Some(_) => self.shown("open_for"),
                None => r#""30s" by default"#.to_owned(),
            };
            let expected = format!("at least `open_for`, which is {open}");
            self.wrong("open_for_max", &expected, problems);
        }
        let mut rest = self.clone();
        loop {
            let builder = CircuitBreaker::builder(rest.settings())
                .open_for(exponential(open_for).max_delay(most))
                .clock(clock.clone());
            let invalid = match builder.try_build() {
                Ok(breaker) => return (problems.len() == before).then_some(breaker),
                Err(invalid) => invalid,
            };
            let key = match invalid.name() {
                "rate" => "failure_rate",
                "calls" => "window_calls",
                "time" => "window",
                same => same,
            };
            self.wrong(key, Self::expected(key), problems);
            // There may be more behind the first, with something in its place that is no problem.
            if !rest.forget(key) {
                return None;
            }
            match key {
                "failure_rate" => rest.failure_rate = Some(0.5),
                "min_calls" => rest.min_calls = Some(1),
                _ => {}
            }
        }
    }

    /// Whether both describe the same breaker, however they are written.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.settings() == other.settings() && self.opening() == other.opening()
    }

    /// How long it stays open at first, and how long at most.
    fn opening(&self) -> (Duration, Duration) {
        let open_for = self.open_for.map_or(Duration::from_secs(30), |open| open.0);
        (open_for, self.open_for_max.map_or(open_for, |most| most.0))
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::DEFAULT;
        settings.trip = self.trip();
        settings.probes = self.probes.unwrap_or(settings.probes);
        settings.successes = self.successes.unwrap_or(settings.successes);
        settings
    }

    fn trip(&self) -> Trip {
        let Some(rate) = self.failure_rate else {
            return self.failures.map_or(Settings::DEFAULT.trip, Trip::Consecutive);
        };
        let min_calls = self.min_calls.unwrap_or(20);
        let window = match (self.window, self.window_calls) {
            (Some(time), _) => Window::Time(time.0),
            (None, calls) => Window::Calls(calls.unwrap_or(min_calls.max(100))),
        };
        Trip::FailureRate { rate, min_calls, window }
    }

    fn wrong(&self, key: &str, expected: &str, problems: &mut Vec<Problem>) {
        problems.push(Problem::wrong(format!("breaker.{key}"), self.shown(key), expected));
    }

    /// Keys that contradict others, or that do nothing without them.
    fn refuse_others(&self, problems: &mut Vec<Problem>) {
        let given = self.given();
        let mut refuse = |key: &str, against: &'static str, expected: &str| {
            let key = (format!("breaker.{key}"), self.shown(key));
            let problem = Problem::new(ProblemKind::Contradiction, key.0, expected).found(key.1);
            problems.push(problem.against(against));
        };
        for (one, other) in [("failures", "failure_rate"), ("window_calls", "window")] {
            if given.contains(&one) && given.contains(&other) {
                refuse(other, "breaker", &format!("only one of `{one}` and `{other}`"));
            }
        }
        for key in ["min_calls", "window_calls", "window"] {
            if given.contains(&key) && !given.contains(&"failure_rate") {
                refuse(key, "breaker.failure_rate", "only with `failure_rate`");
            }
        }
    }
}
