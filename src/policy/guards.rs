//! The budget and the breaker of settings, in a call.

use std::ops::ControlFlow::{self, Continue};
use std::prelude::v1::*;

use super::config::Guards as Settings;
use crate::breaker::{BreakerRef, Ticket};
use crate::budget::{BudgetRef, Withdrawal};
use crate::guard::{
    BlockingGuards, EndsAs, Fallback, Guard, GuardEvents, Guards, Limited, MayInterrupt,
};
use crate::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent, run_both};
use crate::time::signal::Keep;
use crate::{Attempt, Interrupted, Interruptible, Veto};

/// The tickets and permits of a call, from one event to the next.
#[derive(Debug, Default)]
pub(super) struct Held {
    withdrawal: Option<Withdrawal>,
    ticket: Option<Ticket>,
}

/// The guards in use: made for each event, and not kept, since most calls have none and would copy the
/// empty places.
pub(super) type InUse<'a> = (Option<BudgetRef<'a>>, Option<BreakerRef<'a>>);

impl Held {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.withdrawal.is_none() && self.ticket.is_none()
    }

    /// Passes an event to the guards. If a guard panics, they return their tickets and permits. Out of
    /// line, so that calls without guards have none of this code.
    #[inline(never)]
    pub(super) fn pass<R>(
        &mut self,
        guards: &Settings,
        event: impl FnOnce(&mut InUse<'_>) -> R,
    ) -> R {
        let Settings { budget, breaker, .. } = guards;
        let mut in_use = (
            budget.as_ref().map(|budget| budget.by_ref().holding(self.withdrawal.take())),
            breaker.as_ref().map(|breaker| breaker.by_ref().holding(self.ticket.take())),
        );
        let answer = event(&mut in_use);
        self.withdrawal = in_use.0.as_mut().and_then(BudgetRef::release);
        self.ticket = in_use.1.as_mut().and_then(BreakerRef::release);
        answer
    }
}

pub(super) fn before_attempt<O>((budget, _): &mut InUse<'_>, attempt: &Attempt) {
    if let Some(budget) = budget {
        Hook::<O>::before_attempt(budget, attempt);
    }
}

pub(super) fn after_attempt<O>((budget, breaker): &mut InUse<'_>, event: &AttemptEvent<'_, O>) {
    if let Some(budget) = budget {
        budget.after_attempt(event);
    }
    if let Some(breaker) = breaker {
        breaker.after_attempt(event);
    }
}

pub(super) fn attempt_dropped<O>((_, breaker): &mut InUse<'_>, attempt: &Attempt) {
    if let Some(breaker) = breaker {
        Guard::<O>::attempt_dropped(breaker, attempt);
    }
}

pub(super) fn allow_retry<O>(
    (budget, breaker): &mut InUse<'_>,
    event: &RetryEvent<'_, O>,
) -> ControlFlow<Veto> {
    if let Some(budget) = budget {
        budget.allow_retry(event)?;
    }
    breaker.as_mut().map_or(Continue(()), |breaker| breaker.allow_retry(event))
}

pub(super) fn finish<O>((budget, breaker): &mut InUse<'_>, event: &FinishEvent<'_, O>) {
    run_both(
        || {
            if let Some(budget) = budget {
                budget.finish(event);
            }
        },
        || {
            if let Some(breaker) = breaker {
                breaker.finish(event);
            }
        },
    );
}

/// The slot of guards of a [`GuardedHandle`](super::GuardedHandle): the settings may have a breaker and
/// a limit on the time of attempts. The settings themselves are in the form of a call.
#[derive(Clone, Copy, Debug, Default)]
#[doc(hidden)]
pub struct BySettings(());

impl BySettings {
    pub(super) const fn new() -> Self {
        BySettings(())
    }
}

impl<O> GuardEvents<O> for BySettings {
    fn reads_clock(&self) -> bool {
        false
    }
    handles!();
}

impl<O> Guards<O> for BySettings {
    const INTERRUPTS: bool = true;
    const LIMITS: bool = true;
    const LIMITS_ATTEMPTS: bool = false;
    type Interruption = Interrupted;
    type Limit<Z> = Limited<Z>;
    type Kept<K: Keep<O>> = K;
    fn interruption(interrupted: Interrupted) -> Option<Interrupted> {
        Some(interrupted)
    }
}

impl MayInterrupt for BySettings {}

/// In a blocking call the limit on attempts has no effect, which is reported once.
impl BlockingGuards for BySettings {}

#[diagnostic::do_not_recommend]
impl<O: Interruptible> EndsAs<O> for BySettings {
    fn outcome(&mut self, interrupted: Interrupted, _: Option<O>) -> O {
        O::from_interrupted(interrupted)
    }
}

impl<O: Interruptible> Fallback<O> for BySettings {
    fn fallback(&mut self, interrupted: Interrupted, _: Option<O>) -> O {
        O::from_interrupted(interrupted)
    }
}
