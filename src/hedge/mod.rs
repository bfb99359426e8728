//! Hedging: a second copy of an attempt that takes long, for what may safely run twice.
//!
//! Most requests are quick and a few are slow, for reasons that have nothing to do with them: a
//! server that collects garbage, a queue, a lost packet. Sent again, such a request is probably
//! quick. So a hedged attempt does not wait for ever on its first copy: after a delay it starts
//! another, and whichever succeeds first is the outcome. The others are dropped. Google measured a
//! 99.9th percentile of 74 ms instead of 1800 ms, for 2 % more requests (Dean and Barroso, [*The
//! Tail at Scale*](https://research.google/pubs/the-tail-at-scale/), 2013).
//!
//! A retry answers failure and a hedge slowness, so the two compose: what is retried is the whole
//! hedged attempt.
//!
//! ```
//! use persevere::hook::{Budget, Timed};
//! use persevere::time::{Clock, Timer, VirtualClock};
//! use persevere::{Idempotent, Policy, RetryExt, constant, hedge_after};
//! use std::{cell::Cell, time::Duration};
//!
//! let ms = Duration::from_millis;
//! let (clock, calls) = (VirtualClock::new(), Cell::new(0));
//! // The first copy of all hangs.
//! let fetch = || {
//!     let number = calls.replace(calls.get() + 1) + 1;
//!     let clock = &clock;
//!     async move {
//!         clock.sleep(if number == 1 { ms(60_000) } else { ms(10) }).await;
//!         Ok::<_, std::io::Error>(number)
//!     }
//! };
//! let budget = Budget::default();
//! let policy = Policy::new(constant(ms(100)).max_attempts(3)).hook(budget.clone());
//! let hedge = hedge_after(ms(50)).budget(&budget).timer(clock.clone());
//!
//! let retry = fetch.hedged(Idempotent, hedge).retry_with(&policy).timer(clock.clone());
//! assert_eq!(clock.block_on(retry)?, 2);
//! assert_eq!(clock.now(), ms(60));
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! # When not
//!
//! Never where running twice does harm: an order, a payment, an increment. Both copies may take
//! effect, also the one that is dropped; a future that is dropped may have sent its request. Nothing is hedged
//! unless the caller [says](Idempotent) that it may be. Nor where a server is slow because it has too
//! much to do: more copies make it slower. That is what the budget is for.
//!
//! # What happens in an attempt
//!
//! | event | follows |
//! |---|---|
//! | it is first polled | the first copy starts |
//! | all copies wait | the delay begins; its timer is armed only now |
//! | the delay passes | another copy starts, if the [budget](Hedge::budget) allows it, and the delay begins again up to [`at_most`](Hedge::at_most) |
//! | the budget refuses | no more copies of this attempt, and no more questions |
//! | a copy is accepted | it is the outcome; the others are dropped |
//! | a copy fails, others run | it waits for them |
//! | with [`RetryAfter`](Verdict::RetryAfter) | the same, and no more copies start: the server asked to be left alone |
//! | with [`Stop`](Verdict::Stop) | it is the outcome, since no copy will do better; the others are dropped |
//! | the last that runs fails | the outcome is the failure with the longest `RetryAfter`, or else the last one |
//! | a copy panics | the panic propagates; the others are dropped with the attempt |
//! | it is dropped | all copies are |
//!
//! A copy is not a retry: one that fails starts no other early, since how long to wait after a
//! failure is for the policy to say. (gRPC, which cannot have both, starts the next at once.) To the
//! policy, a hedged attempt is one attempt: `max_attempts(3)` with two copies each is up to six
//! executions. Its hooks, among them a circuit breaker and a limit on the time of each attempt, see
//! one outcome, and no copy that was dropped.
//!
//! Every copy is given the same [`Attempt`], but for its [random stream](Attempt::random): so one
//! that picks a server by it probably picks another.
//!
//! # Defaults
//!
//! | setting | default | |
//! |---|---|---|
//! | [`hedge_after(delay)`](hedge_after) | | zero: the copies start together; [`Duration::MAX`]: there is no second |
//! | [`at_percentile(..)`](Hedge::at_percentile) | none | the fixed delay counts until enough was seen |
//! | [`at_most(copies)`](Hedge::at_most) | 2 | 1 to 5, the first included |
//! | [`budget(..)`](Hedge::budget) | none: every hedge is allowed | |
//! | [`classifier(..)`](Hedge::classifier), [`when(..)`](Hedge::when) | values are accepted, errors are not | |
//! | [`timer(..)`](Hedge::timer) | [`DefaultTimer`] | |
//! | [`on_hedge(..)`](Hedge::on_hedge) | nobody is told | |
//!
//! **Do** begin with the 95th [percentile](Percentile): by definition about one call in twenty is hedged,
//! whatever the service does. **Do** share the [budget](crate::hook::Budget) of the policy, so that
//! hedges and retries together stay within it. **Do** give hedge and policy the same classifier, or
//! what one takes for a success the other will retry; and the same timer. **Don't** hedge at each of
//! several layers: the copies multiply. **Don't** look for it in blocking code: two copies need two
//! threads, which are not ours to make.
//!
//! The names follow gRPC's [hedging policy](https://grpc.io/docs/guides/request-hedging/) where it
//! has them: its `maxAttempts` is `at_most`, its `hedgingDelay` the delay, its non-fatal statuses
//! those that are retried.

mod copies;
mod future;
mod operation;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod percentile;

use core::fmt;
use core::time::Duration;

pub use self::future::HedgedAttempt;
pub use self::operation::Hedged;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use self::percentile::Percentile;
use crate::DefaultTimer;
use crate::classify::{self, OnError, When};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
use crate::hook::{Budget, budget::BudgetPermit};
use crate::time::Clock;
#[allow(unused_imports, reason = "for the documentation")]
use crate::{Attempt, Verdict};

/// The caller's word that an operation may run several times at once and do no more than it does
/// once: a read, a write of the same value, a request with an idempotency key.
///
/// Nobody else can know, so [`hedged`](crate::RetryExt::hedged) asks for it.
///
/// ```
/// use persevere::{Idempotent, RetryExt, hedge_after, time::VirtualClock};
/// use std::{future::ready, time::Duration};
/// let read = (|| ready(Some("value"))).hedged(Idempotent, hedge_after(Duration::from_millis(50)));
/// assert_eq!(VirtualClock::new().block_on(read.into_future()), Some("value"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotent;

/// What became of a hedge, for [`Hedge::on_hedge`]. Copies are counted from 1, the one that every
/// attempt begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HedgeEvent {
    /// A copy was started beside those that run: the second, or a later one.
    Started {
        /// Which.
        copy: u32,
    },
    /// It was due, and the budget did not allow it.
    Refused {
        /// Which.
        copy: u32,
    },
    /// An attempt for which more than one copy was started succeeded.
    Won {
        /// By which. The first: then the others were not needed.
        copy: u32,
    },
}

/// When to start another copy of an attempt, and how many. Made by [`hedge_after`], and given to
/// [`hedged`](crate::RetryExt::hedged); the [module](self) has a table of the settings. A clone
/// shares budget and percentile.
#[derive(Clone)]
pub struct Hedge<C = OnError, T = DefaultTimer, W = fn(HedgeEvent)> {
    delay: Duration,
    most: u32,
    classifier: C,
    timer: T,
    watch: W,
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
/// use std::{cell::Cell, future::{pending, ready}, time::Duration};
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
/// # let _ = ready(());
/// ```
#[must_use]
pub const fn hedge_after(delay: Duration) -> Hedge {
    const fn nobody(_: HedgeEvent) {}
    Hedge {
        delay,
        most: 2,
        classifier: OnError,
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

    /// How many copies an attempt may have, the first included: 2 by default. 1 is no hedging, but
    /// what the attempts take is still [seen](Hedge::at_percentile). Each waits for the delay after the one
    /// before it. The third and later are boxed, so more than 2 need `alloc`.
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
    /// policy: retries and hedges then share its tokens. A copy that is refused does not come; one
    /// that was paid for and could not be made, since the operation panicked, gives its tokens back. None by default.
    ///
    /// ```
    /// use persevere::hook::{Budget, budget::CostPerRetry};
    /// use persevere::time::VirtualClock;
    /// use persevere::{Idempotent, RetryExt, hedge_after};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, budget) = (VirtualClock::new(), Budget::new(CostPerRetry::new(14)));
    /// let hedge = hedge_after(Duration::from_millis(50)).budget(&budget).timer(clock.clone());
    /// let mut attempt = Box::pin((|| pending::<Option<u8>>()).hedged(Idempotent, hedge).into_future());
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
    /// use persevere::{Idempotent, RetryExt, classify::until, constant, hedge_after, time::VirtualClock};
    /// use std::{cell::Cell, future::ready, time::Duration};
    ///
    /// let (second, replicas) = (Duration::from_secs(1), Cell::new(0));
    /// let fresh = until(|version: &u32| *version == 2);
    /// let read = || { replicas.set(replicas.get() + 1); ready(Some(replicas.get())) };
    /// let retry = read
    ///     .hedged(Idempotent, hedge_after(second).classifier(&fresh))
    ///     .retry_with(constant(second).max_attempts(3))
    ///     .classifier(&fresh)
    ///     .timer(VirtualClock::new());
    /// # let clock = VirtualClock::new();
    /// # let retry = retry.timer(clock.clone());
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
    fn now(&self) -> Option<Duration>
    where
        T: Clock,
    {
        #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
        return self.shared.percentile.as_ref().map(|_| self.timer.now());
        #[cfg(not(all(feature = "alloc", target_has_atomic = "ptr")))]
        None
    }

    /// A first copy took so long, or longer.
    fn record(&self, begun: Option<Duration>)
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
    fn pay(&self) -> Option<Permit> {
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
struct Permit {
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    permit: Option<BudgetPermit>,
}

impl Permit {
    fn spend(self) {
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
