//! The uses of a policy: `run`, `call`, `start`.

use core::future::Future;
use core::ops::ControlFlow::Break;

use super::rules::{Rules, RulesFor};
use super::{Borrowed, IntoPolicy, Policy};
use crate::engine::Engine;
use crate::guard::{BlockingGuards, EndsAs, GuardEvents, Guards, Unguarded};
use crate::hook::Hook;
use crate::retry::{Attempts, FnWithAttempt, Passthrough, Produces, Retry};
use crate::time::signal::Signals;
use crate::time::{BlockingTimer, Clock, Timer};
use crate::{Attempt, Interrupted, Outcome};

// They take `&self`: a method by value would move out of a `static`.
impl<S: Rules, H, G, T, K> Policy<S, H, G, T, K> {
    /// Returns the policy by reference, to add to it for one call or loop.
    ///
    /// ```
    /// use persevere::{Policy, StaticPolicy, immediate};
    /// static POLICY: StaticPolicy = Policy::new(&immediate().max_attempts(3));
    /// let outcome = POLICY.by_ref().when(|error: &u8| *error > 1).call(|_| Err::<(), _>(1));
    /// assert_eq!(outcome, Err(1));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn by_ref(&self) -> Borrowed<'_, S, H, G, T, K>
    where
        H: Clone,
        G: Clone,
        T: Clone,
        K: Clone,
    {
        self.into_policy()
    }

    /// Retries a closure that takes the [`Attempt`] and returns a future, or an outcome: as
    /// `closure.retry_with(self)`. The returned [`Retry`] is awaited, or ended in `.call()`, and takes the
    /// setters of a call.
    ///
    /// The future is `Send` if the closure and its futures are, so it can be spawned. Futures that borrow
    /// mutably from their closure need [`run_lending`](Policy::run_lending), the
    /// [loop](Policy::start), or [`run_with`](Policy::run_with); without one of these, the compiler
    /// reports *async closure does not implement `FnMut` because it captures state from its environment*,
    /// or *captured variable cannot escape `FnMut` closure body*.
    ///
    /// ```
    /// use persevere::{Policy, StaticPolicy, constant};
    /// use std::time::Duration;
    ///
    /// static POLICY: StaticPolicy = Policy::new(&constant(Duration::from_millis(1)).max_attempts(5));
    ///
    /// async fn send(number: u32) -> Result<u32, String> {
    ///     if number < 3 { Err("not yet".into()) } else { Ok(number) }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let task = tokio::spawn(async {
    ///     POLICY.run(|attempt| send(attempt.number())).when(|error| error == "not yet").await
    /// });
    /// assert_eq!(task.await.unwrap(), Ok(3));
    /// # });
    /// ```
    #[inline(always)]
    pub fn run<F, X, M>(
        &self,
        operation: F,
    ) -> Retry<FnWithAttempt<F>, X::Outcome, Borrowed<'_, S, H, G, T, K>, Passthrough>
    where
        F: FnMut(Attempt) -> X,
        X: Produces<M>,
        S: Rules<Form: GuardEvents<X::Outcome>>,
        H: Hook<X::Outcome> + Clone,
        G: Guards<X::Outcome> + Clone,
        T: Clock + Clone,
        K: Signals<X::Outcome> + Clone,
    {
        Retry::new(FnWithAttempt(operation), self.by_ref(), Passthrough)
    }

    /// Runs a closure that blocks, blocking between attempts: `run(operation).call()`.
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// let policy = Policy::new(immediate().max_attempts(3));
    /// let outcome = policy.call(|attempt| if attempt.is_last() { Ok("done") } else { Err(()) });
    /// assert_eq!(outcome, Ok("done"));
    /// ```
    #[inline(always)]
    pub fn call<F, O: Outcome>(&self, operation: F) -> O
    where
        F: FnMut(Attempt) -> O,
        S: Rules<Form: GuardEvents<O>> + RulesFor<O>,
        H: Hook<O> + Clone,
        G: EndsAs<O> + BlockingGuards + Clone,
        T: BlockingTimer + Clone,
        K: Signals<O> + Clone,
    {
        Retry::new(FnWithAttempt(operation), self.by_ref(), Passthrough).call()
    }

    /// Runs an async closure whose futures may borrow from it, `&mut` too: it is lent again for each
    /// attempt.
    ///
    /// Its future is not `Send` once the closure captures anything, because of a limit of the language
    /// (rust-lang/rust#134997). In a spawned task, use [`run`](Policy::run), the
    /// [loop](Policy::start) or [`run_with`](Policy::run_with).
    ///
    /// ```
    /// use persevere::{Policy, immediate, time::VirtualClock};
    ///
    /// let policy = Policy::new(immediate().max_attempts(5));
    /// let mut tried = vec![];
    /// let outcome = VirtualClock::new().block_on(policy.run_lending(async |attempt| {
    ///     tried.push(attempt.number());
    ///     if tried.len() < 3 { Err("not yet") } else { Ok(()) }
    /// }));
    /// assert_eq!((outcome, tried), (Ok(()), vec![1, 2, 3]));
    /// ```
    pub async fn run_lending<O: Outcome>(&self, mut operation: impl AsyncFnMut(Attempt) -> O) -> O
    where
        S: Rules<Form: GuardEvents<O>> + RulesFor<O>,
        H: Hook<O> + Clone,
        G: EndsAs<O> + Clone,
        T: Timer + Clone,
        K: Signals<O> + Clone,
    {
        let mut attempts = match Attempts::begin_uncut(Engine::idle(self.by_ref()), Passthrough) {
            Ok(attempts) => attempts,
            Err(outcome) => return outcome,
        };
        loop {
            let attempt = attempts.current();
            if let Break(outcome) = attempts.attempt(operation(attempt)).await {
                return outcome;
            }
        }
    }

    /// Runs a closure on a state that moves from attempt to attempt, and returns the state with the
    /// outcome: for `&mut` state in a task that has to be `Send`.
    ///
    /// An attempt owns the state, so it is never dropped: a policy with
    /// [`attempt_timeout`](Policy::attempt_timeout) does not compile here, and a
    /// [`deadline`](Policy::deadline) refuses retries only: calls within an attempt do not see it.
    ///
    /// ```
    /// use persevere::{Policy, immediate, time::VirtualClock};
    ///
    /// let policy = Policy::new(immediate().max_attempts(5));
    /// let run = policy.run_with(vec![], |mut tried, attempt| async move {
    ///     tried.push(attempt.number());
    ///     let outcome = if tried.len() < 3 { Err("not yet") } else { Ok(()) };
    ///     (tried, outcome)
    /// });
    /// let (tried, outcome) = VirtualClock::new().block_on(run);
    /// assert_eq!((outcome, tried), (Ok(()), vec![1, 2, 3]));
    /// ```
    pub async fn run_with<X, Fut, O>(
        &self,
        mut state: X,
        mut operation: impl FnMut(X, Attempt) -> Fut,
    ) -> (X, O)
    where
        Fut: Future<Output = (X, O)>,
        O: Outcome,
        S: Rules<Form: GuardEvents<O>> + RulesFor<O>,
        H: Hook<O> + Clone,
        G: EndsAs<O> + BlockingGuards + Clone,
        T: Timer + Clone,
        K: Signals<O> + Clone,
    {
        let mut attempts = match Attempts::begin_uncut(Engine::idle(self.by_ref()), Passthrough) {
            Ok(attempts) => attempts,
            Err(outcome) => return (state, outcome),
        };
        loop {
            let mut returned = None;
            let future = operation(state, attempts.current());
            let attempt = attempts.attempt_to_its_end(async {
                let (state, outcome) = future.await;
                returned = Some(state);
                outcome
            });
            let flow = attempt.await;
            match (flow, returned) {
                (Break(outcome), Some(state)) => return (state, outcome),
                (_, Some(next)) => state = next,
                (_, None) => unreachable!("an attempt that has an outcome has returned its state"),
            }
        }
    }

    /// Begins a call as a loop; see [`Attempts`]. The clock starts, and hooks receive the first
    /// attempt. A policy with [guards](crate::guard) has [`try_start`](Policy::try_start).
    ///
    /// ```
    /// use persevere::{Policy, immediate};
    /// use std::ops::ControlFlow::Break;
    /// let policy = Policy::new(immediate().max_attempts(3));
    /// let (mut attempts, mut sum) = (policy.start(), 0);
    /// let outcome = loop {
    ///     sum += attempts.number();
    ///     if let Break(outcome) = attempts.check_blocking(Err::<(), _>("busy")) { break outcome; }
    /// };
    /// assert_eq!((outcome, sum), (Err("busy"), 1 + 2 + 3));
    /// ```
    #[inline]
    pub fn start<O>(&self) -> Attempts<O, Borrowed<'_, S, H, G, T, K>>
    where
        S: Rules<Form: GuardEvents<O>>,
        H: Hook<O> + Clone,
        G: Unguarded<O> + Clone,
        T: Clock + Clone,
        K: Signals<O> + Clone,
    {
        Attempts::start(self)
    }

    /// Begins a call as a loop, unless a [guard](crate::guard) refuses the first attempt. A later
    /// attempt that is refused leaves the loop with the outcome of an interrupted call.
    ///
    /// Where the error has no `From<Interrupted>`, begin with [`Loop`](crate::retry::Loop) and
    /// [`begin`](Retry::begin), whose output is that of `.or_interrupted(..)`.
    ///
    /// # Errors
    /// [`Interrupted::Vetoed`] with the veto of the guard. The call has ended, and its hooks received the end.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, Interrupted, Policy, Veto, immediate};
    /// let breaker = CircuitBreaker::default();
    /// let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.clone());
    /// breaker.isolate();
    /// let refusal = policy.try_start::<Option<u8>>().err();
    /// assert_eq!(refusal, Some(Interrupted::Vetoed(Veto::Circuit)));
    /// ```
    pub fn try_start<O>(&self) -> Result<Attempts<O, Borrowed<'_, S, H, G, T, K>>, Interrupted>
    where
        S: Rules<Form: GuardEvents<O>>,
        H: Hook<O> + Clone,
        G: Guards<O> + Clone,
        T: Clock + Clone,
        K: Signals<O> + Clone,
    {
        Attempts::try_start(self)
    }
}
