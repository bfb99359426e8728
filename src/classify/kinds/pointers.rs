//! An error behind a pointer has the kinds of the error.

use core::convert::Infallible;

use super::Kinded;
use crate::Absent;

macro_rules! forward {
    ([$($lifetime:lifetime)?] $pointer:ty) => {
        impl<$($lifetime,)? E: Kinded + ?Sized> Kinded for $pointer {
            const KINDS: &'static [&'static str] = E::KINDS;

            fn is_kind(&self, name: &str) -> bool {
                (**self).is_kind(name)
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
forward!(['a] &'a E);
#[cfg(feature = "alloc")]
forward!([] alloc::boxed::Box<E>);
#[cfg(feature = "alloc")]
forward!([] alloc::rc::Rc<E>);
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
forward!([] alloc::sync::Arc<E>);

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
