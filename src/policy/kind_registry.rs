//! The error kinds that a configuration may name: those of the announced error types.

use super::config::{PolicyConfig, Problem, ProblemKind, listed, nearest};
use crate::classify::{Kinded, NamedKinds};
use std::prelude::v1::*;

/// What is known of the kinds of one error type.
#[derive(Clone, Copy, Debug)]
struct KindsOf {
    knows: fn(&str) -> bool,
    each: fn(&mut dyn FnMut(&'static str)),
}

impl KindsOf {
    /// Whether these are the kinds of the same type, or of one whose code is the same.
    fn is_same(&self, other: &KindsOf) -> bool {
        std::ptr::fn_addr_eq(self.knows, other.knows) && std::ptr::fn_addr_eq(self.each, other.each)
    }
}

/// The kinds of several error types. Without a type, nothing is known and every name passes.
#[derive(Clone, Debug, Default)]
pub(super) struct KindRegistry {
    types: Vec<KindsOf>,
}

impl KindRegistry {
    /// Adds the kinds of `E`.
    pub(super) fn announce<E: Kinded>(&mut self) {
        self.types.push(KindsOf { knows: E::knows, each: |visit| E::each_kind(visit) });
    }

    /// These and those.
    pub(super) fn and(&self, other: &KindRegistry) -> KindRegistry {
        let is_new = |kinds: &&KindsOf| !self.types.iter().any(|known| known.is_same(kinds));
        let new = other.types.iter().filter(is_new);
        KindRegistry { types: self.types.iter().chain(new).copied().collect() }
    }

    /// The names in a policy that no type knows, also beside "any", which makes them idle.
    pub(super) fn problems(&self, policy: &PolicyConfig) -> Vec<Problem> {
        if self.types.is_empty() {
            return Vec::new();
        }
        let any = NamedKinds::ANY;
        let knows = |name: &str| name == any || self.types.iter().any(|kinds| (kinds.knows)(name));
        let unknown = policy.exceptions.iter().flatten().filter(|name| !knows(name));
        let mut names = vec![any];
        for kinds in &self.types {
            (kinds.each)(&mut |name| {
                if !names.contains(&name) {
                    names.push(name);
                }
            });
        }
        let problem = |name: &String| {
            let expected = listed(names.iter().copied());
            Problem::new(ProblemKind::UnknownKind, "exceptions", expected)
                .found(format!("{name:?}"))
                .near(nearest(name, names.iter().copied()))
        };
        unknown.map(problem).collect()
    }
}
