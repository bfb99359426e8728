//! The limits on time that wrap the slot of guards.

use core::fmt;
use core::ops::ControlFlow::{self, Break};
use core::time::Duration;

use super::slot::{limiting, pass_to_guards};
use super::{BlockingGuards, GuardEvents, Guards, MayInterrupt};
use crate::hook::{AttemptEvent, FinishEvent, RetryEvent};
use crate::time::nanos;
use crate::{Attempt, Veto};

/// A limit on the time of each attempt, around the guards `G`; made by
/// [`Retry::attempt_timeout`](crate::Retry::attempt_timeout) and
/// [`Policy::attempt_timeout`](crate::Policy::attempt_timeout). Named in the type of a `static`:
///
/// ```
/// use persevere::backoff::{Constant, MaxAttempts};
/// use persevere::{DefaultTimer, Policy, guard::AttemptTimeout, immediate};
/// use std::time::Duration;
///
/// static POLICY: Policy<MaxAttempts<Constant>, (), AttemptTimeout> = Policy::with(
///     immediate().max_attempts(3),
///     (),
///     AttemptTimeout::new(Duration::from_secs(5)),
///     DefaultTimer,
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct AttemptTimeout<G = ()> {
    pub(super) guards: G,
    limit: u64,
}

impl AttemptTimeout {
    /// A slot of guards with this limit and nothing else. [`Duration::MAX`] is no limit.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        AttemptTimeout { guards: (), limit: nanos(limit) }
    }
}

impl<G> AttemptTimeout<G> {
    #[inline(always)]
    pub(crate) const fn around(guards: G, limit: Duration) -> Self {
        AttemptTimeout { guards, limit: nanos(limit) }
    }
}

/// A limit on the time of each attempt that a closure computes, around the guards `G`; made by
/// [`Retry::attempt_timeout_by`](crate::Retry::attempt_timeout_by) and
/// [`Policy::attempt_timeout_by`](crate::Policy::attempt_timeout_by).
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct AttemptTimeoutBy<G, F> {
    pub(super) guards: G,
    limit: F,
}

impl<G, F> AttemptTimeoutBy<G, F> {
    #[inline(always)]
    pub(crate) const fn around(guards: G, limit: F) -> Self {
        AttemptTimeoutBy { guards, limit }
    }
}

impl<G, F> fmt::Debug for AttemptTimeoutBy<G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptTimeoutBy").finish_non_exhaustive()
    }
}

/// A limit on the time of a call, around the guards `G`; made by
/// [`Retry::deadline`](crate::Retry::deadline), [`Policy::deadline`](crate::Policy::deadline) and, with
/// the deadline of the enclosing call alone, by
/// [`Retry::inherit_deadline`](crate::Retry::inherit_deadline).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Deadline<G = ()> {
    pub(super) guards: G,
    /// Since the call began; `u64::MAX` is no limit.
    end: u64,
}

impl Deadline {
    /// A slot of guards with this deadline and nothing else. [`Duration::MAX`] is the deadline of the
    /// enclosing call, if there is one.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Deadline { guards: (), end: nanos(limit) }
    }
}

impl<G> Deadline<G> {
    #[inline(always)]
    pub(crate) const fn around(guards: G, limit: Duration) -> Self {
        Deadline { guards, end: nanos(limit) }
    }
}

/// The events go to the guards inside.
macro_rules! events_to_guards {
    ($($more:tt)*) => {
        events_to!(GuardEvents, |limit| limit.guards);
        #[inline]
        fn handled_events() -> impl $crate::hook::Events {
            $crate::hook::EitherEvents::of(
                G::handled_events(),
                $crate::hook::OnlyEvents::<{ $($more)* }>,
            )
        }
    };
}

macro_rules! limits_attempts {
    ([$($generics:tt)*] $Type:ty, events: $events:expr, |$limit:ident, $attempt:ident| $nanos:expr) => {
        impl<O, G: GuardEvents<O>, $($generics)*> GuardEvents<O> for $Type {
            events_to_guards!($events);
            pass_to_guards!(guards: reads_clock allow_attempt deadline begin);
            #[inline]
            fn attempt_limit(&self, $attempt: &Attempt) -> u64 {
                let $limit = self;
                self.guards.attempt_limit($attempt).min($nanos)
            }
        }

        limiting!([G: Guards<O>, $($generics)*] $Type, attempts: true);
    };
}
limits_attempts!([] AttemptTimeout<G>, events: 0, |this, attempt| this.limit);
limits_attempts!(
    [F: Fn(&Attempt) -> Duration] AttemptTimeoutBy<G, F>,
    events: crate::hook::DRAWS, // the closure may, as a backoff does
    |this, attempt| nanos((this.limit)(attempt))
);

impl<O, G: GuardEvents<O>> GuardEvents<O> for Deadline<G> {
    events_to_guards!(crate::hook::CLOCK);
    pass_to_guards!(guards: attempt_limit);
    #[inline]
    fn reads_clock(&self) -> bool {
        true
    }
    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        if attempt.elapsed().map_or(0, nanos) >= self.end {
            return Break(Veto::Deadline);
        }
        self.guards.allow_attempt(attempt)
    }
    #[inline]
    fn deadline(&self) -> u64 {
        self.guards.deadline().min(self.end)
    }
    #[inline]
    fn begin(&mut self, left: u64) {
        self.end = self.end.min(left);
        self.guards.begin(left);
    }
}

limiting!([G: Guards<O>] Deadline<G>, attempts: G::LIMITS_ATTEMPTS);

impl<G> MayInterrupt for AttemptTimeout<G> {}
impl<G, F> MayInterrupt for AttemptTimeoutBy<G, F> {}
impl<G> MayInterrupt for Deadline<G> {}

impl<G: BlockingGuards> BlockingGuards for Deadline<G> {}
