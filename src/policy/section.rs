//! A section of named policies, as it lies in a figment: read, checked, and with the origin of each
//! of its values.

use std::collections::{BTreeMap, BTreeSet};
use std::prelude::v1::*;

use figment::{Figment, Profile};

use super::config::{
    Origin, Plan, PolicyConfig, Problem, ProblemKind, Reader, RetryConfig, join, listed, part,
};
use super::kind_registry::KindRegistry;
use crate::time::SharedClock;

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
    pub(super) known: KindRegistry,
    /// What budgets and breakers tell the time by.
    pub(super) clock: Option<SharedClock>,
}

impl Section {
    /// Reads what lies at `path`, and checks every policy, for the error kinds that are known of it.
    pub(super) fn read(
        figment: &Figment,
        path: &str,
        clock: Option<&SharedClock>,
        known_of: impl Fn(&str) -> KindRegistry,
    ) -> Result<Self, Vec<Problem>> {
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
        let section = Section { path: path.to_owned(), config, origins, clock: clock.cloned() };
        let unread = Unread::of(&problems, &section.origins);
        problems.extend(section.taken_name());
        for name in section.names() {
            section.check(name, &known_of(name), &unread, &mut problems);
        }
        if problems.is_empty() { Ok(section) } else { Err(problems) }
    }

    /// Checks one policy. What it inherits is wrong once, however many inherit it.
    fn check(
        &self,
        name: &str,
        known: &KindRegistry,
        unread: &Unread,
        problems: &mut Vec<Problem>,
    ) {
        let (own, policy) = (self.own(name), self.policy(name));
        let mut found = own.map(PolicyConfig::contradictions).unwrap_or_default();
        if let Some(policy) = policy {
            let own = own.cloned().unwrap_or_default();
            found.extend(Plan::within(&policy, &own, None).err().unwrap_or_default());
            found.extend(known.problems(&policy));
        }
        let tables = [self.table(name), self.table(DEFAULT_POLICY)];
        for problem in found {
            if unread.explains(&problem, &tables) {
                continue;
            }
            self.locate(name, problem).tell_once(problems);
        }
    }

    /// A policy whose name is that of the default one could never be asked for.
    fn taken_name(&self) -> Option<Problem> {
        self.config.policies.as_ref()?.get(DEFAULT_POLICY)?;
        let policies = join(&self.path, "policies");
        let origin = self.origins.get(&policies).cloned().unwrap_or_default();
        let origin = Origin { written: None, ..origin };
        let expected =
            format!("another name: the table `{DEFAULT_POLICY}` stands beside `policies`");
        let key = join(&policies, DEFAULT_POLICY);
        Some(Problem::new(ProblemKind::Contradiction, key, expected).out_of(origin))
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
        let key = problem.key();
        let (own, default) = (self.table(name), self.table(DEFAULT_POLICY));
        // A budget and a breaker are inherited whole.
        let top = key.split('.').next().unwrap_or_default();
        let has = |table: &str| self.origins.get(&join(table, top));
        let (table, whole) = match (has(&own), has(&default)) {
            (None, Some(inherited)) => (default, Some(inherited)),
            (whole, _) => (own, whole),
        };
        let key = if key.is_empty() { table } else { join(&table, key) };
        let origin = match (self.origins.get(&key), whole) {
            (Some(origin), _) => origin.clone(),
            (None, Some(whole)) => Origin { written: None, ..whole.clone() },
            (None, None) => Origin::default(),
        };
        let other = problem.contradicted().and_then(|other| {
            let tables = [self.table(name), self.table(DEFAULT_POLICY)];
            tables.iter().find_map(|table| self.origins.get(&join(table, other)))
        });
        let problem = problem.at(key).out_of(origin);
        match other {
            Some(other) => problem.beside(other),
            None => problem,
        }
    }

    /// The path of the table of a policy.
    fn table(&self, name: &str) -> String {
        match name {
            DEFAULT_POLICY => join(&self.path, DEFAULT_POLICY),
            _ => join(&join(&self.path, "policies"), &part(name)),
        }
    }
}

/// The keys that could not be read. What is only wrong because their values are not there is not
/// told beside them.
struct Unread(BTreeSet<String>);

impl Unread {
    fn of(problems: &[Problem], given: &BTreeMap<String, Origin>) -> Self {
        let mut keys = BTreeSet::new();
        for problem in problems {
            let key = problem.key();
            keys.insert(spelling(key).to_owned());
            if let Some(meant) = problem.nearest() {
                let table = key.rsplit_once('.').map_or("", |(table, _)| table);
                let meant = join(table, meant);
                if !given.contains_key(&meant) {
                    keys.insert(spelling(&meant).to_owned());
                }
            }
        }
        Unread(keys)
    }

    /// Whether a problem of a policy, whose keys are in these tables, comes of one of them.
    fn explains(&self, problem: &Problem, tables: &[String]) -> bool {
        let unread =
            |key: &str| tables.iter().any(|table| self.0.contains(&join(table, spelling(key))));
        unread(problem.key()) || problem.contradicted().is_some_and(unread)
    }
}

/// Both spellings of a wait are one.
fn spelling(key: &str) -> &str {
    key.strip_suffix("_seconds").unwrap_or(key)
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
        "there are no settings here in profile `{}`, not even an empty table; {from}{}",
        figment.profile(),
        unnested(figment, path),
    );
    vec![Problem::new(ProblemKind::Missing, path, expected)]
}

/// What to say to who reads profiles as tables: there the section has the profile before its path.
fn unnested(figment: &Figment, path: &str) -> String {
    [&Profile::Default, figment.profile()]
        .map(|profile| join(&profile.to_string(), path))
        .iter()
        .find(|path| figment.contains(path))
        .map(|path| format!("; there are some at `{path}`: does a source lack `.nested()`?"))
        .unwrap_or_default()
}
