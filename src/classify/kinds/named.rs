//! Kinds whose names are only known when the program runs, as those of a configuration file.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use super::Kinded;
use crate::classify::{Classifier, Verdict};
use crate::{Attempt, Outcome};

/// Retries errors of the named kinds, as [`kinds`](super::kinds) does, with names that a
/// configuration file gives. It stops at all other errors and has no opinion on values.
///
/// | made by | retries |
/// |---|---|
/// | [`NamedKinds::any`], the default | every error |
/// | [`NamedKinds::new`] with the name "any" among others | every error |
/// | [`NamedKinds::new`] | errors of these kinds |
/// | [`NamedKinds::new`] without a name | no error |
///
/// ```
/// use persevere::{Attempt, Verdict};
/// use persevere::classify::{Classifier, NamedKinds};
/// use std::io;
///
/// let names = NamedKinds::new(["TimedOut", "ConnectionRefused"]);
/// let classify = |kind: io::ErrorKind| {
///     let outcome: io::Result<()> = Err(kind.into());
///     names.classify(&outcome, &Attempt::new(1))
/// };
/// assert_eq!(classify(io::ErrorKind::TimedOut), Some(Verdict::Retry));
/// assert_eq!(classify(io::ErrorKind::NotFound), Some(Verdict::Stop));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedKinds {
    /// `None`: every error.
    names: Option<Box<[String]>>,
}

impl NamedKinds {
    /// The name that stands for every error, of whatever kind.
    pub(crate) const ANY: &'static str = "any";

    /// Retries every error.
    ///
    /// ```
    /// use persevere::classify::NamedKinds;
    /// assert_eq!(NamedKinds::any().names(), None);
    /// ```
    #[must_use]
    pub const fn any() -> Self {
        NamedKinds { names: None }
    }

    /// Retries errors of the kinds called `names`, every error if "any" is one of them, and none if
    /// there are no names. A name that the error type does not know matches nothing: see
    /// [`unknown_to`](NamedKinds::unknown_to).
    ///
    /// ```
    /// use persevere::classify::NamedKinds;
    /// assert_eq!(NamedKinds::new(["503", "Timeout"]).names().map(<[_]>::len), Some(2));
    /// assert_eq!(NamedKinds::new(["503", "any"]), NamedKinds::any());
    /// ```
    #[must_use]
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let names: Box<[String]> = names.into_iter().map(Into::into).collect();
        let any = names.iter().any(|name| name == Self::ANY);
        NamedKinds { names: (!any).then_some(names) }
    }

    /// The names in the order they were given; `None` if every error is retried.
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// Whether `error` is of one of the kinds.
    ///
    /// ```
    /// use persevere::classify::NamedKinds;
    /// use std::io::{Error, ErrorKind};
    /// assert!(NamedKinds::new(["transient"]).matches(&Error::from(ErrorKind::TimedOut)));
    /// ```
    #[must_use]
    pub fn matches<E: Kinded + ?Sized>(&self, error: &E) -> bool {
        self.names().is_none_or(|names| names.iter().any(|name| error.is_kind(name)))
    }

    /// The names that `E` does not know: what a configuration is refused for.
    ///
    /// ```
    /// use persevere::classify::NamedKinds;
    /// let names = NamedKinds::new(["TimedOut", "TimdOut"]);
    /// assert_eq!(names.unknown_to::<std::io::Error>().collect::<Vec<_>>(), ["TimdOut"]);
    /// ```
    pub fn unknown_to<E: Kinded + ?Sized>(&self) -> impl Iterator<Item = &str> {
        let names = self.names().unwrap_or_default();
        names.iter().map(String::as_str).filter(|name| !E::knows(name))
    }
}

impl<O> Classifier<O> for NamedKinds
where
    O: Outcome<Error: Kinded>,
{
    fn classify(&self, outcome: &O, _: &Attempt) -> Option<Verdict> {
        let error = outcome.as_result().err()?;
        Some(if self.matches(error) { Verdict::Retry } else { Verdict::Stop })
    }
}

/// The names, separated by commas, or "any".
impl fmt::Display for NamedKinds {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(names) = self.names() else { return f.write_str(Self::ANY) };
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}
