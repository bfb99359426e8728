//! What a call takes from a [`Policy`], by value or behind a pointer.

use super::Policy;
use crate::backoff::Backoff;
use crate::ends::Ends;
use crate::retry::{Held, IntoPolicy, PolicyParts, source};

impl<B: Backoff, C, H, X: Ends, T> IntoPolicy for Policy<B, C, H, X, T> {
    type Source = Held<B, C>;
    type Hooks = H;
    type Ends = X;
    type Timer = T;

    #[inline]
    fn into_parts(self) -> PolicyParts<Self::Source, H, T> {
        let held = Held::new(self.backoff, self.classifier);
        PolicyParts::new(held, self.hooks, self.timer).with_seed(self.seed)
    }
}

/// A policy behind a pointer: hooks and timer are cloned for each call, the rest is shared.
macro_rules! shared {
    ($([$($lifetime:lifetime)?] $pointer:ty),*) => { $(
        impl<$($lifetime,)? B: Backoff, C, H: Clone, X: Ends, T: Clone> IntoPolicy for $pointer {
            type Source = Self;
            type Hooks = H;
            type Ends = X;
            type Timer = T;

            #[inline]
            fn into_parts(self) -> PolicyParts<Self, H, T> {
                let (hooks, timer, seed) = (self.hooks.clone(), self.timer.clone(), self.seed);
                PolicyParts::new(self, hooks, timer).with_seed(seed)
            }
        }

        source!([$($lifetime,)? B, C, H, X, T] $pointer);
    )* };
}

shared!(['a] &'a Policy<B, C, H, X, T>);
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
shared!([] alloc::sync::Arc<Policy<B, C, H, X, T>>);
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
shared!(['a] &'a alloc::sync::Arc<Policy<B, C, H, X, T>>);
