//! A breaker in a call: it sees attempts, or operations.

use core::ops::ControlFlow::{self, Break, Continue};

use super::{CircuitBreaker, Counts, State};
use crate::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use crate::{Attempt, Reason, Verdict, Veto};

impl CircuitBreaker {
    /// Takes a ticket, unless it has one.
    #[inline]
    fn enter(&mut self) -> ControlFlow<Veto> {
        if self.ticket.is_none() {
            match self.shared.acquire() {
                Ok(ticket) => self.ticket = Some(ticket),
                Err(_) => return Break(Veto::Circuit),
            }
        }
        Continue(())
    }

    /// Gives the ticket back if there is one: nothing is known.
    fn leave(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.machine.release(ticket);
        }
    }

    fn counts(&self, verdict: Verdict) -> Counts {
        match verdict {
            Verdict::Accept => Counts::Success,
            Verdict::Retry | Verdict::RetryAfter(_) => Counts::Failure,
            Verdict::Stop => self.shared.parts.settings.stop,
        }
    }
}

impl<O> Hook<O> for CircuitBreaker {
    #[inline]
    fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
        self.enter()
    }

    /// Where it is no guard, nobody asked before. An attempt that it would refuse runs unseen.
    #[inline]
    fn before_attempt(&mut self, _: &Attempt) {
        let _ = self.enter();
    }

    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        self.record(self.counts(event.verdict()));
    }

    /// A retry that would be refused after its sleep is refused before it, while there is an outcome
    /// to return.
    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        let refused = match self.state() {
            State::Closed | State::HalfOpen => false,
            State::Isolated => true,
            State::Open => self.retry_after().is_some_and(|left| left > event.delay()),
        };
        if refused { Break(Veto::Circuit) } else { Continue(()) }
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        if event.reason().is_success() {
            // Said by the loop, so no attempt was told to end.
            self.record(Counts::Success);
        } else {
            self.leave();
        }
    }
}

/// A [`CircuitBreaker`] that sees whole operations: made by [`CircuitBreaker::operations`].
#[derive(Clone, Debug)]
pub struct Operations(CircuitBreaker);

impl CircuitBreaker {
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
        Operations(self.clone())
    }
}

impl<O> Hook<O> for Operations {
    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        if attempt.is_first() { self.0.enter() } else { Continue(()) }
    }

    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        if attempt.is_first() {
            let _ = self.0.enter();
        }
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        match event.reason() {
            Reason::Succeeded => self.0.record(Counts::Success),
            Reason::NotRetryable => self.0.record(self.0.counts(Verdict::Stop)),
            reason if reason.gave_up() && event.attempts() > 0 => self.0.record(Counts::Failure),
            _ => self.0.leave(),
        }
    }
}
