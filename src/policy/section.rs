//! A section of named policies, as it lies in a figment: read, checked, and with the origin of each
//! of its values.

use std::collections::BTreeMap;
use std::prelude::v1::*;

use figment::Figment;

use super::config::{
    Origin, Plan, PolicyConfig, Problem, ProblemKind, Reader, RetryConfig, SharedClock, join,
    listed,
};
use super::known::Known;

/// The name under which the default policy is found.
pub(super) const DEFAULT_POLICY: &str = "default_policy";

/// A section whose policies are all valid.
pub(super) struct Section {
    path: String,
    config: RetryConfig,
    origins: BTreeMap<String, Origin>,
    clock: Option<SharedClock>,
}

/// What holds for every section that is read, whatever it says.
#[derive(Default)]
pub(super) struct Terms {
    pub(super) known: Known,
    /// What budgets and breakers tell the time by.
    pub(super) clock: Option<SharedClock>,
}

impl Section {
    /// Reads what lies at `path`, and checks every policy.
    pub(super) fn read(figment: &Figment, path: &str, terms: &Terms) -> Result<Self, Vec<Problem>> {
        let value = figment.find_value(path).map_err(|error| missing(figment, path, error))?;
        let (mut problems, mut origins) = (Vec::new(), BTreeMap::new());
        let mut reader = Reader {
            path: path.to_owned(),
            figment,
            problems: &mut problems,
            origins: &mut origins,
        };
        let config = reader.table(&value).unwrap_or_else(|| {
            reader.wrong(&value, "a table of settings of retries");
            RetryConfig::default()
        });
        let section =
            Section { path: path.to_owned(), config, origins, clock: terms.clock.clone() };
        for name in section.names() {
            section.check(name, &terms.known, &mut problems);
        }
        if problems.is_empty() { Ok(section) } else { Err(problems) }
    }

    /// Checks one policy. What it inherits is wrong once, however many inherit it.
    fn check(&self, name: &str, known: &Known, problems: &mut Vec<Problem>) {
        let (own, policy) = (self.own(name), self.policy(name));
        let mut found = own.map(PolicyConfig::contradictions).unwrap_or_default();
        if self.own_name_is_taken(name) {
            let expected = format!("another name, since `{DEFAULT_POLICY}` is the default policy");
            found.push(Problem::new(ProblemKind::Contradiction, "", expected));
        }
        if let Some(policy) = policy {
            found.extend(Plan::of(&policy).err().unwrap_or_default());
            found.extend(known.problems(&policy));
        }
        for problem in found {
            let problem = self.locate(name, problem);
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }

    fn own_name_is_taken(&self, name: &str) -> bool {
        let named = self.config.policies.as_ref();
        name == DEFAULT_POLICY && named.is_some_and(|named| named.contains_key(name))
    }

    /// The names of all policies, the default one first.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let named = self.config.policies.iter().flatten().map(|(name, _)| name.as_str());
        [DEFAULT_POLICY].into_iter().chain(named.filter(|name| *name != DEFAULT_POLICY))
    }

    /// What is said of a policy itself.
    fn own(&self, name: &str) -> Option<&PolicyConfig> {
        if name == DEFAULT_POLICY {
            return self.config.default_policy.as_ref();
        }
        self.config.policies.as_ref()?.get(name)
    }

    /// A policy with all that it inherits.
    pub(super) fn policy(&self, name: &str) -> Option<PolicyConfig> {
        if name == DEFAULT_POLICY {
            return Some(self.config.default_policy());
        }
        self.config.named(name)
    }

    pub(super) fn clock(&self) -> Option<&SharedClock> {
        self.clock.as_ref()
    }

    /// Whether the application retries.
    pub(super) fn retries(&self) -> bool {
        self.config.retries()
    }

    /// Whether a policy is the same here as in `other`.
    pub(super) fn agrees(&self, other: &Section, name: &str) -> bool {
        self.retries() == other.retries() && self.policy(name) == other.policy(name)
    }

    /// The problem under the whole path of its key, and with its origin: in the policy itself, or in
    /// the default policy if it is inherited.
    pub(super) fn locate(&self, name: &str, problem: Problem) -> Problem {
        let default = join(&self.path, DEFAULT_POLICY);
        let own = match name {
            DEFAULT_POLICY => default.clone(),
            _ => join(&join(&self.path, "policies"), name),
        };
        let within = |table: &str| {
            let key = problem.key();
            if key.is_empty() { table.to_owned() } else { join(table, key) }
        };
        let origin = |key: &str| self.origins.get(key).cloned();
        let (own, default) = (within(&own), within(&default));
        let (key, origin) = match (origin(&own), origin(&default)) {
            (None, Some(inherited)) => (default, inherited),
            (own_origin, _) => (own, own_origin.unwrap_or_default()),
        };
        problem.at(key).out_of(origin)
    }
}

/// Why there is no section: the sources that could not be read, or the path that leads nowhere.
fn missing(figment: &Figment, path: &str, error: figment::Error) -> Vec<Problem> {
    if !error.missing() {
        return error.into_iter().map(|error| Problem::of_source(&error)).collect();
    }
    let sources: Vec<_> = figment.metadata().map(super::config::described).collect();
    let from = match &*sources {
        [] => "there are no sources at all".to_owned(),
        _ => format!("looked in {}", listed(sources.iter().map(String::as_str))),
    };
    let expected = format!(
        "there are no settings here in profile `{}`, not even an empty table; {from}",
        figment.profile(),
    );
    vec![Problem::new(ProblemKind::Missing, path, expected)]
}
