//! What settings add to a call through a handle.

use std::ops::ControlFlow;
use std::prelude::v1::*;
use std::sync::Arc;
use std::time::Duration;

use super::config::Guards;
use crate::hook::breaker::{BreakerRef, Ticket};
use crate::hook::budget::{BudgetRef, Taken};
use crate::hook::{AttemptEvent, AttemptTimeout, FinishEvent, RetryEvent};
use crate::{Attempt, Hook, Veto};

/// The budget, the breaker and the limit on attempts of a call, as the settings ask for them: the
/// first of the hooks of a call through a handle. Most policies have none, and their calls pay for a
/// look at one word.
#[derive(Debug)]
pub struct Guarding {
    guards: Option<Arc<Guards>>,
    held: Held,
}

/// What a call holds of its guards, from one event to the next.
#[derive(Debug, Default)]
struct Held {
    taken: Option<Taken>,
    ticket: Option<Ticket>,
}

/// The guards as hooks of a call: made for each event, and not kept, since most calls have none and
/// would copy the empty places.
type Hooks<'a> = (Option<BudgetRef<'a>>, Option<BreakerRef<'a>>, Option<AttemptTimeout>);

impl Guarding {
    pub(super) fn by(guards: Guards) -> Self {
        let none = matches!(guards, Guards { budget: None, breaker: None, attempt_timeout: None });
        Guarding { guards: (!none).then(|| guards.into()), held: Held::default() }
    }

    /// Tells the guards of an event, if there are any. What they hold if it panics goes back.
    #[inline]
    fn tell<R>(&mut self, event: impl FnOnce(&mut Hooks<'_>) -> R) -> Option<R> {
        self.guards.as_ref().map(|guards| self.held.tell(guards, event))
    }
}

impl Held {
    /// Apart, so that calls without guards have none of this code.
    #[inline(never)]
    fn tell<R>(&mut self, guards: &Guards, event: impl FnOnce(&mut Hooks<'_>) -> R) -> R {
        let Guards { budget, breaker, attempt_timeout } = guards;
        let mut hooks = (
            budget.as_ref().map(|budget| budget.by_ref().holding(self.taken.take())),
            breaker.as_ref().map(|breaker| breaker.by_ref().holding(self.ticket.take())),
            *attempt_timeout,
        );
        let answer = event(&mut hooks);
        self.taken = hooks.0.as_mut().and_then(BudgetRef::let_go);
        self.ticket = hooks.1.as_mut().and_then(BreakerRef::let_go);
        answer
    }
}

/// The guards are shared. What a call holds of them is its own.
impl Clone for Guarding {
    #[inline]
    fn clone(&self) -> Self {
        Guarding { guards: self.guards.clone(), held: Held::default() }
    }
}

/// A call that is not brought to its end gives back what it holds.
impl Drop for Guarding {
    #[inline]
    fn drop(&mut self) {
        self.tell(|hooks| *hooks = (None, None, None));
    }
}

/// None of the guards reads the clock of a call.
impl<O> Hook<O> for Guarding {
    #[inline]
    fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
        self.guards
            .as_ref()
            .and_then(|guards| Hook::<O>::attempt_timeout(&guards.attempt_timeout, attempt))
    }

    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        let allowed = self.tell(|hooks| Hook::<O>::allow_attempt(hooks, attempt));
        allowed.unwrap_or(ControlFlow::Continue(()))
    }

    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        self.tell(|hooks| Hook::<O>::before_attempt(hooks, attempt));
    }

    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        self.tell(|hooks| hooks.after_attempt(event));
    }

    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        self.tell(|hooks| hooks.allow_retry(event)).unwrap_or(ControlFlow::Continue(()))
    }

    #[inline]
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        self.tell(|hooks| hooks.before_retry(event));
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        self.tell(|hooks| hooks.finish(event));
    }
}
