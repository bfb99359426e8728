//! The operations: closures, functions, futures, the bodies of loops.

use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;

use super::{Passthrough, Retry};
use crate::hedge::{Hedge, Hedged, Idempotent};
use crate::policy::{IntoPolicy, PolicyOf, Setup};
use crate::{Attempt, Outcome as IsOutcome};

/// The type of the call that [`RetryExt::retry_with`] makes of an operation and a policy, for a field;
/// the [module](mod@crate::retry) has an example. `M` is [`Blocking`](marker::Blocking) or
/// [`Async`](marker::Async).
#[doc(hidden)]
pub type RetryOf<Op, M, P> = Retry<Op, OutcomeOf<Op, M>, PolicyOf<P>, Passthrough>;

/// Makes attempts. Closures, functions and clonable futures become operations by [`RetryExt`]; a custom
/// type implements both:
///
/// ```
/// use persevere::{Attempt, RetryExt, immediate, retry::Operation};
///
/// struct Knock { answers_at: u32 }
/// impl Operation for Knock {
///     type Output = Option<u32>;
///     fn attempt(&mut self, attempt: Attempt) -> Option<u32> {
///         (attempt.number() == self.answers_at).then_some(self.answers_at)
///     }
/// }
/// impl RetryExt<()> for Knock {
///     type Operation = Self;
///     fn into_operation(self) -> Self { self }
/// }
///
/// let answer = Knock { answers_at: 2 }.retry_with(immediate().max_attempts(3)).call();
/// assert_eq!(answer, Some(2));
/// ```
#[diagnostic::on_unimplemented(
    message = "a future runs once, so it cannot be retried",
    label = "this future is not `Clone`",
    note = "retry what makes it: `(|| fetch(&url)).retry_with(..)` instead of `fetch(&url).retry_with(..)`"
)]
pub trait Operation {
    /// An [outcome](crate::Outcome), or a future of one.
    type Output;

    /// Whether the operation uses the attempt, and may draw from its random stream.
    #[doc(hidden)]
    const SEES_ATTEMPT: bool = true;

    /// Makes the attempt, or the future that makes it. It is called once for each attempt, and not
    /// again once it has panicked.
    fn attempt(&mut self, attempt: Attempt) -> Self::Output;
}

/// An outcome, and no future of one: `T` for `T` alone.
#[diagnostic::on_unimplemented(
    message = "this operation makes a future: `.await` the retry instead of `.call()`",
    label = "an operation that is not blocking",
    note = "the retry of an operation that makes a future is a future itself",
    note = "the retry of a `Loop` is neither: begin it with `.start()`, or with `.begin()` if it has guards"
)]
#[doc(hidden)]
pub trait AtOnce<O> {
    /// Returns the outcome.
    fn outcome(self) -> O;
}

impl<O> AtOnce<O> for O {
    #[inline(always)]
    fn outcome(self) -> O {
        self
    }
}

/// A future of an outcome.
#[diagnostic::on_unimplemented(
    message = "this operation makes its outcome at once: `.call()` the retry instead of `.await`",
    label = "an operation that is not asynchronous",
    note = "to await the retry, retry what makes a future: `async || ..`",
    note = "the retry of a `Loop` is neither: begin it with `.start()`, or with `.begin()` if it has guards"
)]
#[doc(hidden)]
pub trait Later<O>: Future<Output = O> {}

#[diagnostic::do_not_recommend]
impl<O, F: Future<Output = O>> Later<O> for F {}

/// A closure without arguments as an [`Operation`].
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct FnOperation<F>(F);

impl<F: FnMut() -> R, R> Operation for FnOperation<F> {
    type Output = R;
    const SEES_ATTEMPT: bool = false;
    #[inline(always)]
    fn attempt(&mut self, _: Attempt) -> R {
        (self.0)()
    }
}

/// A closure that takes the [`Attempt`] as an [`Operation`].
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct FnWithAttempt<F>(pub(crate) F);

impl<F: FnMut(Attempt) -> R, R> Operation for FnWithAttempt<F> {
    type Output = R;
    #[inline(always)]
    fn attempt(&mut self, attempt: Attempt) -> R {
        (self.0)(attempt)
    }
}

/// A future that is cloned for each attempt as an [`Operation`].
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct CloneFuture<F>(F);

#[diagnostic::do_not_recommend]
impl<F: Future + Clone> Operation for CloneFuture<F> {
    type Output = F;
    const SEES_ATTEMPT: bool = false;
    #[inline(always)]
    fn attempt(&mut self, _: Attempt) -> F {
        self.0.clone()
    }
}

/// Selects implementations; inferred, never written but in [`RetryOf`].
#[doc(hidden)]
pub mod marker {
    /// `FnMut() -> R`
    #[doc(hidden)]
    #[derive(Debug)]
    pub enum FnOperation {}
    /// `FnMut(Attempt) -> R`
    #[doc(hidden)]
    #[derive(Debug)]
    pub enum FnWithAttempt {}
    /// `Future + Clone`
    #[doc(hidden)]
    #[derive(Debug)]
    pub enum CloneFuture {}
    /// [`Hedged`](crate::hedge::Hedged)
    #[doc(hidden)]
    #[derive(Debug)]
    pub enum Hedged {}
    /// [`Loop`](crate::retry::Loop)
    #[doc(hidden)]
    #[derive(Debug)]
    pub enum Loop {}
    /// The operation makes outcomes.
    #[derive(Debug)]
    pub enum Blocking {}
    /// The operation makes futures of outcomes.
    #[derive(Debug)]
    pub enum Async {}
}

/// An outcome, or a future of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an outcome that can be retried",
    label = "not an outcome",
    note = "return a `Result`, an `Option`, a `ControlFlow`, or a future of one; or implement `Outcome`"
)]
#[doc(hidden)]
pub trait Produces<M> {
    /// The outcome.
    type Outcome: IsOutcome;
}

impl<O: IsOutcome> Produces<marker::Blocking> for O {
    type Outcome = O;
}

impl<F: Future<Output: IsOutcome>> Produces<marker::Async> for F {
    type Outcome = F::Output;
}

/// The outcome of an operation.
#[doc(hidden)]
pub type OutcomeOf<Op, M> = <<Op as Operation>::Output as Produces<M>>::Outcome;

/// Puts `.retry_with(..)` on closures, functions, async closures and clonable futures.
///
/// | operation | example |
/// |---|---|
/// | closure or function | `(\|\| fetch(&url))`, `fetch` |
/// | that takes the attempt | `(\|attempt: Attempt\| send(attempt.number()))`; the argument's type is written |
/// | async closure that borrows nothing mutably | `(async \|\| fetch(&url).await)` |
/// | clonable future | `client.get(url)`, if it is `Clone` |
///
/// If the operation makes a future, the retry is awaited; if it makes an outcome, it ends in
/// [`.call()`](Retry::call). A closure runs once per attempt: drop `move`, or clone inside,
/// `|| fetch(body.clone())`.
///
/// ```
/// use persevere::{Attempt, RetryExt, immediate, time::VirtualClock};
/// use std::future::ready;
///
/// let twice = immediate().max_attempts(2);
/// let clock = VirtualClock::new();
/// assert_eq!((|| "7".parse::<u8>()).retry_with(twice).call(), Ok(7));
/// assert_eq!((|attempt: Attempt| Some(attempt.number())).retry_with(twice).call(), Some(1));
/// assert_eq!(clock.block_on((async || Some("async")).retry_with(twice)), Some("async"));
/// assert_eq!(clock.block_on(ready(Some("clonable")).retry_with(twice)), Some("clonable"));
/// ```
pub trait RetryExt<M>: Sized {
    /// The operation that it is.
    type Operation;

    /// Makes an operation of it.
    fn into_operation(self) -> Self::Operation;

    /// Retries this operation by a policy: a [finite](crate::Finite) backoff, a
    /// [`Policy`](crate::Policy), or a reference or `Arc` to one.
    ///
    /// Returns the [`Retry`], which is both a builder (`.when`, `.until`, `.on_retry`, …) and the
    /// future. Nothing happens before the first poll or `.call()`.
    ///
    /// ```
    /// use persevere::{RetryExt, exponential};
    /// use persevere::time::VirtualClock;
    /// use std::time::Duration;
    ///
    /// let clock = VirtualClock::new();
    /// let mut calls = 0;
    /// let outcome = (|| { calls += 1; if calls < 3 { Err("busy") } else { Ok(calls) } })
    ///     .retry_with(exponential(Duration::from_millis(100)).max_attempts(5))
    ///     .when(|error| *error == "busy")
    ///     .timer(clock.clone())
    ///     .call();
    /// assert_eq!(outcome, Ok(3));
    /// assert_eq!(clock.slept(), [100, 200].map(Duration::from_millis));
    /// ```
    #[inline(always)]
    fn retry_with<K, P>(self, policy: P) -> RetryOf<Self::Operation, K, P>
    where
        Self::Operation: Operation,
        <Self::Operation as Operation>::Output: Produces<K>,
        P: IntoPolicy,
        PolicyOf<P>: Setup<OutcomeOf<Self::Operation, K>>,
    {
        Retry::new(self.into_operation(), policy.into_policy(), Passthrough)
    }

    /// Starts another copy of an attempt that takes long; the first that succeeds is the outcome, and
    /// the others are dropped. Only for operations that may run several times at once, which the
    /// caller says with [`Idempotent`]. See [`hedge`](crate::hedge).
    ///
    /// ```
    /// use persevere::{Idempotent, RetryExt, constant, hedge_after, time::VirtualClock};
    /// use std::{future::ready, time::Duration};
    ///
    /// let (clock, ms) = (VirtualClock::new(), Duration::from_millis);
    /// let retry = (|| ready(Ok::<_, std::io::Error>("page")))
    ///     .hedged(Idempotent, hedge_after(ms(50)).timer(clock.clone()))
    ///     .retry_with(constant(ms(100)).max_attempts(3))
    ///     .timer(clock.clone());
    /// assert_eq!(clock.block_on(retry)?, "page");
    /// # Ok::<_, std::io::Error>(())
    /// ```
    #[inline]
    fn hedged<C, T, W>(
        self,
        idempotent: Idempotent,
        hedge: Hedge<C, T, W>,
    ) -> Hedged<Self::Operation, C, T, W>
    where
        Self::Operation: Operation<Output: Future<Output: IsOutcome>>,
    {
        let Idempotent = idempotent;
        Hedged::new(self.into_operation(), hedge)
    }
}

impl<F: FnMut() -> R, R> RetryExt<marker::FnOperation> for F {
    type Operation = FnOperation<F>;
    #[inline(always)]
    fn into_operation(self) -> FnOperation<F> {
        FnOperation(self)
    }
}

impl<F: FnMut(Attempt) -> R, R> RetryExt<marker::FnWithAttempt> for F {
    type Operation = FnWithAttempt<F>;
    #[inline(always)]
    fn into_operation(self) -> FnWithAttempt<F> {
        FnWithAttempt(self)
    }
}

impl<F: Future> RetryExt<marker::CloneFuture> for F {
    type Operation = CloneFuture<F>;
    #[inline(always)]
    fn into_operation(self) -> CloneFuture<F> {
        CloneFuture(self)
    }
}

/// An operation that is written as the body of a loop, for the setters of a call: `O` is the outcome
/// of its attempts.
///
/// [`policy.start()`](crate::Policy::start) is the short way to a loop. With `Loop`, the outcome's
/// type is known, so that closures need no types, and a loop may report; then come
/// [`start`](Retry::start) or [`begin`](Retry::begin).
///
/// ```
/// use persevere::{RetryExt, immediate, retry::Loop};
/// use std::{num::ParseIntError, ops::ControlFlow::Break};
///
/// let mut retries = 0;
/// let mut attempts = Loop::<Result<u8, ParseIntError>>::new()
///     .retry_with(immediate().max_attempts(5))
///     .when(|error| !error.to_string().contains("empty"))
///     .on_retry(|_| retries += 1)
///     .start();
/// let mut text = String::from("..7");
/// let outcome = loop {
///     if let Break(outcome) = attempts.attempt_blocking(|| text.parse()) {
///         break outcome;
///     }
///     text.remove(0);
/// };
/// drop(attempts);
/// assert_eq!((outcome, retries), (Ok(7), 2));
/// ```
pub struct Loop<O> {
    outcome: PhantomData<fn() -> O>,
}

impl<O> Loop<O> {
    /// Creates a loop whose attempts make `O`.
    #[must_use]
    pub const fn new() -> Self
    where
        O: IsOutcome,
    {
        Loop { outcome: PhantomData }
    }
}

impl<O: IsOutcome> Default for Loop<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> fmt::Debug for Loop<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loop")
    }
}

/// The attempts of a [`Loop`] are made in its body: there is no value of this type.
#[doc(hidden)]
pub struct InBody<O> {
    never: Infallible,
    outcome: PhantomData<fn() -> O>,
}

impl<O> fmt::Debug for InBody<O> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.never {}
    }
}

impl<O> Operation for Loop<O> {
    type Output = InBody<O>;

    fn attempt(&mut self, _: Attempt) -> InBody<O> {
        unreachable!("the attempts of a loop are made by its body")
    }
}

#[diagnostic::do_not_recommend]
impl<O: IsOutcome> Produces<marker::Loop> for InBody<O> {
    type Outcome = O;
}

impl<O> RetryExt<marker::Loop> for Loop<O> {
    type Operation = Self;
    fn into_operation(self) -> Self {
        self
    }
}
