//! The circuit breaker of another crate, by two closures.

use core::fmt;
use core::ops::ControlFlow::{self, Break, Continue};

use super::Counts;
use crate::guard::Guard;
use crate::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use crate::{Attempt, Verdict, Veto};

/// Refuses attempts and retries while `is_open` returns `true`: a guard for the circuit breaker of
/// another crate. [`observe`] reports the outcomes to that breaker.
///
/// `is_open` is called before every attempt and before every retry's sleep, so it must take no probe:
/// `is_call_permitted` of `failsafe` will do.
///
/// ```
/// use persevere::{Policy, breaker::{Counts, observe, refuse_if}, immediate};
/// use std::cell::Cell;
///
/// // Another breaker: open after three failures.
/// let failures = Cell::new(0);
/// let policy = Policy::new(immediate().max_attempts(5))
///     .guard(refuse_if(|| failures.get() >= 3))
///     .hook(observe(|counts| match counts {
///         Counts::Failure => failures.set(failures.get() + 1),
///         Counts::Success => failures.set(0),
///         Counts::Nothing => {}
///     }));
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
#[doc(hidden)]
pub struct RefuseIf<F>(F);

/// Calls `function` with the end of each attempt: a hook for the circuit breaker of another crate.
/// [`refuse_if`] reads the state of that breaker; either alone is enough.
///
/// It is called once for each attempt that began, also if the call is dropped or panics:
///
/// | the attempt was | counts as |
/// |---|---|
/// | accepted, or [stopped](Verdict::Stop) the call: the service answered | [`Success`](Counts::Success) |
/// | one to be retried, whether it is or not; or the server [forbids](Verdict::Forbidden) that | [`Failure`](Counts::Failure) |
/// | cancelled or abandoned, or panicked | [`Nothing`](Counts::Nothing) |
///
/// ```
/// use persevere::{Attempt, RetryExt, immediate};
/// use persevere::breaker::{Counts, observe};
///
/// let mut ends = vec![];
/// let _ = (|attempt: Attempt| attempt.is_last().then_some(()))
///     .retry_with(immediate().max_attempts(2))
///     .hook(observe(|counts| ends.push(counts)))
///     .call();
/// assert_eq!(ends, [Counts::Failure, Counts::Success]);
/// ```
pub const fn observe<F: FnMut(Counts)>(function: F) -> Observe<F> {
    Observe { function, running: false }
}

/// Made by [`observe`].
#[doc(hidden)]
pub struct Observe<F> {
    function: F,
    running: bool,
}

/// A clone is for another call.
impl<F: Clone> Clone for Observe<F> {
    fn clone(&self) -> Self {
        Observe { function: self.function.clone(), running: false }
    }
}

impl<F: FnMut() -> bool> RefuseIf<F> {
    #[inline]
    fn ask(&mut self) -> ControlFlow<Veto> {
        if (self.0)() { Break(Veto::Circuit) } else { Continue(()) }
    }
}

impl<O, F: FnMut() -> bool> Guard<O> for RefuseIf<F> {
    #[inline]
    fn reads_clock(&self) -> bool {
        false
    }
    handles!(RETRY);

    #[inline]
    fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
        self.ask()
    }

    #[inline]
    fn allow_retry(&mut self, _: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        self.ask()
    }
}

impl<F: FnMut(Counts)> Observe<F> {
    #[inline]
    fn tell(&mut self, counts: Counts) {
        if core::mem::take(&mut self.running) {
            (self.function)(counts);
        }
    }
}

impl<O, F: FnMut(Counts)> Hook<O> for Observe<F> {
    #[inline]
    fn reads_clock(&self) -> bool {
        false
    }
    handles!(BEFORE_ATTEMPT | AFTER_ATTEMPT | FINISH);

    #[inline]
    fn before_attempt(&mut self, _: &Attempt) {
        self.running = true;
    }

    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        self.tell(match event.verdict() {
            Verdict::Accept | Verdict::Stop => Counts::Success,
            Verdict::Retry | Verdict::RetryAfter(_) | Verdict::Forbidden => Counts::Failure,
        });
    }

    #[inline]
    fn attempt_dropped(&mut self, _: &Attempt) {
        self.tell(Counts::Nothing);
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        let success = event.reason().is_success();
        self.tell(if success { Counts::Success } else { Counts::Nothing });
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
