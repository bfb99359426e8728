//! The outcome of a call that its guards ended.

use core::convert::Infallible;
use core::fmt;
use core::ops::ControlFlow;

use super::slot::pass_to_guards;
use super::{BlockingGuards, Guard, GuardEvents, Guards, MayInterrupt};
use crate::error::Interruption;
use crate::guard::{AttemptTimeout, AttemptTimeoutBy, Deadline};
use crate::hook::{AttemptEvent, FinishEvent, RetryEvent};
use crate::time::signal::Keep;
use crate::{Attempt, FromError, Interrupted, Interruptible, IntoResult, Veto};

/// A slot of guards that has an outcome for calls that they end. Without guards there are no such
/// calls, so any outcome will do.
#[diagnostic::on_unimplemented(
    message = "a guard of this policy can end a call before its operation returns, and `{O}` cannot be built from that",
    label = "calls of this policy may end without an outcome",
    note = "add `.or_interrupted(|why| my_error)` to the call or the policy (works for error types of other crates; in `#[retry]`: `interrupted = |why| my_error`),",
    note = "or `.report()` to the call, whose error has the reason,",
    note = "or implement `From<persevere::Interrupted>` for your own error type"
)]
#[doc(hidden)]
pub trait EndsAs<O>: Guards<O> {
    /// Makes the outcome of a call that was interrupted after the outcome `last`.
    fn outcome(&mut self, interruption: Self::Interruption, last: Option<O>) -> O;
}

/// The outcome of an interrupted call, wherever in the slot it is given.
#[diagnostic::on_unimplemented(
    message = "a guard of this policy can end a call before its operation returns, and `{O}` cannot be built from that",
    label = "calls of this policy may end without an outcome",
    note = "add `.or_interrupted(|why| my_error)` to the call or the policy (works for error types of other crates; in `#[retry]`: `interrupted = |why| my_error`),",
    note = "or `.report()` to the call, whose error has the reason,",
    note = "or implement `From<persevere::Interrupted>` for your own error type"
)]
#[doc(hidden)]
pub trait Fallback<O> {
    /// Makes the outcome of a call that was interrupted after the outcome `last`.
    fn fallback(&mut self, interrupted: Interrupted, last: Option<O>) -> O;
}

impl<O> EndsAs<O> for () {
    #[inline(always)]
    fn outcome(&mut self, never: Infallible, _: Option<O>) -> O {
        match never {}
    }
}

impl<O, G: Guards<O> + Fallback<O>, X: Guard<O>> EndsAs<O> for (G, X) {
    fn outcome(&mut self, interrupted: Interrupted, last: Option<O>) -> O {
        self.0.fallback(interrupted, last)
    }
}

impl<O: Interruptible> Fallback<O> for () {
    fn fallback(&mut self, interrupted: Interrupted, _: Option<O>) -> O {
        O::from_interrupted(interrupted)
    }
}

impl<O, G: Fallback<O>, X> Fallback<O> for (G, X) {
    fn fallback(&mut self, interrupted: Interrupted, last: Option<O>) -> O {
        self.0.fallback(interrupted, last)
    }
}

/// The fallback of the guards inside.
macro_rules! fallback_of_guards {
    ([$($generics:tt)*] $Type:ty, $field:tt) => {
        impl<O, $($generics)*> $crate::guard::EndsAs<O> for $Type
        where
            Self: $crate::guard::Guards<O, Interruption = $crate::Interrupted>,
            G: $crate::guard::Fallback<O>,
        {
            fn outcome(&mut self, interrupted: $crate::Interrupted, last: Option<O>) -> O {
                self.$field.fallback(interrupted, last)
            }
        }

        impl<O, $($generics)*> $crate::guard::Fallback<O> for $Type
        where
            G: $crate::guard::Fallback<O>,
        {
            fn fallback(&mut self, interrupted: $crate::Interrupted, last: Option<O>) -> O {
                self.$field.fallback(interrupted, last)
            }
        }
    };
}

fallback_of_guards!([G] AttemptTimeout<G>, guards);
fallback_of_guards!([G, F] AttemptTimeoutBy<G, F>, guards);
fallback_of_guards!([G] Deadline<G>, guards);

/// The guards `G` with the error of a call that they end: made by
/// [`Retry::or_interrupted`](crate::Retry::or_interrupted) and
/// [`Policy::or_interrupted`](crate::Policy::or_interrupted).
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct OrInterrupted<G, F> {
    guards: G,
    error: F,
}

impl<G, F> OrInterrupted<G, F> {
    #[inline(always)]
    pub(crate) const fn around(guards: G, error: F) -> Self {
        OrInterrupted { guards, error }
    }
}

impl<G, F> fmt::Debug for OrInterrupted<G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrInterrupted").finish_non_exhaustive()
    }
}

impl<O, G: GuardEvents<O>, F> GuardEvents<O> for OrInterrupted<G, F> {
    events_to!(GuardEvents, |slot| slot.guards);
    #[inline]
    fn handled_events() -> impl crate::hook::Events {
        G::handled_events()
    }
    pass_to_guards!(guards: reads_clock allow_attempt attempt_limit deadline begin);
}

impl<O, G: Guards<O>, F> Guards<O> for OrInterrupted<G, F> {
    const INTERRUPTS: bool = true;
    const LIMITS: bool = G::LIMITS;
    const LIMITS_ATTEMPTS: bool = G::LIMITS_ATTEMPTS;
    type Interruption = Interrupted;
    type Limit<Z> = G::Limit<Z>;
    /// The error of the attempt before the interruption is given to the closure.
    type Kept<K: Keep<O>> = Option<O>;
    #[inline]
    fn interruption(interrupted: Interrupted) -> Option<Interrupted> {
        Some(interrupted)
    }
}

impl<O, G: Guards<O> + MayInterrupt, F> EndsAs<O> for OrInterrupted<G, F>
where
    Self: Fallback<O>,
{
    fn outcome(&mut self, interrupted: Interrupted, last: Option<O>) -> O {
        self.fallback(interrupted, last)
    }
}

impl<O, G, F> Fallback<O> for OrInterrupted<G, F>
where
    O: FromError + IntoResult,
    F: FnMut(Interruption<O::Error>) -> O::Error,
{
    fn fallback(&mut self, interrupted: Interrupted, last: Option<O>) -> O {
        let last_error = last.and_then(|outcome| outcome.into_result().err());
        O::from_error((self.error)(Interruption { interrupted, last_error }))
    }
}

impl<G: BlockingGuards, F> BlockingGuards for OrInterrupted<G, F> {}
impl<G: MayInterrupt, F> MayInterrupt for OrInterrupted<G, F> {}
