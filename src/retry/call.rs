//! A call in progress: the engine, and what it asks. The future, the blocking driver and the loop
//! hold one each, and differ only in how they make attempts and how they sleep.

use core::fmt;
use core::marker::PhantomData;
use core::ops::ControlFlow;
use core::time::Duration;

use super::overlay::{Both, Inherit, Overlay};
use super::source::{PolicyParts, Source};
use crate::ends::Ends;
use crate::engine::Phase;
use crate::hook::FinishFacts;
use crate::time::{BlockingTimer, Clock, Timer, from_nanos, nanos};
use crate::{Attempt, Backoff, Engine, Hook, Outcome, Reason, Verdict};

/// What a call is made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts<S, V, H, T> {
    pub(crate) source: S,
    pub(crate) overlay: V,
    pub(crate) hooks: H,
    pub(crate) timer: T,
}

impl<S: Source, V, H, T: Clock> Parts<S, V, H, T> {
    /// The time, if anything in this call looks at it.
    #[inline]
    fn now<O>(&self) -> Option<Duration>
    where
        H: Hook<O>,
    {
        let backoff = self.source.backoff();
        let limited = backoff.limits().elapsed.is_some();
        let read = limited || backoff.reads_clock() || self.hooks.reads_clock();
        read.then(|| self.timer.now())
    }
}

const REBUILT: &str = "a call that was rebuilt into another is not used again";

/// The call. Whatever happens to it, its hooks hear of its end exactly once.
///
/// The bounds stand on the type because `Drop` needs them.
pub(crate) struct Call<O, S: Source, V, H: Hook<O>, X, T: Clock> {
    engine: Engine,
    /// Only ever empty in a call that was rebuilt into another.
    parts: Option<Parts<S, V, H, T>>,
    types: PhantomData<(fn(&O), X)>,
}

impl<O, S: Source, V, H: Hook<O>, X, T: Clock> Call<O, S, V, H, X, T> {
    /// The same call with other parts, before it began.
    #[inline]
    pub(crate) fn rebuild<V2, H2: Hook<O>, T2: Clock>(
        mut self,
        change: impl FnOnce(Parts<S, V, H, T>) -> Parts<S, V2, H2, T2>,
    ) -> Call<O, S, V2, H2, X, T2> {
        let engine = core::mem::take(&mut self.engine);
        Call { engine, parts: self.parts.take().map(change), types: PhantomData }
    }

    #[inline]
    pub(crate) fn seed(&mut self, seed: u64) {
        self.engine.set_seed(seed);
    }

    #[inline]
    pub(crate) fn operation(&mut self, name: &'static str) {
        self.engine.set_operation(name);
    }

    /// The call for use: engine and parts, borrowed apart.
    #[inline]
    pub(crate) fn live(&mut self) -> Live<'_, O, S, V, H, X, T> {
        match &mut self.parts {
            Some(parts) => Live { engine: &mut self.engine, parts, types: PhantomData },
            None => unreachable!("{REBUILT}"),
        }
    }

    fn parts(&self) -> &Parts<S, V, H, T> {
        match &self.parts {
            Some(parts) => parts,
            None => unreachable!("{REBUILT}"),
        }
    }

    /// The attempt that is being made, or the next one if the last was cut short.
    pub(crate) fn attempt(&self) -> Attempt {
        let parts = self.parts();
        self.engine.current(&parts.source.backoff().limits(), parts.now())
    }

    /// The same for who does not ask for the time, so that no clock is read.
    pub(crate) fn untimed_attempt(&self) -> Attempt {
        self.engine.current(&self.parts().source.backoff().limits(), None)
    }

    /// Tells the hooks of an end that nobody decided.
    #[cold]
    pub(crate) fn abandon(&mut self) {
        let live = self.live();
        let now = live.now();
        live.engine.abandon(&mut live.parts.hooks, now);
    }
}

impl<O, S: Source, H: Hook<O>, X, T: Clock> Call<O, S, Inherit, H, X, T> {
    /// A call that has not begun.
    #[inline]
    pub(crate) fn of(policy: PolicyParts<S, H, T>) -> Self {
        let PolicyParts { source, hooks, timer, seed } = policy;
        let parts = Some(Parts { source, overlay: Inherit, hooks, timer });
        let mut call = Call { engine: Engine::new(), parts, types: PhantomData };
        if let Some(seed) = seed {
            call.seed(seed);
        }
        call
    }
}

/// A [`Call`] in use.
pub(crate) struct Live<'a, O, S, V, H, X, T> {
    engine: &'a mut Engine,
    parts: &'a mut Parts<S, V, H, T>,
    types: PhantomData<(fn(&O), X)>,
}

impl<O, S: Source, V, H: Hook<O>, X, T: Clock> Live<'_, O, S, V, H, X, T> {
    #[inline]
    pub(crate) fn now(&self) -> Option<Duration> {
        self.parts.now()
    }

    #[inline]
    pub(crate) fn timer(&self) -> &T {
        &self.parts.timer
    }

    /// Begins the call: its clock starts here. The time is that of the first attempt too.
    #[inline]
    pub(crate) fn begin(&mut self) -> Option<Duration> {
        let now = self.now();
        self.engine.begin(now);
        now
    }

    /// Begins an attempt.
    #[inline(always)]
    pub(crate) fn enter(
        &mut self,
        now: Option<Duration>,
    ) -> Result<Attempt, (X::Interruption, FinishFacts)>
    where
        X: Ends,
    {
        let parts = &mut *self.parts;
        self.engine.enter::<O, X, _, _>(parts.source.backoff(), &mut parts.hooks, now)
    }

    /// Decides what follows an attempt: a delay in nanoseconds, or the end.
    #[inline(always)]
    pub(crate) fn decide(&mut self, outcome: &O) -> Result<u64, FinishFacts>
    where
        O: Outcome,
        V: Overlay<S, O>,
    {
        let (verdict, now) = self.assess(outcome);
        self.conclude(outcome, verdict, now, |_| false)
    }

    /// The first half of that: what the outcome means, and the time.
    #[inline(always)]
    pub(crate) fn assess(&mut self, outcome: &O) -> (Verdict, Option<Duration>)
    where
        O: Outcome,
        V: Overlay<S, O>,
    {
        let (now, parts) = (self.now(), &mut *self.parts);
        let (classifier, hooks) = (Both(&parts.overlay, &parts.source), &mut parts.hooks);
        (self.engine.assess(parts.source.backoff(), &classifier, hooks, outcome, now), now)
    }

    /// The second half; the timer may say that the call is cancelled.
    #[inline(always)]
    pub(crate) fn conclude(
        &mut self,
        outcome: &O,
        verdict: Verdict,
        now: Option<Duration>,
        is_cancelled: impl FnOnce(&T) -> bool,
    ) -> Result<u64, FinishFacts> {
        let Parts { source, hooks, timer, .. } = &mut *self.parts;
        let is_cancelled = || is_cancelled(timer);
        self.engine.conclude(source.backoff(), hooks, outcome, verdict, now, is_cancelled)
    }

    /// Ends the call for a reason that is not left to decide.
    #[inline(always)]
    pub(crate) fn finish(
        &mut self,
        outcome: Option<&O>,
        reason: Reason,
        now: Option<Duration>,
    ) -> FinishFacts {
        self.engine.finish(&mut self.parts.hooks, outcome, reason, now)
    }

    /// The attempt that was entered last, as things stand.
    pub(crate) fn current(&self, now: Option<Duration>) -> Attempt {
        self.engine.current(&self.parts.source.backoff().limits(), now)
    }

    /// When the attempt that begins `now` has to be done, where somebody looks at the clock and says
    /// so.
    #[inline]
    pub(crate) fn end(&self, attempt: &Attempt, now: Option<Duration>) -> Option<u64>
    where
        X: Ends,
    {
        if !X::INTERRUPTS {
            return None;
        }
        let limit = nanos(self.parts.hooks.attempt_timeout(attempt)?);
        Some(nanos(now?).saturating_add(limit)).filter(|end| *end < u64::MAX)
    }

    /// The same of the attempt that a loop makes now.
    #[inline]
    pub(crate) fn current_end(&self) -> Option<u64>
    where
        X: Ends,
    {
        if !X::INTERRUPTS {
            return None;
        }
        let now = self.now();
        self.end(&self.current(now), now)
    }

    /// Decides what follows an attempt that took too long.
    pub(crate) fn time_out(&mut self) -> Result<u64, FinishFacts> {
        let (now, parts) = (self.now(), &mut *self.parts);
        self.engine.settle_timeout(parts.source.backoff(), &mut parts.hooks, now)
    }

    /// The sleep after which the attempt that was entered last has taken too long, if there is one.
    /// A limit of zero is none that a timer could be asked for, so it is a nanosecond.
    pub(crate) fn limit(&self) -> Option<T::Sleep>
    where
        T: Timer,
    {
        let attempt = self.current(self.now());
        let limit = nanos(self.parts.hooks.attempt_timeout(&attempt)?);
        // What saturates is what people write for "no limit".
        (limit < u64::MAX).then(|| self.timer().sleep(from_nanos(limit.max(1))))
    }

    /// Decides, and blocks until the next attempt is due: the outcome comes back if the call ended,
    /// and goes to `pass` if not.
    #[inline]
    pub(crate) fn settle_blocking(
        &mut self,
        outcome: O,
        pass: impl FnOnce(O),
    ) -> ControlFlow<(O, FinishFacts)>
    where
        O: Outcome,
        V: Overlay<S, O>,
        T: BlockingTimer,
    {
        let (verdict, now) = self.assess(&outcome);
        self.conclude_blocking(outcome, verdict, now, pass)
    }

    /// The second half of that: for a driver that goes through both apart.
    #[inline]
    pub(crate) fn conclude_blocking(
        &mut self,
        outcome: O,
        verdict: Verdict,
        now: Option<Duration>,
        pass: impl FnOnce(O),
    ) -> ControlFlow<(O, FinishFacts)>
    where
        T: BlockingTimer,
    {
        match self.conclude(&outcome, verdict, now, T::is_cancelled) {
            Err(facts) => ControlFlow::Break((outcome, facts)),
            Ok(delay) => {
                if delay > 0 {
                    self.set_phase(Phase::Inside);
                    self.timer().sleep_blocking(from_nanos(delay));
                }
                if self.timer().is_cancelled() {
                    let now = self.now();
                    let facts = self.finish(Some(&outcome), Reason::Cancelled, now);
                    return ControlFlow::Break((outcome, facts));
                }
                pass(outcome);
                ControlFlow::Continue(())
            }
        }
    }

    /// Ends the call well, where the outcome is not ours to see.
    pub(crate) fn succeed(&mut self) {
        if self.is_open() {
            let now = self.now();
            self.finish(None, Reason::Succeeded, now);
        }
    }

    /// What is to be said of an outcome that was made after the call had ended.
    pub(crate) fn late(&self, outcome: &O) -> FinishFacts
    where
        O: Outcome,
    {
        let succeeded = outcome.as_result().is_ok();
        let reason = if succeeded { Reason::Succeeded } else { Reason::NotRetryable };
        self.engine.facts(reason, self.now())
    }

    /// Whether the call began and has not ended.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.engine.is_open()
    }

    /// Whether the last attempt, or the sleep after it, was dropped before its end.
    pub(crate) fn was_cut_short(&self) -> bool {
        matches!(self.engine.phase, Phase::Attempting | Phase::Sleeping)
    }

    /// Whether code that is not ours was entered and never came back: it panicked.
    #[inline]
    pub(crate) fn has_panicked(&self) -> bool {
        matches!(self.engine.phase, Phase::Inside)
    }

    #[inline]
    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.engine.phase = phase;
    }
}

impl<O, S: Source, V, H: Hook<O>, X, T: Clock> Drop for Call<O, S, V, H, X, T> {
    #[inline]
    fn drop(&mut self) {
        if self.parts.is_some() && self.engine.is_open() {
            self.abandon();
        }
    }
}

impl<O, S: Source, V, H: Hook<O>, X, T: Clock> fmt::Debug for Call<O, S, V, H, X, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.fmt(f)
    }
}
