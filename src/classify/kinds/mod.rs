//! Errors by the names of their kinds, as a configuration file knows them.

#[cfg(feature = "http")]
mod http;
#[cfg(feature = "std")]
mod io;
#[cfg(feature = "alloc")]
mod named;
#[cfg(feature = "reqwest")]
mod reqwest;
mod wrappers;

use core::fmt;
use core::marker::PhantomData;

use super::{Classifier, Verdict};
use crate::{Attempt, Outcome};

#[cfg(feature = "http")]
pub(super) use self::http::is_transient as is_transient_status;
#[cfg(feature = "alloc")]
pub use self::named::NamedKinds;
/// Names the kinds of an enum of errors, or of a struct: implements the trait [`Kinded`].
///
/// A variant is a kind, and has its name.
///
/// ```
/// use persevere::classify::Kinded;
///
/// #[derive(Kinded)]
/// #[kinded(group = "http")]
/// enum HttpError {
///     #[kinded(name = "HTTPTimeoutError", group = "transient")]
///     Timeout,
///     #[kinded(through)]
///     Io(std::io::Error),
///     NotFound,
/// }
///
/// assert!(HttpError::Timeout.is_kind("HTTPTimeoutError") && HttpError::Timeout.is_kind("transient"));
/// let refused = HttpError::Io(std::io::ErrorKind::ConnectionRefused.into());
/// assert!(["Io", "ConnectionRefused", "transient", "http"].iter().all(|name| refused.is_kind(name)));
/// assert!(!HttpError::NotFound.is_kind("transient"));
/// assert!(HttpError::knows("TimedOut") && !HttpError::knows("Timeout"));
/// ```
///
/// | `#[kinded(..)]` | on | means |
/// |---|---|---|
/// | `name = ".."` | a variant, a struct | is called this instead |
/// | `group = ".."` | a variant, a struct, the whole enum | is of this kind as well; may be given several times |
/// | `through` | a variant with one field, a field | is of the field's [kinds](trait@Kinded) as well |
/// | `sources(A, B)` | the type, an [`Error`](core::error::Error) | is of the kinds of every `A` and `B` among its [sources](core::error::Error::source) as well |
/// | `crate = ..` | the type | the path of this library, where it is not `::persevere` |
///
/// A name is given to one variant; a group may have the name of no variant. "any" is reserved for
/// every error there is. A type may hold one of its own, as in `Box<Self>`.
///
/// **Don't** look `through` a field that leads back to the type in any other way: under a longer path
/// than its name, or by another type that looks through this one. The derive cannot see that, and
/// the names are listed until the stack overflows.
#[cfg(feature = "macros")]
#[doc(inline)]
pub use persevere_macros::Kinded;

/// An error type that knows the names of its kinds.
///
/// With the feature `macros`, `#[derive(Kinded)]` writes it for an enum. It is there for
///
/// | type | kinds |
/// |---|---|
/// | `std::io::Error` | the names of `ErrorKind`, such as `"TimedOut"`, and "transient" |
/// | `http::StatusCode` (feature `http`) | "503" and every other status, "5xx" and the other classes, "transient" |
/// | `reqwest::Error` (feature `reqwest`) | "Timeout", "Connect" and others, the names of its status, "transient" |
/// | [`Absent`](crate::Absent), the error of an `Option` | "Absent" |
/// | `Infallible` | none |
/// | a reference, `Box`, `Rc` or `Arc` of one | the same |
/// | [`Marked`](super::Marked) with one in it | the same |
/// | [`RetryError`](crate::RetryError) with one in it | those of the last error, if there was one |
///
/// A name is no type: several types may know "transient", and each says which of its errors are.
/// "any" is reserved for every error there is ([`NamedKinds`]).
///
/// ```
/// use persevere::classify::Kinded;
///
/// enum HttpError { Timeout, Status(u16) }
///
/// impl Kinded for HttpError {
///     const KINDS: &'static [&'static str] = &["Timeout", "5xx"];
///     fn is_kind(&self, name: &str) -> bool {
///         match self {
///             HttpError::Timeout => name == "Timeout",
///             HttpError::Status(status) => name == "5xx" && *status >= 500,
///         }
///     }
/// }
/// assert!(HttpError::Status(503).is_kind("5xx") && !HttpError::knows("4xx"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no registered error kinds",
    label = "its kinds have no names",
    note = "derive or implement `persevere::classify::Kinded`; or say which errors to retry at the call, with `.when(|error| ..)`, in `#[retry]` with `when = |error| ..`"
)]
pub trait Kinded {
    /// The names of all kinds, for messages and for checking a configuration.
    const KINDS: &'static [&'static str];

    /// Returns whether this error is of the kind called `name`; `false` for a name that is not
    /// [known](Kinded::knows). For a name in code, [`of_kind`] checks that first, and
    /// [`is_transient`](Kinded::is_transient) needs none.
    fn is_kind(&self, name: &str) -> bool;

    /// Returns whether this error is of the kind "transient": a retry may succeed.
    fn is_transient(&self) -> bool {
        self.is_kind("transient")
    }

    /// Whether there is a kind called `name`. It holds for every name of
    /// [`each_kind`](Kinded::each_kind), and may hold for more. A type with patterns among its names ("5xx") says
    /// here which it understands; by default, those of [`KINDS`](Kinded::KINDS).
    #[must_use]
    fn knows(name: &str) -> bool {
        Self::KINDS.contains(&name)
    }

    /// Calls `visit` with the name of every kind, for messages: those of
    /// [`KINDS`](Kinded::KINDS), and, where a type wraps others, the names that they know. A name
    /// may come more than once.
    ///
    /// ```
    /// use persevere::classify::Kinded;
    /// let mut names = vec![];
    /// <&std::io::Error>::each_kind(&mut |name| names.push(name));
    /// assert!(names.contains(&"TimedOut"));
    /// ```
    fn each_kind(visit: &mut dyn FnMut(&'static str)) {
        Self::KINDS.iter().copied().for_each(visit);
    }
}

/// Returns whether an error is of the kind "transient": a predicate for `.when(..)`.
///
/// ```
/// use persevere::{RetryExt, classify::is_transient, immediate};
/// use std::io::{Error, ErrorKind};
///
/// let mut errors = [ErrorKind::TimedOut, ErrorKind::NotFound].into_iter();
/// let outcome = (|| Err::<(), _>(Error::from(errors.next().unwrap())))
///     .retry_with(immediate().max_attempts(5))
///     .when(is_transient)
///     .call();
/// assert_eq!(outcome.unwrap_err().kind(), ErrorKind::NotFound);
/// ```
#[must_use]
pub fn is_transient<E: Kinded>(error: &E) -> bool {
    error.is_transient()
}

/// Returns a predicate for `.when(..)`: whether an error is of the kind called `name`.
///
/// # Panics
/// If the error type has no such kind; the message lists its kinds. [`Kinded::is_kind`] is `false`
/// then, whatever the error.
///
/// ```
/// use persevere::classify::of_kind;
/// use std::io::{Error, ErrorKind};
/// let timed_out = of_kind("TimedOut");
/// assert!(timed_out(&Error::from(ErrorKind::TimedOut)));
/// ```
///
/// ```should_panic
/// # use persevere::classify::of_kind;
/// let timed_out = of_kind::<std::io::Error>("Timedout");
/// ```
#[track_caller]
pub fn of_kind<E: Kinded>(name: &'static str) -> impl Fn(&E) -> bool + Clone {
    assert_known::<E>(name);
    move |error: &E| error.is_kind(name)
}

#[track_caller]
fn assert_known<E: Kinded>(name: &str) {
    assert!(E::knows(name), "no kind `{name}` of error: the kinds are {}", Names::<E>(PhantomData));
}

/// The kinds of `E`, for a message.
struct Names<E>(PhantomData<E>);

impl<E: Kinded> fmt::Display for Names<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut result, mut separator) = (Ok(()), "");
        E::each_kind(&mut |name| {
            result = result.and_then(|()| write!(f, "{separator}`{name}`"));
            separator = ", ";
        });
        result
    }
}

/// Retries errors of the named kinds. Made by [`kinds`].
#[doc(hidden)]
pub struct Kinds<E, N> {
    names: N,
    error: PhantomData<fn(&E)>,
}

/// Retries errors of the named kinds and stops at all others; it has no opinion on values. `names`
/// is an array, a slice or a `Vec`; [`NamedKinds`] takes those of a configuration.
///
/// # Panics
/// If the error type does not have one of the kinds; the message lists those that it has.
///
/// ```
/// use persevere::{Attempt, Verdict};
/// use persevere::classify::{Classifier, Kinded, kinds};
///
/// struct Timeout;
/// impl Kinded for Timeout {
///     const KINDS: &'static [&'static str] = &["Timeout"];
///     fn is_kind(&self, name: &str) -> bool { name == "Timeout" }
/// }
///
/// let outcome: Result<(), Timeout> = Err(Timeout);
/// let attempt = Attempt::new(1);
/// assert_eq!(kinds(["Timeout"]).classify(&outcome, &attempt), Some(Verdict::Retry));
/// assert_eq!(kinds([]).classify(&outcome, &attempt), Some(Verdict::Stop));
/// ```
///
/// ```should_panic
/// # use persevere::classify::kinds;
/// let refused = kinds::<std::io::Error, _>(["Refused"]);
/// ```
#[must_use]
#[track_caller]
pub fn kinds<E: Kinded, N: AsRef<[&'static str]>>(names: N) -> Kinds<E, N> {
    for name in names.as_ref() {
        assert_known::<E>(name);
    }
    Kinds { names, error: PhantomData }
}

impl<O, N> Classifier<O> for Kinds<O::Error, N>
where
    O: Outcome<Error: Kinded>,
    N: AsRef<[&'static str]>,
{
    fn classify(&self, outcome: &O, _: &Attempt) -> Option<Verdict> {
        let error = outcome.as_result().err()?;
        let named = self.names.as_ref().iter().any(|name| error.is_kind(name));
        Some(if named { Verdict::Retry } else { Verdict::Stop })
    }
}

impl<E, N: Clone> Clone for Kinds<E, N> {
    fn clone(&self) -> Self {
        Kinds { names: self.names.clone(), error: PhantomData }
    }
}

impl<E, N: fmt::Debug> fmt::Debug for Kinds<E, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kinds").field("names", &self.names).finish()
    }
}
