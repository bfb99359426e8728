//! [`Attempts`]: the retry as a loop, without a closure.

use core::convert::Infallible;
use core::fmt;
use core::future::{Future, Ready, ready};
use core::mem;
use core::ops::ControlFlow::{self, Break, Continue};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::builder::Retry;
use super::future::{
    Pending, begin_sleep, cancelled, interrupted, poll_attempt, poll_sleep, polled_after_its_end,
    returned,
};
use super::operation::Loop;
use super::output::{CallOutput, Passthrough};
use super::{KeptOf, LimitOf, SleepOf, blocking};
use crate::attempt::UNKNOWN;
use crate::engine::{Engine, InterruptionOf};
use crate::guard::{BlockingGuards, GuardEvents, Guards, Unguarded};
use crate::hook::Hook;
use crate::policy::{IntoPolicy, Policy, Rules, RulesFor, Setup};
use crate::progress::Phase;
use crate::time::signal::{Keep, Signals};
use crate::time::{BlockingTimer, Clock, Timer, from_nanos, nanos};
use crate::{Attempt, Interrupted, Outcome, Reason, random};

/// A retry as a loop: its body may borrow anything, `&mut` too, `?` and `break` work, and the
/// future around it is `Send`. Made by [`Policy::start`].
///
/// | in the body | success | failure |
/// |---|---|---|
/// | [`attempt(future)`](Attempts::attempt) | `Break(outcome)` | sleeps, `Continue`; `Break(outcome)` when the call gives up |
/// | [`check(outcome)`](Attempts::check) | the same, for an outcome in hand | |
/// | [`again(error)`](Attempts::again) | call [`succeed(value)`](Attempts::succeed) | sleeps, `Ok(())`; `Err(error)` when the call gives up |
///
/// Each has a blocking variant. `again` is for values that borrow `&mut`: a function cannot both inspect
/// and return them; a budget then counts the success of `succeed` alone.
///
/// The loop may stand in `select!`. An attempt whose future is dropped counts, and is followed by its
/// delay. A sleep that is cut short goes on at the next `attempt`, before that attempt begins;
/// [`retry_now`](Attempts::retry_now) skips what is left of it. If a dropped attempt was the last that a
/// limit allows, the next `attempt` is `Break` with the last outcome. A loop whose every attempt was
/// dropped has no outcome to return: it goes on past the limit, spaced by its last delay. For that, the loop keeps its last outcome; see
/// [`without_last_outcome`](Attempts::without_last_outcome) if that is not `Send`.
///
/// A loop that is dropped before its call has ended ends as [`Abandoned`](Reason::Abandoned). Once the
/// call has ended, a further attempt is not retried: its outcome comes back in `Break`, nothing is slept,
/// and no hook receives it.
///
/// ```
/// use persevere::{Policy, constant};
/// use persevere::time::VirtualClock;
/// use std::ops::ControlFlow::Break;
/// use std::time::Duration;
///
/// struct Connection { queries: u32 }
/// impl Connection {
///     async fn query(&mut self, rows: &mut Vec<u32>) -> Result<usize, &'static str> {
///         self.queries += 1;
///         rows.push(self.queries);
///         if self.queries < 3 { Err("reset") } else { Ok(rows.len()) }
///     }
/// }
///
/// let clock = VirtualClock::new();
/// let policy = Policy::new(constant(Duration::from_secs(1)).max_attempts(5)).timer(clock.clone());
/// let outcome = clock.block_on(async {
///     let (mut connection, mut rows) = (Connection { queries: 0 }, vec![]);
///     let mut attempts = policy.start();
///     loop {
///         if let Break(outcome) = attempts.attempt(connection.query(&mut rows)).await {
///             break outcome;
///         }
///     }
/// });
/// assert_eq!(outcome, Ok(3));
/// ```
#[must_use = "a loop does nothing until it is given attempts"]
pub struct Attempts<O, P: Setup<O>, R = Passthrough, L = WithLastOutcome<O>> {
    engine: Engine<O, P>,
    output: R,
    /// When the sleep ends that has begun, by the timer. `None` if nothing is left of it.
    due: Option<Duration>,
    /// Whether a sleep may be cut short, and goes on then.
    resumes: bool,
    last: L,
}

/// The last outcome of a loop, which it ends with if its last attempt is dropped. If the outcome is not
/// `Send`, the loop is not either; [`Attempts::without_last_outcome`] removes it.
#[derive(Debug)]
#[doc(hidden)]
pub struct WithLastOutcome<O>(Option<O>);

impl<O> Keep<O> for WithLastOutcome<O> {
    const EMPTY: Self = WithLastOutcome(None);
    #[inline(always)]
    fn keep(&mut self, outcome: O) -> Option<O> {
        self.0.replace(outcome)
    }
    #[inline(always)]
    fn take(&mut self) -> Option<O> {
        self.0.take()
    }
    #[inline(always)]
    fn is_kept(&self) -> bool {
        self.0.is_some()
    }
}

impl<O, S, H, G, T, K> Attempts<O, Policy<S, H, G, T, K>>
where
    S: Rules<Form: GuardEvents<O>>,
    H: Hook<O>,
    G: Guards<O>,
    T: Clock,
    K: Signals<O>,
{
    /// Begins a call of `policy`, which no guard can refuse; a bare backoff will do. For a
    /// `&Policy`, [`policy.start()`](Policy::start) is the short way.
    ///
    /// ```
    /// use persevere::{Attempts, immediate};
    /// use std::ops::ControlFlow::{Break, Continue};
    /// let mut attempts = Attempts::start(immediate().max_attempts(2));
    /// assert_eq!(attempts.check_blocking(Err::<(), _>("busy")), Continue(()));
    /// assert_eq!(attempts.check_blocking(Err("busy")), Break(Err("busy")));
    /// ```
    #[inline]
    pub fn start<P>(policy: P) -> Self
    where
        P: IntoPolicy<Rules = S, Hooks = H, Guards = G, Timer = T, Signals = K>,
        G: Unguarded<O>,
    {
        match Attempts::begin(Engine::idle(policy.into_policy()), Passthrough) {
            Ok(attempts) => attempts,
            Err(refused) => G::never(refused.end.0),
        }
    }

    /// Begins a call of `policy`, unless a guard refuses the first attempt. For a `&Policy`,
    /// [`policy.try_start()`](Policy::try_start) is the short way; without a guard, this always
    /// succeeds.
    ///
    /// # Errors
    /// [`Interrupted::Vetoed`] with the veto of the guard. The call has ended, and its hooks received the end.
    ///
    /// ```
    /// use persevere::{Attempts, immediate};
    /// use std::ops::ControlFlow::Break;
    /// let mut attempts = Attempts::try_start(immediate().max_attempts(2))?;
    /// assert_eq!(attempts.check_blocking(Some(7)), Break(Some(7)));
    /// # Ok::<_, persevere::Interrupted>(())
    /// ```
    pub fn try_start<P>(policy: P) -> Result<Self, Interrupted>
    where
        P: IntoPolicy<Rules = S, Hooks = H, Guards = G, Timer = T, Signals = K>,
    {
        match Attempts::begin(Engine::idle(policy.into_policy()), Passthrough) {
            Ok(attempts) => Ok(attempts),
            Err(refused) => Err(refused.end.0.into()),
        }
    }
}

/// A loop whose first attempt a guard refused.
struct Refused<O, P: Setup<O>, R> {
    engine: Engine<O, P>,
    output: R,
    end: (InterruptionOf<O, P>, Interrupted),
    at: u64,
}

impl<O, P: Setup<O>, R: CallOutput<O, P::Guards>> Refused<O, P, R> {
    fn into_output(self) -> R::Output {
        let Refused { mut engine, mut output, end, at } = self;
        let mut kept = <KeptOf<O, P> as Keep<O>>::EMPTY;
        interrupted(&mut engine.desk(), &mut output, &mut kept, end, at)
    }
}

impl<O, P: Setup<O>, R, L: Keep<O>> Attempts<O, P, R, L> {
    /// Begins the call.
    #[inline(always)]
    fn begin(mut engine: Engine<O, P>, output: R) -> Result<Self, Refused<O, P, R>> {
        let mut desk = engine.desk();
        // The body of the loop draws from `current`.
        let (entered, at) = desk.enter_first(false);
        match entered {
            Ok(_) => {
                desk.progress.phase = Phase::Between;
                Ok(Attempts { engine, output, due: None, resumes: true, last: L::EMPTY })
            }
            Err(end) => Err(Refused { engine, output, end, at }),
        }
    }

    /// The attempt that the body of the loop makes now; if the last one was dropped, or the sleep after
    /// it was cut short, the next, if there is one. Its [draws](Attempt::random) are those that an operation has which
    /// is given the attempt.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(2));
    /// let mut attempts = policy.start();
    /// assert!(attempts.number() == 1 && !attempts.is_last());
    /// assert!(attempts.check_blocking(None::<u8>).is_continue());
    /// assert!(attempts.number() == 2 && attempts.is_last());
    /// assert_eq!(attempts.current().to_string(), "attempt 2 of 2");
    /// ```
    #[must_use]
    pub fn current(&mut self) -> Attempt {
        let desk = self.engine.desk();
        if desk.policy.tag.seed == 0 {
            desk.policy.tag.seed = random::fresh().get();
        }
        let at = desk.at();
        self.current_at(at)
    }

    fn current_at(&self, at: u64) -> Attempt {
        let progress = &self.engine.progress;
        let is_cut = matches!(progress.phase, Phase::Attempting | Phase::Sleeping);
        // With an outcome to end with, no attempt follows the last.
        let ends = self.last.is_kept() && progress.current(0, UNKNOWN).is_last();
        let number = progress.number.saturating_add(u32::from(is_cut && !ends));
        progress.attempt(number, self.engine.policy().tag.seed, at).for_operation()
    }

    /// Returns the number of the [current](Attempts::current) attempt: 1 for the first.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.current_at(UNKNOWN).number()
    }

    /// Returns whether the limit on attempts allows none after the [current](Attempts::current) one. A
    /// time limit, a budget or a classifier may make an earlier one the last.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.current_at(UNKNOWN).is_last()
    }

    /// Skips what is left of a sleep that was cut short, so that the next attempt begins at once: a
    /// network that is back, a button "retry now". Does nothing if no sleep was cut short. For a loop
    /// that is asleep, see [`RetrySignal`](crate::time::RetrySignal).
    ///
    /// ```
    /// use persevere::time::{Clock, VirtualClock};
    /// use persevere::{Policy, constant};
    /// use std::{future::{Future, ready}, pin::pin, task::{Context, Waker}, time::Duration};
    ///
    /// let clock = VirtualClock::new();
    /// let minute = Duration::from_secs(60);
    /// let policy = Policy::new(constant(minute).max_attempts(3)).timer(clock.clone());
    /// let mut attempts = policy.start();
    /// // The attempt fails, and its sleep is cut short by something else.
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(pin!(attempts.check(None)).poll(&mut cx).is_pending());
    /// attempts.retry_now();
    /// assert!(clock.block_on(attempts.attempt(ready(Some(7)))).is_break());
    /// assert_eq!(clock.now(), Duration::ZERO);
    /// ```
    pub fn retry_now(&mut self) {
        if let Phase::Attempting | Phase::Sleeping = self.engine.progress.phase {
            self.due = Some(Duration::ZERO);
        }
    }

    /// Makes the loop keep no outcome: for a spawned loop whose error is not `Send`, such as
    /// `Box<dyn Error>`.
    ///
    /// If its last attempt is dropped, this loop has no outcome to end with, and goes on, spaced by its
    /// last delay.
    ///
    /// ```
    /// use persevere::{Policy, StaticPolicy, immediate};
    /// use std::{error::Error, future::ready, ops::ControlFlow::Break};
    ///
    /// static POLICY: StaticPolicy = Policy::new(&immediate().max_attempts(3));
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let task = tokio::spawn(async {
    ///     let mut attempts = POLICY.start().without_last_outcome();
    ///     loop {
    ///         let work = async { Err::<u8, Box<dyn Error>>("busy".into()) };
    ///         if let Break(outcome) = attempts.attempt(work).await {
    ///             break outcome.map_err(|error| error.to_string());
    ///         }
    ///     }
    /// });
    /// assert_eq!(task.await.unwrap(), Err("busy".to_string()));
    /// # });
    /// ```
    pub fn without_last_outcome(self) -> Attempts<O, P, R, KeptOf<O, P>>
    where
        R: CallOutput<O, P::Guards>,
    {
        let Attempts { engine, mut output, due, resumes, last: mut kept } = self;
        let mut last = <KeptOf<O, P> as Keep<O>>::EMPTY;
        if let Some(outcome) = kept.take().and_then(|outcome| last.keep(outcome)) {
            output.pass(outcome);
        }
        Attempts { engine, output, due, resumes, last }
    }

    /// Begins the next attempt.
    #[inline(always)]
    fn enter(&mut self) -> ControlFlow<R::Output>
    where
        R: CallOutput<O, P::Guards>,
    {
        self.due = None;
        let mut desk = self.engine.desk();
        let (entered, at) = desk.enter_next();
        match entered {
            Ok(_) => {
                desk.progress.phase = Phase::Between;
                Continue(())
            }
            Err(end) => Break(interrupted(&mut desk, &mut self.output, &mut self.last, end, at)),
        }
    }

    /// Accounts for an attempt that was dropped or a sleep that was cut short. Returns how many
    /// nanoseconds are to be slept before the next attempt is entered; zero if it was entered.
    #[inline]
    fn resume(&mut self) -> ControlFlow<R::Output, u64>
    where
        R: CallOutput<O, P::Guards>,
    {
        match self.engine.progress.phase {
            Phase::Attempting | Phase::Sleeping => self.resume_cut(),
            // The caller caught a panic of the attempt, a hook or the timer: the call ends here.
            Phase::Inside => {
                self.engine.abandon();
                Continue(0)
            }
            _ => Continue(0),
        }
    }

    #[cold]
    fn resume_cut(&mut self) -> ControlFlow<R::Output, u64>
    where
        R: CallOutput<O, P::Guards>,
    {
        let mut desk = self.engine.desk();
        // The timer may panic.
        let phase = mem::replace(&mut desk.progress.phase, Phase::Inside);
        let left = if phase == Phase::Sleeping {
            let now = desk.policy.timer.now();
            self.due.map_or(0, |due| nanos(due.saturating_sub(now)))
        } else {
            let at = desk.at();
            let last = self.last.take();
            let next = desk.settle_cut(last.as_ref(), at);
            match (next.end, last) {
                (Some(reason), Some(last)) => {
                    return Break(self.output.returned(last, desk.ended(reason, at)));
                }
                (_, Some(last)) => drop(self.last.keep(last)),
                (_, None) => {}
            }
            if P::Signals::PRESENT {
                desk.policy.signals.begin_sleep();
            }
            // `retry_now` skips a sleep before it begins.
            if self.due.is_some() { 0 } else { next.delay }
        };
        if left == 0 {
            if P::Signals::PRESENT && desk.is_cancelled_now() {
                if let Some(output) = cancelled(&mut desk, &mut self.output, &mut self.last) {
                    return Break(output);
                }
            }
            self.enter()?;
        } else {
            desk.progress.phase = Phase::Sleeping;
        }
        Continue(left)
    }
}

impl<O, P: Setup<O>, R, L: Keep<O>> Attempts<O, P, R, L> {
    /// Makes one attempt by driving `future`, decides, and sleeps if another is to come.
    ///
    /// `Break(outcome)` leaves the loop with the operation's own outcome, good or bad. If the future of
    /// this attempt is dropped, the attempt counts; see [`Attempts`]. A loop that stands beside a tick
    /// makes one connection, and not one for each tick:
    ///
    /// ```
    /// use persevere::{Policy, constant};
    /// use std::{future::ready, ops::ControlFlow::Break, time::Duration};
    /// # let mut tokio = tokio::runtime::Builder::new_current_thread();
    /// # tokio.enable_time().start_paused(true).build().unwrap().block_on(async {
    ///
    /// let ms = Duration::from_millis;
    /// let policy = Policy::new(constant(ms(60_000)).max_attempts(9));
    /// let (mut attempts, mut connections) = (policy.start(), 0);
    /// let mut tick = tokio::time::interval(ms(100));
    /// for _ in 0..100 {
    ///     let connect = async { connections += 1; Err::<(), _>("refused") };
    ///     tokio::select! {
    ///         biased;
    ///         flow = attempts.attempt(connect) => if let Break(_) = flow { break },
    ///         _ = tick.tick() => {}
    ///     }
    /// }
    /// assert_eq!(connections, 1);
    /// # });
    /// ```
    pub fn attempt<F>(&mut self, future: F) -> AttemptFuture<'_, F, O, P, R, L>
    where
        F: Future<Output = O>,
        O: Outcome,
        P: Setup<O, Rules: RulesFor<O>, Timer: Timer>,
        R: CallOutput<O, P::Guards>,
    {
        self.attempt_with_limit(future, true)
    }

    /// Like [`attempt`](Attempts::attempt), for a future that must not be dropped: no
    /// [limit](Policy::attempt_timeout) on its time.
    pub(crate) fn attempt_to_its_end<F>(&mut self, future: F) -> AttemptFuture<'_, F, O, P, R, L> {
        self.attempt_with_limit(future, false)
    }

    #[inline(always)]
    fn attempt_with_limit<F>(
        &mut self,
        future: F,
        limited: bool,
    ) -> AttemptFuture<'_, F, O, P, R, L> {
        let pending = Pending::new(Some(future));
        if P::Guards::LIMITS && !limited {
            self.engine.desk().form.begin_blocking();
        }
        AttemptFuture { attempts: self, stage: Stage::New, limited, pending }
    }

    /// Decides what follows an outcome in hand, and sleeps if another attempt is to come. Like
    /// [`attempt`](Attempts::attempt), for operations that are no single future.
    ///
    /// The attempt is over when `check` begins. So an attempt timeout limits nothing, and does not
    /// compile; and in `select!`, use `attempt`: a rest of an earlier sleep comes after the work.
    ///
    /// ```
    /// use persevere::{Policy, constant, time::VirtualClock};
    /// use std::{ops::ControlFlow::Break, time::Duration};
    /// let clock = VirtualClock::new();
    /// let policy =
    ///     Policy::new(constant(Duration::from_secs(1)).max_attempts(3)).timer(clock.clone());
    /// let outcome = clock.block_on(async {
    ///     let mut attempts = policy.start();
    ///     loop {
    ///         let outcome = Err::<(), _>(attempts.number());
    ///         if let Break(outcome) = attempts.check(outcome).await { break outcome; }
    ///     }
    /// });
    /// assert_eq!((outcome, clock.slept().len()), (Err(3), 2));
    /// ```
    pub fn check(&mut self, outcome: O) -> AttemptFuture<'_, Ready<O>, O, P, R, L>
    where
        O: Outcome,
        P: Setup<O, Rules: RulesFor<O>, Guards: BlockingGuards, Timer: Timer>,
        R: CallOutput<O, P::Guards>,
    {
        self.attempt_to_its_end(ready(outcome))
    }

    /// Like [`attempt`](Attempts::attempt), blocking.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use std::ops::ControlFlow::Break;
    /// let policy = Policy::new(immediate().max_attempts(3));
    /// let (mut attempts, mut calls) = (policy.start(), 0);
    /// let outcome = loop {
    ///     if let Break(outcome) = attempts.attempt_blocking(|| { calls += 1; Err::<(), _>(calls) }) {
    ///         break outcome;
    ///     }
    /// };
    /// assert_eq!(outcome, Err(3));
    /// ```
    pub fn attempt_blocking<Y>(&mut self, operation: impl FnOnce() -> O) -> ControlFlow<Y>
    where
        O: Outcome,
        R: CallOutput<O, P::Guards, Output = Y>,
        P: Setup<O, Rules: RulesFor<O>, Guards: BlockingGuards, Timer: BlockingTimer>,
    {
        let left = self.resume()?;
        if left > 0 {
            self.sleep_blocking(left)?;
            self.enter()?;
        }
        let mut desk = self.engine.desk();
        if desk.progress.phase == Phase::Finished {
            return Break(self.late(operation()));
        }
        desk.progress.phase = Phase::Inside;
        let at = if P::Guards::LIMITS { desk.at() } else { UNKNOWN };
        let outcome = blocking::attempt_within(&mut desk, at, operation);
        let mut at = desk.at_end();
        let next = desk.settle::<true>(&outcome, &mut at);
        if let Some(reason) = next.end {
            let (output, last) = (&mut self.output, &mut self.last);
            return Break(returned(&desk, output, last, outcome, reason, at));
        }
        if let Some(outcome) = self.last.keep(outcome) {
            self.output.pass(outcome);
        }
        self.sleep_blocking(next.delay)?;
        self.enter()
    }

    fn sleep_blocking(&mut self, delay: u64) -> ControlFlow<R::Output>
    where
        R: CallOutput<O, P::Guards>,
        P: Setup<O, Timer: BlockingTimer>,
    {
        let mut desk = self.engine.desk();
        desk.progress.phase = Phase::Inside;
        if blocking::sleep(&mut desk, delay) {
            if let Some(output) = cancelled(&mut desk, &mut self.output, &mut self.last) {
                return Break(output);
            }
        }
        Continue(())
    }

    /// Like [`check`](Attempts::check), blocking.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use std::ops::ControlFlow::Break;
    /// let policy = Policy::new(immediate().max_attempts(3));
    /// let mut attempts = policy.start();
    /// let outcome = loop {
    ///     let outcome = Err::<(), _>(attempts.number());
    ///     if let Break(outcome) = attempts.check_blocking(outcome) { break outcome; }
    /// };
    /// assert_eq!(outcome, Err(3));
    /// ```
    pub fn check_blocking<Y>(&mut self, outcome: O) -> ControlFlow<Y>
    where
        O: Outcome,
        R: CallOutput<O, P::Guards, Output = Y>,
        P: Setup<O, Rules: RulesFor<O>, Guards: BlockingGuards, Timer: BlockingTimer>,
    {
        self.attempt_blocking(|| outcome)
    }

    /// The result of an attempt that was made after the call had ended.
    fn late(&mut self, outcome: O) -> R::Output
    where
        O: Outcome,
        R: CallOutput<O, P::Guards>,
    {
        let accepted = outcome.as_result().is_ok();
        let reason = if accepted { Reason::Succeeded } else { Reason::NotRetryable };
        let desk = self.engine.desk();
        self.output.returned(outcome, desk.ended(reason, desk.at()))
    }
}

impl<E, P, R, L> Attempts<Result<Infallible, E>, P, R, L>
where
    P: Setup<Result<Infallible, E>>,
    R: CallOutput<Result<Infallible, E>, P::Guards, Output = Result<Infallible, E>>,
    L: Keep<Result<Infallible, E>>,
{
    /// Goes on after an error: sleeps, or returns the error when the call gives up. Put `?` behind its
    /// `.await`.
    ///
    /// # Errors
    /// The error, when the call gives up.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use persevere::time::VirtualClock;
    ///
    /// async fn read(buffer: &mut Vec<u8>) -> Result<&mut [u8], &'static str> {
    ///     buffer.push(1);
    ///     if buffer.len() < 3 { Err("short") } else { Ok(buffer) }
    /// }
    ///
    /// let policy = Policy::new(immediate().max_attempts(5));
    /// let length = VirtualClock::new().block_on(async {
    ///     let mut buffer = vec![];
    ///     let mut attempts = policy.start();
    ///     let bytes = loop {
    ///         match read(&mut buffer).await {
    ///             Ok(bytes) => break attempts.succeed(bytes),
    ///             Err(error) => attempts.again(error).await?,
    ///         }
    ///     };
    ///     bytes[0] = 2;
    ///     Ok::<_, &str>(bytes.len())
    /// });
    /// assert_eq!(length, Ok(3));
    /// ```
    pub async fn again(&mut self, error: E) -> Result<(), E>
    where
        P: Setup<
                Result<Infallible, E>,
                Rules: RulesFor<Result<Infallible, E>>,
                Guards: BlockingGuards,
                Timer: Timer,
            >,
    {
        error_of(self.check(Err(error)).await)
    }

    /// Like [`again`](Attempts::again), blocking.
    ///
    /// # Errors
    /// The error, when the call gives up.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// fn parse(text: &str) -> Result<i32, std::num::ParseIntError> {
    ///     let policy = Policy::new(immediate().max_attempts(3));
    ///     let mut attempts = policy.start();
    ///     loop {
    ///         match text.parse() {
    ///             Ok(number) => break Ok(attempts.succeed(number)),
    ///             Err(error) => attempts.again_blocking(error)?,
    ///         }
    ///     }
    /// }
    /// assert_eq!(parse("7"), Ok(7));
    /// assert!(parse("x").is_err());
    /// ```
    pub fn again_blocking(&mut self, error: E) -> Result<(), E>
    where
        P: Setup<
                Result<Infallible, E>,
                Rules: RulesFor<Result<Infallible, E>>,
                Guards: BlockingGuards,
                Timer: BlockingTimer,
            >,
    {
        error_of(self.check_blocking(Err(error)))
    }

    /// Ends the call with success, and returns the value: budgets refill, and hooks receive a success
    /// instead of an abandoned loop.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use std::cell::Cell;
    /// let attempts_made = Cell::new(0);
    /// let policy = Policy::new(immediate().max_attempts(3))
    ///     .on_success(|finish| attempts_made.set(finish.attempts()));
    /// let mut attempts = policy.start();
    /// attempts.again_blocking("busy")?;
    /// assert_eq!((attempts.succeed("done"), attempts_made.get()), ("done", 2));
    /// # Ok::<_, &str>(())
    /// ```
    pub fn succeed<Y>(mut self, value: Y) -> Y {
        let mut desk = self.engine.desk();
        desk.succeed();
        value
    }
}

/// A loop that makes no values ends with an error.
fn error_of<E>(flow: ControlFlow<Result<Infallible, E>>) -> Result<(), E> {
    match flow {
        Continue(()) => Ok(()),
        Break(Err(error)) => Err(error),
        Break(Ok(never)) => match never {},
    }
}

impl<O, P: Setup<O>, R: CallOutput<O, P::Guards>> Attempts<O, P, R, KeptOf<O, P>> {
    /// Begins a loop whose attempts are not dropped before the loop is, so that it needs its last
    /// outcome only for guards and signals.
    #[inline(always)]
    pub(crate) fn begin_uncut(engine: Engine<O, P>, output: R) -> Result<Self, R::Output> {
        match Attempts::begin(engine, output) {
            Ok(attempts) => Ok(Attempts { resumes: false, ..attempts }),
            Err(refused) => Err(refused.into_output()),
        }
    }
}

impl<O, P: Setup<O>, R> Retry<Loop<O>, O, P, R> {
    /// Begins the loop, where no guard can refuse its first attempt. [`Loop`] has an example.
    pub fn start(self) -> Attempts<O, P, R>
    where
        P: Setup<O, Guards: Unguarded<O>>,
    {
        match Attempts::begin(self.engine, self.output) {
            Ok(attempts) => attempts,
            Err(refused) => P::Guards::never(refused.end.0),
        }
    }

    /// Begins the loop; `Break` with what comes out if a guard refuses its first attempt.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, Reason, RetryExt, immediate, retry::Loop};
    /// use std::ops::ControlFlow::Break;
    ///
    /// let breaker = CircuitBreaker::default();
    /// breaker.isolate();
    /// let retry = Loop::<Option<u8>>::new()
    ///     .retry_with(immediate().max_attempts(5))
    ///     .guard(breaker.by_ref())
    ///     .report();
    /// let Break(Err(error)) = retry.begin() else { panic!("the circuit is open") };
    /// assert_eq!(error.reason(), Reason::Circuit);
    /// ```
    pub fn begin<Y>(self) -> ControlFlow<Y, Attempts<O, P, R>>
    where
        R: CallOutput<O, P::Guards, Output = Y>,
    {
        match Attempts::begin(self.engine, self.output) {
            Ok(attempts) => Continue(attempts),
            Err(refused) => Break(refused.into_output()),
        }
    }

    /// The loop of `#[retry]`, whose attempts are not dropped before the loop is.
    #[doc(hidden)]
    #[inline(always)]
    pub fn begin_uncut<Y>(self) -> ControlFlow<Y, Attempts<O, P, R, KeptOf<O, P>>>
    where
        R: CallOutput<O, P::Guards, Output = Y>,
    {
        match Attempts::begin_uncut(self.engine, self.output) {
            Ok(attempts) => Continue(attempts),
            Err(output) => Break(output),
        }
    }
}

/// How far the future of an attempt has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not polled.
    New,
    /// The attempt has begun, or the future was ready.
    Begun,
    /// The call had ended before: the attempt is not retried.
    Late,
}

pin_project_lite::pin_project! {
    /// The future of [`Attempts::attempt`] and [`Attempts::check`]. It makes `Continue` once the
    /// sleep is over, or `Break` with the outcome that leaves the loop.
    ///
    /// # Panics
    /// When it is polled again after it was ready, or after the operation panicked.
    #[doc(hidden)]
    #[must_use = "an attempt is not made, and an outcome not checked, until this is awaited"]
    pub struct AttemptFuture<'a, F, O, P, R = Passthrough, L = WithLastOutcome<O>>
    where
        P: Setup<O>,
    {
        attempts: &'a mut Attempts<O, P, R, L>,
        stage: Stage,
        limited: bool,
        #[pin]
        pending: Pending<F, SleepOf<O, P>, LimitOf<O, P>>,
    }
}

impl<F, O, P, R, L> Future for AttemptFuture<'_, F, O, P, R, L>
where
    F: Future<Output = O>,
    O: Outcome,
    P: Setup<O, Rules: RulesFor<O>, Timer: Timer>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    type Output = ControlFlow<R::Output>;

    // Like the future of a `Retry`: it has one caller.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ControlFlow<R::Output>> {
        let this = self.project();
        let (attempts, mut pending) = (&mut **this.attempts, this.pending);
        if attempts.engine.progress.phase != Phase::Attempting || *this.stage == Stage::New {
            match mem::replace(this.stage, Stage::Begun) {
                Stage::New => match attempts.resume() {
                    Break(output) => return Poll::Ready(Break(output)),
                    Continue(0) => {}
                    // The rest of an earlier sleep comes before the attempt.
                    Continue(left) => return attempts.begin_sleep(pending, left, cx),
                },
                Stage::Begun => {
                    match attempts.poll_sleep(pending.as_mut(), cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Break(output)) => return Poll::Ready(Break(output)),
                        Poll::Ready(Continue(())) => {
                            if let Break(output) = attempts.enter() {
                                return Poll::Ready(Break(output));
                            }
                        }
                    }
                    if !pending.has_attempt() {
                        return Poll::Ready(Continue(()));
                    }
                }
                Stage::Late => {}
            }
            if attempts.engine.progress.phase == Phase::Finished {
                *this.stage = Stage::Late;
                return pending.poll_late(cx).map(|outcome| Break(attempts.late(outcome)));
            }
            attempts.due = None;
            if P::Guards::LIMITS && *this.limited {
                let desk = attempts.engine.desk();
                pending.as_mut().begin_limit(desk.time_limit(desk.at()));
            }
        }
        let Attempts { engine, output, last, .. } = attempts;
        let mut desk = engine.desk();
        match ready!(poll_attempt(pending.as_mut(), &mut desk, output, last, cx)) {
            Break(output) => Poll::Ready(Break(output)),
            Continue(delay) => attempts.begin_sleep(pending, delay, cx),
        }
    }
}

impl<O, P, R, L> Attempts<O, P, R, L>
where
    P: Setup<O, Timer: Timer>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    #[inline(always)]
    fn begin_sleep<F>(
        &mut self,
        pending: Pin<&mut Pending<F, SleepOf<O, P>, LimitOf<O, P>>>,
        delay: u64,
        cx: &mut Context<'_>,
    ) -> Poll<ControlFlow<R::Output>> {
        let Attempts { engine, output, due, resumes, last } = self;
        let mut desk = engine.desk();
        match begin_sleep(pending, &mut desk, output, last, delay, cx) {
            Poll::Ready(Break(output)) => return Poll::Ready(Break(output)),
            // Over, once the executor had its turn.
            Poll::Ready(Continue(())) => *due = None,
            Poll::Pending if *resumes => {
                desk.progress.phase = Phase::Inside; // the timer may panic
                *due = Some(due_after(&desk.policy.timer, delay));
                desk.progress.phase = Phase::Sleeping;
            }
            Poll::Pending => {}
        }
        Poll::Pending
    }

    #[inline(always)]
    fn poll_sleep<F>(
        &mut self,
        pending: Pin<&mut Pending<F, SleepOf<O, P>, LimitOf<O, P>>>,
        cx: &mut Context<'_>,
    ) -> Poll<ControlFlow<R::Output>> {
        let mut desk = self.engine.desk();
        if desk.progress.phase != Phase::Sleeping {
            polled_after_its_end();
        }
        poll_sleep(pending, &mut desk, &mut self.output, &mut self.last, cx)
    }
}

/// By the type of the timer alone, so that call sites share it.
fn due_after<T: Clock>(timer: &T, delay: u64) -> Duration {
    timer.now().saturating_add(from_nanos(delay))
}

impl<O, P: Setup<O>, R, L> fmt::Debug for Attempts<O, P, R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl<F, O, P: Setup<O>, R, L> fmt::Debug for AttemptFuture<'_, F, O, P, R, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptFuture").finish_non_exhaustive()
    }
}
