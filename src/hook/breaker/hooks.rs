//! A breaker in a call: by a clone or by reference, and as one that sees attempts or operations.

use alloc::sync::Arc;
use core::fmt;
use core::ops::ControlFlow::{self, Break, Continue};
use core::time::Duration;

use super::machine::{Kind, Ticket};
use super::shared::Shared;
use super::{CircuitBreaker, Counts};
use crate::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use crate::time::nanos;
use crate::{Attempt, Reason, Verdict, Veto};

/// What a call does with the breaker; its ticket is its own.
impl Shared {
    /// Takes a ticket, unless there is one.
    #[inline]
    fn enter(&self, ticket: &mut Option<Ticket>) -> ControlFlow<Veto> {
        if ticket.is_none() {
            match self.acquire() {
                Ok(taken) => *ticket = Some(taken),
                Err(_) => return Break(Veto::Circuit),
            }
        }
        Continue(())
    }

    /// Answers for the ticket. It is still held if a backoff or a listener panics, and then goes
    /// back when the call ends.
    #[inline]
    pub(super) fn answer(&self, ticket: &mut Option<Ticket>, counts: Counts) {
        if let Some(held) = *ticket {
            self.record(held, counts);
            *ticket = None;
        }
    }

    /// Gives the ticket back if there is one: nothing is known.
    #[inline]
    fn leave(&self, ticket: &mut Option<Ticket>) {
        if let Some(ticket) = ticket.take() {
            self.machine.release(ticket);
        }
    }

    #[inline]
    fn counts(&self, verdict: Verdict) -> Counts {
        match verdict {
            Verdict::Accept => Counts::Success,
            Verdict::Retry | Verdict::RetryAfter(_) | Verdict::Never => Counts::Failure,
            Verdict::Stop => self.parts.settings.stop,
        }
    }

    /// A retry that would be refused after its sleep is refused before it, while there is an outcome
    /// to return.
    #[inline]
    fn allow_retry<O>(&self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        if self.refuses(event.delay()) { Break(Veto::Circuit) } else { Continue(()) }
    }

    #[inline(never)]
    fn refuses(&self, delay: Duration) -> bool {
        match self.machine.kind() {
            Kind::Closed | Kind::HalfOpen => false,
            Kind::Isolated => true,
            Kind::Opening | Kind::Open => self.left().is_some_and(|left| left > nanos(delay)),
        }
    }
}

/// A [`CircuitBreaker`] by reference: made by [`CircuitBreaker::by_ref`].
pub struct BreakerRef<'a> {
    shared: &'a Shared,
    ticket: Option<Ticket>,
}

/// A [`CircuitBreaker`] that sees whole operations: made by [`CircuitBreaker::operations`].
pub struct Operations {
    shared: Arc<Shared>,
    ticket: Option<Ticket>,
}

impl CircuitBreaker {
    /// The same circuit as a hook that borrows it. Cloning it for a call counts no reference, so a
    /// call that succeeds while no failure is remembered writes nothing that threads share, unless a
    /// failure rate has to be recorded.
    ///
    /// ```
    /// use persevere::{Policy, hook::{CircuitBreaker, breaker::State}, immediate};
    /// use std::sync::LazyLock;
    ///
    /// static BREAKER: LazyLock<CircuitBreaker> = LazyLock::new(CircuitBreaker::default);
    /// let policy = Policy::new(immediate().max_attempts(9)).guard(BREAKER.by_ref());
    /// let _ = policy.call(|_| None::<()>);
    /// assert_eq!(BREAKER.state(), State::Open);
    /// ```
    #[must_use]
    pub fn by_ref(&self) -> BreakerRef<'_> {
        BreakerRef { shared: &self.shared, ticket: None }
    }

    /// The same circuit as a hook that sees operations instead of attempts: it is asked before the
    /// first attempt, and counts the call once, by how it ends. The [module](super) compares them.
    ///
    /// ```
    /// use persevere::{Attempt, Policy, immediate};
    /// use persevere::hook::{CircuitBreaker, breaker::{Settings, State}};
    ///
    /// let breaker = CircuitBreaker::new(Settings::consecutive(2));
    /// let policy = Policy::new(immediate().max_attempts(5)).guard(breaker.operations());
    /// let third = policy.call(|attempt| (attempt.number() == 3).then_some(()));
    /// assert_eq!((third, breaker.state()), (Some(()), State::Closed));
    /// let _ = (policy.call(|_| None::<()>), policy.call(|_| None::<()>));
    /// assert_eq!(breaker.state(), State::Open);
    /// ```
    #[must_use]
    pub fn operations(&self) -> Operations {
        Operations { shared: Arc::clone(&self.shared), ticket: None }
    }
}

#[cfg(feature = "config")]
impl BreakerRef<'_> {
    /// The same in the middle of a call, which holds what [`let_go`](BreakerRef::let_go) gave.
    pub(crate) fn holding(self, ticket: Option<Ticket>) -> Self {
        let mut held = self;
        held.ticket = ticket;
        held
    }

    /// Leaves it to the caller to hold the ticket.
    pub(crate) fn let_go(&mut self) -> Option<Ticket> {
        self.ticket.take()
    }
}

macro_rules! attempts {
    ([$($lifetime:lifetime)?] $type:ty) => {
        impl<$($lifetime,)? O> Hook<O> for $type {
            #[inline]
            fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
                self.shared.enter(&mut self.ticket)
            }

            /// Where it is no guard, nobody asked before. An attempt that it would refuse runs
            /// unseen.
            #[inline]
            fn before_attempt(&mut self, _: &Attempt) {
                let _ = self.shared.enter(&mut self.ticket);
            }

            #[inline]
            fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
                self.shared.answer(&mut self.ticket, self.shared.counts(event.verdict()));
            }

            #[inline]
            fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
                self.shared.allow_retry(event)
            }

            #[inline]
            fn finish(&mut self, event: &FinishEvent<'_, O>) {
                if event.reason().is_success() {
                    // Said by the loop, so no attempt was told to end.
                    self.shared.answer(&mut self.ticket, Counts::Success);
                } else {
                    self.shared.leave(&mut self.ticket);
                }
            }
        }
    };
}
attempts!([] CircuitBreaker);
attempts!(['a] BreakerRef<'a>);

impl<O> Hook<O> for Operations {
    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        if attempt.is_first() { self.shared.enter(&mut self.ticket) } else { Continue(()) }
    }

    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        if attempt.is_first() {
            let _ = self.shared.enter(&mut self.ticket);
        }
    }

    /// The reason of the end does not tell this from a stop.
    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        if event.verdict() == Verdict::Never {
            self.shared.answer(&mut self.ticket, Counts::Failure);
        }
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        let counts = match event.reason() {
            Reason::Succeeded => Counts::Success,
            Reason::NotRetryable => self.shared.counts(Verdict::Stop),
            reason if reason.gave_up() && event.attempts() > 0 => Counts::Failure,
            _ => Counts::Nothing,
        };
        self.shared.answer(&mut self.ticket, counts);
    }
}

/// A clone is for another call, and holds no probe; a call that is not brought to its end gives its
/// own back.
macro_rules! held {
    ([$($lifetime:lifetime)?] $type:ident) => {
        impl<$($lifetime)?> Clone for $type<$($lifetime)?> {
            #[inline]
            fn clone(&self) -> Self {
                $type { shared: self.shared.clone(), ticket: None }
            }
        }

        impl<$($lifetime)?> Drop for $type<$($lifetime)?> {
            #[inline]
            fn drop(&mut self) {
                self.shared.leave(&mut self.ticket);
            }
        }

        impl<$($lifetime)?> fmt::Debug for $type<$($lifetime)?> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.shared.describe(f, stringify!($type))
            }
        }
    };
}
held!([] CircuitBreaker);
held!([] Operations);
held!(['a] BreakerRef);
