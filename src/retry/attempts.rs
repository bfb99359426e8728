//! [`Attempts`]: the retry as a loop, without a closure.

use core::convert::Infallible;
use core::fmt;
use core::future::{Future, Ready, ready};
use core::ops::ControlFlow::{self, Break, Continue};
use core::pin::Pin;
use core::task::{self, Context, Poll};

use super::call::Call;
use super::finish::{Finish, Plain};
use super::future::{OVER, Progress, State, StateProjection, drive};
use super::overlay::{Inherit, Overlay};
use super::source::{IntoPolicy, Source};
use crate::ends::{Ends, Own};
use crate::engine::Phase;
use crate::hook::FinishFacts;
use crate::time::{BlockingTimer, Clock, Limit, Timer};
use crate::{Attempt, Hook, Interrupted, Outcome};

/// The [`Attempts`] of a policy `P` for outcomes `O`: what to write where a loop is kept.
///
/// ```
/// use persevere::{Policy, immediate};
/// use persevere::backoff::{Constant, MaxAttempts};
/// use persevere::retry::AttemptsOf;
///
/// struct Session<'a> {
///     attempts: AttemptsOf<Option<u8>, &'a Policy<MaxAttempts<Constant>>>,
/// }
///
/// let policy = Policy::new(immediate().max_attempts(3));
/// let mut session = Session { attempts: policy.start() };
/// assert!(session.attempts.check_blocking(None).is_continue());
/// assert_eq!(session.attempts.number(), 2);
/// ```
pub type AttemptsOf<O, P> = Attempts<
    O,
    <P as IntoPolicy>::Source,
    <P as IntoPolicy>::Hooks,
    <P as IntoPolicy>::Ends,
    <P as IntoPolicy>::Timer,
>;

/// A retry as a loop: its body borrows what it likes, `&mut` too, `?` and `break` work, and the
/// future around it stays `Send`. Made by [`Policy::start`](crate::Policy::start).
///
/// | in the body | success | failure |
/// |---|---|---|
/// | [`attempt(future)`](Attempts::attempt) | `Break(outcome)` | sleeps, `Continue`; `Break(outcome)` when it gives up |
/// | [`check(outcome)`](Attempts::check) | the same, for an outcome in hand | |
/// | [`again(error)`](Attempts::again) | say [`succeed(value)`](Attempts::succeed) | sleeps, `Ok(())`; `Err(error)` when it gives up |
///
/// Each has a blocking twin. `again` is for values that borrow `&mut`, which no function can
/// both look at and give back; a budget then learns of success only from `succeed`. A loop that is
/// dropped without a word ends as [`Left`](crate::Reason::Left). Once the call has ended, an attempt
/// that is made all the same is nobody's retry: its outcome comes back in `Break`, and nothing is
/// slept and no hook told.
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
pub struct Attempts<O, S: Source, H: Hook<O>, X, T: Clock, V = Inherit, R = Plain> {
    call: Call<O, S, V, H, X, T>,
    output: R,
}

impl<O, S: Source, H: Hook<O>, X: Ends, T: Clock> Attempts<O, S, H, X, T> {
    pub(crate) fn begin<P>(policy: P) -> Result<(Self, Attempt), (X::Interruption, FinishFacts)>
    where
        P: IntoPolicy<Source = S, Hooks = H, Ends = X, Timer = T>,
    {
        Self::begin_call(Call::of(policy.into_parts()), Plain).map_err(|(end, _)| end)
    }
}

impl<O, S: Source, H: Hook<O>, X: Ends, T: Clock, V, R> Attempts<O, S, H, X, T, V, R> {
    /// Begins a call and its first attempt, or gives back what makes its output.
    #[allow(
        clippy::type_complexity,
        reason = "what an attempt is refused with, and what it is for"
    )]
    pub(super) fn begin_call(
        call: Call<O, S, V, H, X, T>,
        output: R,
    ) -> Result<(Self, Attempt), ((X::Interruption, FinishFacts), R)> {
        let mut attempts = Attempts { call, output };
        let mut call = attempts.call.live();
        let now = call.begin();
        match call.enter(now) {
            Ok(attempt) => Ok((attempts, attempt)),
            Err(end) => Err((end, attempts.output)),
        }
    }

    /// Begins the next attempt.
    fn enter(&mut self) -> Result<Attempt, (X::Interruption, FinishFacts)> {
        let mut call = self.call.live();
        let now = call.now();
        call.enter(now)
    }

    /// What was cut short counts as an attempt; what panicked ends the call.
    fn resume(&mut self) -> Option<(X::Interruption, FinishFacts)> {
        let call = self.call.live();
        if call.was_cut_short() {
            return self.enter().err();
        }
        if call.has_panicked() {
            self.call.abandon();
        }
        None
    }

    /// The attempt that the body of the loop is making now; if the last one was cut short, the
    /// next. What it [draws](Attempt::random) is what an operation would that is given it.
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
    pub fn current(&self) -> Attempt {
        self.call.attempt()
    }

    /// The number of the [current](Attempts::current) attempt: 1 for the first.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.call.untimed_attempt().number()
    }

    /// Whether the limit on attempts allows none after the [current](Attempts::current) one. A time
    /// limit, a budget or a classifier may make an earlier one the last.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.call.untimed_attempt().is_last()
    }

    /// Makes one attempt by driving `future`, decides, and sleeps if another is to come.
    ///
    /// `Break(outcome)` leaves the loop with the operation's own outcome, good or bad.
    ///
    /// Dropping the future cancels the attempt, which counts, or the sleep; the loop may go on with
    /// another. An attempt without an outcome cannot be given up on, so a loop that cancels each of
    /// its attempts never ends. Put a timeout *inside* the attempt, where it makes an outcome:
    ///
    /// ```
    /// use persevere::{Policy, constant, time::TokioTimer};
    /// use std::{future::pending, ops::ControlFlow::Break, time::Duration};
    /// use tokio::time::timeout;
    /// # let mut tokio = tokio::runtime::Builder::new_current_thread();
    /// # tokio.enable_time().start_paused(true).build().unwrap().block_on(async {
    ///
    /// let second = Duration::from_secs(1);
    /// let policy = Policy::new(constant(second).max_attempts(3)).timer(TokioTimer);
    /// let mut attempts = policy.start();
    /// let outcome = loop {
    ///     let work = pending::<Result<(), &str>>();
    ///     let limited = async { timeout(second, work).await.unwrap_or(Err("too slow")) };
    ///     if let Break(outcome) = attempts.attempt(limited).await {
    ///         break outcome;
    ///     }
    /// };
    /// assert_eq!((outcome, attempts.number()), (Err("too slow"), 3));
    /// # });
    /// ```
    pub fn attempt<F>(&mut self, future: F) -> Checked<'_, F, O, S, H, X, T, V, R>
    where
        F: Future<Output = O>,
        O: Outcome,
        V: Overlay<S, O>,
        R: Finish<O, X>,
        T: Timer,
    {
        let limit = X::Limit::begin(self.call.live().current_end());
        self.attempt_within(future, limit)
    }

    /// As [`attempt`](Attempts::attempt), for a future that must not be dropped: no
    /// [limit](crate::Policy::attempt_timeout) on its time.
    pub(crate) fn attempt_to_its_end<F>(&mut self, future: F) -> Checked<'_, F, O, S, H, X, T, V, R>
    where
        F: Future<Output = O>,
    {
        self.attempt_within(future, X::Limit::none())
    }

    fn attempt_within<F>(
        &mut self,
        future: F,
        limit: X::Limit<T::Sleep>,
    ) -> Checked<'_, F, O, S, H, X, T, V, R> {
        let refused = self.resume();
        Checked { attempts: self, refused, state: State::Attempting { future, limit } }
    }

    /// Decides what follows an outcome in hand, and sleeps if another attempt is to come. As
    /// [`attempt`](Attempts::attempt), for operations that are no single future.
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
    pub fn check(&mut self, outcome: O) -> Checked<'_, Ready<O>, O, S, H, X, T, V, R>
    where
        O: Outcome,
        V: Overlay<S, O>,
        R: Finish<O, X>,
        T: Timer,
    {
        self.attempt(ready(outcome))
    }

    /// As [`attempt`](Attempts::attempt), blocking.
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
    pub fn attempt_blocking(&mut self, operation: impl FnOnce() -> O) -> ControlFlow<R::Output>
    where
        O: Outcome,
        V: Overlay<S, O>,
        R: Finish<O, X>,
        T: BlockingTimer,
    {
        if let Some((interruption, facts)) = self.resume() {
            return Break(self.output.interrupted(interruption, facts));
        }
        let mut call = self.call.live();
        if !call.is_open() {
            let outcome = operation();
            let facts = call.late(&outcome);
            return Break(self.output.returned(outcome, facts));
        }
        call.set_phase(Phase::Inside);
        let outcome = match call.current_end() {
            #[cfg(feature = "std")]
            Some(end) => crate::enclosing::within(call.timer(), end, operation),
            _ => operation(),
        };
        match call.settle_blocking(outcome, |outcome| self.output.pass(outcome)) {
            Break((outcome, facts)) => Break(self.output.returned(outcome, facts)),
            Continue(()) => match self.enter() {
                Ok(_) => Continue(()),
                Err((interruption, facts)) => Break(self.output.interrupted(interruption, facts)),
            },
        }
    }

    /// As [`check`](Attempts::check), blocking.
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
    pub fn check_blocking(&mut self, outcome: O) -> ControlFlow<R::Output>
    where
        O: Outcome,
        V: Overlay<S, O>,
        R: Finish<O, X>,
        T: BlockingTimer,
    {
        self.attempt_blocking(|| outcome)
    }
}

impl<O, S: Source, H: Hook<O>, T: Clock> Attempts<O, S, H, Own, T> {
    /// Begins a call of `policy`, which no guard can refuse; a bare backoff will do. For a
    /// `&Policy`, [`policy.start()`](crate::Policy::start) is the short way.
    ///
    /// ```
    /// use persevere::{Attempts, immediate};
    /// use std::ops::ControlFlow::{Break, Continue};
    /// let mut attempts = Attempts::start(immediate().max_attempts(2));
    /// assert_eq!(attempts.check_blocking(Err::<(), _>("busy")), Continue(()));
    /// assert_eq!(attempts.check_blocking(Err("busy")), Break(Err("busy")));
    /// ```
    pub fn start<P>(policy: P) -> Self
    where
        P: IntoPolicy<Source = S, Hooks = H, Ends = Own, Timer = T>,
    {
        let Ok((attempts, _)) = Self::begin(policy);
        attempts
    }
}

impl<O, S: Source, H: Hook<O>, X: Ends, T: Clock> Attempts<O, S, H, X, T> {
    /// Begins a call of `policy`, unless a guard refuses the first attempt. For a `&Policy` with a
    /// [guard](crate::Policy::guard), [`policy.try_start()`](crate::Policy::try_start) is the short
    /// way; without one, this always succeeds.
    ///
    /// # Errors
    /// [`Interrupted::Vetoed`] with the veto of the guard. The call has ended, and its hooks know.
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
        P: IntoPolicy<Source = S, Hooks = H, Ends = X, Timer = T>,
    {
        match Self::begin(policy) {
            Ok((attempts, _)) => Ok(attempts),
            Err((interruption, _)) => Err(interruption.into()),
        }
    }
}

impl<E, S: Source, H, X: Ends, T: Clock, V> Attempts<Result<Infallible, E>, S, H, X, T, V>
where
    H: Hook<Result<Infallible, E>>,
    V: Overlay<S, Result<Infallible, E>>,
    Plain: Finish<Result<Infallible, E>, X, Output = Result<Infallible, E>>,
{
    /// Goes on after an error: sleeps, or gives the error back when the call gives up. Put `?`
    /// behind its `.await`.
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
    pub fn again(&mut self, error: E) -> Again<'_, E, S, H, X, T, V>
    where
        T: Timer,
    {
        Again { checked: self.check(Err(error)) }
    }

    /// As [`again`](Attempts::again), blocking.
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
        T: BlockingTimer,
    {
        gave_up(self.check_blocking(Err(error)))
    }

    /// Says that the call succeeded, and passes the value through: budgets refill, and hooks hear
    /// of a success instead of a loop that was left.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use std::cell::Cell;
    /// let heard = Cell::new(0);
    /// let policy = Policy::new(immediate().max_attempts(3))
    ///     .on_success(|finish| heard.set(finish.attempts()));
    /// let mut attempts = policy.start();
    /// attempts.again_blocking("busy")?;
    /// assert_eq!((attempts.succeed("done"), heard.get()), ("done", 2));
    /// # Ok::<_, &str>(())
    /// ```
    pub fn succeed<Y>(mut self, value: Y) -> Y {
        self.call.live().succeed();
        value
    }
}

/// An error is what comes out, since there are no values.
fn gave_up<E>(flow: ControlFlow<Result<Infallible, E>>) -> Result<(), E> {
    match flow {
        Continue(()) => Ok(()),
        Break(Err(error)) => Err(error),
        Break(Ok(never)) => match never {},
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Attempts::attempt`] and [`Attempts::check`]. It makes `Continue` once the
    /// sleep is over, or `Break` with the outcome that leaves the loop.
    ///
    /// # Panics
    /// When polled again after it was ready, or after the operation panicked.
    #[must_use = "an attempt is not made, and an outcome not checked, until this is awaited"]
    pub struct Checked<'a, F, O, S, H, X, T, V = Inherit, R = Plain>
    where
        S: Source,
        H: Hook<O>,
        X: Ends,
        T: Clock,
    {
        attempts: &'a mut Attempts<O, S, H, X, T, V, R>,
        refused: Option<(X::Interruption, FinishFacts)>,
        #[pin]
        state: State<F, T::Sleep, X::Limit<T::Sleep>>,
    }
}

impl<F, O, S, H, X, T, V, R> Future for Checked<'_, F, O, S, H, X, T, V, R>
where
    F: Future<Output = O>,
    O: Outcome,
    S: Source,
    V: Overlay<S, O>,
    H: Hook<O>,
    X: Ends,
    R: Finish<O, X>,
    T: Timer,
{
    type Output = ControlFlow<R::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ControlFlow<R::Output>> {
        let mut this = self.project();
        let Attempts { call, output } = &mut **this.attempts;
        if let Some((interruption, facts)) = this.refused.take() {
            this.state.set(State::Done);
            return Poll::Ready(Break(output.interrupted(interruption, facts)));
        }
        let mut call = call.live();
        if !call.is_open() {
            // The call has ended before: what is tried now is nobody's retry.
            let StateProjection::Attempting { future, .. } = this.state.as_mut().project() else {
                panic!("{OVER}");
            };
            let outcome = task::ready!(future.poll(cx));
            let facts = call.late(&outcome);
            return Poll::Ready(Break(output.returned(outcome, facts)));
        }
        let pass = |outcome| output.pass(outcome);
        match task::ready!(drive(this.state.as_mut(), &mut call, pass, cx)) {
            Progress::Ended(outcome, facts) => Poll::Ready(Break(output.returned(outcome, facts))),
            Progress::Interrupted(interruption, facts) => {
                Poll::Ready(Break(output.interrupted(interruption, facts)))
            }
            Progress::Due(now) => {
                this.state.set(State::Done);
                Poll::Ready(match call.enter(now) {
                    Ok(_) => Continue(()),
                    Err((interruption, facts)) => Break(output.interrupted(interruption, facts)),
                })
            }
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Attempts::again`]. It makes `Ok` once the sleep is over, or the error if the
    /// call gives up.
    ///
    /// # Panics
    /// When polled again after it was ready.
    #[must_use = "nothing is slept until this is awaited"]
    pub struct Again<'a, E, S, H, X, T, V = Inherit>
    where
        S: Source,
        H: Hook<Result<Infallible, E>>,
        X: Ends,
        T: Clock,
    {
        #[pin]
        checked: Checked<'a, Ready<Result<Infallible, E>>, Result<Infallible, E>, S, H, X, T, V>,
    }
}

impl<E, S, H, X, T, V> Future for Again<'_, E, S, H, X, T, V>
where
    S: Source,
    V: Overlay<S, Result<Infallible, E>>,
    H: Hook<Result<Infallible, E>>,
    X: Ends,
    Plain: Finish<Result<Infallible, E>, X, Output = Result<Infallible, E>>,
    T: Timer,
{
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.project().checked.poll(cx).map(gave_up)
    }
}

impl<O, S: Source, H: Hook<O>, X, T: Clock, V, R> fmt::Debug for Attempts<O, S, H, X, T, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").field("call", &self.call).finish()
    }
}

macro_rules! opaque_debug {
    ($name:ident [$($g:tt)*] [$($last:tt)*] [$outcome:ty]) => {
        impl<S: Source, H: Hook<$outcome>, X: Ends, T: Clock, $($g)*, $($last)*> fmt::Debug
            for $name<'_, $($g)*, S, H, X, T, $($last)*>
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}
opaque_debug!(Checked [F, O] [V, R] [O]);
opaque_debug!(Again [E] [V] [Result<Infallible, E>]);
