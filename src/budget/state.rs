//! The tokens of each model, and what a call does with them.

use super::bucket::Bucket;
#[cfg(target_has_atomic = "64")]
use super::window::Window;
use super::{CostPerRetry, Model, Threshold};
#[cfg(target_has_atomic = "64")]
use crate::time::SharedClock;
use crate::{Reason, Verdict};

/// A call's last withdrawal.
#[derive(Debug)]
pub(crate) struct Withdrawal {
    pub(super) amount: u32,
    /// The part of the window that it belongs to.
    #[cfg(target_has_atomic = "64")]
    epoch: u64,
    /// Whether its retry began.
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
        clock: SharedClock,
    },
}

impl Shared {
    /// With settings that were checked.
    #[inline]
    pub(super) fn new(model: Model, #[cfg(target_has_atomic = "64")] clock: SharedClock) -> Self {
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

    /// An attempt begins, so the withdrawal for it is used.
    #[inline]
    pub(super) fn before_attempt(&self, withdrawal: &mut Option<Withdrawal>, first: bool) {
        if !first {
            if let Some(withdrawal) = withdrawal {
                withdrawal.used = true;
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
                Verdict::Retry | Verdict::RetryAfter(_) | Verdict::Forbidden => {
                    bucket.drain(Threshold::PARTS);
                }
                Verdict::Stop => {}
            }
        }
    }

    /// Withdraws the cost of a retry; `None` if there is not enough.
    #[inline]
    pub(super) fn withdraw(&self, after_timeout: bool) -> Option<Withdrawal> {
        let withdrawal = |amount| Withdrawal {
            amount,
            #[cfg(target_has_atomic = "64")]
            epoch: 0,
            used: false,
        };
        match &self.tokens {
            Tokens::CostPerRetry(settings, bucket) => {
                let cost = if after_timeout { settings.timeout_cost } else { settings.retry_cost };
                bucket.take(cost).then(|| withdrawal(cost))
            }
            Tokens::Threshold { bucket, .. } => above_half(bucket).then(|| withdrawal(0)),
            #[cfg(target_has_atomic = "64")]
            Tokens::Ratio { cost, window, clock, .. } => {
                let epoch = window.withdraw(*cost, clock.nanos())?;
                Some(Withdrawal { epoch, ..withdrawal(0) })
            }
        }
    }

    /// The call ended. Without an `outcome`, the body of a loop reported a success, and no attempt
    /// ended before.
    #[inline]
    pub(super) fn finish(
        &self,
        withdrawal: &mut Option<Withdrawal>,
        reason: Reason,
        outcome: bool,
    ) {
        let withdrawal = withdrawal.take();
        if reason != Reason::Succeeded {
            if let Some(withdrawal) = withdrawal {
                self.give_back(withdrawal);
            }
            return;
        }
        if !outcome {
            self.after_attempt(Verdict::Accept);
        }
        if let Tokens::CostPerRetry(settings, bucket) = &self.tokens {
            if !bucket.is_full() {
                let reward = withdrawal.map(|withdrawal| withdrawal.amount);
                bucket.put(reward.unwrap_or(settings.first_try_reward));
            }
        }
    }

    /// Returns the tokens of a retry that did not begin.
    #[inline]
    fn give_back(&self, withdrawal: Withdrawal) {
        if !withdrawal.used {
            self.refund(withdrawal);
        }
    }

    /// Settles a call that was dropped: out of line, since other calls do not need it.
    #[cold]
    #[inline(never)]
    pub(super) fn give_back_late(&self, withdrawal: Withdrawal) {
        self.give_back(withdrawal);
    }

    #[inline]
    fn refund(&self, withdrawal: Withdrawal) {
        match &self.tokens {
            Tokens::CostPerRetry(_, bucket) => bucket.put(withdrawal.amount),
            Tokens::Threshold { .. } => {}
            #[cfg(target_has_atomic = "64")]
            Tokens::Ratio { cost, window, .. } => window.refund(*cost, withdrawal.epoch),
        }
    }
}

/// Whether more than half of what fits is there.
pub(super) fn above_half(bucket: &Bucket) -> bool {
    bucket.tokens() > bucket.capacity() / 2
}
