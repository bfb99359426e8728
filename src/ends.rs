//! Whether a call may end without an outcome of its own, said by type.

use core::convert::Infallible;

use crate::Interrupted;

/// Says by type whether a policy may end a call that has no outcome of its own.
///
/// It is implemented by [`Own`] and [`MayInterrupt`] and cannot be by others.
pub trait Ends: sealed::Sealed {
    /// What such an end is: [`Interrupted`], or nothing that could be.
    type Interruption: Into<Interrupted>;

    /// Whether hooks are asked before each attempt.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own;

impl Ends for Own {
    type Interruption = Infallible;
    const INTERRUPTS: bool = false;

    #[inline]
    fn interruption(_: Interrupted) -> Option<Infallible> {
        None
    }
}

/// A call may end without an outcome of its operation: a guard refused the attempt.
///
/// The outcome has to be able to say so: a `Result` whose error is `From<Interrupted>`, an
/// `Option`, or any with [`.report()`](crate::Retry::report).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MayInterrupt;

impl Ends for MayInterrupt {
    type Interruption = Interrupted;
    const INTERRUPTS: bool = true;

    #[inline]
    fn interruption(interrupted: Interrupted) -> Option<Interrupted> {
        Some(interrupted)
    }
}
