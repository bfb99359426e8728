//! The decision: what happens after an attempt. Every surface of the crate drives this one piece.

use core::fmt;
use core::ops::ControlFlow;
use core::time::Duration;

use crate::backoff::Limits;
use crate::classify::OnError;
use crate::ends::Ends;
use crate::hook::{
    AttemptEvent, FinishEvent, FinishFacts, RetryEvent, RetryFacts, contained, panicking,
};
use crate::random;
use crate::time::{from_nanos, nanos};
use crate::{Attempt, Backoff, Classifier, Hook, Interrupted, Outcome, Reason, Verdict};

/// The state of one call, and the decision what to do next. It does no I/O, reads no clock and
/// never sleeps: it is told an outcome and the time, and answers *return* or *wait this long*.
///
/// Drive it yourself where no surface fits: an actor, an embedded main loop, another language's
/// runtime. [`begin`](Engine::begin) once; then for each attempt [`enter`](Engine::enter), run it,
/// and [`decide`](Engine::decide) what follows.
///
/// ```
/// use persevere::{Decision, Engine, Own, classify::OnError, exponential};
/// use std::time::Duration;
///
/// let backoff = exponential(Duration::from_millis(100)).max_attempts(3);
/// let (mut engine, mut hooks, mut slept) = (Engine::new(), (), vec![]);
/// engine.begin(None);
/// let outcome = loop {
///     let Ok(attempt) = engine.enter::<Result<(), u32>, Own, _, _>(&backoff, &mut hooks, None);
///     let outcome = Err::<(), _>(attempt.number());
///     match engine.decide(&backoff, &OnError, &mut hooks, &outcome, None) {
///         Decision::Wait(delay) => slept.push(delay),
///         Decision::Return(_) => break outcome,
///     }
/// };
/// assert_eq!(outcome, Err(3));
/// assert_eq!(slept, [100, 200].map(Duration::from_millis));
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    /// Executions begun.
    number: u32,
    pub(crate) phase: Phase,
    /// What the backoff gave last, and what was slept in all.
    previous: u64,
    waited: u64,
    /// When the call began, if a clock was read.
    start: u64,
    /// Zero until a delay is needed.
    seed: u64,
    /// What is retried, for those who watch.
    operation: Option<&'static str>,
}

/// Where a call is, so that its end can say what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not begun: a call that never ran has no end either.
    Idle,
    /// Between attempts, in the hands of a loop's body.
    Between,
    /// An attempt is pending.
    Attempting,
    /// A sleep is pending; the next attempt has not begun.
    Sleeping,
    /// Inside code that is not ours: if the call ends here, that code panicked.
    Inside,
    /// The end was told.
    Finished,
}

/// What to do after an attempt.
///
/// ```
/// use persevere::{Decision, Engine, Own, Reason, classify::OnError, immediate};
///
/// let (mut engine, backoff) = (Engine::new(), immediate().max_attempts(2));
/// engine.begin(None);
/// let Ok(_) = engine.enter::<Option<u8>, Own, _, _>(&backoff, &mut (), None);
/// let decision = engine.decide(&backoff, &OnError, &mut (), &Some(7), None);
/// let Decision::Return(facts) = decision else { panic!("a value is accepted") };
/// assert_eq!((facts.reason(), facts.attempts()), (Reason::Succeeded, 1));
/// assert_eq!(decision.to_string(), "succeeded after 1 attempt");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Sleep this long, perhaps not at all, and make another attempt.
    Wait(Duration),
    /// Return the outcome. The hooks were told.
    Return(FinishFacts),
}

impl Engine {
    /// The state of a call that has not begun. It draws a seed of its own at its first failure.
    #[must_use]
    pub const fn new() -> Self {
        Engine {
            number: 0,
            phase: Phase::Idle,
            previous: 0,
            waited: 0,
            start: 0,
            seed: 0,
            operation: None,
        }
    }

    /// The same in the random stream of `seed`: a seeded call repeats exactly. Say it before
    /// [`begin`](Engine::begin).
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.set_seed(seed);
        self
    }

    #[inline]
    pub(crate) const fn set_seed(&mut self, seed: u64) {
        self.seed = random::spread(seed).get();
    }

    /// The same with a name for what is retried. Every event carries it, and prints it first.
    ///
    /// ```
    /// use persevere::{Decision, Engine, Own, classify::OnError, immediate};
    ///
    /// let mut engine = Engine::new().with_operation("fetch");
    /// engine.begin(None);
    /// let backoff = immediate().max_attempts(1);
    /// let Ok(_) = engine.enter::<Option<u8>, Own, _, _>(&backoff, &mut (), None);
    /// let decision = engine.decide(&backoff, &OnError, &mut (), &Some(7), None);
    /// assert_eq!(decision.to_string(), "fetch: succeeded after 1 attempt");
    /// ```
    #[must_use]
    pub const fn with_operation(mut self, name: &'static str) -> Self {
        self.set_operation(name);
        self
    }

    #[inline]
    pub(crate) const fn set_operation(&mut self, name: &'static str) {
        self.operation = Some(name);
    }

    /// Begins the call. Give the time of a monotonic clock, since any epoch, here and everywhere if
    /// the backoff, its limits or a hook read it (see [`Backoff::reads_clock`] and
    /// [`Hook::reads_clock`]), and `None` everywhere if not.
    ///
    /// ```
    /// use persevere::{Backoff, Decision, Engine, Own, Reason, classify::OnError, constant};
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let backoff = constant(second).max_elapsed(9 * second);
    /// assert!(backoff.reads_clock());
    /// let (mut engine, start) = (Engine::new(), 100 * second);
    /// engine.begin(Some(start));
    /// let Ok(_) = engine.enter::<Option<u8>, Own, _, _>(&backoff, &mut (), Some(start));
    /// // Eight seconds later, a sleep of one more would end at the limit.
    /// let late = Some(start + 8 * second);
    /// let decision = engine.decide(&backoff, &OnError, &mut (), &None::<u8>, late);
    /// assert!(matches!(decision, Decision::Return(facts) if facts.reason() == Reason::Elapsed));
    /// ```
    #[inline]
    pub fn begin(&mut self, now: Option<Duration>) {
        self.start = now.map_or(0, nanos);
        self.phase = Phase::Between;
    }

    /// Begins the next attempt: asks and tells the hooks, and gives what the operation is to know.
    /// `now` is the time at which it begins, as for [`begin`](Engine::begin).
    ///
    /// # Errors
    /// The interruption, where `X` [allows](crate::MayInterrupt) hooks to refuse attempts and one
    /// did. The call has ended then, and the hooks were told. With [`Own`](crate::Own) there is no
    /// such error, and `let Ok(attempt) = ..` takes it apart.
    #[inline(always)]
    pub fn enter<O, X: Ends, B: Backoff + ?Sized, H: Hook<O>>(
        &mut self,
        backoff: &B,
        hooks: &mut H,
        now: Option<Duration>,
    ) -> Result<Attempt, (X::Interruption, FinishFacts)> {
        self.phase = Phase::Inside;
        let number = self.number.saturating_add(1);
        let attempt = self.attempt(number, &backoff.limits(), self.elapsed(now));
        if X::INTERRUPTS {
            if let ControlFlow::Break(veto) = hooks.allow_attempt(&attempt) {
                let interrupted = Interrupted::Vetoed(veto);
                if let Some(interruption) = X::interruption(interrupted) {
                    let reason = interrupted.reason();
                    let facts = self.finish(hooks, None, reason, now);
                    return Err((interruption, facts));
                }
            }
        }
        self.number = number;
        hooks.before_attempt(&attempt);
        self.phase = Phase::Between;
        Ok(attempt.for_operation())
    }

    /// Decides what follows the `outcome` of the attempt that was entered last. `now` is the time at
    /// which it ended. The hooks hear of the attempt, and then of the retry or the end.
    ///
    /// After [`Decision::Wait`], sleep that long and [`enter`](Engine::enter) the next attempt;
    /// after [`Decision::Return`], the call has ended.
    #[inline]
    pub fn decide<O: Outcome, B: Backoff + ?Sized, C: Classifier<O> + ?Sized, H: Hook<O>>(
        &mut self,
        backoff: &B,
        classifier: &C,
        hooks: &mut H,
        outcome: &O,
        now: Option<Duration>,
    ) -> Decision {
        let verdict = self.assess(backoff, classifier, hooks, outcome, now);
        self.conclude(backoff, hooks, outcome, verdict, now, || false).into()
    }

    /// The first half of [`decide`](Engine::decide): what the outcome means. Both halves are used
    /// once or twice by each surface, and hooks make them long enough for the compiler to put them
    /// aside.
    #[inline(always)]
    pub(crate) fn assess<O: Outcome, B: Backoff + ?Sized, C: Classifier<O> + ?Sized, H: Hook<O>>(
        &mut self,
        backoff: &B,
        classifier: &C,
        hooks: &mut H,
        outcome: &O,
        now: Option<Duration>,
    ) -> Verdict {
        // Classify.
        self.phase = Phase::Inside;
        let attempt = self.attempt(self.number, &backoff.limits(), self.elapsed(now));
        let verdict = match classifier.classify(outcome, &attempt) {
            Some(verdict) => verdict,
            None => OnError.classify(outcome, &attempt).unwrap_or(Verdict::Stop),
        };
        let (outcome, operation) = (Some(outcome), self.operation);
        hooks.after_attempt(&AttemptEvent { outcome, attempt: &attempt, verdict, operation });
        verdict
    }

    /// The second half: what follows, as a delay in nanoseconds or the end. A retry of a call that
    /// `is_cancelled` is not announced.
    #[inline(always)]
    pub(crate) fn conclude<O, B: Backoff + ?Sized, H: Hook<O>>(
        &mut self,
        backoff: &B,
        hooks: &mut H,
        outcome: &O,
        verdict: Verdict,
        now: Option<Duration>,
        is_cancelled: impl FnOnce() -> bool,
    ) -> Result<u64, FinishFacts> {
        let outcome = Some(outcome);
        let reason = match verdict {
            Verdict::Accept => Reason::Succeeded,
            _ => match self.retry(backoff, hooks, outcome, verdict, now, is_cancelled) {
                Ok(delay) => return Ok(delay),
                Err(reason) => reason,
            },
        };
        Err(self.finish(hooks, outcome, reason, now))
    }

    /// Decides what follows an attempt that took too long, and was dropped, so that it has no
    /// outcome: it is retried as an error would be. `now` is the time at which it was dropped. Ask
    /// [`Hook::attempt_timeout`] for the time that it has.
    ///
    /// The reason of an end is [`Interrupted`](Reason::Interrupted), or
    /// [`Deadline`](Reason::Deadline) if that came.
    ///
    /// ```
    /// use persevere::{Decision, Engine, Own, Reason, constant};
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let (mut engine, backoff) = (Engine::new(), constant(second).max_attempts(2));
    /// engine.begin(None);
    /// let Ok(_) = engine.enter::<Option<u8>, Own, _, _>(&backoff, &mut (), None);
    /// let decision = engine.time_out::<Option<u8>, _, _>(&backoff, &mut (), None);
    /// assert_eq!(decision, Decision::Wait(second));
    /// let Ok(_) = engine.enter::<Option<u8>, Own, _, _>(&backoff, &mut (), None);
    /// let decision = engine.time_out::<Option<u8>, _, _>(&backoff, &mut (), None);
    /// assert!(matches!(decision, Decision::Return(facts) if facts.reason() == Reason::Interrupted));
    /// ```
    pub fn time_out<O, B: Backoff + ?Sized, H: Hook<O>>(
        &mut self,
        backoff: &B,
        hooks: &mut H,
        now: Option<Duration>,
    ) -> Decision {
        self.settle_timeout(backoff, hooks, now).into()
    }

    /// The same with the delay in nanoseconds.
    #[cold]
    pub(crate) fn settle_timeout<O, B: Backoff + ?Sized, H: Hook<O>>(
        &mut self,
        backoff: &B,
        hooks: &mut H,
        now: Option<Duration>,
    ) -> Result<u64, FinishFacts> {
        self.phase = Phase::Inside;
        let attempt = self.attempt(self.number, &backoff.limits(), self.elapsed(now));
        let (verdict, operation) = (Verdict::Retry, self.operation);
        hooks.after_attempt(&AttemptEvent { outcome: None, attempt: &attempt, verdict, operation });
        // Whatever else would end the call here, it is the deadline that did.
        let retry = match hooks.attempt_timeout(&attempt) {
            Some(Duration::ZERO) => Err(Reason::Deadline),
            _ => self.retry(backoff, hooks, None, verdict, now, || false),
        };
        retry.map_err(|reason| {
            let reason = match reason {
                Reason::Deadline => reason,
                _ => Reason::Interrupted,
            };
            self.finish(hooks, None, reason, now)
        })
    }

    /// The attempt failed: the delay in nanoseconds, or why there is to be no retry.
    #[inline(always)]
    fn retry<O, B: Backoff + ?Sized, H: Hook<O>>(
        &mut self,
        backoff: &B,
        hooks: &mut H,
        outcome: Option<&O>,
        verdict: Verdict,
        now: Option<Duration>,
        is_cancelled: impl FnOnce() -> bool,
    ) -> Result<u64, Reason> {
        // Delay: the backoff's own, the server's floor, and the limits on what comes of both.
        let floor = match verdict {
            Verdict::Retry => 0,
            Verdict::RetryAfter(floor) => nanos(floor),
            Verdict::Stop | Verdict::Never | Verdict::Accept => return Err(Reason::NotRetryable),
        };
        let limits = backoff.limits();
        if limits.attempts.is_some_and(|most| self.number >= most.get()) {
            return Err(Reason::Attempts);
        }
        // Asked here, where little is in registers: later, it would cost what never fails too.
        let left = left();
        if self.seed == 0 {
            self.seed = random::fresh().get();
        }
        let attempt = self.attempt(self.number, &limits, self.elapsed(now));
        let own = backoff.delay_nanos(&attempt).ok_or(Reason::Attempts)?;
        if floor > limits.retry_after.map_or(const { nanos(Limits::RETRY_AFTER) }, nanos) {
            return Err(Reason::RetryAfterTooLong);
        }
        let delay = own.max(floor);
        if let (Some(limit), Some(elapsed)) = (limits.elapsed, self.elapsed(now)) {
            if elapsed.saturating_add(delay) >= nanos(limit) {
                return Err(Reason::Elapsed);
            }
        }
        let operation = self.operation;
        if delay >= left && left < u64::MAX {
            return Err(Reason::Deadline);
        }
        if is_cancelled() {
            return Err(Reason::Cancelled);
        }
        let facts = RetryFacts { attempt, delay: from_nanos(delay), verdict, operation };
        let event = RetryEvent { outcome, facts };
        // Budget: every hook is asked before the first is told.
        if let ControlFlow::Break(veto) = hooks.allow_retry(&event) {
            return Err(veto.into());
        }
        // Notify.
        hooks.before_retry(&event);
        self.previous = own;
        self.waited = self.waited.saturating_add(delay);
        self.phase = Phase::Sleeping;
        Ok(delay)
    }

    /// Whether the call began and its end was not told.
    #[inline]
    pub(crate) const fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Finished)
    }

    /// Ends a call that is given up from outside: tells the hooks, if the call began and its end was
    /// not told. The reason is [`Left`](Reason::Left) between [`enter`](Engine::enter) and
    /// [`decide`](Engine::decide), [`Cancelled`](Reason::Cancelled) in a sleep, and
    /// [`Panicked`](Reason::Panicked) if a hook, a classifier or a backoff panicked or, with `std`,
    /// if the attempt is left because a panic unwinds.
    ///
    /// ```
    /// use persevere::{Engine, Own, Reason, immediate};
    /// use persevere::hook::{FinishEvent, OnFinish};
    ///
    /// let mut reason = None;
    /// let mut hooks =
    ///     OnFinish::new(|finish: &FinishEvent<'_, Option<u8>>| reason = Some(finish.reason()));
    /// let mut engine = Engine::new();
    /// engine.begin(None);
    /// let Ok(_) = engine.enter::<Option<u8>, Own, _, _>(&immediate(), &mut hooks, None);
    /// engine.abandon::<Option<u8>, _>(&mut hooks, None);
    /// assert_eq!(reason, Some(Reason::Left));
    /// ```
    pub fn abandon<O, H: Hook<O>>(&mut self, hooks: &mut H, now: Option<Duration>) {
        let reason = match self.phase {
            Phase::Idle | Phase::Finished => return,
            Phase::Between if panicking() => Reason::Panicked,
            Phase::Between => Reason::Left,
            Phase::Attempting | Phase::Sleeping => Reason::Cancelled,
            Phase::Inside => Reason::Panicked,
        };
        contained(|| {
            self.finish(hooks, None::<&O>, reason, now);
        });
    }

    /// Tells the hooks that the call ended: once, since the phase is set before they are asked.
    #[inline]
    pub(crate) fn finish<O, H: Hook<O>>(
        &mut self,
        hooks: &mut H,
        outcome: Option<&O>,
        reason: Reason,
        now: Option<Duration>,
    ) -> FinishFacts {
        self.phase = Phase::Finished;
        let facts = self.facts(reason, now);
        hooks.finish(&FinishEvent { outcome, facts });
        facts
    }

    /// How things stand, with this for a reason.
    #[inline]
    pub(crate) fn facts(&self, reason: Reason, now: Option<Duration>) -> FinishFacts {
        let elapsed = self.elapsed(now);
        let (attempts, waited, operation) = (self.number, self.waited, self.operation);
        FinishFacts { reason, attempts, waited, elapsed, operation }
    }

    /// The attempt with this number, as things stand.
    #[inline]
    fn attempt(&self, number: u32, limits: &Limits, elapsed: Option<u64>) -> Attempt {
        Attempt::from_engine(
            number,
            limits.attempts,
            self.seed,
            self.previous,
            self.waited,
            elapsed,
        )
    }

    /// The attempt that was entered last, or the next one if that was cut short.
    pub(crate) fn current(&self, limits: &Limits, now: Option<Duration>) -> Attempt {
        let cut_short = matches!(self.phase, Phase::Attempting | Phase::Sleeping);
        let number = self.number.saturating_add(cut_short.into());
        self.attempt(number, limits, self.elapsed(now)).for_operation()
    }

    #[inline]
    fn elapsed(&self, now: Option<Duration>) -> Option<u64> {
        now.map(|now| nanos(now).saturating_sub(self.start))
    }
}

/// What an attempt with a deadline leaves to a call within it, in nanoseconds; `u64::MAX` if there
/// is none.
#[inline]
fn left() -> u64 {
    #[cfg(feature = "std")]
    return crate::enclosing::remaining().unwrap_or(u64::MAX);
    #[cfg(not(feature = "std"))]
    u64::MAX
}

impl From<Result<u64, FinishFacts>> for Decision {
    #[inline]
    fn from(settled: Result<u64, FinishFacts>) -> Self {
        match settled {
            Ok(delay) => Decision::Wait(from_nanos(delay)),
            Err(facts) => Decision::Return(facts),
        }
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

/// `wait 100ms`, or how the call ended.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Wait(delay) => write!(f, "wait {delay:?}"),
            Decision::Return(facts) => facts.fmt(f),
        }
    }
}
