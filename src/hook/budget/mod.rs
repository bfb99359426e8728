//! Retry budgets: how many retries everybody together may make.
//!
//! A backoff spreads the retries of one call; it does not limit what a thousand calls do to a
//! service that is down. A [`Budget`] does: calls share it, every retry is paid from it **before**
//! its sleep, and when it is spent, calls return their own error at once, with
//! [`Reason::Budget`](crate::Reason::Budget).
//!
//! ```
//! use persevere::{Policy, Reason, RetryExt, immediate};
//! use persevere::hook::{Budget, budget::CostPerRetry};
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
mod model;
#[cfg(target_has_atomic = "64")]
mod window;

use alloc::sync::Arc;
use core::fmt;
use core::ops::ControlFlow::{self, Break, Continue};
use core::sync::atomic;
#[cfg(target_has_atomic = "64")]
use {super::now::Now, crate::DefaultTimer, crate::time::Clock};

use self::bucket::Bucket;
#[cfg(target_has_atomic = "64")]
pub use self::model::Ratio;
pub use self::model::{CostPerRetry, Model, Threshold};
use super::{AttemptEvent, FinishEvent, Hook, InvalidSetting, RetryEvent};
use crate::{Attempt, Reason, Verdict, Veto};

/// A retry budget, shared by its clones. It is a [`Hook`] for calls of any outcome, lock-free, and
/// made of a few numbers.
///
/// A clone shares the tokens, not what a call holds of them: a retry that is paid for and then does
/// not come, since the call was dropped in its sleep or another hook refused it, gives its tokens
/// back. The [module](self) says which models there are.
///
/// ```
/// use persevere::{Policy, Reason, RetryExt, exponential, hook::Budget, hook::budget::CostPerRetry};
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
    /// What this call took for its last retry.
    taken: Option<Taken>,
}

/// A call's last withdrawal.
struct Taken {
    amount: u32,
    /// Where it is to be given back, if it is.
    #[cfg(target_has_atomic = "64")]
    epoch: u64,
    /// Whether the retry began that it was taken for.
    used: bool,
}

struct Shared {
    model: Model,
    tokens: Tokens,
}

/// The tokens of each model.
enum Tokens {
    CostPerRetry(CostPerRetry, Bucket),
    Threshold {
        reward: u32,
        bucket: Bucket,
    },
    #[cfg(target_has_atomic = "64")]
    Ratio {
        deposit: i64,
        cost: i64,
        window: window::Window,
        clock: Now,
    },
}

impl Shared {
    /// With settings that were checked.
    fn new(model: Model, #[cfg(target_has_atomic = "64")] clock: Now) -> Self {
        let tokens = match model {
            Model::CostPerRetry(settings) => {
                Tokens::CostPerRetry(settings, Bucket::full(settings.capacity))
            }
            Model::Threshold(settings) => Tokens::Threshold {
                reward: settings.reward(),
                bucket: Bucket::full(settings.max_tokens * Threshold::PARTS),
            },
            #[cfg(target_has_atomic = "64")]
            Model::Ratio(settings) => {
                let (deposit, cost) = settings.fraction();
                let (length, reserve) = (crate::time::nanos(settings.ttl), settings.reserve(cost));
                let window = window::Window::new(length, reserve, clock.nanos());
                Tokens::Ratio { deposit, cost, window, clock }
            }
        };
        Shared { model, tokens }
    }
}

impl Budget {
    /// A full budget of this model: [`CostPerRetry`], [`Threshold`] or [`Ratio`].
    ///
    /// # Panics
    /// If a setting is out of its range; see [`try_new`](Budget::try_new).
    ///
    /// ```
    /// use persevere::hook::{Budget, budget::CostPerRetry};
    /// assert_eq!(Budget::new(CostPerRetry::AWS_STANDARD).available(), 100);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(model: impl Into<Model>) -> Self {
        match Budget::try_new(model) {
            Ok(budget) => budget,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// The same for settings that come from outside.
    ///
    /// # Errors
    /// The first setting that is out of its range. The setters cannot make such; whoever writes the
    /// fields can.
    ///
    /// ```
    /// use persevere::hook::{Budget, budget::Threshold};
    /// let mut settings = Threshold::GRPC_EXAMPLE;
    /// settings.token_ratio = f64::NAN;
    /// let error = Budget::try_new(settings).unwrap_err();
    /// assert_eq!(error.to_string(), "`token_ratio` is from 0.001 to 1000");
    /// ```
    pub fn try_new(model: impl Into<Model>) -> Result<Self, InvalidSetting> {
        let model = model.into();
        model.check()?;
        #[cfg(target_has_atomic = "64")]
        let shared = Shared::new(model, Now::new(DefaultTimer));
        #[cfg(not(target_has_atomic = "64"))]
        let shared = Shared::new(model);
        Ok(Budget { shared: Arc::new(shared), taken: None })
    }

    /// A full budget of the same model that tells the time with `clock`: a virtual one in tests, a
    /// device's own without `std`. Only [`Ratio`] has use for it. It shares nothing with this one.
    ///
    /// ```
    /// use persevere::hook::{Budget, budget::Ratio};
    /// use persevere::time::VirtualClock;
    /// let budget = Budget::new(Ratio::FINAGLE).clock(VirtualClock::new());
    /// assert_eq!(budget.available(), 100);
    /// ```
    #[cfg(target_has_atomic = "64")]
    #[must_use]
    pub fn clock<T: Clock + Send + Sync + 'static>(self, clock: T) -> Self {
        let shared = Shared::new(self.shared.model, Now::new(clock));
        Budget { shared: Arc::new(shared), taken: None }
    }

    /// How it counts.
    ///
    /// ```
    /// use persevere::hook::{Budget, budget::{CostPerRetry, Model}};
    /// assert_eq!(Budget::default().model(), Model::CostPerRetry(CostPerRetry::AWS_STANDARD));
    /// ```
    #[must_use]
    pub fn model(&self) -> Model {
        self.shared.model
    }

    /// How many retries it would allow just now, one after the other, if nothing came in between;
    /// `u64::MAX` where retries cost nothing.
    ///
    /// ```
    /// use persevere::hook::{Budget, budget::{CostPerRetry, Threshold}};
    /// assert_eq!(Budget::new(CostPerRetry::new(14)).available(), 2);
    /// assert_eq!(Budget::new(Threshold::GRPC_EXAMPLE).available(), u64::MAX);
    /// ```
    #[must_use]
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

    /// How many tokens there are just now, in the measure of the model: of [`Ratio`] a retry takes
    /// one, and there may be less than none, when calls are forgotten before the retries that they
    /// allowed.
    ///
    /// ```
    /// use persevere::hook::{Budget, budget::{CostPerRetry, Threshold}};
    /// assert_eq!(Budget::new(CostPerRetry::AWS_STANDARD).tokens(), 500.0);
    /// assert_eq!(Budget::new(Threshold::GRPC_EXAMPLE).tokens(), 10.0);
    /// ```
    #[must_use]
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

    /// Whether both share their tokens: one is a clone of the other.
    ///
    /// ```
    /// use persevere::hook::Budget;
    /// let budget = Budget::default();
    /// assert!(budget.is_shared_with(&budget.clone()) && !budget.is_shared_with(&Budget::default()));
    /// ```
    #[must_use]
    pub fn is_shared_with(&self, other: &Budget) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// A call begins.
    #[inline]
    fn begin(&self) {
        #[cfg(target_has_atomic = "64")]
        if let Tokens::Ratio { deposit, window, clock, .. } = &self.shared.tokens {
            if *deposit > 0 {
                window.deposit(*deposit, clock.nanos());
            }
        }
    }

    /// An attempt succeeded.
    #[inline]
    fn succeed(&self) {
        if let Tokens::Threshold { reward, bucket } = &self.shared.tokens {
            bucket.put(*reward);
        }
    }

    /// An attempt failed in a way that might be retried.
    fn fail(&self) {
        if let Tokens::Threshold { bucket, .. } = &self.shared.tokens {
            bucket.drain(Threshold::PARTS);
        }
    }

    /// Pays for a retry; `None` if there is not enough.
    fn pay(&self, after_timeout: bool) -> Option<Taken> {
        let taken = |amount| Taken {
            amount,
            #[cfg(target_has_atomic = "64")]
            epoch: 0,
            used: false,
        };
        match &self.shared.tokens {
            Tokens::CostPerRetry(settings, bucket) => {
                let cost = if after_timeout { settings.timeout_cost } else { settings.retry_cost };
                bucket.take(cost).then(|| taken(cost))
            }
            Tokens::Threshold { bucket, .. } => above_half(bucket).then(|| taken(0)),
            #[cfg(target_has_atomic = "64")]
            Tokens::Ratio { cost, window, clock, .. } => {
                let epoch = window.withdraw(*cost, clock.nanos())?;
                Some(Taken { epoch, ..taken(0) })
            }
        }
    }

    /// Gives back what the last retry took, if it did not begin.
    #[inline]
    fn give_back(&mut self) {
        match self.taken.take() {
            Some(taken) if !taken.used => self.refund(&taken),
            _ => {}
        }
    }

    fn refund(&self, taken: &Taken) {
        match &self.shared.tokens {
            Tokens::CostPerRetry(_, bucket) => bucket.put(taken.amount),
            Tokens::Threshold { .. } => {}
            #[cfg(target_has_atomic = "64")]
            Tokens::Ratio { cost, window, .. } => window.refund(*cost, taken.epoch),
        }
    }
}

/// Twice the tokens are more than fit.
fn above_half(bucket: &Bucket) -> bool {
    bucket.tokens() > bucket.capacity() / 2
}

impl<O> Hook<O> for Budget {
    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        if let Some(taken) = &mut self.taken {
            taken.used = true;
        }
        if attempt.is_first() {
            self.begin();
        }
    }

    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        match event.verdict() {
            Verdict::Accept => self.succeed(),
            Verdict::Retry | Verdict::RetryAfter(_) => self.fail(),
            Verdict::Stop => {}
        }
    }

    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        self.taken = self.pay(event.outcome().is_none());
        if self.taken.is_some() { Continue(()) } else { Break(Veto::Budget) }
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        if event.reason() != Reason::Succeeded {
            return self.give_back();
        }
        if event.outcome().is_none() {
            // Said by the loop, so no attempt was told to end.
            self.succeed();
        }
        if let Tokens::CostPerRetry(settings, bucket) = &self.shared.tokens {
            let amount = self.taken.take().map_or(settings.first_try_reward, |taken| taken.amount);
            bucket.put(amount);
        }
        self.taken = None;
    }
}

/// Shares the tokens. The clone holds none for itself: it is for another call.
impl Clone for Budget {
    #[inline]
    fn clone(&self) -> Self {
        Budget { shared: Arc::clone(&self.shared), taken: None }
    }
}

/// A call that is not brought to its end still gives back what it took for a retry that did not
/// begin.
impl Drop for Budget {
    #[inline]
    fn drop(&mut self) {
        self.give_back();
    }
}

/// [`CostPerRetry::AWS_STANDARD`].
impl Default for Budget {
    fn default() -> Self {
        Budget::new(Model::default())
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("model", &self.shared.model)
            .field("tokens", &self.tokens())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing in this crate interrupts an attempt, so no test from outside comes here.
    #[test]
    fn a_retry_after_a_timeout_costs_more_and_a_success_gives_that_back() {
        let mut budget = Budget::new(CostPerRetry::AWS_STANDARD);
        budget.taken = budget.pay(true);
        assert_eq!(budget.tokens(), 490.0);
        budget.give_back();
        assert_eq!(budget.tokens(), 500.0);
        assert_eq!(budget.pay(false).map(|taken| taken.amount), Some(5));
    }
}
