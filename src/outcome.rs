//! [`Outcome`]: what an attempt makes, and what comes out of the retry.

use core::fmt;
use core::ops::ControlFlow;

/// What an attempt makes: a value, or an error.
///
/// It is implemented for
///
/// | type | value | error |
/// |---|---|---|
/// | `Result<T, E>` | `Ok` | `Err` |
/// | `Option<T>` | `Some` | `None`, "not yet": [`Absent`] |
/// | `ControlFlow<B, C>` | `Break`: done | `Continue`: not yet |
///
/// and for a type of your own with the two methods. Unless a [classifier](crate::classify) says
/// otherwise, a value is returned and an error is retried.
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
///     fn into_result(self) -> Result<String, u16> {
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
    /// What a successful attempt makes.
    type Value;
    /// What a failed attempt makes.
    type Error;

    /// Looks at what the attempt made.
    ///
    /// # Errors
    /// The attempt's own error, if it failed.
    fn as_result(&self) -> Result<&Self::Value, &Self::Error>;

    /// Takes what the attempt made.
    ///
    /// # Errors
    /// The attempt's own error, if it failed.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;
    type Error = E;

    #[inline]
    fn as_result(&self) -> Result<&T, &E> {
        self.as_ref()
    }

    #[inline]
    fn into_result(self) -> Self {
        self
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

impl<T> Outcome for Option<T> {
    type Value = T;
    type Error = Absent;

    #[inline]
    fn as_result(&self) -> Result<&T, &Absent> {
        self.as_ref().ok_or(&Absent)
    }

    #[inline]
    fn into_result(self) -> Result<T, Absent> {
        self.ok_or(Absent)
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

    #[inline]
    fn into_result(self) -> Result<B, C> {
        match self {
            ControlFlow::Break(value) => Ok(value),
            ControlFlow::Continue(error) => Err(error),
        }
    }
}
