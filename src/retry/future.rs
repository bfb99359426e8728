//! [`Retry`]: the builder at the call site, the future, and the blocking driver.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::call::{Call, Live, Parts};
use super::finish::{Finish, Plain, Report};
use super::operation::{Later, Operation, Outcome as OutcomeOf};
use super::overlay::{Ask, Errors, ForValues, Inherit, Overlay};
use super::source::{IntoPolicy, Source};
use crate::classify::{self, ClassifyFn, Until};
#[cfg(feature = "std")]
use crate::enclosing;
use crate::ends::Ends;
use crate::engine::Phase;
use crate::hook::{
    FinishEvent, FinishFacts, OnAttempt, OnFinish, OnGiveUp, OnRetry, OnSuccess, RetryEvent, Timed,
};
#[cfg(feature = "std")]
use crate::time::{CancelToken, Cancellable};
use crate::time::{Clock, Limit, Timer, from_nanos};
use crate::{Attempt, Classifier, Hook, Interrupted, Outcome, Reason, Verdict};

/// What [`RetryExt::retry_with`](crate::RetryExt::retry_with) makes of an operation and a policy,
/// for a field; the [module](mod@crate::retry) has an example. `K` is
/// [`Sync`](crate::retry::marker::Sync) or [`Async`](crate::retry::marker::Async).
pub type RetryOf<Op, K, P> = Retry<
    Op,
    OutcomeOf<Op, K>,
    <P as IntoPolicy>::Source,
    Inherit,
    <P as IntoPolicy>::Hooks,
    <P as IntoPolicy>::Ends,
    Plain,
    <P as IntoPolicy>::Timer,
>;

pin_project_lite::pin_project! {
    /// What is pending: an attempt, a sleep, or neither.
    #[project = StateProjection]
    pub(super) enum State<F, Z, L> {
        Idle,
        Attempting { #[pin] future: F, #[pin] limit: L },
        Sleeping { #[pin] sleep: Z },
        Yielding,
        Done,
    }
}

pub(super) const OVER: &str = "a retry was polled after it had ended or panicked";

/// Where [`drive`] has got to.
pub(super) enum Progress<O, X: Ends> {
    /// The call ended.
    Ended(O, FinishFacts),
    /// It ended with an attempt that took too long.
    Interrupted(X::Interruption, FinishFacts),
    /// Another attempt is due, at this time.
    Due(Option<Duration>),
}

/// Polls an attempt, decides, and polls the sleep: the part that the future and the loop share.
#[inline(always)]
pub(super) fn drive<F, O, S, V, H, X, T>(
    mut state: Pin<&mut State<F, T::Sleep, X::Limit<T::Sleep>>>,
    call: &mut Live<'_, O, S, V, H, X, T>,
    pass: impl FnOnce(O),
    cx: &mut Context<'_>,
) -> Poll<Progress<O, X>>
where
    F: Future<Output = O>,
    O: Outcome,
    S: Source,
    V: Overlay<S, O>,
    H: Hook<O>,
    X: Ends,
    T: Timer,
{
    assert!(!call.has_panicked(), "{OVER}");
    if let StateProjection::Attempting { future, limit } = state.as_mut().project() {
        call.set_phase(Phase::Inside);
        let polled = match limit.end() {
            #[cfg(feature = "std")]
            Some(end) => enclosing::within(call.timer(), end, || future.poll(cx)),
            _ => future.poll(cx),
        };
        let delay = match polled {
            Poll::Ready(outcome) => match call.decide(&outcome) {
                Err(facts) => {
                    state.set(State::Done);
                    return Poll::Ready(Progress::Ended(outcome, facts));
                }
                Ok(delay) => {
                    pass(outcome);
                    delay
                }
            },
            Poll::Pending => {
                if !X::INTERRUPTS || limit.poll(|| call.limit(), cx).is_pending() {
                    call.set_phase(Phase::Attempting);
                    return Poll::Pending;
                }
                // The attempt is dropped before anybody hears of its end.
                state.set(State::Done);
                match call.time_out() {
                    Ok(delay) => delay,
                    Err(facts) => return Poll::Ready(interrupted(facts)),
                }
            }
        };
        if delay == 0 {
            // No timer, but the executor gets its turn: a retry that always fails must not keep
            // everybody else from running.
            state.set(State::Yielding);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        call.set_phase(Phase::Inside);
        let sleep = call.timer().sleep(from_nanos(delay));
        state.set(State::Sleeping { sleep });
    }
    match state.project() {
        StateProjection::Sleeping { sleep } => {
            // A timer may panic too: tokio's does outside of tokio.
            call.set_phase(Phase::Inside);
            let slept = sleep.poll(cx);
            call.set_phase(Phase::Sleeping);
            ready!(slept);
        }
        StateProjection::Yielding => {}
        StateProjection::Idle => return Poll::Ready(Progress::Due(call.begin())),
        StateProjection::Attempting { .. } | StateProjection::Done => {
            panic!("{OVER}")
        }
    }
    Poll::Ready(Progress::Due(call.now()))
}

/// The end of a call whose last attempt was interrupted.
#[cold]
fn interrupted<O, X: Ends>(facts: FinishFacts) -> Progress<O, X> {
    let interrupted = match facts.reason() {
        Reason::Deadline => Interrupted::Deadline,
        _ => Interrupted::AttemptTimeout,
    };
    match X::interruption(interrupted) {
        Some(interruption) => Progress::Interrupted(interruption, facts),
        None => unreachable!("an attempt without a limit is not interrupted"),
    }
}

pin_project_lite::pin_project! {
    /// A retry at its call site: a builder until it is polled, and the future itself.
    ///
    /// It is made by [`RetryExt::retry_with`](crate::RetryExt::retry_with). Await it, or end it in
    /// [`.call()`](Retry::call) if the operation is not asynchronous. Nothing happens before: the
    /// clock starts, and the operation is first called, at the first poll. Dropping it cancels.
    ///
    /// # Panics
    /// When polled again after it was ready, or after the operation panicked.
    #[must_use = "a retry does nothing until it is awaited or ended in `.call()`"]
    pub struct Retry<Op, O, S, V, H, X, R, T>
    where
        Op: Operation,
        S: Source,
        H: Hook<O>,
        X: Ends,
        T: Clock,
    {
        #[pin]
        state: State<Op::Output, T::Sleep, X::Limit<T::Sleep>>,
        operation: Op,
        session: Call<O, S, V, H, X, T>,
        output: R,
    }
}

impl<Op, O, S, V, H, X, R, T> Retry<Op, O, S, V, H, X, R, T>
where
    Op: Operation,
    S: Source,
    H: Hook<O>,
    X: Ends,
    T: Clock,
{
    #[inline]
    pub(super) fn new(operation: Op, call: Call<O, S, V, H, X, T>, output: R) -> Self {
        Retry { state: State::Idle, operation, session: call, output }
    }

    /// The same retry with other parts.
    #[inline]
    fn rebuild<V2, H2: Hook<O>, T2: Clock, R2>(
        self,
        output: impl FnOnce(R) -> R2,
        change: impl FnOnce(Parts<S, V, H, T>) -> Parts<S, V2, H2, T2>,
    ) -> Retry<Op, O, S, V2, H2, X, R2, T2> {
        Retry::new(self.operation, self.session.rebuild(change), output(self.output))
    }

    /// The same retry with another overlay.
    #[inline]
    fn overlay<V2>(self, change: impl FnOnce(V) -> V2) -> Retry<Op, O, S, V2, H, X, R, T> {
        self.rebuild(
            |output| output,
            |Parts { source, overlay, hooks, timer }| {
                let overlay = change(overlay);
                Parts { source, overlay, hooks, timer }
            },
        )
    }

    /// Asks `classifier` before everything that was said so far.
    #[inline]
    fn ask<C>(self, first: C) -> Retry<Op, O, S, Ask<C, V>, H, X, R, T> {
        self.overlay(|rest| Ask { first, rest })
    }

    /// Retries the errors for which `predicate` says yes, and stops at all others.
    ///
    /// It speaks for every error, so nobody who was there before is asked about errors: neither the
    /// policy nor an earlier `.when` (join two questions with `&&`) nor an earlier `.classify`. If
    /// that one reads a `Retry-After`, write it behind `.when`. Values are as they were.
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
    #[inline]
    pub fn when<P>(self, predicate: P) -> Retry<Op, O, S, Errors<P, V::Values>, H, X, R, T>
    where
        O: Outcome,
        V: ForValues,
        P: Fn(&O::Error) -> bool,
    {
        self.overlay(|rest| Errors { errors: classify::when(predicate), values: rest.for_values() })
    }

    /// Accepts the values for which `predicate` says yes, and retries all others: polling. Errors
    /// are as they were.
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
    #[inline]
    pub fn until<P>(self, predicate: P) -> Retry<Op, O, S, Ask<Until<P>, V>, H, X, R, T>
    where
        O: Outcome,
        P: Fn(&O::Value) -> bool,
    {
        self.ask(classify::until(predicate))
    }

    /// Asks a pure closure what an outcome means, before everything that was said so far; `None`
    /// leaves it to that.
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
    #[inline]
    pub fn classify<F>(self, function: F) -> Retry<Op, O, S, Ask<ClassifyFn<F>, V>, H, X, R, T>
    where
        F: Fn(&O, &Attempt) -> Option<Verdict>,
    {
        self.ask(classify::classify_fn(function))
    }

    /// Asks a [`Classifier`] what an outcome means, before everything that was said so far.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// use persevere::classify::{by_mark, permanent};
    /// let outcome = (|| Err::<(), _>(permanent("no such user")))
    ///     .retry_with(immediate().max_attempts(9))
    ///     .classifier(by_mark())
    ///     .report()
    ///     .call();
    /// assert_eq!(outcome.unwrap_err().attempts(), 1);
    /// ```
    #[inline]
    pub fn classifier<C: Classifier<O>>(
        self,
        classifier: C,
    ) -> Retry<Op, O, S, Ask<C, V>, H, X, R, T> {
        self.ask(classifier)
    }

    /// Adds a [`Hook`], after those that are there. It may capture `&mut`.
    ///
    /// Its veto over *attempts* is asked where calls of the policy may be interrupted anyway. A call
    /// adds no such thing itself: what is to refuse attempts, as a circuit breaker does, is a
    /// [`guard`](crate::Policy::guard) of the policy.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// use persevere::hook::Timed;
    /// let mut known = false;
    /// let _ = (|| None::<()>)
    ///     .retry_with(immediate().max_attempts(2))
    ///     .hook(Timed)
    ///     .on_retry(|retry| known = retry.elapsed().is_some())
    ///     .call();
    /// assert!(known);
    /// ```
    #[inline]
    pub fn hook<K: Hook<O>>(self, hook: K) -> Retry<Op, O, S, V, (H, K), X, R, T> {
        self.rebuild(
            |output| output,
            |Parts { source, overlay, hooks, timer }| {
                let hooks = (hooks, hook);
                Parts { source, overlay, hooks, timer }
            },
        )
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
    ///     "attempt 1 of 3 failed, next in 0ns: busy",
    ///     "attempt 2 of 3 failed, next in 0ns: busy",
    /// ]);
    /// ```
    #[inline]
    pub fn on_retry<F>(self, function: F) -> Retry<Op, O, S, V, (H, OnRetry<F>), X, R, T>
    where
        F: FnMut(&RetryEvent<'_, O>),
    {
        self.hook(OnRetry(function))
    }

    /// Calls `function` when the call gives up: an error comes out, or a value that is not good.
    /// Not when it is cancelled.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let mut farewell = String::new();
    /// let _ = (|| Err::<(), _>("busy"))
    ///     .retry_with(immediate().max_attempts(2))
    ///     .on_give_up(|finish| farewell = finish.to_string())
    ///     .call();
    /// assert_eq!(farewell, "gave up after 2 attempts: no attempts left: busy");
    /// ```
    #[inline]
    pub fn on_give_up<F>(self, function: F) -> Retry<Op, O, S, V, (H, OnGiveUp<F>), X, R, T>
    where
        F: FnMut(&FinishEvent<'_, O>),
    {
        self.hook(OnGiveUp(function))
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
    #[inline]
    pub fn on_success<F>(self, function: F) -> Retry<Op, O, S, V, (H, OnSuccess<F>), X, R, T>
    where
        F: FnMut(&FinishEvent<'_, O>),
    {
        self.hook(OnSuccess(function))
    }

    /// Calls `function` once at the end of the call, however it ends: cancelled too.
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
    #[inline]
    pub fn on_finish<F>(self, function: F) -> Retry<Op, O, S, V, (H, OnFinish<F>), X, R, T>
    where
        F: FnMut(&FinishEvent<'_, O>),
    {
        self.hook(OnFinish(function))
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
    #[inline]
    pub fn on_attempt<F>(self, function: F) -> Retry<Op, O, S, V, (H, OnAttempt<F>), X, R, T>
    where
        F: FnMut(&Attempt),
    {
        self.hook(OnAttempt(function))
    }

    /// Tells and passes the time with `timer` instead of the policy's.
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
    #[inline]
    pub fn timer<U: Clock>(self, timer: U) -> Retry<Op, O, S, V, H, X, R, U> {
        self.rebuild(
            |output| output,
            |Parts { source, overlay, hooks, .. }| Parts { source, overlay, hooks, timer },
        )
    }

    /// Lets `token` end the call from outside, where it blocks: its sleep is over at once, and it
    /// returns the outcome that it has. See [`CancelToken`].
    #[cfg(feature = "std")]
    #[inline]
    pub fn cancel_by(self, token: &CancelToken) -> Retry<Op, O, S, V, H, X, R, Cancellable<T>> {
        let token = token.clone();
        self.rebuild(
            |output| output,
            |Parts { source, overlay, hooks, timer }| {
                let timer = Cancellable::new(timer, token);
                Parts { source, overlay, hooks, timer }
            },
        )
    }

    /// Draws jitter from the random stream of `seed` instead of the policy's, so that the call
    /// repeats exactly. Any number will do, 0 too. Without a seed, each call draws one of its own at
    /// its first failure.
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
    #[inline]
    pub fn seed(mut self, seed: u64) -> Self {
        self.session.seed(seed);
        self
    }

    /// Names what is retried, for those who watch: every event, and the error of a
    /// [report](Retry::report), carries the name and prints it first. There is none by default;
    /// `#[retry]` gives the path of its function.
    ///
    /// ```
    /// use persevere::{RetryExt, immediate};
    /// let error = (|| Err::<(), _>("busy"))
    ///     .retry_with(immediate().max_attempts(3))
    ///     .operation("load_user")
    ///     .on_retry(|retry| assert_eq!(retry.operation(), Some("load_user")))
    ///     .report()
    ///     .call()
    ///     .unwrap_err();
    /// assert!(error.to_string().starts_with("load_user: gave up after 3 attempts"));
    /// ```
    #[inline]
    pub fn operation(mut self, name: &'static str) -> Self {
        self.session.operation(name);
        self
    }

    /// Takes all apart that was never polled.
    #[inline(always)]
    pub(super) fn into_parts(self) -> (Op, Call<O, S, V, H, X, T>, R) {
        let Retry { state, operation, session, output } = self;
        // Said so, nothing keeps the call out of registers to drop this.
        match state {
            idle @ State::Idle => core::mem::forget(idle),
            polled => drop(polled),
        }
        (operation, session, output)
    }
}

impl<Op, O, S, V, H, X, T> Retry<Op, O, S, V, H, X, Plain, T>
where
    Op: Operation,
    O: Outcome,
    S: Source,
    H: Hook<O>,
    X: Ends,
    T: Clock,
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
    #[inline]
    pub fn report(self) -> Retry<Op, O, S, V, (H, Timed), X, Report<O::Error>, T> {
        self.hook(Timed).rebuild(|_| Report::new(), |parts| parts)
    }
}

#[cfg(feature = "alloc")]
impl<Op, O, S, V, H, X, T> Retry<Op, O, S, V, H, X, Report<O::Error>, T>
where
    Op: Operation,
    O: Outcome,
    S: Source,
    H: Hook<O>,
    X: Ends,
    T: Clock,
{
    /// Keeps up to `most` errors before the last one for the report, the latest of them; 0 keeps
    /// none. They are read with [`RetryError::history`](crate::RetryError::history).
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
    pub fn history(
        self,
        most: usize,
    ) -> Retry<Op, O, S, V, H, X, super::finish::History<O::Error>, T> {
        self.rebuild(|_| super::finish::History::new(most), |parts| parts)
    }
}

impl<Op, O, S, V, H, X, R, T> Future for Retry<Op, O, S, V, H, X, R, T>
where
    Op: Operation,
    Op::Output: Later<O>,
    O: Outcome,
    S: Source,
    V: Overlay<S, O>,
    H: Hook<O>,
    X: Ends,
    R: Finish<O, X>,
    T: Timer,
{
    type Output = R::Output;

    // A retry has one caller. Within it, the whole call lives in registers: half the instructions.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        let mut this = self.project();
        let (mut call, output) = (this.session.live(), this.output);
        loop {
            let pass = |outcome| output.pass(outcome);
            let now = match ready!(drive(this.state.as_mut(), &mut call, pass, cx)) {
                Progress::Ended(outcome, facts) => {
                    return Poll::Ready(output.returned(outcome, facts));
                }
                Progress::Interrupted(interruption, facts) => {
                    return Poll::Ready(output.interrupted(interruption, facts));
                }
                Progress::Due(now) => now,
            };
            // If the operation panics now, it is not called again.
            this.state.set(State::Done);
            match call.enter(now) {
                Ok(attempt) => {
                    call.set_phase(Phase::Inside);
                    let limit = X::Limit::begin(call.end(&attempt, now));
                    let future = this.operation.attempt(attempt);
                    call.set_phase(Phase::Attempting);
                    this.state.set(State::Attempting { future, limit });
                }
                Err((interruption, facts)) => {
                    return Poll::Ready(output.interrupted(interruption, facts));
                }
            }
        }
    }
}

impl<Op, O, S, V, H, X, R, T> fmt::Debug for Retry<Op, O, S, V, H, X, R, T>
where
    Op: Operation,
    S: Source,
    H: Hook<O>,
    X: Ends,
    T: Clock,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("call", &self.session).finish_non_exhaustive()
    }
}
