//! A budget for each of many.

use alloc::borrow::ToOwned;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::hash::Hash;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
#[cfg(target_has_atomic = "64")]
use {crate::DefaultTimer, crate::hook::now::Now, crate::time::Clock};

use super::shared::Shared;
use super::{Budget, Model};
use crate::hook::InvalidSetting;

/// Budgets of one model by key, made when they are first asked for: one for each host, tenant or
/// shard that can fail on its own.
///
/// Ask once and keep the [`Budget`] where that is easy; asking takes a lock that readers share. A
/// budget that is full and that nobody holds is as good as none, so such are dropped when the number
/// of keys has doubled: keys may come from outside. Needs `std`.
///
/// ```
/// use persevere::{Policy, RetryExt, hook::budget::{CostPerRetry, PerKey}, immediate};
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
    clock: Arc<Now>,
    budgets: RwLock<Budgets<K>>,
}

struct Budgets<K> {
    by_key: HashMap<K, Budget>,
    /// At how many keys those are dropped that nobody would miss.
    sweep_at: usize,
}

impl<K> Default for Budgets<K> {
    fn default() -> Self {
        Budgets { by_key: HashMap::new(), sweep_at: 64 }
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
    /// use persevere::hook::budget::{CostPerRetry, PerKey};
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
            clock: Arc::new(Now::new(DefaultTimer)),
            budgets: RwLock::default(),
        })
    }

    /// Tells the time with `clock`, for [`Ratio`](super::Ratio). Forgets the budgets made so far.
    #[cfg(target_has_atomic = "64")]
    #[must_use]
    pub fn clock<T: Clock + Send + Sync + 'static>(self, clock: T) -> Self {
        PerKey { clock: Arc::new(Now::new(clock)), budgets: RwLock::default(), ..self }
    }

    /// The budget of `key`; a full one, if it has none yet.
    ///
    /// ```
    /// use persevere::hook::budget::{CostPerRetry, PerKey};
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
        if let Some(budget) = self.read().by_key.get(key) {
            return budget.clone();
        }
        let mut budgets = self.write();
        if budgets.by_key.len() >= budgets.sweep_at {
            budgets.by_key.retain(|_, budget| {
                Arc::strong_count(&budget.shared) > 1 || !budget.shared.is_fresh()
            });
            budgets.sweep_at = (2 * budgets.by_key.len()).max(64);
        }
        budgets.by_key.entry(key.to_owned()).or_insert_with(|| self.make()).clone()
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

    fn make(&self) -> Budget {
        #[cfg(target_has_atomic = "64")]
        let shared = Shared::new(self.model, Arc::clone(&self.clock));
        #[cfg(not(target_has_atomic = "64"))]
        let shared = Shared::new(self.model);
        Budget { shared: Arc::new(shared), taken: None }
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
