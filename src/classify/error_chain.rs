//! Looking for the cause of an error along its `source()` chain.

use core::error::Error;
use core::iter::successors;

use super::Kinded;

/// An error and everything behind it, the outermost first.
///
/// ```
/// use persevere::{RetryExt, immediate};
/// use persevere::classify::sources;
/// let retry = (|| "x".parse::<u8>()).retry_with(immediate().max_attempts(2));
/// let error = retry.report().call().unwrap_err();
/// let chain: Vec<_> = sources(&error).map(|error| error.to_string()).collect();
/// assert_eq!(chain.len(), 2);
/// assert_eq!(chain[1], "invalid digit found in string");
/// ```
#[doc(hidden)]
pub fn sources<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// The outermost `E` in an error's chain, the error itself included; `None` if there is none.
///
/// ```
/// use persevere::classify::find_source;
/// use std::io;
///
/// let wrapped = io::Error::new(io::ErrorKind::Other, std::fmt::Error);
/// assert!(find_source::<io::Error>(&wrapped).is_some());
/// // An `io::Error` stands for the error in it, and shows only what is behind that.
/// assert!(find_source::<std::fmt::Error>(&wrapped).is_none());
/// ```
#[must_use]
pub fn find_source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    sources(error).find_map(|error| error.downcast_ref())
}

/// A predicate over errors: whether any `C` in the chain of one, the error itself included,
/// satisfies `predicate`. The error that knows whether it is worth a retry is often wrapped in
/// others.
///
/// A boxed error (`Box<dyn Error>`, `anyhow::Error`) is no `Error` itself; ask what is in it, with
/// `.when(|error| find_source::<C>(&**error).is_some_and(..))`.
///
/// ```
/// use persevere::{RetryExt, immediate};
/// use persevere::classify::{caused_by, io};
/// use std::{error::Error, fmt};
///
/// #[derive(Debug)]
/// struct FetchError(std::io::Error);
/// impl fmt::Display for FetchError {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("fetch failed") }
/// }
/// impl Error for FetchError {
///     fn source(&self) -> Option<&(dyn Error + 'static)> { Some(&self.0) }
/// }
///
/// let mut calls = 0;
/// let outcome = (|| { calls += 1; Err::<(), _>(FetchError(std::io::ErrorKind::NotFound.into())) })
///     .retry_with(immediate().max_attempts(5))
///     .when(caused_by(io::is_transient))
///     .call();
/// assert!(outcome.is_err() && calls == 1);
/// ```
pub fn caused_by<E, C>(predicate: impl Fn(&C) -> bool) -> impl Fn(&E) -> bool
where
    E: Error + 'static,
    C: Error + 'static,
{
    move |error: &E| sources(error).filter_map(|error| error.downcast_ref()).any(&predicate)
}

/// Whether any `C` in an error's chain, the error itself included, is of the kind called `name`:
/// what an implementation of [`Kinded`] says for an error that wraps others.
///
/// ```
/// use persevere::classify::{Kinded, source_is_kind};
/// use std::{error::Error, fmt, io};
///
/// #[derive(Debug)]
/// struct FetchError(io::Error);
/// impl fmt::Display for FetchError {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("fetch failed") }
/// }
/// impl Error for FetchError {
///     fn source(&self) -> Option<&(dyn Error + 'static)> { Some(&self.0) }
/// }
/// impl Kinded for FetchError {
///     const KINDS: &'static [&'static str] = io::Error::KINDS;
///     fn is_kind(&self, name: &str) -> bool { source_is_kind::<io::Error>(self, name) }
/// }
///
/// let error = FetchError(io::ErrorKind::TimedOut.into());
/// assert!(error.is_kind("TimedOut") && error.is_kind("transient"));
/// assert!(!error.is_kind("NotFound"));
/// ```
#[must_use]
pub fn source_is_kind<C>(error: &(dyn Error + 'static), name: &str) -> bool
where
    C: Kinded + Error + 'static,
{
    sources(error).filter_map(|error| error.downcast_ref::<C>()).any(|error| error.is_kind(name))
}
