//! Somebody else's breaker, through two closures.

use core::fmt;
use core::ops::ControlFlow::{self, Break, Continue};

use crate::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use crate::{Attempt, Verdict, Veto};

/// Refuses attempts and retries while `is_open` says so: one half of a breaker that is not of this
/// crate. It needs a [`guard`](crate::Policy::guard) to refuse attempts; as a plain hook it refuses
/// retries only.
///
/// It is asked once before every attempt and once before every retry's sleep. Give a question that
/// only looks, since a breaker that takes a probe by being asked would take two; the
/// `is_call_permitted` of `failsafe` will do.
///
/// ```
/// use persevere::{Policy, hook::{HookExt, breaker::{Observed, observe, refuse_if}}, immediate};
/// use std::cell::Cell;
///
/// // The other breaker: open after three failures.
/// let failures = Cell::new(0);
/// let theirs = refuse_if(|| failures.get() >= 3).and(observe(|seen| match seen {
///     Observed::Failure => failures.set(failures.get() + 1),
///     Observed::Success => failures.set(0),
///     Observed::Nothing => {}
/// }));
/// let policy = Policy::new(immediate().max_attempts(5)).guard(theirs);
/// let attempts = Cell::new(0);
/// let _ = policy.call(|_| { attempts.set(attempts.get() + 1); None::<()> });
/// let _ = policy.call(|_| { attempts.set(attempts.get() + 1); None::<()> });
/// assert_eq!(attempts.get(), 3);
/// ```
pub const fn refuse_if<F: FnMut() -> bool>(is_open: F) -> RefuseIf<F> {
    RefuseIf(is_open)
}

/// Made by [`refuse_if`].
#[derive(Clone, Copy)]
pub struct RefuseIf<F>(F);

/// How an attempt went, as [`observe`] tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// It was accepted, or [stopped](Verdict::Stop) the call: the service answered.
    Success,
    /// It is to be retried, whether it is or not; or the server [forbids](Verdict::Never) that.
    Failure,
    /// It was cancelled, left, or panicked.
    Nothing,
}

/// Tells `what_happened` how each attempt went: the other half of a breaker that is not of this
/// crate. See [`refuse_if`]; either alone is enough.
///
/// Each attempt that began is told once, also if the call is dropped or panics.
///
/// ```
/// use persevere::{Attempt, RetryExt, immediate};
/// use persevere::hook::breaker::{Observed, observe};
///
/// let mut seen = vec![];
/// let _ = (|attempt: Attempt| attempt.is_last().then_some(()))
///     .retry_with(immediate().max_attempts(2))
///     .hook(observe(|what| seen.push(what)))
///     .call();
/// assert_eq!(seen, [Observed::Failure, Observed::Success]);
/// ```
pub const fn observe<F: FnMut(Observed)>(what_happened: F) -> Observe<F> {
    Observe { what_happened, running: false }
}

/// Made by [`observe`].
pub struct Observe<F> {
    what_happened: F,
    running: bool,
}

/// A clone is for another call.
impl<F: Clone> Clone for Observe<F> {
    fn clone(&self) -> Self {
        Observe { what_happened: self.what_happened.clone(), running: false }
    }
}

impl<F: FnMut() -> bool> RefuseIf<F> {
    #[inline]
    fn ask(&mut self) -> ControlFlow<Veto> {
        if (self.0)() { Break(Veto::Circuit) } else { Continue(()) }
    }
}

impl<O, F: FnMut() -> bool> Hook<O> for RefuseIf<F> {
    #[inline]
    fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
        self.ask()
    }

    #[inline]
    fn allow_retry(&mut self, _: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        self.ask()
    }
}

impl<F: FnMut(Observed)> Observe<F> {
    #[inline]
    fn tell(&mut self, what: Observed) {
        if core::mem::take(&mut self.running) {
            (self.what_happened)(what);
        }
    }
}

impl<O, F: FnMut(Observed)> Hook<O> for Observe<F> {
    #[inline]
    fn before_attempt(&mut self, _: &Attempt) {
        self.running = true;
    }

    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        self.tell(match event.verdict() {
            Verdict::Accept | Verdict::Stop => Observed::Success,
            Verdict::Retry | Verdict::RetryAfter(_) | Verdict::Never => Observed::Failure,
        });
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        let said = event.reason().is_success();
        self.tell(if said { Observed::Success } else { Observed::Nothing });
    }
}

impl<F> fmt::Debug for RefuseIf<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefuseIf").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Observe<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observe").finish_non_exhaustive()
    }
}
