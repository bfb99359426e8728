//! Whether a call may end without an outcome of its own, said by type.

use core::convert::Infallible;

use crate::Interrupted;
use crate::time::{Limit, Limited, Unlimited};

/// Says by type whether a policy may end a call that has no outcome of its own.
///
/// It is implemented by [`Own`] and [`MayInterrupt`] and cannot be by others.
pub trait Ends: sealed::Sealed {
    /// What such an end is: [`Interrupted`], or nothing that could be.
    type Interruption: Into<Interrupted>;

    /// What the time of an attempt may be limited with, by sleeps of type `Z`.
    type Limit<Z>: Limit<Z>;

    /// Whether hooks are asked before each attempt, and for a limit on its time.
    const INTERRUPTS: bool;

    /// The interruption, if there can be one.
    fn interruption(interrupted: Interrupted) -> Option<Self::Interruption>;
}

mod sealed {
    /// Keeps [`Ends`](super::Ends) to the two that the engine knows.
    pub trait Sealed {}
    impl Sealed for super::Own {}
    impl Sealed for super::MayInterrupt {}
}

/// Every call ends with an outcome of its own operation. What a policy is unless a
/// [guard](crate::Policy::guard) is added.
///
/// ```
/// use persevere::{Backoff, Finite, Own, Policy, immediate};
/// use persevere::classify::OnError;
///
/// /// The outcome needs no `From<Interrupted>`, since no guard can come in between.
/// fn twice<B: Backoff>(policy: &Policy<B, OnError, (), Own>) -> [Result<u32, &'static str>; 2] {
///     [policy.call(|attempt| Ok(attempt.number())), policy.call(|_| Err("busy"))]
/// }
/// assert_eq!(twice(&Policy::new(immediate().max_attempts(3))), [Ok(1), Err("busy")]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own;

impl Ends for Own {
    type Interruption = Infallible;
    type Limit<Z> = Unlimited;
    const INTERRUPTS: bool = false;

    #[inline]
    fn interruption(_: Interrupted) -> Option<Infallible> {
        None
    }
}

/// A call may end without an outcome of its operation: a guard refused the attempt, or it took too
/// long.
///
/// The outcome has to be able to say so: a `Result` or a `ControlFlow` whose error is
/// `From<Interrupted>`, an `Option`, any other that is
/// [`Interruptible`](crate::retry::Interruptible), or any at all with
/// [`.report()`](crate::Retry::report).
///
/// ```
/// use persevere::{Attempt, MayInterrupt, Policy, Veto, hook::Hook, immediate};
/// use persevere::backoff::{Constant, MaxAttempts};
/// use persevere::classify::OnError;
/// use std::ops::ControlFlow;
///
/// #[derive(Clone)]
/// struct Closed;
/// impl<O> Hook<O> for Closed {
///     fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
///         ControlFlow::Break(Veto::Circuit)
///     }
/// }
///
/// type Guarded = Policy<MaxAttempts<Constant>, OnError, ((), Closed), MayInterrupt>;
/// let policy: Guarded = Policy::new(immediate().max_attempts(3)).guard(Closed);
/// assert_eq!(policy.call(|_| Some("never asked")), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MayInterrupt;

impl Ends for MayInterrupt {
    type Interruption = Interrupted;
    type Limit<Z> = Limited<Z>;
    const INTERRUPTS: bool = true;

    #[inline]
    fn interruption(interrupted: Interrupted) -> Option<Interrupted> {
        Some(interrupted)
    }
}
