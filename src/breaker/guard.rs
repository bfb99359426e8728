//! The guards that a breaker is: for each attempt, or once for a call.

use alloc::sync::Arc;
use core::fmt;
use core::ops::ControlFlow::{self, Break, Continue};
use core::time::Duration;

use super::machine::{Kind, Ticket};
use super::shared::Shared;
use super::{CircuitBreaker, Counts};
use crate::guard::Guard;
use crate::hook::{AttemptEvent, FinishEvent, RetryEvent};
use crate::time::nanos;
use crate::{Attempt, Reason, Verdict, Veto};

/// The use of a breaker by a call, which has its own ticket.
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

    /// Counts the outcome of the ticket's holder. If a backoff or a listener panics, the ticket is still
    /// held, and is returned when the call ends.
    #[inline]
    pub(super) fn answer(&self, ticket: &mut Option<Ticket>, counts: Counts) {
        if let Some(held) = *ticket {
            self.record(held, counts);
            *ticket = None;
        }
    }

    /// Returns the ticket, if there is one, and counts nothing.
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
            Verdict::Retry | Verdict::RetryAfter(_) | Verdict::Forbidden => Counts::Failure,
            Verdict::Stop => self.parts.settings.stop,
        }
    }

    /// Refuses a retry that would be refused after its sleep, as long as there is an outcome to
    /// return.
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
#[doc(hidden)]
pub struct BreakerRef<'a> {
    shared: &'a Shared,
    ticket: Option<Ticket>,
}

/// A [`CircuitBreaker`] that counts calls instead of attempts: made by [`CircuitBreaker::per_call`].
#[doc(hidden)]
pub struct PerCall {
    shared: Arc<Shared>,
    ticket: Option<Ticket>,
}

impl CircuitBreaker {
    /// Returns a guard that borrows the circuit. Cloning it for a call counts no reference, so a call
    /// that succeeds while no failure is remembered writes nothing that threads share, unless a failure
    /// rate has to be recorded.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, Policy, breaker::State, immediate};
    /// use std::sync::LazyLock;
    ///
    /// static BREAKER: LazyLock<CircuitBreaker> = LazyLock::new(CircuitBreaker::default);
    /// let policy = Policy::new(immediate().max_attempts(9)).guard(BREAKER.by_ref());
    /// let _ = policy.call(|_| None::<()>);
    /// assert_eq!(BREAKER.state(), State::Open);
    /// ```
    #[must_use]
    #[inline]
    pub fn by_ref(&self) -> BreakerRef<'_> {
        BreakerRef { shared: &self.shared, ticket: None }
    }

    /// Returns a guard of the same circuit that counts calls instead of attempts: it decides before
    /// the first attempt, and counts the call once, by its end. The [module](super) compares them.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, Policy, immediate};
    /// use persevere::breaker::{Settings, State};
    ///
    /// let breaker = CircuitBreaker::new(Settings::consecutive(2));
    /// let policy = Policy::new(immediate().max_attempts(5)).guard(breaker.per_call());
    /// let third = policy.call(|attempt| (attempt.number() == 3).then_some(()));
    /// assert_eq!((third, breaker.state()), (Some(()), State::Closed));
    /// let _ = (policy.call(|_| None::<()>), policy.call(|_| None::<()>));
    /// assert_eq!(breaker.state(), State::Open);
    /// ```
    #[must_use]
    pub fn per_call(&self) -> PerCall {
        PerCall { shared: Arc::clone(&self.shared), ticket: None }
    }
}

#[cfg(feature = "config")]
impl BreakerRef<'_> {
    /// The guard in the middle of a call that holds `ticket`.
    pub(crate) fn holding(mut self, ticket: Option<Ticket>) -> Self {
        self.ticket = ticket;
        self
    }

    /// Leaves the ticket to the caller.
    pub(crate) fn release(&mut self) -> Option<Ticket> {
        self.ticket.take()
    }
}

macro_rules! per_attempt {
    ([$($lifetime:lifetime)?] $type:ty) => {
        impl<$($lifetime,)? O> Guard<O> for $type {
            #[inline]
            fn reads_clock(&self) -> bool {
                false
            }
            handles!(AFTER_ATTEMPT | RETRY | FINISH);

            #[inline]
            fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
                self.shared.enter(&mut self.ticket)
            }

            #[inline]
            fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
                self.shared.answer(&mut self.ticket, self.shared.counts(event.verdict()));
            }

            #[inline]
            fn attempt_dropped(&mut self, _: &Attempt) {
                self.shared.leave(&mut self.ticket);
            }

            #[inline]
            fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
                self.shared.allow_retry(event)
            }

            #[inline]
            fn finish(&mut self, event: &FinishEvent<'_, O>) {
                if event.reason().is_success() {
                    // The body of a loop reported the success, so no attempt ended before.
                    self.shared.answer(&mut self.ticket, Counts::Success);
                } else {
                    self.shared.leave(&mut self.ticket);
                }
            }
        }
    };
}
per_attempt!([] CircuitBreaker);
per_attempt!(['a] BreakerRef<'a>);

impl<O> Guard<O> for PerCall {
    #[inline]
    fn reads_clock(&self) -> bool {
        false
    }
    handles!(AFTER_ATTEMPT | FINISH);

    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        if attempt.is_first() { self.shared.enter(&mut self.ticket) } else { Continue(()) }
    }

    /// The reason of the end does not tell this from a stop.
    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        if event.verdict() == Verdict::Forbidden {
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

/// A clone is for another call, and holds no probe; a call that is dropped returns its own.
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
            #[inline]
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.shared.describe(f, stringify!($type))
            }
        }
    };
}
held!([] CircuitBreaker);
held!([] PerCall);
held!(['a] BreakerRef);
