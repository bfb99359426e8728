//! Retry budgets: a limit on the retries of all calls together.
//!
//! A backoff spreads the retries of one call; it does not limit what a thousand calls do to a
//! service that is down. A [`Budget`] does: calls share it, every retry withdraws from it **before**
//! its sleep, and when it is spent, calls return their own error at once, with
//! [`Reason::Budget`](crate::Reason::Budget).
//!
//! ```
//! use persevere::{Policy, Reason, RetryExt, immediate};
//! use persevere::{Budget, budget::CostPerRetry};
//!
//! let budget = Budget::new(CostPerRetry::new(20)); // four retries at 5
//! let policy = Policy::new(immediate().max_attempts(3)).hook(budget.clone());
//! let ends: Vec<_> = (0..4)
//!     .map(|_| (|| Err::<(), _>("down")).retry_with(&policy).report().call().unwrap_err())
//!     .map(|error| (error.reason(), error.attempts(), error.into_error()))
//!     .collect();
//! assert_eq!(ends[..2], [(Reason::Attempts, 3, Some("down")); 2]);
//! assert_eq!(ends[2..], [(Reason::Budget, 1, Some("down")); 2]);
//! ```
//!
//! | model | a retry is refused when | success | needs a clock |
//! |---|---|---|---|
//! | [`CostPerRetry`] (AWS) | the bucket has less than its cost | gives back; only reads a full bucket | |
//! | [`Threshold`] (gRPC) | half of the tokens or more are gone | adds a part; only reads a full bucket | |
//! | [`Ratio`] (Finagle) | the share of the calls of the last seconds is used up | nothing: calls count as they begin | yes |
//!
//! **Do** have one budget for each service that can fail on its own, and share it among all its
//! callers. **Don't** share one among services: the one that is down spends what the others need.
//! **Don't** count on it to limit attempts; a call that succeeds at the first attempt is never
//! refused.

mod bucket;
mod hook;
mod model;
#[cfg(feature = "std")]
mod per_key;
mod state;
#[cfg(target_has_atomic = "64")]
mod window;

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic;
#[cfg(target_has_atomic = "64")]
use {crate::DefaultTimer, crate::time::Clock, crate::time::SharedClock};

pub use self::hook::{BudgetPermit, BudgetRef};
#[cfg(target_has_atomic = "64")]
pub use self::model::Ratio;
pub use self::model::{CostPerRetry, Model, Threshold};
#[cfg(feature = "std")]
pub use self::per_key::PerKey;
pub(crate) use self::state::Withdrawal;
use self::state::{Shared, Tokens, above_half};
use crate::InvalidSetting;

/// A retry budget, shared by its clones. It is a [`Hook`](crate::hook::Hook) for calls of any outcome,
/// lock-free, and made of a few numbers.
///
/// A clone shares the tokens, and not the withdrawal of a call: a retry that was paid for and is not
/// made, because the call was dropped in its sleep or another hook refused it, returns its tokens. The
/// [module](self) lists the models.
///
/// ```
/// use persevere::{Budget, Policy, Reason, RetryExt, budget::CostPerRetry, exponential};
/// use std::time::Duration;
///
/// let budget = Budget::new(CostPerRetry::new(4).retry_cost(4));
/// let policy = Policy::new(exponential(Duration::from_millis(1)).max_attempts(5))
///     .hook(budget.clone());
/// let error = (|| Err::<(), _>("down")).retry_with(&policy).report().call().unwrap_err();
/// assert_eq!((error.reason(), error.attempts(), budget.available()), (Reason::Budget, 2, 0));
/// ```
pub struct Budget {
    shared: Arc<Shared>,
    /// That of this call for its last retry.
    withdrawal: Option<Withdrawal>,
}

impl Budget {
    /// Creates a full budget of this model: [`CostPerRetry`], [`Threshold`] or [`Ratio`].
    ///
    /// # Panics
    /// If a setting is out of its range; see [`try_new`](Budget::try_new).
    ///
    /// ```
    /// use persevere::{Budget, budget::CostPerRetry};
    /// assert_eq!(Budget::new(CostPerRetry::AWS_STANDARD).available(), 100);
    /// ```
    #[must_use]
    #[track_caller]
    #[inline]
    pub fn new(model: impl Into<Model>) -> Self {
        match Budget::try_new(model) {
            Ok(budget) => budget,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// Like [`new`](Budget::new), for settings from outside of the program.
    ///
    /// # Errors
    /// The first setting that is out of its range. The setters panic for such a value; a field can have
    /// one.
    ///
    /// ```
    /// use persevere::{Budget, budget::Threshold};
    /// let mut settings = Threshold::GRPC_EXAMPLE;
    /// settings.token_ratio = f64::NAN;
    /// let error = Budget::try_new(settings).unwrap_err();
    /// assert_eq!(error.to_string(), "`token_ratio` is from 0.001 to 1000");
    /// ```
    #[inline]
    pub fn try_new(model: impl Into<Model>) -> Result<Self, InvalidSetting> {
        #[cfg(target_has_atomic = "64")]
        return Budget::reading(model.into(), SharedClock::of(DefaultTimer));
        #[cfg(not(target_has_atomic = "64"))]
        {
            let model = model.into();
            model.check()?;
            Ok(Budget { shared: Arc::new(Shared::new(model)), withdrawal: None })
        }
    }

    /// A full budget of any model, whose clock is `clock`.
    #[cfg(target_has_atomic = "64")]
    #[inline]
    pub(crate) fn reading(model: Model, clock: SharedClock) -> Result<Self, InvalidSetting> {
        model.check()?;
        Ok(Budget { shared: Arc::new(Shared::new(model, clock)), withdrawal: None })
    }

    /// Creates a full budget of the model [`Ratio`] that reads the time from `clock`: a device's own
    /// without `std`. The other models read no clock. In tests,
    /// [`VirtualClock::block_on`](crate::time::VirtualClock::block_on) and a
    /// [`TestScope`](crate::testing::TestScope) change the clock of budgets from
    /// [`new`](Budget::new).
    ///
    /// # Panics
    /// If a setting is out of its range.
    ///
    /// ```
    /// use persevere::{Budget, budget::Ratio};
    /// use persevere::time::VirtualClock;
    /// let budget = Budget::with_clock(Ratio::FINAGLE, VirtualClock::new());
    /// assert_eq!(budget.available(), 100);
    /// ```
    #[cfg(target_has_atomic = "64")]
    #[must_use]
    #[track_caller]
    pub fn with_clock<T: Clock + Send + Sync + 'static>(ratio: Ratio, clock: T) -> Self {
        match Budget::reading(ratio.into(), SharedClock::of(clock)) {
            Ok(budget) => budget,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// Returns the model.
    ///
    /// ```
    /// use persevere::{Budget, budget::{CostPerRetry, Model}};
    /// assert_eq!(Budget::default().model(), Model::CostPerRetry(CostPerRetry::AWS_STANDARD));
    /// ```
    #[must_use]
    pub fn model(&self) -> Model {
        self.shared.model
    }

    /// Returns how many retries in a row would be allowed now; `u64::MAX` where retries cost nothing.
    ///
    /// ```
    /// use persevere::{Budget, budget::{CostPerRetry, Threshold}};
    /// assert_eq!(Budget::new(CostPerRetry::new(14)).available(), 2);
    /// assert_eq!(Budget::new(Threshold::GRPC_EXAMPLE).available(), u64::MAX);
    /// ```
    #[must_use]
    #[inline]
    pub fn available(&self) -> u64 {
        match &self.shared.tokens {
            Tokens::CostPerRetry(settings, bucket) => {
                (bucket.tokens() / settings.retry_cost).into()
            }
            Tokens::Threshold { bucket, .. } if above_half(bucket) => u64::MAX,
            Tokens::Threshold { .. } => 0,
            #[cfg(target_has_atomic = "64")]
            Tokens::Ratio { cost, window, clock, .. } => {
                u64::try_from(window.balance(clock.nanos()) / cost).unwrap_or(0)
            }
        }
    }

    /// Returns the tokens that there are now, in the unit of the model. With [`Ratio`] a retry takes
    /// one, and the number may be below zero, when calls are forgotten before the retries that they
    /// allowed.
    ///
    /// ```
    /// use persevere::{Budget, budget::{CostPerRetry, Threshold}};
    /// assert_eq!(Budget::new(CostPerRetry::AWS_STANDARD).tokens(), 500.0);
    /// assert_eq!(Budget::new(Threshold::GRPC_EXAMPLE).tokens(), 10.0);
    /// ```
    #[must_use]
    #[inline]
    pub fn tokens(&self) -> f64 {
        match &self.shared.tokens {
            Tokens::CostPerRetry(_, bucket) => bucket.tokens().into(),
            Tokens::Threshold { bucket, .. } => {
                f64::from(bucket.tokens()) / f64::from(Threshold::PARTS)
            }
            #[cfg(target_has_atomic = "64")]
            Tokens::Ratio { cost, window, clock, .. } => {
                window.balance(clock.nanos()) as f64 / *cost as f64
            }
        }
    }

    /// Returns whether both share their tokens: one is a clone of the other.
    ///
    /// ```
    /// use persevere::Budget;
    /// let budget = Budget::default();
    /// assert!(budget.is_shared_with(&budget.clone()) && !budget.is_shared_with(&Budget::default()));
    /// ```
    #[must_use]
    pub fn is_shared_with(&self, other: &Budget) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// [`CostPerRetry::AWS_STANDARD`].
impl Default for Budget {
    #[inline]
    fn default() -> Self {
        Budget::new(Model::default())
    }
}

impl fmt::Debug for Budget {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("model", &self.shared.model)
            .field("tokens", &self.tokens())
            .finish()
    }
}
