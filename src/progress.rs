//! [`Progress`]: the state of a call, and the decision after a failed attempt.
//!
//! Nothing here is generic over the call: the failing path is compiled once for each type of backoff,
//! and many call sites share it. The compile cost of a call site is the code that `engine` and `retry` add.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::attempt::{UNKNOWN, known};
use crate::backoff::Limits;
use crate::hook::{FinishFacts, RetryFacts};
use crate::policy::Tag;
use crate::time::{from_nanos, nanos};
use crate::{Attempt, Backoff, Interrupted, Reason, Verdict, random};

/// How far a call has come.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// The attempts that were begun.
    pub(crate) number: u32,
    pub(crate) phase: Phase,
    /// Whether anything in the call uses the elapsed time.
    pub(crate) timed: bool,
    pub(crate) enclosing: Enclosing,
    /// The time that an enclosing attempt leaves to the call, in nanoseconds, when it was last read; `u64::MAX`
    /// without one.
    pub(crate) left: u64,
    /// Whether the call has a seed, and no enclosing attempt.
    prepared: bool,
    /// Whether the call went on at its limit, as a loop does without an outcome.
    pub(crate) repeats: bool,
    /// Whether a test scope skips the waits.
    #[cfg(feature = "test-util")]
    pub(crate) no_waits: bool,
    /// Whether a test scope sets the number of attempts.
    #[cfg(feature = "test-util")]
    sets_attempts: bool,
    most: Option<NonZeroU32>,
    /// The delay that the backoff gave last, and the sum of all sleeps, in nanoseconds.
    previous: u64,
    waited: u64,
    /// When the call began, by a clock with any epoch.
    start: Duration,
}

/// The place of a call, for the reason of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not begun. A call that never ran has no end either.
    Idle,
    /// Between attempts, in the body of a loop.
    Between,
    /// An attempt is pending.
    Attempting,
    /// A sleep is pending; the next attempt has not begun.
    Sleeping,
    /// In the engine, or in code that it calls. If the call ends here, that code panicked.
    Inside,
    /// The end was reported.
    Finished,
}

/// Whether the call runs within an attempt that has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enclosing {
    /// Not read yet: a call that succeeds at once does not read it.
    Unknown,
    No,
    /// A thread-local has the time that is left.
    #[cfg(feature = "std")]
    Yes,
    /// The caller of an engine that is driven by hand gives it.
    Given,
}

/// The end of a call. Its facts are made only where they are used.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    pub(crate) progress: &'a Progress,
    pub(crate) operation: Option<&'static str>,
    /// The elapsed time in nanoseconds, or `UNKNOWN`.
    pub(crate) at: u64,
    pub(crate) reason: Reason,
}

impl Ended<'_> {
    #[inline(always)]
    pub(crate) fn facts(&self) -> FinishFacts {
        let Ended { progress, operation, at, reason } = *self;
        let (attempts, waited) = (progress.number, progress.waited);
        FinishFacts { reason, attempts, waited, elapsed: at, operation, interrupted: None }
    }

    /// Like [`facts`](Ended::facts), for a call that ended without an outcome.
    pub(crate) fn facts_of(&self, interrupted: Interrupted) -> FinishFacts {
        FinishFacts { interrupted: Some(interrupted), ..self.facts() }
    }
}

/// The decision after an attempt: a delay in nanoseconds, or the end. No `Result`, because that would not
/// be returned in registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub(crate) delay: u64,
    pub(crate) end: Option<Reason>,
}

impl Next {
    #[inline(always)]
    pub(crate) const fn wait(delay: u64) -> Self {
        Next { delay, end: None }
    }

    #[inline(always)]
    pub(crate) const fn end(reason: Reason) -> Self {
        Next { delay: 0, end: Some(reason) }
    }
}

/// A retry that signals and hooks can still refuse.
pub(crate) struct Plan {
    pub(crate) delay: u64,
    /// The delay of the backoff, without a server's floor.
    own: u64,
}

impl Progress {
    /// A call that has not begun.
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Progress {
            number: 0,
            phase: Phase::Idle,
            timed: false,
            enclosing: Enclosing::Unknown,
            left: u64::MAX,
            prepared: false,
            repeats: false,
            #[cfg(feature = "test-util")]
            no_waits: false,
            #[cfg(feature = "test-util")]
            sets_attempts: false,
            most: None,
            previous: 0,
            waited: 0,
            start: Self::NOT_KNOWN,
        }
    }

    /// Begins the call: takes the limits of its backoff.
    #[inline(always)]
    pub(crate) fn begin<B: Backoff + ?Sized>(&mut self, backoff: &B, timed: bool) {
        let limits = backoff.limits();
        self.most = limits.attempts;
        self.timed = timed || limits.elapsed.is_some() || backoff.reads_clock();
        #[cfg(feature = "test-util")]
        if let Some((no_waits, attempts)) = crate::testing::changes() {
            self.no_waits = no_waits;
            if let Some(attempts) = attempts {
                self.most = attempts.apply(self.most);
                self.sets_attempts = attempts.is_exact();
            }
        }
    }

    /// Whether the waits of the call are skipped, by a test scope.
    #[inline(always)]
    pub(crate) const fn skips_waits(&self) -> bool {
        #[cfg(feature = "test-util")]
        return self.no_waits;
        #[cfg(not(feature = "test-util"))]
        false
    }

    /// The time since the call began; `UNKNOWN` if the time is not known.
    #[inline(always)]
    pub(crate) fn since(&self, now: Option<Duration>) -> u64 {
        match now {
            Some(now) => self.elapsed(now),
            None => UNKNOWN,
        }
    }

    // Out of line, because each call site does it at two places.
    #[inline(never)]
    fn elapsed(&self, now: Duration) -> u64 {
        let elapsed = nanos(now.saturating_sub(self.start));
        // Skipped waits count as if they had been slept.
        #[cfg(feature = "test-util")]
        let elapsed = if self.no_waits { elapsed.saturating_add(self.waited) } else { elapsed };
        known(elapsed)
    }

    /// The start of a call whose time is not known yet.
    const NOT_KNOWN: Duration = Duration::MAX;

    /// A call that is driven by hand starts at the first time that is known.
    pub(crate) fn know(&mut self, now: Option<Duration>) {
        if self.start == Self::NOT_KNOWN {
            self.start_at(now);
        }
    }

    #[inline(always)]
    pub(crate) fn start_at(&mut self, now: Option<Duration>) {
        if let Some(now) = now {
            self.start = now;
        }
    }

    /// The time of the call's clock at which `at` nanoseconds have passed.
    pub(crate) fn time_of(&self, at: u64) -> Duration {
        // The clock did not count the waits that were skipped.
        #[cfg(feature = "test-util")]
        let at = if self.no_waits { at.saturating_sub(self.waited) } else { at };
        self.start.saturating_add(from_nanos(at))
    }

    /// The attempt with this number, as things stand.
    #[inline(always)]
    pub(crate) fn attempt(&self, number: u32, seed: u64, at: u64) -> Attempt {
        Attempt::from_engine(number, self.most, seed, self.previous, self.waited, at)
    }

    /// The attempt that was begun last.
    #[inline(always)]
    pub(crate) fn current(&self, seed: u64, at: u64) -> Attempt {
        self.attempt(self.number, seed, at)
    }

    pub(crate) fn retry_facts(
        &self,
        tag: &Tag,
        plan: &Plan,
        verdict: Verdict,
        at: u64,
    ) -> RetryFacts {
        let attempt = self.current(tag.seed, at);
        RetryFacts { attempt, delay: from_nanos(plan.delay), verdict, operation: tag.operation }
    }

    /// The retry will be made, after the delay that is returned.
    #[inline]
    pub(crate) fn commit(&mut self, plan: &Plan) -> Next {
        self.repeats = false;
        self.previous = plan.own;
        self.waited = self.waited.saturating_add(plan.delay);
        Next::wait(plan.delay)
    }

    /// A loop goes on at its limit, because it has no outcome to end with: the last delay again, or a
    /// second where no retry had one.
    pub(crate) fn repeat(&mut self) -> Next {
        const WITHOUT_DELAY: u64 = 1_000_000_000;
        let delay = if self.previous > 0 { self.previous } else { WITHOUT_DELAY };
        let next = self.commit(&Plan { delay, own: delay });
        self.repeats = true;
        next
    }

    /// The time that an enclosing attempt leaves to the call, in nanoseconds; `u64::MAX` without one. The
    /// thread-local is read once per call, unless there is one.
    #[inline]
    pub(crate) fn enclosing_left(&mut self) -> u64 {
        #[cfg(feature = "std")]
        {
            use crate::time::ambient_deadline::{is_set, remaining_nanos};
            if self.enclosing == Enclosing::Unknown {
                self.enclosing = if is_set() { Enclosing::Yes } else { Enclosing::No };
            }
            if self.enclosing == Enclosing::Yes {
                self.left = remaining_nanos().unwrap_or(u64::MAX);
            }
        }
        #[cfg(not(feature = "std"))]
        if self.enclosing == Enclosing::Unknown {
            self.enclosing = Enclosing::No;
        }
        self.left
    }

    /// Before a retry: the call has a seed from its first failure on, and reads the time that an enclosing
    /// attempt leaves, which is returned. Both are rare after the first failure, and stand here so that
    /// [`retry`] makes no call, and saves no registers.
    #[inline(always)]
    pub(crate) fn prepare(&mut self, tag: &mut Tag) -> u64 {
        if !self.prepared {
            self.prepare_rarely(tag);
        }
        self.left
    }

    #[cold]
    #[inline(never)]
    fn prepare_rarely(&mut self, tag: &mut Tag) {
        if tag.seed == 0 {
            tag.seed = random::fresh().get();
        }
        self.enclosing_left();
        self.prepared = self.enclosing == Enclosing::No;
    }
}

/// The delay in nanoseconds, or why there is no retry. `floor` is that of the server, `at` the elapsed
/// time or `UNKNOWN`, `left` the time until the call has to end or `u64::MAX`. Generic over the backoff
/// alone.
pub(crate) fn plan<B: Backoff + ?Sized>(
    progress: &mut Progress,
    seed: u64,
    backoff: &B,
    floor: u64,
    at: u64,
    left: u64,
) -> Result<Plan, Reason> {
    plan_inline(progress, seed, backoff, floor, at, left)
}

/// Like [`plan`], for a call in which nothing can refuse the retry. Its arguments fit registers.
pub(crate) fn retry<B: Backoff + ?Sized>(
    progress: &mut Progress,
    seed: u64,
    backoff: &B,
    floor: u64,
    at: u64,
    left: u64,
) -> Next {
    match plan_inline(progress, seed, backoff, floor, at, left) {
        Ok(plan) => progress.commit(&plan),
        Err(reason) => Next::end(reason),
    }
}

#[inline(always)]
fn plan_inline<B: Backoff + ?Sized>(
    progress: &mut Progress,
    seed: u64,
    backoff: &B,
    floor: u64,
    at: u64,
    left: u64,
) -> Result<Plan, Reason> {
    if progress.most.is_some_and(|most| progress.number >= most.get()) {
        return Err(Reason::Attempts);
    }
    // Delay: that of the backoff, the server's floor, and the limits on both.
    let own = backoff.delay_nanos(&progress.current(seed, at));
    #[cfg(feature = "test-util")]
    let own = own.or(progress.sets_attempts.then_some(progress.previous));
    let own = own.ok_or(Reason::Attempts)?;
    let limits = backoff.limits();
    if floor > 0 && floor > limits.retry_after.map_or(const { nanos(Limits::RETRY_AFTER) }, nanos) {
        return Err(Reason::RetryAfterTooLong);
    }
    let delay = own.max(floor);
    if let Some(limit) = limits.elapsed {
        if at != UNKNOWN && at.saturating_add(delay) >= nanos(limit) {
            return Err(Reason::Elapsed);
        }
    }
    if delay >= left && left != u64::MAX {
        return Err(Reason::Deadline);
    }
    Ok(Plan { delay, own })
}
