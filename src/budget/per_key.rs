//! A budget for each of many.

use alloc::borrow::ToOwned;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::hash::Hash;
use core::mem;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(target_has_atomic = "64")]
use {crate::DefaultTimer, crate::time::Clock, crate::time::SharedClock};

use super::state::Shared;
use super::{Budget, Model};
use crate::InvalidSetting;

/// Budgets of one model by key, created at the first [`get`](PerKey::get): one for each host, tenant or
/// shard that can fail on its own.
///
/// `get` takes a lock that readers share; keep the [`Budget`] where that is easy. Keys may come from
/// outside of the program, since budgets that are not in use are dropped: full ones when the number of
/// keys has doubled, and any that was not used for an hour or two. The next `get` of such a key
/// creates a full one. Needs `std`.
///
/// ```
/// use persevere::{Policy, RetryExt, budget::{CostPerRetry, PerKey}, immediate};
///
/// let budgets = PerKey::<String>::new(CostPerRetry::new(10));
/// let policy = Policy::new(immediate().max_attempts(3));
/// let read = |host: &str| {
///     (|| Err::<(), _>("down")).retry_with(policy).hook(budgets.get(host)).call()
/// };
/// let _ = read("a.example");
/// assert_eq!(budgets.get("a.example").available(), 0);
/// assert_eq!(budgets.get("b.example").available(), 2);
/// ```
pub struct PerKey<K> {
    model: Model,
    #[cfg(target_has_atomic = "64")]
    clock: SharedClock,
    budgets: RwLock<Budgets<K>>,
}

struct Budgets<K> {
    by_key: HashMap<K, Kept>,
    /// At how many keys those are dropped that nobody would miss.
    sweep_at: usize,
    /// When the hour began, in nanoseconds.
    hour: u64,
}

struct Kept {
    budget: Budget,
    /// Whether anybody asked for it in this hour.
    asked: AtomicBool,
}

const HOUR: u64 = 3_600_000_000_000;

impl<K> Default for Budgets<K> {
    fn default() -> Self {
        Budgets { by_key: HashMap::new(), sweep_at: 64, hour: 0 }
    }
}

impl<K> Budgets<K> {
    /// Drops what nobody would miss, if it is time to look for it.
    fn sweep(&mut self, now: u64) {
        let is_over = now.saturating_sub(self.hour) >= HOUR;
        if !is_over && self.by_key.len() < self.sweep_at {
            return;
        }
        self.by_key.retain(|_, Kept { budget, asked }| {
            let is_asked_for = !is_over || mem::take(asked.get_mut());
            let is_held = Arc::strong_count(&budget.shared) > 1;
            is_held || is_asked_for && !budget.shared.is_fresh()
        });
        self.sweep_at = (2 * self.by_key.len()).max(64);
        if is_over {
            self.hour = now;
        }
    }
}

impl<K: Eq + Hash> PerKey<K> {
    /// Budgets of this model.
    ///
    /// # Panics
    /// If a setting is out of its range.
    #[must_use]
    #[track_caller]
    pub fn new(model: impl Into<Model>) -> Self {
        match PerKey::try_new(model) {
            Ok(budgets) => budgets,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// The same for settings that come from outside.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    ///
    /// ```
    /// use persevere::budget::{CostPerRetry, PerKey};
    /// let mut settings = CostPerRetry::AWS_STANDARD;
    /// settings.capacity = 0;
    /// let error = PerKey::<u32>::try_new(settings).unwrap_err();
    /// assert_eq!(error.to_string(), "`capacity` is at least 1");
    /// ```
    pub fn try_new(model: impl Into<Model>) -> Result<Self, InvalidSetting> {
        let model = model.into();
        model.check()?;
        Ok(PerKey {
            model,
            #[cfg(target_has_atomic = "64")]
            clock: SharedClock::of(DefaultTimer),
            budgets: RwLock::default(),
        })
    }

    /// Like [`new`](PerKey::new), with a clock for [`Ratio`](super::Ratio) and for the hours that a
    /// budget is kept.
    ///
    /// # Panics
    /// If a setting is out of its range.
    #[cfg(target_has_atomic = "64")]
    #[must_use]
    #[track_caller]
    pub fn with_clock<T>(model: impl Into<Model>, clock: T) -> Self
    where
        T: Clock + Send + Sync + 'static,
    {
        PerKey { clock: SharedClock::of(clock), ..PerKey::new(model) }
    }

    /// The budget of `key`; a full one, if it has none yet.
    ///
    /// ```
    /// use persevere::budget::{CostPerRetry, PerKey};
    /// let budgets = PerKey::<String>::new(CostPerRetry::AWS_STANDARD);
    /// assert!(budgets.get("a").is_shared_with(&budgets.get("a")));
    /// assert!(!budgets.get("a").is_shared_with(&budgets.get("b")));
    /// ```
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Budget
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(kept) = self.read().by_key.get(key) {
            // Written once an hour: a word that nobody writes stays in every core's cache.
            if !kept.asked.load(Relaxed) {
                kept.asked.store(true, Relaxed);
            }
            return kept.budget.clone();
        }
        let mut budgets = self.write();
        budgets.sweep(self.now());
        let make = || Kept { budget: self.make(), asked: AtomicBool::new(true) };
        budgets.by_key.entry(key.to_owned()).or_insert_with(make).budget.clone()
    }

    /// For how many keys there is a budget just now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().by_key.len()
    }

    /// Whether no budget was asked for yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().by_key.is_empty()
    }

    /// The time in nanoseconds. Where it cannot be told, no hour is ever over.
    fn now(&self) -> u64 {
        #[cfg(target_has_atomic = "64")]
        return self.clock.nanos();
        #[cfg(not(target_has_atomic = "64"))]
        0
    }

    fn make(&self) -> Budget {
        #[cfg(target_has_atomic = "64")]
        let shared = Shared::new(self.model, self.clock.clone());
        #[cfg(not(target_has_atomic = "64"))]
        let shared = Shared::new(self.model);
        Budget { shared: Arc::new(shared), withdrawal: None }
    }

    /// A key whose `Hash` panics leaves the map as it was.
    fn read(&self) -> RwLockReadGuard<'_, Budgets<K>> {
        self.budgets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Budgets<K>> {
        self.budgets.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> fmt::Debug for PerKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerKey").field("model", &self.model).finish_non_exhaustive()
    }
}
