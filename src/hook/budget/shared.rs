//! The tokens of each model, and what a call does with them.

#[cfg(target_has_atomic = "64")]
use alloc::sync::Arc;

use super::bucket::Bucket;
#[cfg(target_has_atomic = "64")]
use super::window::Window;
use super::{CostPerRetry, Model, Threshold};
#[cfg(target_has_atomic = "64")]
use crate::hook::now::Now;
use crate::{Reason, Verdict};

/// A call's last withdrawal.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(super) amount: u32,
    /// Where it is to be given back, if it is.
    #[cfg(target_has_atomic = "64")]
    epoch: u64,
    /// Whether the retry began that it was taken for.
    pub(super) used: bool,
}

/// What all clones of a budget share.
pub(super) struct Shared {
    pub(super) model: Model,
    pub(super) tokens: Tokens,
}

/// The tokens of each model.
pub(super) enum Tokens {
    CostPerRetry(CostPerRetry, Bucket),
    Threshold {
        reward: u32,
        bucket: Bucket,
    },
    #[cfg(target_has_atomic = "64")]
    Ratio {
        deposit: i64,
        cost: i64,
        window: Window,
        clock: Arc<Now>,
    },
}

impl Shared {
    /// With settings that were checked.
    pub(super) fn new(model: Model, #[cfg(target_has_atomic = "64")] clock: Arc<Now>) -> Self {
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
                let window = Window::new(length, reserve, clock.nanos());
                Tokens::Ratio { deposit, cost, window, clock }
            }
        };
        Shared { model, tokens }
    }

    /// Whether it is as a new one would be.
    #[cfg(feature = "std")]
    pub(super) fn is_fresh(&self) -> bool {
        match &self.tokens {
            Tokens::CostPerRetry(_, bucket) | Tokens::Threshold { bucket, .. } => bucket.is_full(),
            #[cfg(target_has_atomic = "64")]
            Tokens::Ratio { window, clock, .. } => window.is_forgotten(clock.nanos()),
        }
    }

    /// An attempt begins. What was taken for it is used.
    #[inline]
    pub(super) fn before_attempt(&self, taken: &mut Option<Taken>, first: bool) {
        if !first {
            if let Some(taken) = taken {
                taken.used = true;
            }
            return;
        }
        #[cfg(target_has_atomic = "64")]
        if let Tokens::Ratio { deposit, window, clock, .. } = &self.tokens {
            window.deposit(*deposit, clock.nanos());
        }
    }

    /// An attempt ended.
    #[inline]
    pub(super) fn after_attempt(&self, verdict: Verdict) {
        if let Tokens::Threshold { reward, bucket } = &self.tokens {
            match verdict {
                Verdict::Accept if bucket.is_full() => {}
                Verdict::Accept => bucket.put(*reward),
                Verdict::Retry | Verdict::RetryAfter(_) | Verdict::Never => {
                    bucket.drain(Threshold::PARTS);
                }
                Verdict::Stop => {}
            }
        }
    }

    /// Pays for a retry; `None` if there is not enough.
    #[inline]
    pub(super) fn pay(&self, after_timeout: bool) -> Option<Taken> {
        let taken = |amount| Taken {
            amount,
            #[cfg(target_has_atomic = "64")]
            epoch: 0,
            used: false,
        };
        match &self.tokens {
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

    /// The call ended. `silent` says that no attempt was told to end: the loop was told of success.
    #[inline]
    pub(super) fn finish(&self, taken: &mut Option<Taken>, reason: Reason, silent: bool) {
        let taken = taken.take();
        if reason != Reason::Succeeded {
            if let Some(taken) = taken {
                self.give_back(taken);
            }
            return;
        }
        if silent {
            self.after_attempt(Verdict::Accept);
        }
        if let Tokens::CostPerRetry(settings, bucket) = &self.tokens {
            if !bucket.is_full() {
                bucket.put(taken.map_or(settings.first_try_reward, |taken| taken.amount));
            }
        }
    }

    /// Gives back what the last retry took, if it did not begin.
    #[inline]
    fn give_back(&self, taken: Taken) {
        if !taken.used {
            self.refund(taken);
        }
    }

    /// The same for a call that is not brought to its end, and so out of the way of all others.
    #[cold]
    #[inline(never)]
    pub(super) fn give_back_late(&self, taken: Taken) {
        self.give_back(taken);
    }

    #[inline]
    fn refund(&self, taken: Taken) {
        match &self.tokens {
            Tokens::CostPerRetry(_, bucket) => bucket.put(taken.amount),
            Tokens::Threshold { .. } => {}
            #[cfg(target_has_atomic = "64")]
            Tokens::Ratio { cost, window, .. } => window.refund(*cost, taken.epoch),
        }
    }
}

/// Whether more than half of what fits is there.
pub(super) fn above_half(bucket: &Bucket) -> bool {
    bucket.tokens() > bucket.capacity() / 2
}
