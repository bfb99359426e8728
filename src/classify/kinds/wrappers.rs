//! An error behind a pointer, or in a wrapper of ours, has the kinds of the error.

use core::convert::Infallible;

use super::Kinded;
use crate::classify::Marked;
use crate::{Absent, RetryError};

/// The kinds of what is in `$wrapper`, as far as there is something in it.
macro_rules! forward {
    ([$($generics:tt)*] $wrapper:ty, $wrapped:expr) => {
        impl<$($generics)*> Kinded for $wrapper
        where
            E: Kinded,
        {
            const KINDS: &'static [&'static str] = E::KINDS;

            fn is_kind(&self, name: &str) -> bool {
                let wrapped: fn(&Self) -> Option<&E> = $wrapped;
                wrapped(self).is_some_and(|error| error.is_kind(name))
            }

            fn knows(name: &str) -> bool {
                E::knows(name)
            }

            fn each_kind(visit: &mut dyn FnMut(&'static str)) {
                E::each_kind(visit);
            }
        }
    };
}
forward!(['a, E: ?Sized] &'a E, |error| Some(&**error));
#[cfg(feature = "alloc")]
forward!([E: ?Sized] alloc::boxed::Box<E>, |error| Some(&**error));
#[cfg(feature = "alloc")]
forward!([E: ?Sized] alloc::rc::Rc<E>, |error| Some(&**error));
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
forward!([E: ?Sized] alloc::sync::Arc<E>, |error| Some(&**error));
forward!([E] Marked<E>, |error| Some(error.get()));
// What a retry around this one may retry.
forward!([E] RetryError<E>, RetryError::error);

/// An error that never is has no kinds.
impl Kinded for Infallible {
    const KINDS: &'static [&'static str] = &[];

    fn is_kind(&self, _: &str) -> bool {
        match *self {}
    }
}

/// What an `Option` has for an error has one kind, "Absent".
impl Kinded for Absent {
    const KINDS: &'static [&'static str] = &["Absent"];

    fn is_kind(&self, name: &str) -> bool {
        name == "Absent"
    }
}
