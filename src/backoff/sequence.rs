use core::fmt;
use core::num::NonZeroU32;

use super::combinators::{ask_inner, built_in, delay_in_nanos};
use super::{Backoff, DelayBounds, Finite, Limits};
use crate::Attempt;

/// The first delays of a backoff. Made by [`Backoff::first`]; by itself it ends after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct First<B> {
    inner: B,
    retries: u32,
}

impl<B> First<B> {
    pub(super) const fn new(inner: B, retries: u32) -> Self {
        First { inner, retries }
    }

    /// Goes on with `next`, which counts its attempts from 1 again and sees only its own delays
    /// before. If the first part ends earlier, by a limit on attempts or a list, `next` takes over
    /// there. An iterator that does not know its length ends the call instead. Time limits of either
    /// part count for the whole call.
    ///
    /// ```
    /// use persevere::{Attempt, Backoff, constant, decorrelated};
    /// use std::time::Duration;
    ///
    /// let second = Duration::from_secs(1);
    /// let backoff = constant(9 * second).first(2).then(decorrelated(second)).max_attempts(9);
    /// let third = Attempt::new(3).with_previous_delay(9 * second).with_seed(1);
    /// // The first delay of the second part: between one and three seconds.
    /// assert!(backoff.delay(&third).unwrap() <= 3 * second);
    /// ```
    #[must_use]
    pub const fn then<N>(self, next: N) -> Sequence<B, N> {
        Sequence { first: self, next }
    }
}

impl<B: Backoff> Backoff for First<B> {
    delay_in_nanos!();

    #[inline]
    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        if attempt.number() <= self.retries { self.inner.delay_nanos(attempt) } else { None }
    }

    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        if attempt.max(1) <= self.retries { self.inner.bounds(attempt) } else { None }
    }

    #[inline]
    fn limits(&self) -> Limits {
        let attempts = NonZeroU32::MIN.saturating_add(self.retries);
        self.inner.limits().and(Limits::NONE.with_attempts(attempts))
    }

    ask_inner!(reads_clock);

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retries {
            1 => f.write_str("once ")?,
            n => write!(f, "{n} times ")?,
        }
        self.inner.describe(f)
    }
}

impl<B: Backoff> Finite for First<B> {}

built_in!([B] First<B>);

/// One backoff after another. Made by [`First::then`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Sequence<A, B> {
    first: First<A>,
    next: B,
}

impl<A: Backoff, B> Sequence<A, B> {
    /// How many delays the first part gives.
    #[inline]
    fn taken(&self) -> u32 {
        self.first.limits().attempts.map_or(self.first.retries, |attempts| attempts.get() - 1)
    }
}

impl<A: Backoff, B: Backoff> Backoff for Sequence<A, B> {
    delay_in_nanos!();

    #[inline]
    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        let taken = self.taken();
        if attempt.number() <= taken {
            self.first.delay_nanos(attempt)
        } else {
            self.next.delay_nanos(&attempt.after(taken))
        }
    }

    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        let (taken, attempt) = (self.taken(), attempt.max(1));
        if attempt <= taken {
            self.first.bounds(attempt)
        } else {
            self.next.bounds(attempt - taken)
        }
    }

    fn limits(&self) -> Limits {
        let (first, next) = (self.first.limits(), self.next.limits());
        let attempts = next.attempts.map(|attempts| attempts.saturating_add(self.taken()));
        Limits { attempts, ..Limits { attempts: None, ..first }.and(next) }
    }

    #[inline]
    fn reads_clock(&self) -> bool {
        self.first.reads_clock() || self.next.reads_clock()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.describe(f)?;
        f.write_str(", then ")?;
        self.next.describe(f)
    }
}

#[diagnostic::do_not_recommend]
impl<A: Backoff, B: Finite> Finite for Sequence<A, B> {}

built_in!([A B] Sequence<A, B>);
