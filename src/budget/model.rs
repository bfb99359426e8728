//! The settings of the published models.

use crate::InvalidSetting;
#[cfg(target_has_atomic = "64")]
use {crate::time::nanos, core::time::Duration};

/// How a [`Budget`](super::Budget) counts: one of the three published models.
///
/// Each converts into it, so that [`Budget::new`](super::Budget::new) takes any. Two that are equal
/// make budgets that behave alike.
///
/// ```
/// use persevere::{Budget, budget::{CostPerRetry, Model, Threshold}};
/// let models = [CostPerRetry::AWS_STANDARD.into(), Threshold::GRPC_EXAMPLE.into()];
/// assert_eq!(models.map(|model: Model| Budget::new(model).available()), [100, u64::MAX]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[doc(hidden)]
pub enum Model {
    /// A retry costs tokens, and success gives some back.
    CostPerRetry(CostPerRetry),
    /// Failures drain tokens, success gives some back, and above half retries are free.
    Threshold(Threshold),
    /// Retries are a share of the calls of the last seconds.
    #[cfg(target_has_atomic = "64")]
    Ratio(Ratio),
}

impl Default for Model {
    /// [`CostPerRetry::AWS_STANDARD`].
    fn default() -> Self {
        Model::CostPerRetry(CostPerRetry::AWS_STANDARD)
    }
}

impl Model {
    /// Whether [`Budget::new`](super::Budget::new) takes these settings.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    #[inline]
    pub fn check(&self) -> Result<(), InvalidSetting> {
        match self {
            Model::CostPerRetry(settings) => settings.check(),
            Model::Threshold(settings) => settings.check(),
            #[cfg(target_has_atomic = "64")]
            Model::Ratio(settings) => settings.check(),
        }
    }
}

/// A bucket of tokens from which every retry is paid: the *standard mode* of the AWS SDKs
/// ([retry behaviour](https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html)).
///
/// It starts full. A retry takes `retry_cost`, or `timeout_cost` after an attempt that was
/// interrupted and so has no outcome. A success at the first attempt gives `first_try_reward` back;
/// a success after retries gives back what its last retry cost. A call that fails gives nothing
/// back. As long as the bucket is full, a success only reads it.
///
/// | setting | default | range |
/// |---|---|---|
/// | `capacity` | 500 | from 1 |
/// | `retry_cost` | 5 | from 1 to the capacity |
/// | `timeout_cost` | 10 | from 1 to the capacity |
/// | `first_try_reward` | 1 | from 1 |
///
/// ```
/// use persevere::{Budget, Policy, budget::CostPerRetry, immediate};
///
/// let budget = Budget::new(CostPerRetry::new(12));
/// let policy = Policy::new(immediate().max_attempts(4)).hook(budget.clone());
/// let mut calls = 0;
/// let _ = policy.call(|_| { calls += 1; None::<()> });
/// assert_eq!((calls, budget.tokens()), (3, 2.0)); // two retries at 5
/// let _ = policy.call(|_| Some(()));
/// assert_eq!(budget.tokens(), 3.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CostPerRetry {
    /// How many tokens there are at the start, and at the most.
    pub capacity: u32,
    /// What a retry takes.
    pub retry_cost: u32,
    /// What a retry takes after an attempt that was interrupted.
    pub timeout_cost: u32,
    /// What a success at the first attempt gives back.
    pub first_try_reward: u32,
}

impl CostPerRetry {
    /// What the AWS SDKs have: 500 tokens, 5 a retry, 10 after a timeout, 1 back.
    pub const AWS_STANDARD: Self =
        CostPerRetry { capacity: 500, retry_cost: 5, timeout_cost: 10, first_try_reward: 1 };

    /// That with another capacity; where it is below a cost, the cost is the capacity.
    ///
    /// # Panics
    /// If `capacity` is zero; in a `const` that is a compile error. So for all settings here.
    #[must_use]
    #[inline]
    pub const fn new(capacity: u32) -> Self {
        assert!(capacity > 0, "`capacity` is at least 1");
        let standard = Self::AWS_STANDARD;
        let retry_cost = if capacity < 5 { capacity } else { standard.retry_cost };
        let timeout_cost = if capacity < 10 { capacity } else { standard.timeout_cost };
        CostPerRetry { capacity, retry_cost, timeout_cost, ..standard }
    }

    /// Sets what a retry takes.
    ///
    /// # Panics
    /// If `cost` is zero or more than the capacity.
    #[must_use]
    pub const fn retry_cost(self, cost: u32) -> Self {
        assert!(cost > 0 && cost <= self.capacity, "`retry_cost` is from 1 to the capacity");
        CostPerRetry { retry_cost: cost, ..self }
    }

    /// Sets what a retry takes after an attempt that was interrupted.
    ///
    /// # Panics
    /// If `cost` is zero or more than the capacity.
    #[must_use]
    pub const fn timeout_cost(self, cost: u32) -> Self {
        assert!(cost > 0 && cost <= self.capacity, "`timeout_cost` is from 1 to the capacity");
        CostPerRetry { timeout_cost: cost, ..self }
    }

    /// Sets what a success at the first attempt gives back.
    ///
    /// # Panics
    /// If `tokens` is zero: a spent budget would stay spent.
    #[must_use]
    pub const fn first_try_reward(self, tokens: u32) -> Self {
        assert!(tokens > 0, "`first_try_reward` is at least 1");
        CostPerRetry { first_try_reward: tokens, ..self }
    }

    #[inline]
    fn check(&self) -> Result<(), InvalidSetting> {
        let costs = 1..=self.capacity;
        if self.capacity == 0 {
            Err(InvalidSetting::new("capacity", "at least 1"))
        } else if !costs.contains(&self.retry_cost) {
            Err(InvalidSetting::new("retry_cost", "from 1 to the capacity"))
        } else if !costs.contains(&self.timeout_cost) {
            Err(InvalidSetting::new("timeout_cost", "from 1 to the capacity"))
        } else if self.first_try_reward == 0 {
            Err(InvalidSetting::new("first_try_reward", "at least 1"))
        } else {
            Ok(())
        }
    }
}

impl Default for CostPerRetry {
    /// [`AWS_STANDARD`](CostPerRetry::AWS_STANDARD).
    fn default() -> Self {
        Self::AWS_STANDARD
    }
}

impl From<CostPerRetry> for Model {
    fn from(settings: CostPerRetry) -> Self {
        Model::CostPerRetry(settings)
    }
}

/// Retries only while most attempts succeed: gRPC's *retry throttling*
/// ([proposal A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md#throttling-retry-attempts-and-hedged-rpcs)).
///
/// It starts with `max_tokens`. Every attempt that fails so that it might be retried takes one,
/// whether it is retried or not; so does one after which the server
/// [forbids](crate::Verdict::Forbidden) a retry. Every attempt that succeeds adds `token_ratio`. Retries
/// are made while there are more than half of `max_tokens`, and cost nothing themselves. An attempt
/// that [stops](crate::Verdict::Stop) the call does neither: the server did answer.
///
/// | setting | default | range |
/// |---|---|---|
/// | `max_tokens` | 10 | 1 to 1000 |
/// | `token_ratio` | 0.1 | 0.001 to 1000; what is beyond three decimals is ignored |
///
/// ```
/// use persevere::{Budget, Policy, budget::Threshold, immediate};
///
/// let budget = Budget::new(Threshold::new(4, 0.5));
/// let policy = Policy::new(immediate().max_attempts(4)).hook(budget.clone());
/// let mut calls = 0;
/// let _ = policy.call(|_| { calls += 1; None::<()> });
/// assert_eq!((calls, budget.tokens()), (2, 2.0)); // two of four are not more than half
/// let _ = policy.call(|_| Some(()));
/// assert_eq!(budget.tokens(), 2.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Threshold {
    /// How many tokens there are at the start, and at the most.
    pub max_tokens: u32,
    /// What a success adds.
    pub token_ratio: f64,
}

impl Threshold {
    /// The example of the proposal: 10 tokens and a ratio of 0.1, for about ten successes per
    /// failure.
    pub const GRPC_EXAMPLE: Self = Threshold { max_tokens: 10, token_ratio: 0.1 };

    /// In how many parts a token is counted.
    pub(super) const PARTS: u32 = 1000;

    /// Both settings.
    ///
    /// # Panics
    /// If one is out of its range; in a `const` that is a compile error.
    #[must_use]
    #[inline]
    pub const fn new(max_tokens: u32, token_ratio: f64) -> Self {
        assert!(0 < max_tokens && max_tokens <= 1000, "`max_tokens` is from 1 to 1000");
        // What is not a number is not within.
        assert!(
            0.001 <= token_ratio && token_ratio <= 1000.0,
            "`token_ratio` is from 0.001 to 1000"
        );
        Threshold { max_tokens, token_ratio }
    }

    /// What a success adds, in parts. The decimal 0.57 is a little less in binary.
    pub(super) fn reward(&self) -> u32 {
        (self.token_ratio * f64::from(Self::PARTS) + 1e-6) as u32
    }

    #[inline]
    fn check(&self) -> Result<(), InvalidSetting> {
        if !(1..=1000).contains(&self.max_tokens) {
            Err(InvalidSetting::new("max_tokens", "from 1 to 1000"))
        } else if !(0.001..=1000.0).contains(&self.token_ratio) {
            Err(InvalidSetting::new("token_ratio", "from 0.001 to 1000"))
        } else {
            Ok(())
        }
    }
}

impl Default for Threshold {
    /// [`GRPC_EXAMPLE`](Threshold::GRPC_EXAMPLE).
    fn default() -> Self {
        Self::GRPC_EXAMPLE
    }
}

impl From<Threshold> for Model {
    fn from(settings: Threshold) -> Self {
        Model::Threshold(settings)
    }
}

/// Retries are a share of the calls of the last seconds, and a few in any case: Finagle's
/// [`RetryBudget`](https://twitter.github.io/finagle/guide/Clients.html#retries).
///
/// Of the calls that began in the last `ttl`, `share` may be retries; and `min_per_second` times
/// `ttl` more, so that a client with few calls can retry at all. A call adds its share when its
/// first attempt begins. Both calls and retries are forgotten after `ttl`, to a sixteenth of it.
///
/// | setting | default | range |
/// |---|---|---|
/// | `share` | 0.2 | 0, or 0.0001 to 1000 |
/// | `min_per_second` | 10 | from 0, and not 0 if the share is |
/// | `ttl` | 10 s | 1 s to 60 s |
///
/// The share is the fraction with the least denominator up to 10 000 that means the same number, so
/// 0.6 is exactly three of five; a number that is none of these is rounded to four decimals. Within
/// a sixteenth of `ttl`, 1.7 million retries are the most, whatever the settings.
///
/// ```
/// use persevere::{Budget, Policy, budget::Ratio, immediate};
/// use persevere::time::VirtualClock;
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let budget = Budget::with_clock(Ratio::new(0.5).min_per_second(0), clock.clone());
/// let policy = Policy::new(immediate().max_attempts(2)).hook(budget.clone());
/// let mut calls = 0;
/// for _ in 0..10 {
///     let _ = policy.call(|_| { calls += 1; None::<()> });
/// }
/// assert_eq!(calls, 10 + 5);
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(budget.available(), 0);
/// ```
#[cfg(target_has_atomic = "64")]
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ratio {
    /// How many retries a call allows.
    pub share: f64,
    /// How many retries are allowed per second without any call.
    pub min_per_second: u32,
    /// After which time calls and retries are forgotten.
    pub ttl: Duration,
}

#[cfg(target_has_atomic = "64")]
impl Ratio {
    /// What Finagle has: a share of 0.2, and 10 per second over 10 seconds.
    pub const FINAGLE: Self =
        Ratio { share: 0.2, min_per_second: 10, ttl: Duration::from_secs(10) };

    /// That with another share.
    ///
    /// # Panics
    /// If `share` is out of its range, or not a number; in a `const` that is a compile error.
    #[must_use]
    #[inline]
    pub const fn new(share: f64) -> Self {
        assert!(Self::is_share(share), "`share` is 0, or from 0.0001 to 1000");
        Ratio { share, ..Self::FINAGLE }
    }

    /// Sets how many retries are allowed per second without any call.
    ///
    /// # Panics
    /// If it is zero and the share is, too.
    #[must_use]
    #[inline]
    pub const fn min_per_second(self, retries: u32) -> Self {
        assert!(retries > 0 || self.share > 0.0, "`min_per_second` is not 0 where the share is");
        Ratio { min_per_second: retries, ..self }
    }

    /// Sets after which time calls and retries are forgotten.
    ///
    /// # Panics
    /// If `ttl` is below a second or above sixty.
    #[must_use]
    #[inline]
    pub const fn ttl(self, ttl: Duration) -> Self {
        assert!(Self::is_ttl(ttl), "`ttl` is from 1 s to 60 s");
        Ratio { ttl, ..self }
    }

    const fn is_share(share: f64) -> bool {
        share == 0.0 || 0.0001 <= share && share <= 1000.0
    }

    const fn is_ttl(ttl: Duration) -> bool {
        let (nanos, second) = (ttl.as_nanos(), 1_000_000_000);
        second <= nanos && nanos <= 60 * second
    }

    /// The share as a fraction: what a call deposits, and what a retry takes.
    #[inline]
    pub(super) fn fraction(&self) -> (i64, i64) {
        const MOST: i64 = 10_000;
        let part = |whole: i64| (self.share * whole as f64 + 0.5) as i64;
        let fits = |whole: &i64| {
            let error = self.share * *whole as f64 - part(*whole) as f64;
            (-1e-9..=1e-9).contains(&(error / *whole as f64))
        };
        let whole = (1..=MOST).find(fits).unwrap_or(MOST);
        (part(whole), whole)
    }

    /// What may be taken without any deposit, if a retry takes `cost`.
    pub(super) fn reserve(&self, cost: i64) -> i64 {
        let per_nano = u128::from(self.min_per_second) * u128::from(nanos(self.ttl));
        i64::try_from(per_nano * cost as u128 / 1_000_000_000).unwrap_or(i64::MAX / 2)
    }

    #[inline]
    fn check(&self) -> Result<(), InvalidSetting> {
        if !Self::is_share(self.share) {
            Err(InvalidSetting::new("share", "0, or from 0.0001 to 1000"))
        } else if self.share == 0.0 && self.min_per_second == 0 {
            Err(InvalidSetting::new("min_per_second", "not 0 where the share is"))
        } else if !Self::is_ttl(self.ttl) {
            Err(InvalidSetting::new("ttl", "from 1 s to 60 s"))
        } else {
            Ok(())
        }
    }
}

#[cfg(target_has_atomic = "64")]
impl Default for Ratio {
    /// [`FINAGLE`](Ratio::FINAGLE).
    fn default() -> Self {
        Self::FINAGLE
    }
}

#[cfg(target_has_atomic = "64")]
impl From<Ratio> for Model {
    fn from(settings: Ratio) -> Self {
        Model::Ratio(settings)
    }
}
