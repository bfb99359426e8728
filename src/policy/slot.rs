//! Where the current form of a policy lies, for all handles of it.

use std::prelude::v1::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use super::config::{Configured, Guards, Plan, PolicyConfig, Problem};
use super::known::Known;
use super::overrides::Overrides;
use super::section::Section;
use crate::classify::NamedKinds;

/// A policy at one revision: what a call takes, whole, and keeps to its end.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) revision: u64,
    pub(super) backoff: Configured,
    pub(super) kinds: NamedKinds,
    /// The guards of calls: none where nothing is retried.
    pub(super) guards: Guards,
    /// Those of the settings, for the next revision to go on with.
    kept: Guards,
    config: PolicyConfig,
    retries: bool,
}

impl Snapshot {
    fn new(plan: Plan, retries: bool, revision: u64) -> Self {
        let (kept, config) = (plan.guards.clone(), plan.config.clone());
        let (backoff, kinds, guards) = plan.into_parts(retries);
        Snapshot { revision, backoff, kinds, guards, kept, config, retries }
    }

    /// Makes `plan` go on with this budget and this breaker, unless their settings changed.
    pub(super) fn hand_over(&self, plan: &mut Plan) {
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
    /// The error types that the policy was checked for, beside those of all policies.
    checked: Mutex<Known>,
}

impl Slot {
    /// A place for the policy `name` of `section`, as `overrides` change it. What shares its state
    /// with `base` goes on with that.
    pub(super) fn new(
        name: &str,
        overrides: Overrides,
        section: &Section,
        revision: u64,
        base: Option<&Slot>,
    ) -> Result<Self, Vec<Problem>> {
        let mut plan = overrides.plan(section, name)?;
        if let Some(base) = base {
            base.current.load().hand_over(&mut plan);
        }
        let snapshot = Snapshot::new(plan, section.retries(), revision);
        let plain = base.is_some_and(Slot::is_plain);
        Ok(Slot {
            name: name.into(),
            overrides,
            current: ArcSwap::from_pointee(snapshot),
            plain: AtomicBool::new(plain),
            checked: Mutex::new(base.map(Slot::checked).unwrap_or_default()),
        })
    }

    /// The same without anybody to follow: the last form that is here, under these settings.
    pub(super) fn alone(&self, overrides: Overrides) -> Slot {
        let current = self.current.load();
        let snapshot = match overrides.over_last(current.config.clone()) {
            Ok(mut plan) => {
                current.hand_over(&mut plan);
                Arc::new(Snapshot::new(plan, current.retries, current.revision))
            }
            Err(_) => Guard::into_inner(current),
        };
        Slot {
            name: self.name.clone(),
            overrides,
            current: ArcSwap::new(snapshot),
            plain: AtomicBool::new(self.is_plain()),
            checked: Mutex::new(self.checked()),
        }
    }

    /// The form of this policy in a new section, or what is wrong with it there. `None` if the
    /// section has no such policy.
    pub(super) fn next(
        &self,
        section: &Section,
        known: &Known,
        revision: u64,
        base: Option<&Snapshot>,
    ) -> Option<Result<Snapshot, Vec<Problem>>> {
        let config = section.policy(&self.name)?;
        let locate = |problems: Vec<Problem>| -> Vec<_> {
            problems.into_iter().map(|problem| section.locate(&self.name, problem)).collect()
        };
        let mut plan = match self.overrides.plan(section, &self.name) {
            Ok(plan) => plan,
            Err(problems) => return Some(Err(locate(problems))),
        };
        let checked = self.checked();
        let mut problems =
            if checked.is_empty() { Vec::new() } else { known.and(&checked).problems(&config) };
        if self.is_plain() {
            problems.extend(plan.interrupting());
        }
        if !problems.is_empty() {
            return Some(Err(locate(problems)));
        }
        match base {
            Some(base) => base.hand_over(&mut plan),
            None => self.current.load().hand_over(&mut plan),
        }
        Some(Ok(Snapshot::new(plan, section.retries(), revision)))
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

    pub(super) fn set_checked(&self, known: Known) {
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}
