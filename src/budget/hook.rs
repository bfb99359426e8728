//! The hook that a budget is, and its use without a call.

use alloc::sync::Arc;
use core::fmt;
use core::ops::ControlFlow::{self, Break, Continue};

use super::Budget;
use super::state::{Shared, Withdrawal};
use crate::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use crate::{Attempt, Veto};

/// A [`Budget`] by reference: made by [`Budget::by_ref`].
#[doc(hidden)]
pub struct BudgetRef<'a> {
    shared: &'a Shared,
    withdrawal: Option<Withdrawal>,
}

impl Budget {
    /// Returns a hook that borrows the budget. Cloning it for a call counts no reference, so a call that
    /// succeeds while the budget is full writes nothing that threads share, unless the model is `Ratio`,
    /// which records each call.
    ///
    /// ```
    /// use persevere::{Budget, Policy, immediate};
    /// use std::sync::LazyLock;
    ///
    /// static BUDGET: LazyLock<Budget> = LazyLock::new(Budget::default);
    /// let policy = Policy::new(immediate().max_attempts(3)).hook(BUDGET.by_ref());
    /// let _ = policy.call(|_| None::<()>);
    /// assert_eq!(BUDGET.tokens(), 490.0);
    /// ```
    #[must_use]
    pub fn by_ref(&self) -> BudgetRef<'_> {
        BudgetRef { shared: &self.shared, withdrawal: None }
    }

    /// Withdraws the cost of a retry, for an attempt that no policy makes: a hedge, or a loop without a
    /// policy. `None` if there is not enough.
    ///
    /// ```
    /// use persevere::{Budget, budget::CostPerRetry};
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
        let withdrawal = Some(self.shared.withdraw(false)?);
        Some(BudgetPermit(Budget { shared: Arc::clone(&self.shared), withdrawal }))
    }
}

#[cfg(feature = "config")]
impl BudgetRef<'_> {
    /// The hook in the middle of a call that holds `withdrawal`.
    pub(crate) fn holding(mut self, withdrawal: Option<Withdrawal>) -> Self {
        self.withdrawal = withdrawal;
        self
    }

    /// Leaves the withdrawal to the caller.
    pub(crate) fn release(&mut self) -> Option<Withdrawal> {
        self.withdrawal.take()
    }
}

/// The tokens that [`Budget::try_acquire`] withdrew. Dropping it returns them.
#[derive(Debug)]
#[must_use = "a permit that is dropped returns its tokens"]
#[doc(hidden)]
pub struct BudgetPermit(Budget);

impl BudgetPermit {
    /// Keeps the tokens out of the budget: the attempt that they pay for has begun.
    pub fn spend(mut self) {
        self.0.withdrawal = None;
    }
}

macro_rules! hook {
    ([$($lifetime:lifetime)?] $type:ty) => {
        impl<$($lifetime,)? O> Hook<O> for $type {
            #[inline]
            fn reads_clock(&self) -> bool {
                false
            }
            handles!(BEFORE_ATTEMPT | AFTER_ATTEMPT | RETRY | FINISH);

            #[inline]
            fn before_attempt(&mut self, attempt: &Attempt) {
                self.shared.before_attempt(&mut self.withdrawal, attempt.is_first());
            }

            #[inline]
            fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
                self.shared.after_attempt(event.verdict());
            }

            #[inline]
            fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
                self.withdrawal = self.shared.withdraw(event.outcome().is_none());
                if self.withdrawal.is_some() { Continue(()) } else { Break(Veto::Budget) }
            }

            #[inline]
            fn finish(&mut self, event: &FinishEvent<'_, O>) {
                let outcome = event.outcome().is_some();
                self.shared.finish(&mut self.withdrawal, event.reason(), outcome);
            }
        }

        /// A call that is dropped returns the tokens of a retry that did not begin.
        impl$(<$lifetime>)? Drop for $type {
            #[inline]
            fn drop(&mut self) {
                if let Some(withdrawal) = self.withdrawal.take() {
                    self.shared.give_back_late(withdrawal);
                }
            }
        }
    };
}
hook!([] Budget);
hook!(['a] BudgetRef<'a>);

/// The clone shares the tokens, and belongs to another call.
impl Clone for Budget {
    #[inline]
    fn clone(&self) -> Self {
        Budget { shared: Arc::clone(&self.shared), withdrawal: None }
    }
}

/// The clone shares the tokens, and belongs to another call.
impl Clone for BudgetRef<'_> {
    #[inline]
    fn clone(&self) -> Self {
        BudgetRef { shared: self.shared, withdrawal: None }
    }
}

impl fmt::Debug for BudgetRef<'_> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetRef").field("model", &self.shared.model).finish_non_exhaustive()
    }
}
