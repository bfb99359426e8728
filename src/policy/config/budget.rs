//! A retry budget as data.

use serde::{Deserialize, Serialize};
use std::prelude::v1::*;

use super::DurationText;
use super::problem::Problem;
use super::reader::settings;
use crate::Budget;
use crate::budget::{CostPerRetry, Model, Ratio, Threshold};
use crate::time::SharedClock;

/// The published model that a budget follows. See [`budget`](crate::budget).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[doc(hidden)]
pub enum BudgetModel {
    /// Every retry costs tokens, successes give some back, as in AWS's SDKs.
    #[default]
    CostPerRetry,
    /// Retries only while more than half of the tokens are there, as in gRPC.
    Threshold,
    /// A share of the calls of the last seconds, as in Finagle.
    Ratio,
}

settings! {
    /// A retry budget, as a settings file says it: shared by all calls of its policy, and kept over
    /// updates that do not change it.
    ///
    /// | key | of model | default |
    /// |---|---|---|
    /// | `model` | | `"cost_per_retry"` |
    /// | `capacity` | `"cost_per_retry"` | 500 |
    /// | `retry_cost` | `"cost_per_retry"` | 5 |
    /// | `timeout_cost` | `"cost_per_retry"` | 10 |
    /// | `first_try_reward` | `"cost_per_retry"` | 1 |
    /// | `max_tokens` | `"threshold"` | 10 |
    /// | `token_ratio` | `"threshold"` | 0.1 |
    /// | `share` | `"ratio"` | 0.2 |
    /// | `min_per_second` | `"ratio"` | 10 |
    /// | `ttl` | `"ratio"` | `"10s"` |
    ///
    /// ```
    /// use persevere::policy::config::PolicyConfig;
    /// let config: PolicyConfig = toml::from_str(r#"
    ///     attempts = 5
    ///     wait_min = "0s"
    ///     budget = { capacity = 10, retry_cost = 5 }
    /// "#)?;
    /// let policy = config.policy()?;
    /// let mut calls = 0;
    /// let _ = policy.call(|_| { calls += 1; Err::<(), _>(std::io::Error::other("busy")) });
    /// assert_eq!(calls, 1 + 2);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub struct BudgetConfig {
        /// The model.
        model: BudgetModel = r#""cost_per_retry", "threshold" or "ratio""#,
        /// The most tokens there are.
        capacity: u32 = "a whole number of at least 1",
        /// What a retry costs.
        retry_cost: u32 = "a whole number from 1 to the capacity",
        /// What a retry costs after an attempt that took too long.
        timeout_cost: u32 = "a whole number from 1 to the capacity",
        /// What a success at the first try gives back.
        first_try_reward: u32 = "a whole number of at least 1",
        /// The most tokens there are.
        max_tokens: u32 = "a whole number from 1 to 1000",
        /// What a success gives back.
        token_ratio: f64 = "a number from 0.001 to 1000",
        /// Retries for each call.
        share: f64 = "0, or a number from 0.0001 to 1000",
        /// Retries per second that are there in any case.
        min_per_second: u32 = "a whole number that is not negative",
        /// How long a call counts.
        ttl: DurationText = r#"a duration in text, from "1s" to "1m""#,
    }
}

impl BudgetConfig {
    /// The budget that these settings describe, or all that is wrong with them, by key.
    pub(super) fn build(&self, clock: &SharedClock, problems: &mut Vec<Problem>) -> Option<Budget> {
        let before = problems.len();
        self.refuse_others(self.model.unwrap_or_default(), problems);
        let mut rest = self.clone();
        loop {
            let invalid = match Budget::reading(rest.settings(), clock.clone()) {
                Ok(budget) => return (problems.len() == before).then_some(budget),
                Err(invalid) => invalid,
            };
            let key = invalid.name();
            let expected = match key {
                "min_per_second" => invalid.expected(),
                _ => Self::expected(key),
            };
            problems.push(Problem::wrong(format!("budget.{key}"), self.shown(key), expected));
            // There may be more behind the first.
            if !rest.forget(key) {
                return None;
            }
        }
    }

    /// Whether both describe the same budget, however they are written.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.settings() == other.settings()
    }

    fn settings(&self) -> Model {
        match self.model.unwrap_or_default() {
            BudgetModel::CostPerRetry => {
                let mut settings = CostPerRetry::AWS_STANDARD;
                if let Some(capacity @ 1..) = self.capacity {
                    // The standard costs fit into this capacity too.
                    settings = CostPerRetry::new(capacity);
                }
                settings.capacity = self.capacity.unwrap_or(settings.capacity);
                settings.retry_cost = self.retry_cost.unwrap_or(settings.retry_cost);
                settings.timeout_cost = self.timeout_cost.unwrap_or(settings.timeout_cost);
                settings.first_try_reward =
                    self.first_try_reward.unwrap_or(settings.first_try_reward);
                settings.into()
            }
            BudgetModel::Threshold => {
                let mut settings = Threshold::GRPC_EXAMPLE;
                settings.max_tokens = self.max_tokens.unwrap_or(settings.max_tokens);
                settings.token_ratio = self.token_ratio.unwrap_or(settings.token_ratio);
                settings.into()
            }
            BudgetModel::Ratio => {
                let mut settings = Ratio::FINAGLE;
                settings.share = self.share.unwrap_or(settings.share);
                settings.min_per_second = self.min_per_second.unwrap_or(settings.min_per_second);
                settings.ttl = self.ttl.map_or(settings.ttl, |ttl| ttl.0);
                settings.into()
            }
        }
    }

    /// Keys of a model that is not asked for do nothing, so they are mistakes.
    fn refuse_others(&self, model: BudgetModel, problems: &mut Vec<Problem>) {
        for key in self.given() {
            let of = match key {
                "capacity" | "retry_cost" | "timeout_cost" | "first_try_reward" => {
                    (BudgetModel::CostPerRetry, "cost_per_retry")
                }
                "max_tokens" | "token_ratio" => (BudgetModel::Threshold, "threshold"),
                "share" | "min_per_second" | "ttl" => (BudgetModel::Ratio, "ratio"),
                _ => continue,
            };
            if of.0 != model {
                problems.push(super::validate::belongs(
                    &format!("budget.{key}"),
                    self.shown(key),
                    "budget.model",
                    &format!("model = {:?}", of.1),
                ));
            }
        }
    }
}
