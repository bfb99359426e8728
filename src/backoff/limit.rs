use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use super::combinators::{ask_inner, built_in, delay_in_nanos};
use super::{Backoff, DelayBounds, Finite, Limits};
use crate::Attempt;
use crate::time::{from_nanos, nanos};

/// A limit on executions. Made by [`Backoff::max_attempts`] and [`Backoff::max_retries`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct MaxAttempts<B> {
    inner: B,
    attempts: NonZeroU32,
}

impl<B> MaxAttempts<B> {
    pub(super) const fn new(inner: B, attempts: u32) -> Self {
        match NonZeroU32::new(attempts) {
            Some(attempts) => MaxAttempts { inner, attempts },
            None => panic!("`max_attempts` counts the first execution, so it is at least 1"),
        }
    }
}

impl<B: Backoff> Backoff for MaxAttempts<B> {
    delay_in_nanos!();

    #[inline]
    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        if attempt.number() < self.attempts.get() { self.inner.delay_nanos(attempt) } else { None }
    }

    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        if attempt.max(1) < self.attempts.get() { self.inner.bounds(attempt) } else { None }
    }

    #[inline]
    fn limits(&self) -> Limits {
        self.inner.limits().and(Limits::NONE.with_attempts(self.attempts))
    }

    ask_inner!(reads_clock);

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.describe(f)?;
        match self.attempts.get() {
            1 => f.write_str(", at most 1 attempt"),
            n => write!(f, ", at most {n} attempts"),
        }
    }
}

impl<B: Backoff> Finite for MaxAttempts<B> {}

built_in!([B] MaxAttempts<B>);

/// A limit on the time of the whole call. Made by [`Backoff::max_elapsed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct MaxElapsed<B> {
    inner: B,
    limit: u64,
}

impl<B> MaxElapsed<B> {
    pub(super) const fn new(inner: B, limit: Duration) -> Self {
        MaxElapsed { inner, limit: nanos(limit) }
    }
}

impl<B: Backoff> Backoff for MaxElapsed<B> {
    ask_inner!(delay);
    ask_inner!(bounds);

    #[inline]
    fn limits(&self) -> Limits {
        // What was saturated on the way in is what people write for "no limit".
        let elapsed = (self.limit < u64::MAX).then(|| from_nanos(self.limit));
        self.inner.limits().and(Limits { elapsed, ..Limits::NONE })
    }

    #[inline]
    fn reads_clock(&self) -> bool {
        true
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.describe(f)?;
        match self.limit {
            u64::MAX => f.write_str(", without a time limit"),
            limit => write!(f, ", within {:?}", from_nanos(limit)),
        }
    }
}

impl<B: Backoff> Finite for MaxElapsed<B> {}

built_in!([B] MaxElapsed<B>);

/// A limit on what a server may ask for. Made by [`Backoff::max_retry_after`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct MaxRetryAfter<B> {
    inner: B,
    limit: u64,
}

impl<B> MaxRetryAfter<B> {
    pub(super) const fn new(inner: B, limit: Duration) -> Self {
        MaxRetryAfter { inner, limit: nanos(limit) }
    }
}

impl<B: Backoff> Backoff for MaxRetryAfter<B> {
    ask_inner!(delay);
    ask_inner!(bounds);

    #[inline]
    fn limits(&self) -> Limits {
        let limit = from_nanos(self.limit);
        self.inner.limits().and(Limits::NONE.with_retry_after(limit))
    }

    ask_inner!(reads_clock);

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.describe(f)?;
        match self.limit {
            u64::MAX => f.write_str(", any Retry-After"),
            limit => write!(f, ", Retry-After up to {:?}", from_nanos(limit)),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<B: Finite> Finite for MaxRetryAfter<B> {}

built_in!([B] MaxRetryAfter<B>);

/// No limit, said aloud. Made by [`Backoff::forever`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct Forever<B> {
    inner: B,
}

impl<B> Forever<B> {
    pub(super) const fn new(inner: B) -> Self {
        Forever { inner }
    }
}

impl<B: Backoff> Backoff for Forever<B> {
    ask_inner!(delay);
    ask_inner!(bounds);
    ask_inner!(limits);
    ask_inner!(reads_clock);

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.describe(f)?;
        f.write_str(", for ever")
    }
}

impl<B: Backoff> Finite for Forever<B> {}

built_in!([B] Forever<B>);
