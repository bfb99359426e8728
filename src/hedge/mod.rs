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
//! use persevere::Budget;
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
//! effect, also the one that is dropped, since its request may have been sent. So nothing is hedged
//! unless the caller [says](Idempotent) that it may be. Nor does it help where a server is slow
//! because it has too much to do: more copies make it slower. That is what the budget is for.
//!
//! # What happens in an attempt
//!
//! | event | follows |
//! |---|---|
//! | it is first polled | the first copy starts |
//! | all copies wait | the delay begins; its timer is armed only now |
//! | the delay passes | another copy starts, if the [budget](Hedge::budget) allows it; then the delay begins again, if there may be [more](Hedge::at_most) |
//! | the budget refuses | no more copies of this attempt, and no more questions |
//! | a copy is accepted | it is the outcome; the others are dropped |
//! | a copy fails, others run | it waits for them |
//! | with [`RetryAfter`](Verdict::RetryAfter) or [`Forbidden`](Verdict::Forbidden) | as for another error, and no more copies start: the server is overloaded |
//! | with [`Stop`](Verdict::Stop) | it is the outcome, since no copy will do better; the others are dropped |
//! | the last that runs fails | the outcome is the failure with `Forbidden`, or the longest `RetryAfter`, or else the last one |
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
//! | [`hedge_after(delay)`](hedge_after) | | zero: the copies start together; [`Duration::MAX`](core::time::Duration::MAX): there is no second |
//! | [`at_percentile(..)`](Hedge::at_percentile) | none | the fixed delay counts until enough was seen |
//! | [`at_most(copies)`](Hedge::at_most) | 2 | 1 to 5, the first included |
//! | [`budget(..)`](Hedge::budget) | none: every hedge is allowed | |
//! | [`classifier(..)`](Hedge::classifier), [`when(..)`](Hedge::when) | values are accepted, errors are not | |
//! | [`timer(..)`](Hedge::timer) | [`DefaultTimer`] | |
//! | [`on_hedge(..)`](Hedge::on_hedge) | none | |
//!
//! **Do** begin with the 95th [percentile](Percentile), as the paper does: by definition, about one
//! attempt in twenty is hedged, however slow the service is. **Do** share the
//! [budget](crate::Budget) of the policy, so that hedges and retries together stay within it.
//! **Do** give hedge and policy one classifier, or the policy retries a success of the hedge; and one
//! timer. **Don't** hedge at each of several layers: the copies multiply.
//! **Don't** look for it in blocking code: two copies need two threads, which are not ours to make.
//!
//! The names follow gRPC's [hedging policy](https://grpc.io/docs/guides/request-hedging/) where it
//! has them: its `maxAttempts` is `at_most`, its `hedgingDelay` the delay, its non-fatal statuses
//! those that are retried.

mod copies;
mod future;
mod operation;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod percentile;
mod settings;

pub use self::future::HedgedAttempt;
pub use self::operation::{Hedged, Repeatable};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use self::percentile::Percentile;
pub use self::settings::{Hedge, hedge_after};
#[allow(unused_imports, reason = "for the documentation")]
use crate::{Attempt, DefaultTimer, Verdict};

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
