//! What settings are checked for, one against the other.

use std::num::NonZeroU32;
use std::prelude::v1::*;
use std::time::Duration;

use super::build::{Configured, Curve, Guards};
use super::{
    BreakerConfig, BudgetConfig, DurationText, Jitter, PolicyConfig, Problem, ProblemKind,
    Strategy, Toggle,
};
use crate::backoff::{decorrelated, decorrelated_v2, delays, fibonacci, linear, polynomial};
use crate::classify::NamedKinds;
use crate::time::SharedClock;
use crate::{Backoff, DefaultTimer, Limits, constant, exponential, immediate};

/// A key that does nothing where another one is not as said.
pub(super) fn belongs(key: &str, found: String, other: &'static str, with: &str) -> Problem {
    let expected = format!("only with `{with}`");
    Problem::new(ProblemKind::Contradiction, key, expected).found(found).against(other)
}

/// Settings in check, and what is wrong with them so far.
pub(super) struct Check {
    pub(super) config: PolicyConfig,
    /// The keys that the policy itself gives.
    pub(super) own: Vec<&'static str>,
    /// The clock of budget and breaker, where it is not that of the default timer.
    pub(super) clock: Option<SharedClock>,
    pub(super) problems: Vec<Problem>,
}

impl Check {
    fn wrong(&mut self, key: &str) {
        let problem = Problem::wrong(key, self.config.shown(key), PolicyConfig::expected(key));
        self.problems.push(problem);
    }

    /// Two settings that do not go together, each with what it has to be to the other. One of them
    /// is to blame: the one that is said closer to here, or else the first.
    fn clash(&mut self, one: (&'static str, &str), other: (&'static str, &str)) {
        let is_own = |(key, _): (&str, &str)| self.own.contains(&key);
        let ((key, is), (against, _)) =
            if is_own(one) || !is_own(other) { (one, other) } else { (other, one) };
        let found = self.config.shown(against);
        let found = if self.own.contains(&against) {
            format!("which is {found}")
        } else {
            format!("which is inherited as {found}")
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

    pub(super) fn backoff(&mut self) -> Option<Configured> {
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

    pub(super) fn kinds(&mut self) -> NamedKinds {
        let names = self.config.exceptions.clone().unwrap_or_default();
        if names.is_empty() || names.iter().any(|name| name.is_empty() || name.trim() != name) {
            self.wrong("exceptions");
        }
        NamedKinds::new(names)
    }

    pub(super) fn guards(&mut self) -> Guards {
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
        let clock = &self.clock.clone().unwrap_or_else(|| SharedClock::of(DefaultTimer));
        let problems = &mut self.problems;
        Guards {
            budget: budget.and_then(|settings: BudgetConfig| settings.build(clock, problems)),
            breaker: breaker.and_then(|settings: BreakerConfig| settings.build(clock, problems)),
            attempt_timeout: limit,
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
