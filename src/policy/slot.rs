//! Where the current form of a policy lies, for all handles of it.

use std::prelude::v1::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use super::config::{ConfigError, Configured, Guards, Plan, PolicyConfig, Problem};
use super::guarding::Guarding;
use super::known::Known;
use super::overrides::Overrides;
use super::section::Section;
use crate::classify::NamedKinds;

/// What an update has to be where code has a plain handle.
const HELD: &str = "none, since code has a plain handle of this policy, whose calls always end with \
                    an outcome of their own (`get_interrupting` takes it)";

/// A policy at one revision: what a call takes, whole, and keeps to its end.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) revision: u64,
    pub(super) backoff: Configured,
    pub(super) kinds: NamedKinds,
    /// The guards of calls: none where nothing is retried.
    pub(super) guards: Guarding,
    /// Those of the settings, for the next revision to go on with.
    kept: Guards,
    /// The settings with all that code says over them and every default.
    config: PolicyConfig,
    /// The settings alone.
    loaded: PolicyConfig,
    retries: bool,
}

impl Snapshot {
    fn new(plan: Plan, loaded: PolicyConfig, retries: bool, revision: u64) -> Self {
        let (kept, config) = (plan.guards.clone(), plan.config.clone());
        let (backoff, kinds, guards) = plan.into_parts(retries);
        let guards = Guarding::by(guards);
        Snapshot { revision, backoff, kinds, guards, kept, config, loaded, retries }
    }

    /// The same settings with `overrides` over them, the same budget and the same breaker.
    fn again(&self, overrides: &Overrides, retries: bool, revision: u64) -> Option<Snapshot> {
        // Overrides give way or cut others down; they contradict nothing.
        let mut plan = overrides.over_last(self.loaded.clone()).ok()?;
        self.hand_over(&mut plan);
        Some(Snapshot::new(plan, self.loaded.clone(), retries, revision))
    }

    /// Makes `plan` go on with this budget and this breaker, unless their settings changed.
    fn hand_over(&self, plan: &mut Plan) {
        plan.go_on_with(&self.config, &self.kept);
    }
}

/// The place.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: Arc<str>,
    pub(super) overrides: Overrides,
    pub(super) current: ArcSwap<Snapshot>,
    /// Whether code has a plain handle: its calls cannot end without an outcome.
    plain: AtomicBool,
    /// The error types that the policy was checked for, through whatever handle of it.
    checked: Arc<Mutex<Known>>,
}

impl Slot {
    /// A place for the policy `name` of `section`, which was checked for the types `known`.
    pub(super) fn new(
        name: &str,
        section: &Section,
        revision: u64,
        known: &Known,
    ) -> Result<Self, Vec<Problem>> {
        let overrides = Overrides::default();
        let (plan, loaded) = (overrides.plan(section, name)?, section.policy(name));
        let retries = section.retries();
        let snapshot = Snapshot::new(plan, loaded.unwrap_or_default(), retries, revision);
        Ok(Slot {
            name: name.into(),
            overrides,
            current: ArcSwap::from_pointee(snapshot),
            plain: AtomicBool::new(false),
            checked: Arc::new(Mutex::new(known.clone())),
        })
    }

    /// The same policy in its present form, with its budget and its breaker, as `overrides` change
    /// it.
    pub(super) fn under(&self, overrides: Overrides) -> Slot {
        let current = self.current.load();
        let snapshot = match current.again(&overrides, current.retries, current.revision) {
            Some(snapshot) => Arc::new(snapshot),
            None => Guard::into_inner(current),
        };
        Slot {
            name: self.name.clone(),
            overrides,
            current: ArcSwap::new(snapshot),
            plain: AtomicBool::new(self.is_plain()),
            checked: self.checked.clone(),
        }
    }

    /// The form of this policy in a new section, or what is wrong with it there. `None` if it stays
    /// as it is.
    pub(super) fn next(
        &self,
        section: &Section,
        revision: u64,
        base: Option<&Snapshot>,
    ) -> Option<Result<Snapshot, Vec<Problem>>> {
        let Some(config) = section.policy(&self.name) else {
            return self.kept(section, revision).map(Ok);
        };
        let locate = |problems: Vec<Problem>| -> Vec<_> {
            problems.into_iter().map(|problem| section.locate(&self.name, problem)).collect()
        };
        let mut plan = match self.overrides.plan(section, &self.name) {
            Ok(plan) => plan,
            Err(problems) => return Some(Err(locate(problems))),
        };
        let mut problems = self.checked().problems(&config);
        if self.is_plain() {
            problems.extend(plan.interrupting(HELD));
        }
        if !problems.is_empty() {
            return Some(Err(locate(problems)));
        }
        match base {
            Some(base) => base.hand_over(&mut plan),
            None => self.current.load().hand_over(&mut plan),
        }
        Some(Ok(Snapshot::new(plan, config, section.retries(), revision)))
    }

    /// The last form of a policy that is gone, if the section turns it off, or on again.
    fn kept(&self, section: &Section, revision: u64) -> Option<Snapshot> {
        let current = self.current.load();
        if current.retries == section.retries() {
            return None;
        }
        current.again(&self.overrides, section.retries(), revision)
    }

    pub(super) fn is_plain(&self) -> bool {
        self.plain.load(Ordering::Relaxed)
    }

    /// From now on, updates that could end a call without an outcome are refused.
    pub(super) fn set_plain(&self) {
        self.plain.store(true, Ordering::Relaxed);
    }

    pub(super) fn checked(&self) -> Known {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks the policy in its present form for more error types, and keeps them if it passes.
    pub(super) fn check(
        &self,
        more: &Known,
        locate: impl Fn(Problem) -> Problem,
    ) -> Result<(), ConfigError> {
        let checked = self.checked().and(more);
        let problems = checked.problems(&self.current.load().loaded);
        if problems.is_empty() {
            *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = checked;
            return Ok(());
        }
        Err(ConfigError::new(problems.into_iter().map(locate).collect()))
    }
}
