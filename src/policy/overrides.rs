//! What a program says over what was loaded.

use std::prelude::v1::*;
use std::time::Duration;

use super::config::{DurationText, Jitter, Plan, PolicyConfig, Problem, Toggle};
use super::section::Section;

/// Settings of a handle that go over those of the section, at every revision. What is loaded gives
/// way where it would contradict them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Overrides {
    pub(super) attempts: Option<u32>,
    pub(super) wait_min: Option<Duration>,
    pub(super) wait_max: Option<Duration>,
    pub(super) jitter: Option<Jitter>,
    pub(super) max_elapsed: Option<Duration>,
    pub(super) retry_after_max: Option<Duration>,
}

impl Overrides {
    /// The policy `name` of `section` under these.
    pub(super) fn plan(&self, section: &Section, name: &str) -> Result<Plan, Vec<Problem>> {
        Plan::of(&self.over(section.policy(name).unwrap_or_default()), section.clock())
    }

    /// The last settings that were there, under these.
    pub(super) fn over_last(&self, config: PolicyConfig) -> Result<Plan, Vec<Problem>> {
        Plan::of(&self.over(config), None)
    }

    fn over(&self, mut config: PolicyConfig) -> PolicyConfig {
        let text = |duration: Duration| Some(DurationText(duration));
        if *self == Overrides::default() {
            return config;
        }
        config = config.complete();
        if self.attempts.is_some() {
            (config.attempts, config.max_retries) = (self.attempts, None);
        }
        if let Some(jitter) = self.jitter {
            config.jitter = Some(jitter);
        }
        if let Some(ceiling) = self.retry_after_max {
            config.retry_after_max = text(ceiling);
        }
        if let Some(total) = self.max_elapsed {
            config.max_elapsed = Some(Toggle::On(DurationText(total)));
            if let Some(Toggle::On(attempt)) = &mut config.attempt_timeout {
                attempt.0 = attempt.0.min(total);
            }
        }
        if let Some(least) = self.wait_min {
            let most = config.longest();
            (config.wait_min, config.wait_min_seconds) = (text(least), None);
            if most.is_some_and(|most| most.0 < least) {
                (config.wait_max, config.wait_max_seconds) = (text(least), None);
            }
        }
        if let Some(most) = self.wait_max {
            let least = config.shortest();
            (config.wait_max, config.wait_max_seconds) = (text(most), None);
            if least.is_some_and(|least| least.0 > most) {
                (config.wait_min, config.wait_min_seconds) = (text(most), None);
            }
            for listed in config.delays.iter_mut().flatten() {
                listed.0 = listed.0.min(most);
            }
        }
        config
    }
}
