//! [`Retry`] and its setters.

use core::fmt;
use core::mem::forget;
use core::time::Duration;

use super::future::Pending;
use super::output::{Passthrough, Report};
use super::{KeptOf, LimitOf, Operation, SleepOf};
use crate::classify::ClassifyFn;
use crate::engine::Engine;
use crate::error::{Interruption, Reportable};
use crate::guard::{
    AttemptTimeout, AttemptTimeoutBy, Deadline, Guard, GuardEvents, Guards, OrInterrupted,
};
use crate::hook::{
    FinishEvent, Hook, OnAttempt, OnFinish, OnGiveUp, OnRetry, OnSuccess, ReadClock, RetryEvent,
};
use crate::policy::{Ask, Policy, Rules, Setup, Until, When, with_slot};
use crate::time::Clock;
use crate::time::signal::{Keep, Signals};
#[cfg(feature = "std")]
use crate::time::{CancelFuture, CancelToken, RetrySignal};
use crate::{Attempt, Classifier, FromError, OperationName, Outcome, Verdict, random};

pin_project_lite::pin_project! {
    /// A retry at its call site: a builder until it is polled, and the future itself.
    ///
    /// [`RetryExt::retry_with`](crate::RetryExt::retry_with) makes it. Await it, or end it in
    /// [`.call()`](Retry::call) if the operation is not asynchronous. Before that, no code runs: the
    /// clock starts, and the operation is first called, at the first poll. Dropping it cancels.
    ///
    /// Its setters are those of a [`Policy`], and add to what the policy has. `Op` is the operation,
    /// `O` the outcome of an attempt, `P` the policy, `R` what comes out.
    ///
    /// # Panics
    /// When it is polled again after it was ready or has panicked; when it was polled, then configured,
    /// and then polled or called. A setter leaks the pending attempt of such a retry.
    #[must_use = "a retry does nothing until it is awaited or ended in `.call()`"]
    pub struct Retry<Op, O, P, R>
    where
        Op: Operation,
        P: Setup<O>,
    {
        #[pin]
        pub(super) pending: Pending<Op::Output, SleepOf<O, P>, LimitOf<O, P>>,
        pub(super) operation: Op,
        pub(super) engine: Engine<O, P>,
        pub(super) output: R,
        pub(super) kept: KeptOf<O, P>,
    }
}

impl<Op: Operation, O, P: Setup<O>, R> Retry<Op, O, P, R> {
    #[inline(always)]
    pub(crate) fn new(operation: Op, policy: P, output: R) -> Self {
        Retry {
            pending: Pending::new(None),
            operation,
            engine: Engine::idle(policy),
            output,
            kept: Keep::EMPTY,
        }
    }
}

/// The retry with one slot of its policy replaced, and its output too. Nothing here can panic. Before the
/// first poll, the forgotten parts are empty, so that a setter is moves alone, without drop glue; those
/// of a retry that was polled leak.
macro_rules! with {
    ($retry:ident, $slot:ident: $old:ident => $new:expr) => {{
        let Retry { pending, operation, engine, output, kept } = $retry;
        with!(@ pending, operation, engine, kept, $slot: $old => $new, output)
    }};
    ($retry:ident, $slot:ident: $old:ident => $new:expr, output: $output:expr) => {{
        let Retry { pending, operation, engine, output: _, kept } = $retry;
        with!(@ pending, operation, engine, kept, $slot: $old => $new, $output)
    }};
    (@ $pending:ident, $operation:ident, $engine:ident, $kept:ident,
        $slot:ident: $old:ident => $new:expr, $output:expr) => {{
        forget($pending);
        forget($kept);
        let (owned, progress) = $engine.into_parts();
        let owned = match owned {
            Some((policy, form)) => Some((with_slot!(policy, $slot: $old => $new), form)),
            None => None,
        };
        Retry {
            pending: Pending::new(None),
            operation: $operation,
            engine: Engine::from_parts(owned, progress),
            output: $output,
            kept: Keep::EMPTY,
        }
    }};
}

/// The setters. A [`Policy`] has them too.
impl<Op, O, S, H, G, T, K, R> Retry<Op, O, Policy<S, H, G, T, K>, R>
where
    Op: Operation,
    O: Outcome,
    S: Rules<Form: GuardEvents<O>>,
    H: Hook<O>,
    G: Guards<O>,
    T: Clock,
    K: Signals<O>,
{
    /// Decides by `predicate` whether an error is retried.
    ///
    /// `false` stops the call. `true` retries the error, after the delay that an earlier classifier or
    /// the policy's gives with [`RetryAfter`](Verdict::RetryAfter), unless one of them
    /// [restricts](Classifier::restrict) that: a mark as
    /// [`permanent`](crate::classify::permanent), or a server that
    /// [forbids](Verdict::Forbidden) a retry. The kinds that a named policy retries do not count then.
    /// Values are not affected. Of several `.when`, the last one decides: join two questions with `&&`.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let mut calls = 0;
    /// let outcome = (|| { calls += 1; Err::<(), _>(404) })
    ///     .retry_with(immediate().max_attempts(5))
    ///     .when(|status| *status == 503)
    ///     .call();
    /// assert_eq!((outcome, calls), (Err(404), 1));
    /// ```
    #[inline(always)]
    pub fn when<F>(self, predicate: F) -> Retry<Op, O, Policy<When<S, F>, H, G, T, K>, R>
    where
        F: Fn(&O::Error) -> bool,
    {
        with!(self, rules: rules => When::new(rules, predicate))
    }

    /// Accepts the values for which `predicate` returns `true`, and retries all others: polling.
    /// Errors are not affected. A delay that an earlier classifier gives for a value
    /// ([`RetryAfter`](Verdict::RetryAfter)) is kept, and a value whose retry is
    /// [forbidden](Verdict::Forbidden) is not retried.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let mut progress = 0;
    /// let outcome = (|| { progress += 25; Ok::<_, ()>(progress) })
    ///     .retry_with(immediate().max_attempts(9))
    ///     .until(|progress| *progress == 100)
    ///     .call();
    /// assert_eq!(outcome, Ok(100));
    /// ```
    #[inline(always)]
    pub fn until<F>(self, predicate: F) -> Retry<Op, O, Policy<Until<S, F>, H, G, T, K>, R>
    where
        F: Fn(&O::Value) -> bool,
    {
        with!(self, rules: rules => Until::new(rules, predicate))
    }

    /// Adds a pure closure that classifies outcomes, before earlier rules; `None` leaves it to them.
    ///
    /// ```
    /// use persevere::{RetryExt, Verdict, immediate};
    /// let mut calls = 0;
    /// let outcome = (|| { calls += 1; Err::<(), _>(calls) })
    ///     .retry_with(immediate().max_attempts(9))
    ///     .classify(|outcome, _attempt| match outcome {
    ///         Err(2) => Some(Verdict::Stop),
    ///         _ => None,
    ///     })
    ///     .call();
    /// assert_eq!(outcome, Err(2));
    /// ```
    #[inline(always)]
    pub fn classify<F>(
        self,
        function: F,
    ) -> Retry<Op, O, Policy<Ask<S, ClassifyFn<F>>, H, G, T, K>, R>
    where
        F: Fn(&O, &Attempt) -> Option<Verdict>,
    {
        with!(self, rules: rules => Ask::new(rules, ClassifyFn(function)))
    }

    /// Adds a [`Classifier`] of outcomes, before earlier rules.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// use persevere::classify::{by_mark, permanent};
    /// let outcome = (|| Err::<(), _>(permanent("no such user")))
    ///     .retry_with(immediate().max_attempts(9))
    ///     .classifier(by_mark())
    ///     .report_without_source()
    ///     .call();
    /// assert_eq!(outcome.unwrap_err().attempts(), 1);
    /// ```
    #[inline(always)]
    pub fn classifier<C>(self, classifier: C) -> Retry<Op, O, Policy<Ask<S, C>, H, G, T, K>, R>
    where
        C: Classifier<O>,
    {
        with!(self, rules: rules => Ask::new(rules, classifier))
    }

    /// Adds a [`Hook`], after earlier hooks. It may capture `&mut`.
    ///
    /// ```
    /// use persevere::{Budget, RetryExt, budget::CostPerRetry, immediate};
    /// let budget = Budget::new(CostPerRetry::new(5)); // one retry at 5
    /// let mut calls = 0;
    /// let _ = (|| { calls += 1; None::<()> })
    ///     .retry_with(immediate().max_attempts(9))
    ///     .hook(budget.by_ref())
    ///     .call();
    /// assert_eq!(calls, 2);
    /// ```
    #[inline(always)]
    pub fn hook<X: Hook<O>>(self, hook: X) -> Retry<Op, O, Policy<S, (H, X), G, T, K>, R> {
        with!(self, hooks: hooks => (hooks, hook))
    }

    /// Calls `function` before each retry, when the delay is known and before it is slept; never
    /// after the last failure.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let mut log = vec![];
    /// let _ = (|| Err::<(), _>("busy"))
    ///     .retry_with(immediate().max_attempts(3))
    ///     .on_retry(|retry| log.push(retry.to_string()))
    ///     .call();
    /// assert_eq!(log, [
    ///     "attempt 1 of 3 failed, next in 0 s: busy",
    ///     "attempt 2 of 3 failed, next in 0 s: busy",
    /// ]);
    /// ```
    #[inline(always)]
    pub fn on_retry<F>(self, function: F) -> Retry<Op, O, Policy<S, (H, OnRetry<F>), G, T, K>, R>
    where
        F: FnMut(&RetryEvent<'_, O>),
    {
        with!(self, hooks: hooks => (hooks, OnRetry(function)))
    }

    /// Calls `function` when the call [gives up](crate::Reason::gave_up): an error comes out, or a
    /// value that was not accepted, or an interruption. Not when it is cancelled.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let mut end = String::new();
    /// let _ = (|| Err::<(), _>("busy"))
    ///     .retry_with(immediate().max_attempts(2))
    ///     .on_give_up(|finish| end = finish.to_string())
    ///     .call();
    /// assert_eq!(end, "gave up after 2 attempts: attempt limit reached: busy");
    /// ```
    #[inline(always)]
    pub fn on_give_up<F>(self, function: F) -> Retry<Op, O, Policy<S, (H, OnGiveUp<F>), G, T, K>, R>
    where
        F: FnMut(&FinishEvent<'_, O>),
    {
        with!(self, hooks: hooks => (hooks, OnGiveUp(function)))
    }

    /// Calls `function` when the call succeeds, at the first attempt or later.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let mut attempts = 0;
    /// let _ = (|| Some(1))
    ///     .retry_with(immediate().max_attempts(2))
    ///     .on_success(|finish| attempts = finish.attempts())
    ///     .call();
    /// assert_eq!(attempts, 1);
    /// ```
    #[inline(always)]
    pub fn on_success<F>(
        self,
        function: F,
    ) -> Retry<Op, O, Policy<S, (H, OnSuccess<F>), G, T, K>, R>
    where
        F: FnMut(&FinishEvent<'_, O>),
    {
        with!(self, hooks: hooks => (hooks, OnSuccess(function)))
    }

    /// Calls `function` once at the end of the call, however it ends: also when it is cancelled or
    /// panics.
    ///
    /// ```
    /// use persevere::{Reason, RetryExt, immediate};
    /// let mut reason = None;
    /// let _ = (|| Some(1))
    ///     .retry_with(immediate().max_attempts(2))
    ///     .on_finish(|finish| reason = Some(finish.reason()))
    ///     .call();
    /// assert_eq!(reason, Some(Reason::Succeeded));
    /// ```
    #[inline(always)]
    pub fn on_finish<F>(self, function: F) -> Retry<Op, O, Policy<S, (H, OnFinish<F>), G, T, K>, R>
    where
        F: FnMut(&FinishEvent<'_, O>),
    {
        with!(self, hooks: hooks => (hooks, OnFinish(function)))
    }

    /// Calls `function` before each attempt, the first too.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let mut numbers = vec![];
    /// let _ = (|| None::<()>)
    ///     .retry_with(immediate().max_attempts(3))
    ///     .on_attempt(|attempt| numbers.push(attempt.number()))
    ///     .call();
    /// assert_eq!(numbers, [1, 2, 3]);
    /// ```
    #[inline(always)]
    pub fn on_attempt<F>(
        self,
        function: F,
    ) -> Retry<Op, O, Policy<S, (H, OnAttempt<F>), G, T, K>, R>
    where
        F: FnMut(&Attempt),
    {
        with!(self, hooks: hooks => (hooks, OnAttempt(function)))
    }

    /// Makes the call read the clock, so that [`elapsed`](Attempt::elapsed) of attempts and events is
    /// known.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let mut known = false;
    /// let _ = (|| None::<()>)
    ///     .retry_with(immediate().max_attempts(2))
    ///     .timed()
    ///     .on_retry(|retry| known = retry.elapsed().is_ok())
    ///     .call();
    /// assert!(known);
    /// ```
    #[inline(always)]
    pub fn timed(self) -> Retry<Op, O, Policy<S, (H, ReadClock), G, T, K>, R> {
        with!(self, hooks: hooks => (hooks, ReadClock))
    }

    /// Adds a [`Guard`], after earlier guards: it may refuse attempts, the first too. The call may then
    /// end without an outcome; the [module](crate::guard) shows what comes out.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, Reason, RetryExt, breaker::Settings, immediate};
    ///
    /// let breaker = CircuitBreaker::new(Settings::consecutive(2));
    /// let retry = (|| "x".parse::<i32>())
    ///     .retry_with(immediate().max_attempts(5))
    ///     .guard(breaker.by_ref());
    /// let error = retry.report().call().unwrap_err();
    /// assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 2));
    /// ```
    #[inline(always)]
    pub fn guard<X: Guard<O>>(self, guard: X) -> Retry<Op, O, Policy<S, H, (G, X), T, K>, R> {
        with!(self, guards: guards => (guards, guard))
    }

    /// Limits the time of each attempt: one that takes longer is dropped, and retried as if it had
    /// failed. See [`Policy::attempt_timeout`].
    ///
    /// ```
    /// use persevere::{RetryExt, constant, time::VirtualClock};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let retry = (|| pending::<Result<(), std::io::Error>>())
    ///     .retry_with(constant(second).max_attempts(3))
    ///     .attempt_timeout(5 * second)
    ///     .timer(clock.clone());
    /// let error = clock.block_on(retry).unwrap_err();
    /// assert_eq!(error.to_string(), "the attempt timed out after 5 s");
    /// ```
    #[inline(always)]
    pub fn attempt_timeout(
        self,
        limit: Duration,
    ) -> Retry<Op, O, Policy<S, H, AttemptTimeout<G>, T, K>, R> {
        with!(self, guards: guards => AttemptTimeout::around(guards, limit))
    }

    /// Like [`attempt_timeout`](Retry::attempt_timeout), but with a limit that depends on the attempt.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate, time::{Clock, VirtualClock}};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let retry = (|| pending::<Option<()>>())
    ///     .retry_with(immediate().max_attempts(3))
    ///     .attempt_timeout_by(|attempt| attempt.number() * second)
    ///     .timer(clock.clone());
    /// assert_eq!(clock.block_on(retry), None);
    /// assert_eq!(clock.now(), (1 + 2 + 3) * second);
    /// ```
    #[inline(always)]
    pub fn attempt_timeout_by<F>(
        self,
        limit: F,
    ) -> Retry<Op, O, Policy<S, H, AttemptTimeoutBy<G, F>, T, K>, R>
    where
        F: Fn(&Attempt) -> Duration,
    {
        with!(self, guards: guards => AttemptTimeoutBy::around(guards, limit))
    }

    /// Ends the call `limit` after it began, also in the middle of an attempt, and no later than the
    /// attempt of another call around it. See [`Policy::deadline`].
    ///
    /// ```
    /// use persevere::{RetryExt, constant, time::VirtualClock};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let retry = (|| pending::<Result<(), std::io::Error>>())
    ///     .retry_with(constant(second).max_attempts(3))
    ///     .deadline(5 * second)
    ///     .timer(clock.clone());
    /// let error = clock.block_on(retry).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    /// assert_eq!(error.to_string(), "deadline of 5 s exceeded");
    /// ```
    #[inline(always)]
    pub fn deadline(self, limit: Duration) -> Retry<Op, O, Policy<S, H, Deadline<G>, T, K>, R> {
        with!(self, guards: guards => Deadline::around(guards, limit))
    }

    /// Ends the call with the attempt of another call around it, also in the middle of an attempt. Like
    /// [`deadline`](Retry::deadline), but without its own limit; see
    /// [`Policy::inherit_deadline`].
    #[inline(always)]
    pub fn inherit_deadline(self) -> Retry<Op, O, Policy<S, H, Deadline<G>, T, K>, R> {
        with!(self, guards: guards => Deadline::around(guards, Duration::MAX))
    }

    /// Makes the error of a call that a [guard](crate::guard) ended: for error types that do not
    /// implement `From<Interrupted>`, those of other crates too. The closure is given the reason and
    /// the error of the attempt before. The order of guards and `.or_interrupted(..)` does not matter;
    /// of several, the last one is used. [`Interruption`] has an example.
    ///
    /// ```
    /// use persevere::{RetryExt, constant, time::VirtualClock};
    /// use std::{future::pending, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let retry = (|| pending::<Result<(), String>>())
    ///     .retry_with(constant(second).max_attempts(3))
    ///     .deadline(5 * second)
    ///     .or_interrupted(|why| why.to_string())
    ///     .timer(clock.clone());
    /// assert_eq!(clock.block_on(retry), Err("deadline of 5 s exceeded".into()));
    /// ```
    #[inline(always)]
    pub fn or_interrupted<F>(
        self,
        error: F,
    ) -> Retry<Op, O, Policy<S, H, OrInterrupted<G, F>, T, K>, R>
    where
        O: FromError,
        F: FnMut(Interruption<O::Error>) -> O::Error,
    {
        with!(self, guards: guards => OrInterrupted::around(guards, error))
    }

    /// Reads the time and sleeps by `timer` instead of the policy's.
    ///
    /// ```
    /// use persevere::{RetryExt, constant};
    /// use persevere::time::VirtualClock;
    /// use std::time::Duration;
    /// let clock = VirtualClock::new();
    /// let hourly = constant(Duration::from_secs(3600)).max_attempts(3);
    /// let _ = (|| None::<()>).retry_with(hourly).timer(clock.clone()).call();
    /// assert_eq!(clock.slept().len(), 2);
    /// ```
    #[inline(always)]
    pub fn timer<X: Clock>(self, timer: X) -> Retry<Op, O, Policy<S, H, G, X, K>, R> {
        with!(self, timer: _old => timer)
    }

    /// Lets `token` cancel the call: its sleep ends at once, and it returns the outcome before the
    /// sleep. A running attempt runs to its end, and is not retried. Tokens add up, and no other setter
    /// removes one. [`CancelToken`] has an example.
    #[cfg(feature = "std")]
    #[inline(always)]
    pub fn cancel_by(
        self,
        token: &CancelToken,
    ) -> Retry<Op, O, Policy<S, H, G, T, (K, CancelToken)>, R> {
        let token = token.clone();
        with!(self, signals: signals => (signals, token))
    }

    /// Lets any future cancel the call once it is ready: a shutdown, a ctrl-c, another library's token.
    /// Like [`cancel_by`](Retry::cancel_by). The future is polled with the call: while an attempt is
    /// pending, at its end, and in the sleep; in a blocking call, before each attempt and in the sleep.
    /// It is boxed.
    ///
    /// ```
    /// use persevere::time::{Clock, Timer, VirtualClock};
    /// use persevere::{RetryExt, constant};
    /// use std::{future::ready, time::Duration};
    ///
    /// let (clock, second) = (VirtualClock::new(), Duration::from_secs(1));
    /// let retry = (|| ready(Err::<(), _>("down")))
    ///     .retry_with(constant(60 * second).max_attempts(9))
    ///     .cancel_when(clock.sleep(90 * second))
    ///     .timer(clock.clone());
    /// assert_eq!(clock.block_on(retry), Err("down"));
    /// assert_eq!(clock.now(), 90 * second);
    /// ```
    #[cfg(feature = "std")]
    #[inline]
    pub fn cancel_when<F>(
        self,
        future: F,
    ) -> Retry<Op, O, Policy<S, H, G, T, (K, CancelFuture<F::IntoFuture>)>, R>
    where
        F: IntoFuture,
    {
        let future = CancelFuture::new(future.into_future());
        with!(self, signals: signals => (signals, future))
    }

    /// Lets `signal` end the sleeps of the call, so that the next attempt begins at once.
    /// [`RetrySignal`] has an example.
    #[cfg(feature = "std")]
    #[inline(always)]
    pub fn retry_now_by(
        self,
        signal: &RetrySignal,
    ) -> Retry<Op, O, Policy<S, H, G, T, (K, RetrySignal)>, R> {
        let signal = signal.clone();
        with!(self, signals: signals => (signals, signal))
    }

    /// Draws jitter from the random stream of `seed` instead of the policy's, so that the call
    /// repeats exactly. Any number will do, 0 too. Without a seed, each call draws another one.
    ///
    /// ```
    /// use persevere::{RetryExt, constant};
    /// use persevere::time::VirtualClock;
    /// use std::time::Duration;
    /// let jittered = constant(Duration::from_secs(1)).full_jitter().max_attempts(4);
    /// let delays = || {
    ///     let clock = VirtualClock::new();
    ///     let _ = (|| None::<()>).retry_with(jittered).seed(42).timer(clock.clone()).call();
    ///     clock.slept()
    /// };
    /// assert_eq!(delays(), delays());
    /// ```
    #[inline(always)]
    pub fn seed(self, seed: u64) -> Self {
        let seed = random::spread(seed).get();
        with!(self, tag: tag => crate::policy::Tag { seed, ..tag })
    }

    /// Names the operation: every event, and the error of a [report](Retry::report), carries the name
    /// and prints it first. There is none by default; `#[retry]` gives the path of its function. See
    /// [`OperationName`].
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let error = (|| Err::<(), _>("busy"))
    ///     .retry_with(immediate().max_attempts(3))
    ///     .named("load_user")
    ///     .on_retry(|retry| assert_eq!(retry.operation(), Some("load_user")))
    ///     .report()
    ///     .call()
    ///     .unwrap_err();
    /// assert!(error.to_string().starts_with("load_user: gave up after 3 attempts"));
    /// ```
    #[inline]
    pub fn named(self, name: impl Into<OperationName>) -> Self {
        let operation = Some(name.into().as_str());
        with!(self, tag: tag => crate::policy::Tag { operation, ..tag })
    }
}

impl<Op, O, S, H, G, T, K> Retry<Op, O, Policy<S, H, G, T, K>, Passthrough>
where
    Op: Operation,
    O: Outcome,
    S: Rules<Form: GuardEvents<O>>,
    H: Hook<O>,
    G: Guards<O>,
    T: Clock,
    K: Signals<O>,
{
    /// Turns the output into `Result<T, RetryError<E>>`: why the call ended, attempts, times, and
    /// the last error as the [source](core::error::Error::source). The clock is read for it.
    ///
    /// A value that the classifier did not accept in the end is an error here, without the value;
    /// [`on_give_up`](Retry::on_give_up) can look at it. An error that the classifier accepted is
    /// an error here too, with the reason [`Succeeded`](crate::Reason::Succeeded).
    ///
    /// ```
    /// use persevere::{Reason, RetryExt, immediate};
    /// let error = (|| Err::<(), _>("busy"))
    ///     .retry_with(immediate().max_attempts(3))
    ///     .report()
    ///     .call()
    ///     .unwrap_err();
    /// assert_eq!((error.reason(), error.attempts()), (Reason::Attempts, 3));
    /// assert_eq!(error.into_error(), Some("busy"));
    /// ```
    #[inline(always)]
    pub fn report<M>(self) -> Retry<Op, O, Policy<S, (H, ReadClock), G, T, K>, Report<O::Error>>
    where
        O::Error: Reportable<M>,
    {
        let output = Report::new(Some(<O::Error as Reportable<M>>::as_source));
        with!(self, hooks: hooks => (hooks, ReadClock), output: output)
    }

    /// Like [`report`](Retry::report), for errors that do not implement `std::error::Error`: the report
    /// has no source, and prints the error itself if it can.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// #[derive(Debug, PartialEq)]
    /// struct Busy;
    /// let retry = (|| Err::<(), _>(Busy)).retry_with(immediate().max_attempts(3));
    /// let error = retry.report_without_source().call().unwrap_err();
    /// assert_eq!((error.attempts(), error.into_error()), (3, Some(Busy)));
    /// ```
    #[inline(always)]
    pub fn report_without_source(
        self,
    ) -> Retry<Op, O, Policy<S, (H, ReadClock), G, T, K>, Report<O::Error>> {
        with!(self, hooks: hooks => (hooks, ReadClock), output: Report::new(None))
    }
}

#[cfg(feature = "alloc")]
impl<Op, O, P> Retry<Op, O, P, Report<O::Error>>
where
    Op: Operation,
    O: Outcome,
    P: Setup<O>,
{
    /// Keeps up to `most` errors before the last one for the report, the latest of them; 0 keeps
    /// none. [`RetryError::history`](crate::RetryError::history) returns them.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let mut calls = 0;
    /// let error = (|| { calls += 1; Err::<(), _>(calls) })
    ///     .retry_with(immediate().max_attempts(5))
    ///     .report()
    ///     .history(2)
    ///     .call()
    ///     .unwrap_err();
    /// assert_eq!((error.history(), error.error()), (&[3, 4][..], Some(&5)));
    /// ```
    #[inline]
    pub fn history(self, most: usize) -> Retry<Op, O, P, super::History<O::Error>> {
        let Retry { pending, operation, engine, output, kept } = self;
        Retry { pending, operation, engine, output: super::History::new(output, most), kept }
    }
}

impl<Op: Operation, O, P: Setup<O>, R> fmt::Debug for Retry<Op, O, P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("engine", &self.engine).finish_non_exhaustive()
    }
}
