//! A call in progress: the engine, and what it asks. The future, the blocking driver and the loop
//! hold one each, and differ only in how they make attempts and how they sleep.

use core::fmt;
use core::marker::PhantomData;
use core::ops::ControlFlow;
use core::time::Duration;

use super::finish::Ends;
use super::overlay::{Both, Overlay};
use crate::engine::Phase;
use crate::hook::FinishFacts;
use crate::policy::Source;
use crate::time::{BlockingTimer, Clock};
use crate::{Attempt, Backoff, Decision, Engine, Hook, Outcome, Reason};

/// What a call is made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts<S, V, H, T> {
    pub(crate) source: S,
    pub(crate) overlay: V,
    pub(crate) hooks: H,
    pub(crate) timer: T,
}

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
    #[inline]
    pub(crate) fn new(parts: Parts<S, V, H, T>, seed: Option<u64>) -> Self {
        let engine = match seed {
            Some(seed) => Engine::new().with_seed(seed),
            None => Engine::new(),
        };
        Call { engine, parts: Some(parts), types: PhantomData }
    }

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
        self.engine = Engine::new().with_seed(seed);
    }

    #[inline]
    fn split(&mut self) -> (&mut Engine, &mut Parts<S, V, H, T>) {
        match &mut self.parts {
            Some(parts) => (&mut self.engine, parts),
            None => unreachable!("a call that was rebuilt into another is not used again"),
        }
    }

    #[inline]
    pub(crate) fn timer(&mut self) -> &T {
        &self.split().1.timer
    }

    /// Begins the call: its clock starts here.
    #[inline]
    pub(crate) fn begin(&mut self) {
        let (engine, parts) = self.split();
        engine.begin(parts.now());
    }

    /// Begins an attempt.
    #[inline]
    pub(crate) fn enter(&mut self) -> Result<Attempt, (X::Interruption, FinishFacts)>
    where
        X: Ends,
    {
        let (engine, parts) = self.split();
        let now = parts.now();
        engine.enter::<O, X, _, _>(parts.source.backoff(), &mut parts.hooks, now)
    }

    /// Decides what follows an attempt.
    #[inline]
    pub(crate) fn decide(&mut self, outcome: &O) -> Decision
    where
        O: Outcome,
        V: Overlay<S, O>,
    {
        let (engine, parts) = self.split();
        let now = parts.now();
        let classifier = Both(&parts.overlay, &parts.source);
        engine.decide(parts.source.backoff(), &classifier, &mut parts.hooks, outcome, now)
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
        match self.decide(&outcome) {
            Decision::Return(facts) => ControlFlow::Break((outcome, facts)),
            Decision::Wait(delay) => {
                pass(outcome);
                if !delay.is_zero() {
                    self.timer().sleep_blocking(delay);
                }
                ControlFlow::Continue(())
            }
        }
    }

    /// Ends the call well, where the outcome is not ours to see.
    pub(crate) fn succeed(&mut self) {
        if self.is_open() {
            let (engine, parts) = self.split();
            let elapsed = engine.elapsed(parts.now()).map(Duration::from_nanos);
            engine.finish(&mut parts.hooks, None, Reason::Succeeded, elapsed);
        }
    }

    /// Whether the call began and has not ended.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.engine.phase, Phase::Idle | Phase::Finished)
    }

    #[inline]
    pub(crate) fn is_sleeping(&self) -> bool {
        matches!(self.engine.phase, Phase::Sleeping)
    }

    #[inline]
    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.engine.phase = phase;
    }

    /// The attempt that was begun last.
    pub(crate) fn attempt(&mut self) -> Attempt {
        let (engine, parts) = self.split();
        engine.attempt(&parts.source.backoff().limits(), engine.elapsed(parts.now()))
    }
}

impl<S: Source, V, H, T: Clock> Parts<S, V, H, T> {
    /// The time, if anything in this call looks at it.
    #[inline]
    fn now<O>(&self) -> Option<Duration>
    where
        H: Hook<O>,
    {
        let read = self.source.backoff().reads_clock() || self.hooks.reads_clock();
        read.then(|| self.timer.now())
    }
}

impl<O, S: Source, V, H: Hook<O>, X, T: Clock> Drop for Call<O, S, V, H, X, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(parts) = &mut self.parts {
            let Parts { source, hooks, timer, .. } = parts;
            let read = source.backoff().reads_clock() || hooks.reads_clock();
            self.engine.abandon::<O, H>(hooks, || read.then(|| timer.now()));
        }
    }
}

impl<O, S: Source, V, H: Hook<O>, X, T: Clock> fmt::Debug for Call<O, S, V, H, X, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.fmt(f)
    }
}
