//! A budget in a call: by a clone, or by reference; and without a call.

use alloc::sync::Arc;
use core::fmt;
use core::ops::ControlFlow::{self, Break, Continue};

use super::Budget;
use super::shared::{Shared, Taken};
use crate::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use crate::{Attempt, Veto};

/// A [`Budget`] by reference: made by [`Budget::by_ref`].
pub struct BudgetRef<'a> {
    shared: &'a Shared,
    taken: Option<Taken>,
}

impl Budget {
    /// The same budget as a hook that borrows it. Cloning it for a call counts no reference, so a
    /// call that succeeds while the budget is full writes nothing that threads share.
    ///
    /// ```
    /// use persevere::{Policy, hook::Budget, immediate};
    /// use std::sync::LazyLock;
    ///
    /// static BUDGET: LazyLock<Budget> = LazyLock::new(Budget::default);
    /// let policy = Policy::new(immediate().max_attempts(3)).hook(BUDGET.by_ref());
    /// let _ = policy.call(|_| None::<()>);
    /// assert_eq!(BUDGET.tokens(), 490.0);
    /// ```
    #[must_use]
    pub fn by_ref(&self) -> BudgetRef<'_> {
        BudgetRef { shared: &self.shared, taken: None }
    }

    /// Takes what a retry costs, for something that is no retry of a policy: a hedge, or a loop
    /// without one. `None` if there is not enough.
    ///
    /// ```
    /// use persevere::hook::{Budget, budget::CostPerRetry};
    ///
    /// let budget = Budget::new(CostPerRetry::new(5));
    /// let permit = budget.try_acquire().unwrap();
    /// assert!(budget.try_acquire().is_none());
    /// drop(permit); // it came to nothing
    /// budget.try_acquire().unwrap().spend();
    /// assert_eq!(budget.available(), 0);
    /// ```
    #[must_use]
    pub fn try_acquire(&self) -> Option<BudgetPermit> {
        let taken = Some(self.shared.pay(false)?);
        Some(BudgetPermit(Budget { shared: Arc::clone(&self.shared), taken }))
    }
}

#[cfg(feature = "config")]
impl BudgetRef<'_> {
    /// The same in the middle of a call, which holds what [`let_go`](BudgetRef::let_go) gave.
    pub(crate) fn holding(self, taken: Option<Taken>) -> Self {
        let mut held = self;
        held.taken = taken;
        held
    }

    /// Leaves it to the caller to hold what was taken.
    pub(crate) fn let_go(&mut self) -> Option<Taken> {
        self.taken.take()
    }
}

/// What [`Budget::try_acquire`] took. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "a permit that is dropped goes back"]
pub struct BudgetPermit(Budget);

impl BudgetPermit {
    /// Keeps the tokens out of the budget: what they were for has begun.
    pub fn spend(mut self) {
        self.0.taken = None;
    }
}

macro_rules! hook {
    ([$($lifetime:lifetime)?] $type:ty) => {
        impl<$($lifetime,)? O> Hook<O> for $type {
            #[inline]
            fn before_attempt(&mut self, attempt: &Attempt) {
                self.shared.before_attempt(&mut self.taken, attempt.is_first());
            }

            #[inline]
            fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
                self.shared.after_attempt(event.verdict());
            }

            #[inline]
            fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
                self.taken = self.shared.pay(event.outcome().is_none());
                if self.taken.is_some() { Continue(()) } else { Break(Veto::Budget) }
            }

            #[inline]
            fn finish(&mut self, event: &FinishEvent<'_, O>) {
                let silent = event.outcome().is_none();
                self.shared.finish(&mut self.taken, event.reason(), silent);
            }
        }

        /// A call that is not brought to its end still gives back what it took for a retry that did
        /// not begin.
        impl$(<$lifetime>)? Drop for $type {
            #[inline]
            fn drop(&mut self) {
                if let Some(taken) = self.taken.take() {
                    self.shared.give_back_late(taken);
                }
            }
        }
    };
}
hook!([] Budget);
hook!(['a] BudgetRef<'a>);

/// Shares the tokens. The clone holds none for itself: it is for another call.
impl Clone for Budget {
    #[inline]
    fn clone(&self) -> Self {
        Budget { shared: Arc::clone(&self.shared), taken: None }
    }
}

/// Shares the tokens. The clone holds none for itself: it is for another call.
impl Clone for BudgetRef<'_> {
    #[inline]
    fn clone(&self) -> Self {
        BudgetRef { shared: self.shared, taken: None }
    }
}

impl fmt::Debug for BudgetRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetRef").field("model", &self.shared.model).finish_non_exhaustive()
    }
}
