use core::fmt;
use core::time::Duration;

use super::combinators::{ask_inner, built_in, delay_in_nanos};
use super::{Backoff, DelayBounds, Finite};
use crate::Attempt;
use crate::time::{from_nanos, nanos};

/// A cap and a floor differ in a word: which of two delays counts.
macro_rules! clamp {
    ($(#[$doc:meta])* $name:ident, $keep:ident, $words:literal) => {
        $(#[$doc])*
        #[doc(hidden)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<B> {
            inner: B,
            limit: u64,
        }

        impl<B> $name<B> {
            pub(super) const fn new(inner: B, limit: Duration) -> Self {
                $name { inner, limit: nanos(limit) }
            }

            fn clamp(&self, delay: Duration) -> Duration {
                delay.$keep(from_nanos(self.limit))
            }
        }

        impl<B: Backoff> Backoff for $name<B> {
            delay_in_nanos!();

            #[inline]
            fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
                self.inner.delay_nanos(attempt).map(|delay| delay.$keep(self.limit))
            }

            fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
                self.inner.bounds(attempt).map(|bounds| bounds.map(|delay| self.clamp(delay)))
            }

            ask_inner!(limits);
            ask_inner!(reads_clock);

            fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner.describe(f)?;
                write!(f, $words, from_nanos(self.limit))
            }
        }

        #[diagnostic::do_not_recommend]
        impl<B: Finite> Finite for $name<B> {}

        built_in!([B] $name<B>);
    };
}

clamp!(
    /// No delay above the cap. Made by [`Backoff::max_delay`].
    MaxDelay, min, ", delays up to {:?}"
);
clamp!(
    /// No delay below the floor. Made by [`Backoff::min_delay`].
    MinDelay, max, ", delays from {:?}"
);
