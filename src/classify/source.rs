//! Looking for the cause of an error along its `source()` chain.

use core::any::type_name;
use core::error::Error;
use core::fmt;
use core::iter::successors;
use core::marker::PhantomData;

use super::Predicate;

/// An error and everything behind it, the outermost first.
///
/// ```
/// use persevere::classify::sources;
/// let error = std::io::Error::other("cable unplugged");
/// assert_eq!(sources(&error).count(), 1);
/// ```
pub fn sources<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// The outermost `E` in an error's chain, the error itself included.
///
/// ```
/// use persevere::classify::find_source;
/// use std::io;
///
/// let wrapped = io::Error::new(io::ErrorKind::Other, std::fmt::Error);
/// assert!(find_source::<std::fmt::Error>(&wrapped).is_none(), "io errors show what is behind that");
/// assert!(find_source::<io::Error>(&wrapped).is_some());
/// ```
#[must_use]
pub fn find_source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    sources(error).find_map(|error| error.downcast_ref())
}

/// A predicate over a cause somewhere in an error's chain. Made by [`caused_by`].
pub struct CausedBy<C, P> {
    predicate: P,
    cause: PhantomData<fn(&C)>,
}

/// Whether any `C` in the chain of an error, the error itself included, satisfies `predicate`: the
/// error that knows whether it is worth a retry is often wrapped in others.
///
/// ```
/// use persevere::classify::{Predicate, caused_by};
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
///
/// let reset = caused_by(|cause: &io::Error| cause.kind() == io::ErrorKind::ConnectionReset);
/// assert!(reset.test(&FetchError(io::ErrorKind::ConnectionReset.into())));
/// assert!(!reset.test(&FetchError(io::ErrorKind::NotFound.into())));
/// ```
pub const fn caused_by<C: Error + 'static, P: Predicate<C>>(predicate: P) -> CausedBy<C, P> {
    CausedBy { predicate, cause: PhantomData }
}

impl<E: Error + 'static, C: Error + 'static, P: Predicate<C>> Predicate<E> for CausedBy<C, P> {
    fn test(&self, error: &E) -> bool {
        sources(error)
            .filter_map(|error| error.downcast_ref())
            .any(|cause| self.predicate.test(cause))
    }
}

impl<C, P: Clone> Clone for CausedBy<C, P> {
    fn clone(&self) -> Self {
        CausedBy { predicate: self.predicate.clone(), cause: PhantomData }
    }
}

impl<C, P: Copy> Copy for CausedBy<C, P> {}

impl<C, P> fmt::Debug for CausedBy<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CausedBy<{}>", type_name::<C>())
    }
}
