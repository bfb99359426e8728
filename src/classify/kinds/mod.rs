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
/// | `sources(A, B)` | the type, an [`Error`](core::error::Error) | is of the kinds of every `A` and `B` among its [sources](super::sources) as well |
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

    /// Whether this error is of the kind called `name`. False for a name that nobody knows.
    fn is_kind(&self, name: &str) -> bool;

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

/// Retries errors of the named kinds. Made by [`kinds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds<N> {
    names: N,
}

/// Retries errors of the named kinds and stops at all others; it has no opinion on values. `names`
/// is an array, a slice or a `Vec` of them; [`NamedKinds`] takes those of a configuration. A name that the error type does not know matches
/// nothing; check those of a configuration with [`Kinded::knows`].
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
/// assert_eq!(kinds(["Refused"]).classify(&outcome, &attempt), Some(Verdict::Stop));
/// ```
pub const fn kinds<N>(names: N) -> Kinds<N> {
    Kinds { names }
}

impl<O, N> Classifier<O> for Kinds<N>
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
