//! What settings add to a call through a handle.

use std::ops::ControlFlow;
use std::prelude::v1::*;
use std::time::Duration;

use super::config::Guards;
use crate::hook::{AttemptEvent, FinishEvent, RetryEvent};
use crate::{Attempt, Hook, Veto};

/// The budget, the breaker and the limit on attempts of a call, as the settings ask for them: the
/// first of the hooks of a call through a handle. Most policies have none, and their calls pay for a
/// look at one flag.
#[derive(Debug)]
pub struct Guarding(Option<Guards>);

impl Guarding {
    pub(super) fn by(guards: Guards) -> Self {
        let none = matches!(guards, (None, None, None));
        Guarding((!none).then_some(guards))
    }
}

/// Keeps the code for guards out of the calls that have none.
#[inline(never)]
fn apart<R>(guarded: impl FnOnce() -> R) -> R {
    guarded()
}

impl Clone for Guarding {
    #[inline]
    fn clone(&self) -> Self {
        match &self.0 {
            None => Guarding(None),
            Some(guards) => apart(|| Guarding(Some(guards.clone()))),
        }
    }
}

impl<O> Hook<O> for Guarding {
    #[inline]
    fn reads_clock(&self) -> bool {
        self.0.as_ref().is_some_and(|guards| apart(|| Hook::<O>::reads_clock(guards)))
    }

    #[inline]
    fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
        self.0.as_ref().and_then(|guards| Hook::<O>::attempt_timeout(guards, attempt))
    }

    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        match &mut self.0 {
            None => ControlFlow::Continue(()),
            Some(guards) => apart(|| Hook::<O>::allow_attempt(guards, attempt)),
        }
    }

    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        if let Some(guards) = &mut self.0 {
            apart(|| Hook::<O>::before_attempt(guards, attempt));
        }
    }

    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        if let Some(guards) = &mut self.0 {
            apart(|| guards.after_attempt(event));
        }
    }

    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        match &mut self.0 {
            None => ControlFlow::Continue(()),
            Some(guards) => apart(|| guards.allow_retry(event)),
        }
    }

    #[inline]
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        if let Some(guards) = &mut self.0 {
            apart(|| guards.before_retry(event));
        }
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        if let Some(guards) = &mut self.0 {
            apart(|| guards.finish(event));
        }
    }
}
