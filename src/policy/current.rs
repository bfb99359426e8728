//! The current settings of a policy, which all handles of it share.

use std::prelude::v1::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::{ArcSwap, Guard};

use super::config::{ConfigError, Configured, Guards, Plan, PolicyConfig, Problem};
use super::kind_registry::KindRegistry;
use super::overrides::Overrides;
use super::policies::Shared;
use super::section::Section;
use super::updates::UpdateEvent;
use crate::classify::NamedKinds;
use crate::time::nanos;

/// The value that a key has to have in an update, where code has a plain handle.
const HELD: &str = "none, since code has a plain handle of this policy, whose calls always end with \
                    an outcome of their own (`get_guarded` accepts it)";

/// A policy at one revision: what a call takes, whole, and keeps to its end.
#[derive(Debug)]
#[doc(hidden)]
pub struct Snapshot {
    pub(super) revision: u64,
    pub(super) backoff: Configured,
    pub(super) kinds: NamedKinds,
    /// The guards of calls: `None` without any, and where nothing is retried.
    pub(super) guards: Option<Arc<Guards>>,
    /// Those of the settings, for the next revision to go on with.
    kept: Guards,
    /// The settings under those of code, with every default.
    config: PolicyConfig,
    /// The settings alone.
    loaded: PolicyConfig,
    retries: bool,
    report: Arc<Report>,
}

/// The one report of a policy whose `attempt_timeout` has no effect.
#[derive(Debug)]
pub(super) struct Report {
    name: Arc<str>,
    shared: Weak<Shared>,
    made: AtomicBool,
}

impl Report {
    pub(super) fn new(name: Arc<str>, shared: Weak<Shared>) -> Arc<Self> {
        Arc::new(Report { name, shared, made: AtomicBool::new(false) })
    }
}

impl Snapshot {
    fn new(
        plan: Plan,
        loaded: PolicyConfig,
        retries: bool,
        revision: u64,
        report: Arc<Report>,
    ) -> Self {
        let (kept, config) = (plan.guards.clone(), plan.config.clone());
        let (backoff, kinds, guards) = plan.into_parts(retries);
        let none = matches!(guards, Guards { budget: None, breaker: None, attempt_timeout: None });
        let guards = (!none).then(|| Arc::new(guards));
        Snapshot { revision, backoff, kinds, guards, kept, config, loaded, retries, report }
    }

    /// The longest that an attempt may take, in nanoseconds; `u64::MAX` without a limit.
    #[inline]
    pub(super) fn attempt_limit(&self) -> u64 {
        let limit = self.guards.as_ref().and_then(|guards| guards.attempt_timeout);
        limit.map_or(u64::MAX, nanos)
    }

    /// Reports once that the limit on attempts has no effect on a blocking call.
    #[cold]
    pub(super) fn report_ineffective(&self) {
        let Report { name, shared, made } = &*self.report;
        if made.swap(true, Ordering::Relaxed) {
            return;
        }
        let event = UpdateEvent::Ineffective { policy: name, key: "attempt_timeout" };
        match shared.upgrade() {
            Some(shared) => shared.publish(&event),
            None => event.publish(""),
        }
    }

    /// The same settings with `overrides` over them, the same budget and the same breaker.
    fn again(&self, overrides: &Overrides, retries: bool, revision: u64) -> Option<Snapshot> {
        // Overrides give way or cut others down; they contradict nothing.
        let mut plan = overrides.over_last(self.loaded.clone()).ok()?;
        self.hand_over(&mut plan);
        let report = self.report.clone();
        Some(Snapshot::new(plan, self.loaded.clone(), retries, revision, report))
    }

    /// Makes `plan` go on with this budget and this breaker, unless their settings changed.
    fn hand_over(&self, plan: &mut Plan) {
        plan.go_on_with(&self.config, &self.kept);
    }
}

/// The place of the settings.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: Arc<str>,
    pub(super) overrides: Overrides,
    pub(super) current: ArcSwap<Snapshot>,
    /// Cloned by each plain handle: as long as there is one, calls cannot end without an outcome.
    pub(super) plain: Arc<()>,
    /// Whether a name in code refers to the policy, which is a plain handle forever.
    referenced: AtomicBool,
    report: Arc<Report>,
    /// The error types that the policy was checked for, by any handle of it.
    checked: Arc<Mutex<KindRegistry>>,
}

impl Slot {
    /// A place for the policy `name` of `section`, which was checked for the kinds in `known`.
    pub(super) fn new(
        name: &str,
        section: &Section,
        revision: u64,
        known: &KindRegistry,
        shared: Weak<Shared>,
    ) -> Result<Self, Vec<Problem>> {
        let overrides = Overrides::default();
        let (plan, loaded) = (overrides.plan(section, name)?, section.policy(name));
        let (retries, name) = (section.retries(), Arc::from(name));
        let report = Report::new(Arc::clone(&name), shared);
        let loaded = loaded.unwrap_or_default();
        let snapshot = Snapshot::new(plan, loaded, retries, revision, report.clone());
        Ok(Slot::with(name, overrides, Arc::new(snapshot), report, known.clone()))
    }

    /// A place for settings that do not change.
    pub(super) fn of_plan(plan: Plan, loaded: PolicyConfig) -> Self {
        let name: Arc<str> = Arc::from("policy");
        let report = Report::new(Arc::clone(&name), Weak::new());
        let snapshot = Arc::new(Snapshot::new(plan, loaded, true, 1, report.clone()));
        Slot::with(name, Overrides::default(), snapshot, report, KindRegistry::default())
    }

    fn with(
        name: Arc<str>,
        overrides: Overrides,
        snapshot: Arc<Snapshot>,
        report: Arc<Report>,
        known: KindRegistry,
    ) -> Self {
        Slot {
            name,
            overrides,
            current: ArcSwap::new(snapshot),
            plain: Arc::new(()),
            referenced: AtomicBool::new(false),
            report,
            checked: Arc::new(Mutex::new(known)),
        }
    }

    /// This policy with its present settings, its budget and its breaker, as `overrides` change it.
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
            plain: Arc::new(()),
            referenced: AtomicBool::new(false),
            report: self.report.clone(),
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
        let (retries, report) = (section.retries(), self.report.clone());
        Some(Ok(Snapshot::new(plan, config, retries, revision, report)))
    }

    /// The last form of a policy that is gone, if the section turns it off, or on again.
    fn kept(&self, section: &Section, revision: u64) -> Option<Snapshot> {
        let current = self.current.load();
        if current.retries == section.retries() {
            return None;
        }
        current.again(&self.overrides, section.retries(), revision)
    }

    /// Whether code has a plain handle, so that updates which could end a call without an outcome are
    /// refused.
    pub(super) fn is_plain(&self) -> bool {
        self.is_referenced() || Arc::strong_count(&self.plain) > 1
    }

    pub(super) fn is_referenced(&self) -> bool {
        self.referenced.load(Ordering::Relaxed)
    }

    /// A name in code refers to the policy.
    pub(super) fn set_referenced(&self) {
        self.referenced.store(true, Ordering::Relaxed);
    }

    pub(super) fn checked(&self) -> KindRegistry {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks the policy in its present form for more error types, and keeps them if it passes.
    pub(super) fn check(
        &self,
        more: &KindRegistry,
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
