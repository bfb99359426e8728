//! [`Hedge`]: when to hedge, and how often.

use core::fmt;
use core::time::Duration;

use super::HedgeEvent;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
use super::Percentile;
use crate::DefaultTimer;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
use crate::budget::{Budget, BudgetPermit};
use crate::classify::{self, RetryErrors, When};
use crate::time::Clock;

/// When to start another copy of an attempt, and how many. Made by [`hedge_after`], and given to
/// [`hedged`](crate::RetryExt::hedged); the [module](super) has a table of the settings. A clone
/// shares budget and percentile.
#[derive(Clone)]
pub struct Hedge<C = RetryErrors, T = DefaultTimer, W = fn(HedgeEvent)> {
    delay: Duration,
    pub(super) most: u32,
    pub(super) classifier: C,
    pub(super) timer: T,
    pub(super) watch: W,
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    shared: Shared,
}

/// What the clones of a [`Hedge`] share.
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
#[derive(Clone, Debug)]
struct Shared {
    percentile: Option<Percentile>,
    budget: Option<Budget>,
}

/// A second copy of an attempt, `delay` after the first began to wait.
///
/// `delay` is from zero, when both start together unless the first is ready at once, to
/// [`Duration::MAX`], when there is no second.
///
/// ```
/// use persevere::time::{Clock, VirtualClock};
/// use persevere::{Idempotent, RetryExt, hedge_after};
/// use std::{cell::Cell, future::pending, time::Duration};
///
/// let (clock, calls) = (VirtualClock::new(), Cell::new(0));
/// let hedge = hedge_after(Duration::from_millis(50)).timer(clock.clone());
/// let first_hangs = || {
///     calls.set(calls.get() + 1);
///     let hangs = calls.get() == 1;
///     async move { if hangs { pending().await } else { Some("quick") } }
/// };
/// let outcome = clock.block_on(first_hangs.hedged(Idempotent, hedge).into_future());
/// assert_eq!((outcome, clock.now()), (Some("quick"), Duration::from_millis(50)));
/// ```
#[must_use]
pub const fn hedge_after(delay: Duration) -> Hedge {
    const fn nobody(_: HedgeEvent) {}
    Hedge {
        delay,
        most: 2,
        classifier: RetryErrors,
        timer: DefaultTimer,
        watch: nobody,
        #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
        shared: Shared { percentile: None, budget: None },
    }
}

impl<C, T, W> Hedge<C, T, W> {
    fn rebuild<C2, T2, W2>(
        self,
        change: impl FnOnce(C, T, W) -> (C2, T2, W2),
    ) -> Hedge<C2, T2, W2> {
        let (classifier, timer, watch) = change(self.classifier, self.timer, self.watch);
        Hedge {
            delay: self.delay,
            most: self.most,
            classifier,
            timer,
            watch,
            #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
            shared: self.shared,
        }
    }

    /// How many copies an attempt may have, the first included: 2 by default. Each waits for the
    /// delay after the one before it. 1 is no hedging, but how long the attempts take is still
    /// [seen](Hedge::at_percentile). The third and later are boxed, so more than 2 need `alloc`.
    ///
    /// # Panics
    /// If `copies` is not from 1 to 5 (as in gRPC), or to 2 without `alloc`.
    ///
    /// ```
    /// use persevere::time::{Clock, VirtualClock};
    /// use persevere::{Idempotent, RetryExt, hedge_after};
    /// use std::{cell::RefCell, future::pending, time::Duration};
    ///
    /// let ms = Duration::from_millis;
    /// let (clock, starts) = (VirtualClock::new(), RefCell::default());
    /// let hedge = hedge_after(ms(50)).at_most(3).timer(clock.clone());
    /// let fetch = || {
    ///     let mut starts: std::cell::RefMut<'_, Vec<_>> = starts.borrow_mut();
    ///     starts.push(clock.now());
    ///     let last = starts.len() == 3;
    ///     async move { if last { Some(3) } else { pending().await } }
    /// };
    /// assert_eq!(clock.block_on(fetch.hedged(Idempotent, hedge).into_future()), Some(3));
    /// assert_eq!(starts.take(), [0, 50, 100].map(ms));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn at_most(mut self, copies: u32) -> Self {
        const MOST: u32 = if cfg!(feature = "alloc") { 5 } else { 2 };
        assert!((1..=MOST).contains(&copies), "`copies` is from 1 to {MOST}");
        self.most = copies;
        self
    }

    /// Waits for a percentile of what the attempts take, as soon as enough of them was seen; until
    /// then, for the fixed delay. What this hedge sees goes into it. It reads the clock when an
    /// attempt begins and when it succeeds.
    ///
    /// ```
    /// use persevere::{hedge::Percentile, hedge_after};
    /// use std::time::Duration;
    ///
    /// let ms = Duration::from_millis;
    /// let p95 = Percentile::new(95.0);
    /// let hedge = hedge_after(ms(50)).at_percentile(&p95);
    /// assert_eq!(hedge.delay(), ms(50));
    /// (0..200).for_each(|_| p95.record(ms(10)));
    /// assert!(ms(10) < hedge.delay() && hedge.delay() < ms(11));
    /// ```
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    #[must_use]
    pub fn at_percentile(mut self, percentile: &Percentile) -> Self {
        self.shared.percentile = Some(percentile.clone());
        self
    }

    /// Pays for every copy but the first, as a retry would. Give it the budget that is a hook of the
    /// policy: retries and hedges then share its tokens. A copy that is refused does not come, and
    /// one that was dropped was paid for: it was a burden too. Only if the operation panics before
    /// there is a copy do its tokens go back. None by default.
    ///
    /// ```
    /// use persevere::{Budget, budget::CostPerRetry};
    /// use persevere::time::VirtualClock;
    /// use persevere::{Idempotent, RetryExt, hedge_after};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, budget) = (VirtualClock::new(), Budget::new(CostPerRetry::new(14)));
    /// let hedge = hedge_after(Duration::from_millis(50)).budget(&budget).timer(clock.clone());
    /// let hedged = (|| pending::<Option<u8>>()).hedged(Idempotent, hedge);
    /// let mut attempt = Box::pin(hedged.into_future());
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// assert!(attempt.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(budget.available(), 2);
    /// clock.advance(Duration::from_millis(50));
    /// assert!(attempt.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(budget.available(), 1);
    /// ```
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    #[must_use]
    pub fn budget(mut self, budget: &Budget) -> Self {
        self.shared.budget = Some(budget.clone());
        self
    }

    /// Asks `classifier` what the outcome of a copy means, instead of what was said so far. Where it
    /// has no opinion, a value is accepted and an error is not. Give the same one to the policy.
    ///
    /// ```
    /// use persevere::{Idempotent, RetryExt, classify::until, constant, hedge_after};
    /// use persevere::time::VirtualClock;
    /// use std::{cell::Cell, future::ready, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let version = Cell::new(0);
    /// let read = || { version.set(version.get() + 1); ready(Some(version.get())) };
    /// let fresh = until(|version: &u32| *version == 2);
    /// let retry = read
    ///     .hedged(Idempotent, hedge_after(second).classifier(&fresh).timer(clock.clone()))
    ///     .retry_with(constant(second).max_attempts(3))
    ///     .classifier(&fresh)
    ///     .timer(clock.clone());
    /// assert_eq!(clock.block_on(retry), Some(2));
    /// ```
    #[must_use]
    pub fn classifier<D>(self, classifier: D) -> Hedge<D, T, W> {
        self.rebuild(|_, timer, watch| (classifier, timer, watch))
    }

    /// Waits for other copies only after the errors for which `predicate` says yes; any other is the
    /// outcome of the attempt at once. Instead of what was said so far. The type of its argument is
    /// written.
    ///
    /// ```
    /// use persevere::hedge_after;
    /// use std::time::Duration;
    /// let hedge = hedge_after(Duration::from_millis(50)).when(|status: &u16| *status == 503);
    /// assert_eq!(hedge.delay(), Duration::from_millis(50));
    /// ```
    #[must_use]
    pub fn when<E, P: Fn(&E) -> bool>(self, predicate: P) -> Hedge<When<P>, T, W> {
        self.classifier(classify::when(predicate))
    }

    /// Waits with `timer`, and reads the clock of it. Give the same one to the policy.
    ///
    /// ```
    /// use persevere::{hedge_after, time::VirtualClock};
    /// use std::time::Duration;
    /// let hedge = hedge_after(Duration::from_millis(50)).timer(VirtualClock::new());
    /// # assert_eq!(hedge.delay(), Duration::from_millis(50));
    /// ```
    #[must_use]
    pub fn timer<U: Clock>(self, timer: U) -> Hedge<C, U, W> {
        self.rebuild(|classifier, _, watch| (classifier, timer, watch))
    }

    /// Tells `watch` of every hedge, instead of who was told so far: to count them, and how many
    /// of them were of use. It runs while the attempt is polled, so it is brief.
    ///
    /// ```
    /// use persevere::hedge::HedgeEvent::{Started, Won};
    /// use persevere::time::VirtualClock;
    /// use persevere::{Idempotent, RetryExt, hedge_after};
    /// use std::{cell::{Cell, RefCell}, future::pending, time::Duration};
    ///
    /// let (clock, calls, events) = (VirtualClock::new(), Cell::new(0), RefCell::default());
    /// let hedge = hedge_after(Duration::from_millis(50))
    ///     .timer(clock.clone())
    ///     .on_hedge(|event| RefCell::<Vec<_>>::borrow_mut(&events).push(event));
    /// let first_hangs = || {
    ///     calls.set(calls.get() + 1);
    ///     let hangs = calls.get() == 1;
    ///     async move { if hangs { pending().await } else { Some(()) } }
    /// };
    /// clock.block_on(first_hangs.hedged(Idempotent, hedge).into_future());
    /// assert_eq!(events.take(), [Started { copy: 2 }, Won { copy: 2 }]);
    /// ```
    #[must_use]
    pub fn on_hedge<F: Fn(HedgeEvent)>(self, watch: F) -> Hedge<C, T, F> {
        self.rebuild(|classifier, timer, _| (classifier, timer, watch))
    }

    /// How long the next hedge would wait: the percentile if enough was seen, or else the fixed
    /// delay.
    #[must_use]
    pub fn delay(&self) -> Duration {
        #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
        if let Some(delay) = self.shared.percentile.as_ref().and_then(Percentile::delay) {
            return delay;
        }
        self.delay
    }

    /// The time, if anybody wants to know how long an attempt takes.
    pub(super) fn now(&self) -> Option<Duration>
    where
        T: Clock,
    {
        #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
        return self.shared.percentile.as_ref().map(|_| self.timer.now());
        #[cfg(not(all(feature = "alloc", target_has_atomic = "ptr")))]
        None
    }

    /// A first copy took so long, or longer.
    pub(super) fn record(&self, begun: Option<Duration>)
    where
        T: Clock,
    {
        #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
        if let (Some(percentile), Some(begun)) = (&self.shared.percentile, begun) {
            percentile.record(self.timer.now().saturating_sub(begun));
        }
        let _ = begun;
    }

    /// Pays for a copy; `None` if there is not enough.
    pub(super) fn pay(&self) -> Option<Permit> {
        Some(Permit {
            #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
            permit: match &self.shared.budget {
                Some(budget) => Some(budget.try_acquire()?),
                None => None,
            },
        })
    }
}

/// What a copy costs. Dropping it gives it back.
pub(super) struct Permit {
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    permit: Option<BudgetPermit>,
}

impl Permit {
    pub(super) fn spend(self) {
        #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
        if let Some(permit) = self.permit {
            permit.spend();
        }
    }
}

impl<C, T, W> fmt::Debug for Hedge<C, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Hedge");
        debug.field("delay", &self.delay).field("at_most", &self.most);
        #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
        debug.field("percentile", &self.shared.percentile).field("budget", &self.shared.budget);
        debug.finish_non_exhaustive()
    }
}
