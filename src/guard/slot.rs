//! The slot of guards of a policy: `()`, pairs of the slot before and a [`Guard`], and the limits on
//! time, which wrap the slot before.

use core::convert::Infallible;
use core::ops::ControlFlow;

use super::{AttemptLimit, Guard, Unlimited};
use crate::hook::{AttemptEvent, FinishEvent, RetryEvent};
use crate::time::signal::Keep;
use crate::{Attempt, Interrupted, Veto};

/// The events and questions of all guards of a call: of a policy's slot, and of settings.
#[diagnostic::on_unimplemented(
    message = "this policy is not for calls that make `{O}`",
    label = "the policy is for another type of error",
    note = "an erased policy, `DynPolicy<E>`, is for calls of any value whose error is `E`"
)]
#[doc(hidden)]
pub trait GuardEvents<O> {
    events!();

    /// See [`Guard::allow_attempt`].
    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        let _ = attempt;
        ControlFlow::Continue(())
    }

    /// Returns the longest that an attempt may take, in nanoseconds; `u64::MAX` without a limit.
    #[inline]
    fn attempt_limit(&self, attempt: &Attempt) -> u64 {
        let _ = attempt;
        u64::MAX
    }

    /// Returns the time since the beginning of the call at which it ends, in nanoseconds; `u64::MAX`
    /// without a deadline.
    #[inline]
    fn deadline(&self) -> u64 {
        u64::MAX
    }

    /// The call begins, and an enclosing call leaves it this many nanoseconds.
    #[inline]
    fn begin(&mut self, left: u64) {
        let _ = left;
    }

    /// An attempt begins that blocks, so that its time cannot be limited.
    #[inline]
    fn begin_blocking(&mut self) {}

    /// Returns whether this value handles an event that its type handles.
    #[inline(always)]
    fn handles_now(&self, event: u8) -> bool {
        let _ = event;
        true
    }
}

/// The slot. Its constants and types depend on whether there are guards.
#[doc(hidden)]
pub trait Guards<O>: GuardEvents<O> {
    /// Whether an attempt may be refused.
    const INTERRUPTS: bool;
    /// Whether the time of attempts may be limited, by a deadline too.
    const LIMITS: bool;
    /// Whether there is an attempt timeout, which blocking calls cannot keep.
    const LIMITS_ATTEMPTS: bool;
    /// How a call ends without an outcome: `Infallible` for `()`.
    type Interruption: Into<Interrupted>;
    /// The time limit of an attempt, with sleeps of type `Z`.
    type Limit<Z>: AttemptLimit<Z>;
    /// The place of the last outcome, in a call whose signals need the place `K`.
    type Kept<K: Keep<O>>: Keep<O>;
    /// The interruption, if there can be one.
    fn interruption(interrupted: Interrupted) -> Option<Self::Interruption>;
    /// Whether there are guards: the slot of an erased policy has an outcome for interruptions only then.
    fn can_interrupt(&self) -> bool {
        true
    }
}

/// Guards that may end a call, so that [`.or_interrupted(..)`](crate::Retry::or_interrupted) has a use.
#[diagnostic::on_unimplemented(
    message = "`.or_interrupted(..)` has no effect: nothing can interrupt this call",
    label = "a call without guards",
    note = "remove it, or add what may interrupt the call: `.guard(..)`, `.attempt_timeout(..)`, `.deadline(..)`"
)]
#[doc(hidden)]
pub trait MayInterrupt {}

impl<G, X> MayInterrupt for (G, X) {}

/// No guards: the first attempt is made for certain.
#[diagnostic::on_unimplemented(
    message = "a guard of this policy can refuse the first attempt of a loop: use `try_start` instead of `start`",
    label = "the policy has, or may have, guards",
    note = "a `Loop` begins with `.begin()` instead of `.start()`",
    note = "an erased policy and a guarded handle may have guards"
)]
#[doc(hidden)]
pub trait Unguarded<O>: Guards<O> {
    /// Turns an interruption that does not exist into anything.
    fn never<V>(never: Self::Interruption) -> V;
}

impl<O> Unguarded<O> for () {
    #[inline]
    fn never<V>(never: Infallible) -> V {
        match never {}
    }
}

/// Guards without a limit on the time of attempts.
#[diagnostic::on_unimplemented(
    message = "`attempt_timeout` limits nothing here: only an attempt that the call itself awaits can be interrupted",
    label = "an attempt timeout without effect",
    note = "remove `.attempt_timeout(..)` from this call or its policy, and give the operation a timeout of its own, such as the read timeout of a socket",
    note = "in a loop, give the work itself to `.attempt(future)` instead of its outcome to `.check(outcome)`",
    note = "a blocking call keeps its `.deadline(..)`: no attempt starts after it",
    note = "a function that takes any policy and blocks takes an `impl BlockingPolicyFor<O>`"
)]
#[doc(hidden)]
pub trait BlockingGuards {}

impl BlockingGuards for () {}
impl<G: BlockingGuards, X> BlockingGuards for (G, X) {}

impl<O> GuardEvents<O> for () {
    fn reads_clock(&self) -> bool {
        false
    }
    handles!();
}

impl<O> Guards<O> for () {
    const INTERRUPTS: bool = false;
    const LIMITS: bool = false;
    const LIMITS_ATTEMPTS: bool = false;
    type Interruption = Infallible;
    type Limit<Z> = Unlimited;
    type Kept<K: Keep<O>> = K;
    #[inline(always)]
    fn interruption(_: Interrupted) -> Option<Infallible> {
        None
    }
    fn can_interrupt(&self) -> bool {
        false
    }
}

/// Methods of [`GuardEvents`] that the guards in a field answer alone.
macro_rules! pass_to_guards {
    ($field:tt: $($method:ident)*) => { $( pass_to_guards!(@ $method $field); )* };
    (@ reads_clock $field:tt) => {
        #[inline]
        fn reads_clock(&self) -> bool {
            self.$field.reads_clock()
        }
    };
    (@ allow_attempt $field:tt) => {
        #[inline]
        fn allow_attempt(&mut self, attempt: &$crate::Attempt) -> core::ops::ControlFlow<$crate::Veto> {
            self.$field.allow_attempt(attempt)
        }
    };
    (@ attempt_limit $field:tt) => {
        #[inline]
        fn attempt_limit(&self, attempt: &$crate::Attempt) -> u64 {
            self.$field.attempt_limit(attempt)
        }
    };
    (@ deadline $field:tt) => {
        #[inline]
        fn deadline(&self) -> u64 {
            self.$field.deadline()
        }
    };
    (@ begin $field:tt) => {
        #[inline]
        fn begin(&mut self, left: u64) {
            self.$field.begin(left);
        }
    };
}
pub(crate) use pass_to_guards;

impl<O, G: GuardEvents<O>, X: Guard<O>> GuardEvents<O> for (G, X) {
    events_to_fields!(0 G: GuardEvents, 1 X: Guard);
    allow_attempt_of_fields!(0 GuardEvents, 1 Guard);
    pass_to_guards!(0: attempt_limit deadline begin);
}

impl<O, G: Guards<O>, X: Guard<O>> Guards<O> for (G, X) {
    const INTERRUPTS: bool = true;
    const LIMITS: bool = G::LIMITS;
    const LIMITS_ATTEMPTS: bool = G::LIMITS_ATTEMPTS;
    type Interruption = Interrupted;
    type Limit<Z> = G::Limit<Z>;
    type Kept<K: Keep<O>> = G::Kept<K>;
    #[inline]
    fn interruption(interrupted: Interrupted) -> Option<Interrupted> {
        Some(interrupted)
    }
}

/// A slot with a limit on the time of attempts.
macro_rules! limiting {
    ([$($generics:tt)*] $Type:ty, attempts: $attempts:expr) => {
        impl<O, $($generics)*> $crate::guard::Guards<O> for $Type {
            const INTERRUPTS: bool = true;
            const LIMITS: bool = true;
            const LIMITS_ATTEMPTS: bool = $attempts;
            type Interruption = $crate::Interrupted;
            type Limit<Z> = $crate::guard::Limited<Z>;
            type Kept<K: $crate::time::signal::Keep<O>> = G::Kept<K>;
            #[inline]
            fn interruption(interrupted: $crate::Interrupted) -> Option<$crate::Interrupted> {
                Some(interrupted)
            }
        }
    };
}
pub(crate) use limiting;
