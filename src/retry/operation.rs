//! What can be retried: closures, functions, futures.

use core::future::Future;

use super::call::Call as Session;
use super::finish::Plain;
use super::future::{Retry, RetryOf};
use super::source::IntoPolicy;
use crate::hedge::{Hedge, Hedged, Idempotent};
use crate::time::Clock;
use crate::{Attempt, Hook, Outcome as IsOutcome};

/// Something that makes an attempt whenever it is asked to. Closures, functions and clonable futures
/// become one by [`RetryExt`]; a type of your own does so by implementing both:
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

    /// Makes the attempt, or the future that will. It is called once for each attempt, and not again
    /// once it has panicked.
    fn attempt(&mut self, attempt: Attempt) -> Self::Output;
}

/// What an operation makes is its outcome, and no future of one: `T` for `T` and nothing else.
#[diagnostic::on_unimplemented(
    message = "this operation makes a future: `.await` the retry instead of `.call()`",
    label = "an operation that is not blocking",
    note = "the retry of an operation that makes a future is a future itself"
)]
pub trait AtOnce<O> {
    /// The outcome.
    fn outcome(self) -> O;
}

impl<O> AtOnce<O> for O {
    #[inline]
    fn outcome(self) -> O {
        self
    }
}

/// What an operation makes is a future of its outcome.
#[diagnostic::on_unimplemented(
    message = "this operation makes its outcome at once: `.call()` the retry instead of `.await`",
    label = "an operation that is not asynchronous",
    note = "to await the retry, retry what makes a future: `async || ..`"
)]
pub trait Later<O>: Future<Output = O> {}

#[diagnostic::do_not_recommend]
impl<O, F: Future<Output = O>> Later<O> for F {}

/// A closure without arguments as an [`Operation`].
#[derive(Clone, Copy, Debug)]
pub struct Call<F>(F);

impl<F: FnMut() -> R, R> Operation for Call<F> {
    type Output = R;
    #[inline]
    fn attempt(&mut self, _: Attempt) -> R {
        (self.0)()
    }
}

/// A closure that takes the [`Attempt`] as an [`Operation`].
#[derive(Clone, Copy, Debug)]
pub struct CallWith<F>(F);

impl<F: FnMut(Attempt) -> R, R> Operation for CallWith<F> {
    type Output = R;
    #[inline]
    fn attempt(&mut self, attempt: Attempt) -> R {
        (self.0)(attempt)
    }
}

/// A future that is cloned for each attempt as an [`Operation`].
#[derive(Clone, Copy, Debug)]
pub struct Repeat<F>(F);

#[diagnostic::do_not_recommend]
impl<F: Future + Clone> Operation for Repeat<F> {
    type Output = F;
    #[inline]
    fn attempt(&mut self, _: Attempt) -> F {
        self.0.clone()
    }
}

/// Tells the three kinds of [`RetryExt`] apart; inferred, never written.
pub mod marker {
    /// `FnMut() -> R`
    #[derive(Debug)]
    pub struct Call;
    /// `FnMut(Attempt) -> R`
    #[derive(Debug)]
    pub struct CallWith;
    /// `Future + Clone`
    #[derive(Debug)]
    pub struct Repeat;
    /// [`Hedged`](crate::hedge::Hedged)
    #[derive(Debug)]
    pub enum Hedged {}
    /// [`Loop`](crate::retry::Loop)
    #[derive(Debug)]
    pub enum Loop {}
    /// The operation makes outcomes.
    #[derive(Debug)]
    pub enum Sync {}
    /// The operation makes futures of outcomes.
    #[derive(Debug)]
    pub enum Async {}
}

/// What an operation makes is an outcome, or a future of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an outcome that can be retried",
    label = "not an outcome",
    note = "return a `Result`, an `Option`, a `ControlFlow`, or a future of one; or implement `Outcome`"
)]
pub trait Produces<K> {
    /// The outcome.
    type Outcome: IsOutcome;
}

impl<O: IsOutcome> Produces<marker::Sync> for O {
    type Outcome = O;
}

impl<F: Future<Output: IsOutcome>> Produces<marker::Async> for F {
    type Outcome = F::Output;
}

/// The outcome of an operation.
pub type Outcome<Op, K> = <<Op as Operation>::Output as Produces<K>>::Outcome;

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
/// [`.call()`](Retry::call).
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
    /// It returns the [`Retry`], which is both a builder (`.when`, `.until`, `.on_retry`, …) and the
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
    #[inline]
    fn retry_with<K, P>(self, policy: P) -> RetryOf<Self::Operation, K, P>
    where
        Self::Operation: Operation,
        P: IntoPolicy<Timer: Clock>,
        <Self::Operation as Operation>::Output: Produces<K>,
        P::Hooks: Hook<Outcome<Self::Operation, K>>,
    {
        Retry::new(self.into_operation(), Session::of(policy.into_parts()), Plain)
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

impl<F: FnMut() -> R, R> RetryExt<marker::Call> for F {
    type Operation = Call<F>;
    #[inline]
    fn into_operation(self) -> Call<F> {
        Call(self)
    }
}

impl<F: FnMut(Attempt) -> R, R> RetryExt<marker::CallWith> for F {
    type Operation = CallWith<F>;
    #[inline]
    fn into_operation(self) -> CallWith<F> {
        CallWith(self)
    }
}

impl<F: Future> RetryExt<marker::Repeat> for F {
    type Operation = Repeat<F>;
    #[inline]
    fn into_operation(self) -> Repeat<F> {
        Repeat(self)
    }
}
