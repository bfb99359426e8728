use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

use super::combinators::{ask_inner, built_in, delay_in_nanos};
use super::{Backoff, DelayBounds, Finite};
use crate::Attempt;
use crate::random;
use crate::time::{from_nanos, nanos};

/// A jitter is two numbers for each delay: where the draw begins, and how wide it is. The rest,
/// the draw, the bounds and the words, is the same for all.
macro_rules! jitter {
    ($name:ident, |$self:ident, $delay:ident| $window:expr, |$this:ident, $f:ident| $words:expr) => {
        impl<B> $name<B> {
            /// The least that may come of `delay`, and how much more it may be.
            #[inline]
            fn window(&self, $delay: u64) -> (u64, u64) {
                let $self = self;
                $window
            }
        }

        impl<B: Backoff> Backoff for $name<B> {
            delay_in_nanos!();

            #[inline]
            fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
                let delay = self.inner.delay_nanos(&attempt.inner())?;
                let (least, width) = self.window(delay);
                Some(least.saturating_add(random::scale(attempt.random(), width)))
            }

            fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
                let inner = self.inner.bounds(attempt)?;
                let (least, _) = self.window(nanos(inner.min));
                let (most, width) = self.window(nanos(inner.max));
                Some(DelayBounds::new(from_nanos(least), from_nanos(most.saturating_add(width))))
            }

            ask_inner!(limits);
            ask_inner!(reads_clock);

            fn describe(&self, $f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $this = self;
                self.inner.describe($f)?;
                $words
            }
        }

        #[diagnostic::do_not_recommend]
        impl<B: Finite> Finite for $name<B> {}

        built_in!([B] $name<B>);
    };
}

/// Anything from nothing to the delay. Made by [`Backoff::full_jitter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct FullJitter<B> {
    inner: B,
}

impl<B> FullJitter<B> {
    pub(super) const fn new(inner: B) -> Self {
        FullJitter { inner }
    }
}

jitter!(FullJitter, |_this, delay| (0, delay), |_this, f| f.write_str(", full jitter"));

/// Half the delay, and anything up to the other half. Made by [`Backoff::equal_jitter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct EqualJitter<B> {
    inner: B,
}

impl<B> EqualJitter<B> {
    pub(super) const fn new(inner: B) -> Self {
        EqualJitter { inner }
    }
}

jitter!(EqualJitter, |_this, delay| (delay - delay / 2, delay / 2), |_this, f| f
    .write_str(", equal jitter"));

/// Shorter or longer by up to a share of the delay. Made by [`Backoff::jitter`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[doc(hidden)]
pub struct Jitter<B> {
    inner: B,
    factor: f64,
}

impl<B> Jitter<B> {
    pub(super) const fn new(inner: B, factor: f64) -> Self {
        assert!(
            factor >= 0.0 && factor <= 1.0,
            "the factor of a jitter is a share of the delay: from 0.0 to 1.0"
        );
        Jitter { inner, factor }
    }
}

jitter!(
    Jitter,
    |this, delay| {
        // In fixed point: a double would lose the order of delays from 104 days on.
        let share = (this.factor * (1_u128 << 64) as f64) as u128;
        let spread = ((u128::from(delay) * share) >> 64) as u64;
        (delay - spread, spread.saturating_mul(2))
    },
    |this, f| write!(f, ", jitter ±{}", this.factor)
);

/// Something on top of the delay. Made by [`Backoff::additive_jitter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct AdditiveJitter<B> {
    inner: B,
    least: u64,
    width: u64,
}

impl<B> AdditiveJitter<B> {
    pub(super) const fn new(inner: B, range: RangeInclusive<Duration>) -> Self {
        let (least, most) = (nanos(*range.start()), nanos(*range.end()));
        assert!(least <= most, "an additive jitter ends before it starts");
        AdditiveJitter { inner, least, width: most - least }
    }
}

jitter!(AdditiveJitter, |this, delay| (delay.saturating_add(this.least), this.width), |this, f| {
    let most = this.least.saturating_add(this.width);
    write!(f, ", plus {:?} to {:?}", from_nanos(this.least), from_nanos(most))
});
