//! [`Outcome`]: the value or error of an attempt, and how outcomes are taken apart and made.

use core::fmt;
use core::ops::ControlFlow;

use crate::Interrupted;

/// The result of an attempt: a value, or an error.
///
/// It is implemented for
///
/// | type | value | error |
/// |---|---|---|
/// | `Result<T, E>` | `Ok` | `Err` |
/// | `Option<T>` | `Some` | `None`, "not yet": [`Absent`] |
/// | `ControlFlow<B, C>` | `Break`: done | `Continue`: not yet |
///
/// and by custom types with one method. Unless a [classifier](crate::classify) decides otherwise, a value
/// is returned and an error is retried. [`.report()`](crate::Retry::report) also needs [`IntoResult`],
/// and [`.or_interrupted(..)`](crate::Retry::or_interrupted) needs [`FromError`].
///
/// ```
/// use persevere::{Outcome, RetryExt, immediate};
///
/// enum Reply { Data(String), Busy(u16) }
///
/// impl Outcome for Reply {
///     type Value = String;
///     type Error = u16;
///     fn as_result(&self) -> Result<&String, &u16> {
///         match self {
///             Reply::Data(data) => Ok(data),
///             Reply::Busy(code) => Err(code),
///         }
///     }
/// }
///
/// let mut replies = [Reply::Busy(503), Reply::Data("hello".into())].into_iter();
/// let reply = (|| replies.next().unwrap()).retry_with(immediate().max_attempts(3)).call();
/// assert!(matches!(reply, Reply::Data(data) if data == "hello"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an outcome that can be retried",
    label = "not an outcome",
    note = "return a `Result`, an `Option`, a `ControlFlow`, or a future of one; or implement `Outcome`"
)]
pub trait Outcome: Sized {
    /// The value of a successful attempt.
    type Value;
    /// The error of a failed attempt.
    type Error;

    /// Returns the value or the error of the attempt by reference.
    ///
    /// # Errors
    /// The error of the attempt, if it failed.
    fn as_result(&self) -> Result<&Self::Value, &Self::Error>;
}

/// An [`Outcome`] that can be taken apart, as [`.report()`](crate::Retry::report) does.
///
/// ```
/// use persevere::{IntoResult, Outcome, RetryExt, immediate};
///
/// struct Reply(u16);
/// impl Outcome for Reply {
///     type Value = u16;
///     type Error = u16;
///     fn as_result(&self) -> Result<&u16, &u16> {
///         if self.0 < 400 { Ok(&self.0) } else { Err(&self.0) }
///     }
/// }
/// impl IntoResult for Reply {
///     fn into_result(self) -> Result<u16, u16> {
///         if self.0 < 400 { Ok(self.0) } else { Err(self.0) }
///     }
/// }
///
/// let retry = (|| Reply(503)).retry_with(immediate().max_attempts(3));
/// assert_eq!(retry.report().call().unwrap_err().into_error(), Some(503));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken apart into a value or an error, as a report does",
    label = "does not implement `IntoResult`",
    note = "implement `persevere::IntoResult` for your own outcome"
)]
pub trait IntoResult: Outcome {
    /// Returns the value or the error of the attempt.
    ///
    /// # Errors
    /// The error of the attempt, if it failed.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

/// An [`Outcome`] that can be made of an error alone, as
/// [`.or_interrupted(..)`](crate::Retry::or_interrupted) does.
///
/// ```
/// use persevere::FromError;
/// assert_eq!(Result::<u8, &str>::from_error("busy"), Err("busy"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made of an error",
    label = "does not implement `FromError`",
    note = "implement `persevere::FromError` for your own outcome"
)]
pub trait FromError: Outcome {
    /// Makes the outcome of an attempt that failed with `error`.
    fn from_error(error: Self::Error) -> Self;
}

/// An [`Outcome`] for a call that was interrupted by a [guard](crate::guard): an outcome whose error
/// implements `From<Interrupted>`, and `Option`, where it is `None`.
///
/// ```
/// use persevere::{Interrupted, Interruptible, Veto};
///
/// #[derive(Debug, PartialEq)]
/// enum AppError { Unavailable }
/// impl From<Interrupted> for AppError {
///     fn from(_: Interrupted) -> Self { AppError::Unavailable }
/// }
///
/// let refused = Interrupted::Vetoed(Veto::Circuit);
/// assert_eq!(Result::<(), AppError>::from_interrupted(refused), Err(AppError::Unavailable));
/// ```
#[diagnostic::on_unimplemented(
    message = "a guard of this policy can end a call before its operation returns, and `{Self}` cannot be built from that",
    label = "the error does not implement `From<persevere::Interrupted>`",
    note = "add `.or_interrupted(|why| my_error)` to the call or the policy (works for error types of other crates; in `#[retry]`: `interrupted = |why| my_error`),",
    note = "or `.report()` to the call, whose error has the reason,",
    note = "or implement `From<persevere::Interrupted>` for your own error type"
)]
#[doc(hidden)]
pub trait Interruptible: Outcome {
    /// Makes the outcome of a call that was interrupted.
    fn from_interrupted(interrupted: Interrupted) -> Self;
}

#[diagnostic::do_not_recommend]
impl<O: FromError<Error: From<Interrupted>>> Interruptible for O {
    fn from_interrupted(interrupted: Interrupted) -> Self {
        O::from_error(interrupted.into())
    }
}

/// An outcome of any value as hooks and classifiers of a [`DynPolicy`](crate::DynPolicy) see it: whether it
/// is an error, and the error.
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
#[derive(Debug)]
#[doc(hidden)]
pub struct Seen<'a, E>(Option<&'a E>);

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
impl<'a, E> Seen<'a, E> {
    pub(crate) fn of<O: Outcome<Error = E>>(outcome: &'a O) -> Self {
        Seen(outcome.as_result().err())
    }
}

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
#[diagnostic::do_not_recommend]
impl<E> Outcome for Seen<'_, E> {
    type Value = ();
    type Error = E;

    fn as_result(&self) -> Result<&(), &E> {
        self.0.map_or(Ok(&()), Err)
    }
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;
    type Error = E;

    #[inline]
    fn as_result(&self) -> Result<&T, &E> {
        self.as_ref()
    }
}

impl<T, E> IntoResult for Result<T, E> {
    #[inline]
    fn into_result(self) -> Self {
        self
    }
}

impl<T, E> FromError for Result<T, E> {
    fn from_error(error: E) -> Self {
        Err(error)
    }
}

/// The error of an `Option`: there is nothing yet.
///
/// ```
/// use persevere::{Absent, RetryExt, immediate};
/// let error = (|| None::<u8>).retry_with(immediate().max_attempts(2)).report().call().unwrap_err();
/// assert_eq!(error.into_error(), Some(Absent));
/// assert_eq!(Absent.to_string(), "nothing yet");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Absent;

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing yet")
    }
}

impl core::error::Error for Absent {}

impl From<Interrupted> for Absent {
    fn from(_: Interrupted) -> Self {
        Absent
    }
}

impl<T> Outcome for Option<T> {
    type Value = T;
    type Error = Absent;

    #[inline]
    fn as_result(&self) -> Result<&T, &Absent> {
        self.as_ref().ok_or(&Absent)
    }
}

impl<T> IntoResult for Option<T> {
    #[inline]
    fn into_result(self) -> Result<T, Absent> {
        self.ok_or(Absent)
    }
}

impl<T> FromError for Option<T> {
    fn from_error(_: Absent) -> Self {
        None
    }
}

impl<B, C> Outcome for ControlFlow<B, C> {
    type Value = B;
    type Error = C;

    #[inline]
    fn as_result(&self) -> Result<&B, &C> {
        match self {
            ControlFlow::Break(value) => Ok(value),
            ControlFlow::Continue(error) => Err(error),
        }
    }
}

impl<B, C> IntoResult for ControlFlow<B, C> {
    #[inline]
    fn into_result(self) -> Result<B, C> {
        match self {
            ControlFlow::Break(value) => Ok(value),
            ControlFlow::Continue(error) => Err(error),
        }
    }
}

impl<B, C> FromError for ControlFlow<B, C> {
    fn from_error(error: C) -> Self {
        ControlFlow::Continue(error)
    }
}
