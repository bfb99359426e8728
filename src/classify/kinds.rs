//! Errors by the names of their kinds, as a configuration file knows them.

use super::{Classifier, Verdict};
use crate::{Attempt, Outcome};

/// An error type that knows the names of its kinds.
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
    note = "implement `persevere::classify::Kinded`, or say which errors to retry at the call, with `.when(|error| ..)`"
)]
pub trait Kinded {
    /// The names of all kinds, for messages and for checking a configuration.
    const KINDS: &'static [&'static str];

    /// Whether this error is of the kind called `name`. False for a name that nobody knows.
    fn is_kind(&self, name: &str) -> bool;

    /// Whether there is a kind called `name`. A type with patterns among its names ("5xx") says
    /// here which it understands; by default, those of [`KINDS`](Kinded::KINDS).
    #[must_use]
    fn knows(name: &str) -> bool {
        Self::KINDS.contains(&name)
    }
}

/// Retries errors of the named kinds. Made by [`kinds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds<N> {
    names: N,
}

/// Retries errors of the named kinds and stops at all others; it has no opinion on values. `names`
/// is an array, a slice or a `Vec` of them. A name that the error type does not know matches
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
