//! The combinators, written once: as methods of the trait for anybody's backoff, and as inherent
//! `const` twins for the built-in ones, which win where both exist and so work in a `static`.

/// Hands the list of combinators to `$emit`, which makes methods of it.
macro_rules! combinators {
    ($emit:ident) => {
        $emit! {
            /// At most `attempts` executions, the first included: `max_attempts(3)` makes up to
            /// two retries. The tighter of several limits counts, wherever each was written.
            ///
            /// # Panics
            /// If `attempts` is zero: the first execution counts. In a `const` or a `static`, that
            /// is a compile error.
            ///
            /// ```
            /// use persevere::{Backoff, immediate};
            /// let backoff = immediate().max_attempts(3);
            /// assert_eq!(backoff.schedule().count(), 2);
            /// ```
            max_attempts [] (self, attempts: u32) -> MaxAttempts<Self> {
                MaxAttempts::new(self, attempts)
            }

            /// At most `retries` executions after the first: `max_retries(3)` makes up to four
            /// executions, and `max_retries(0)` is one attempt without retry. The same limit as
            /// [`max_attempts`](Backoff::max_attempts)`(retries + 1)`.
            ///
            /// ```
            /// use persevere::{Backoff, immediate};
            /// assert_eq!(immediate().max_retries(3).schedule().count(), 3);
            /// ```
            max_retries [] (self, retries: u32) -> MaxAttempts<Self> {
                MaxAttempts::new(self, retries.saturating_add(1))
            }

            /// No retry starts `limit` after the call began or later, the coming sleep counted: a
            /// retry that would start at the limit or past it is not slept for.
            ///
            /// The call began at its first poll, or at `.call()`. A running attempt is not
            /// interrupted. The clock is read at the start of the call and before and after each
            /// attempt. The tighter of several limits counts. [`Duration::MAX`] is no limit.
            ///
            /// ```
            /// use persevere::{Backoff, constant};
            /// use std::time::Duration;
            /// let second = Duration::from_secs(1);
            /// let backoff = constant(second).max_elapsed(3 * second);
            /// // Retries at one and two seconds; the one at three would be too late.
            /// assert_eq!(backoff.schedule().count(), 2);
            /// ```
            max_elapsed [] (self, limit: Duration) -> MaxElapsed<Self> {
                MaxElapsed::new(self, limit)
            }

            /// Obeys a server's `Retry-After`, which a classifier says with
            /// [`Verdict::RetryAfter`](crate::Verdict::RetryAfter), up to `limit`; told to wait
            /// longer, the call stops with
            /// [`Reason::RetryAfterTooLong`](crate::Reason::RetryAfterTooLong). Default:
            /// [`Limits::RETRY_AFTER`], five minutes. [`Duration::MAX`] obeys any.
            ///
            /// ```
            /// use persevere::{Backoff, constant};
            /// use std::time::Duration;
            /// let backoff = constant(Duration::ZERO).max_retry_after(Duration::from_secs(10));
            /// assert_eq!(backoff.limits().retry_after, Some(Duration::from_secs(10)));
            /// ```
            max_retry_after [] (self, limit: Duration) -> MaxRetryAfter<Self> {
                MaxRetryAfter::new(self, limit)
            }

            /// Cuts every delay down to `cap`. What is written after it may exceed the cap again:
            /// [`full_jitter`](Backoff::full_jitter) and [`equal_jitter`](Backoff::equal_jitter)
            /// do not, [`jitter`](Backoff::jitter), [`additive_jitter`](Backoff::additive_jitter)
            /// and [`min_delay`](Backoff::min_delay) do. Written after a jitter, it piles
            /// the jittered delays up at the cap. A server's `Retry-After` is not cut; it has a
            /// [ceiling](Backoff::max_retry_after) of its own.
            ///
            /// ```
            /// use persevere::{Backoff, exponential};
            /// use std::time::Duration;
            /// let backoff = exponential(Duration::from_secs(1)).max_delay(Duration::from_secs(3));
            /// assert_eq!(backoff.bounds(9).unwrap().max, Duration::from_secs(3));
            /// ```
            max_delay [] (self, cap: Duration) -> MaxDelay<Self> {
                MaxDelay::new(self, cap)
            }

            /// Lifts every delay up to `floor`, also above a cap that was written before it.
            ///
            /// ```
            /// use persevere::{Backoff, exponential};
            /// use std::time::Duration;
            /// let backoff = exponential(Duration::from_secs(1)).min_delay(Duration::from_secs(3));
            /// assert_eq!(backoff.bounds(1).unwrap().min, Duration::from_secs(3));
            /// ```
            min_delay [] (self, floor: Duration) -> MinDelay<Self> {
                MinDelay::new(self, floor)
            }

            /// Anything between nothing and the delay, evenly, `U(0, d)`: what spreads a crowd of
            /// clients best ("full jitter" in Brooker, "Exponential backoff and jitter", AWS Architecture
            /// Blog 2015). It never exceeds the delay, so a cap written before it holds.
            ///
            /// ```
            /// use persevere::{Backoff, constant};
            /// use std::time::Duration;
            /// let bounds = constant(Duration::from_secs(1)).full_jitter().bounds(1).unwrap();
            /// assert_eq!((bounds.min, bounds.max), (Duration::ZERO, Duration::from_secs(1)));
            /// ```
            full_jitter [] (self) -> FullJitter<Self> {
                FullJitter::new(self)
            }

            /// Half of the delay, and anything up to the other half, evenly, `d/2 + U(0, d/2)`
            /// ("equal jitter", same source as [`full_jitter`](Backoff::full_jitter)): never exceeds
            /// the delay, and never comes back at once.
            ///
            /// ```
            /// use persevere::{Backoff, constant};
            /// use std::time::Duration;
            /// let bounds = constant(Duration::from_secs(2)).equal_jitter().bounds(1).unwrap();
            /// assert_eq!((bounds.min, bounds.max), (Duration::from_secs(1), Duration::from_secs(2)));
            /// ```
            equal_jitter [] (self) -> EqualJitter<Self> {
                EqualJitter::new(self)
            }

            /// The delay, shorter or longer by up to `factor` of itself, `U(d − f·d, d + f·d)`:
            /// `jitter(0.5)` gives 50 % to 150 %, evenly. It may exceed a cap written before it;
            /// write the cap after it to hold the delay.
            ///
            /// # Panics
            /// If `factor` is not between 0 and 1, both included, or not a number. In a `const` or
            /// a `static`, that is a compile error.
            ///
            /// ```
            /// use persevere::{Backoff, constant};
            /// use std::time::Duration;
            /// let bounds = constant(Duration::from_secs(2)).jitter(0.5).bounds(1).unwrap();
            /// assert_eq!((bounds.min, bounds.max), (Duration::from_secs(1), Duration::from_secs(3)));
            /// ```
            jitter [] (self, factor: f64) -> Jitter<Self> {
                Jitter::new(self, factor)
            }

            /// The delay and anything within `range` on top, evenly, `d + U(range)`. It may exceed a cap written
            /// before it by `range.end()`. A constant jitter is soon nothing beside a delay that
            /// grows; prefer the relative ones there.
            ///
            /// # Panics
            /// If `range` ends before it starts. In a `const` or a `static`, that is a compile
            /// error.
            ///
            /// ```
            /// use persevere::{Backoff, constant};
            /// use std::time::Duration;
            /// let second = Duration::from_secs(1);
            /// let bounds = constant(second).additive_jitter(Duration::ZERO..=second).bounds(1).unwrap();
            /// assert_eq!((bounds.min, bounds.max), (second, 2 * second));
            /// ```
            additive_jitter [] (self, range: core::ops::RangeInclusive<Duration>) -> AdditiveJitter<Self> {
                AdditiveJitter::new(self, range)
            }

            /// Every delay through a pure function of your own. What comes out may be anything
            /// unless `.bounded(..)` declares it, it is clamped, or the delay that goes in is exact.
            /// What a server asks for does not go through it.
            ///
            /// ```
            /// use persevere::{Attempt, Backoff, exponential};
            /// use std::time::Duration;
            /// let second = Duration::from_secs(1);
            /// let backoff = exponential(second).map(|delay| delay + Duration::from_millis(1));
            /// assert_eq!(backoff.delay(&Attempt::new(2)), Some(Duration::from_millis(2001)));
            /// ```
            map [MapFn: Fn(Duration) -> Duration] (self, function: MapFn) -> Map<Self, MapFn> {
                Map::new(self, function)
            }

            /// Only the first `retries` delays; `.then(next)` goes on with another backoff. Without
            /// it, the call ends after them, as by [`max_retries`](Backoff::max_retries). After
            /// `first(0)`, `next` begins at once.
            ///
            /// ```
            /// use persevere::{Backoff, constant, exponential};
            /// use std::time::Duration;
            /// let ms = Duration::from_millis;
            /// let backoff = constant(ms(1)).first(2).then(exponential(ms(100)).max_attempts(3));
            /// let delays: Vec<_> = backoff.schedule().map(|step| step.delay.max).collect();
            /// assert_eq!(delays, [ms(1), ms(1), ms(100), ms(200)]);
            /// ```
            first [] (self, retries: u32) -> First<Self> {
                First::new(self, retries)
            }

            /// Says honestly that this retry goes on until it succeeds, is told to stop, or is
            /// dropped. It lifts no limit: one that is written as well still counts.
            ///
            /// ```
            /// use persevere::{Backoff, RetryExt, immediate};
            /// let mut tries = 0;
            /// let outcome = (|| { tries += 1; (tries == 1000).then_some(tries) })
            ///     .retry_with(immediate().forever())
            ///     .call();
            /// assert_eq!(outcome, Some(1000));
            /// ```
            forever [] (self) -> Forever<Self> {
                Forever::new(self)
            }
        }
    };
}
pub(super) use combinators;

macro_rules! trait_methods {
    ($( $(#[$doc:meta])* $name:ident [$($g:tt)*] $args:tt -> $ret:ty $body:block )*) => { $(
        $(#[$doc])*
        #[inline]
        fn $name<$($g)*> $args -> $ret where Self: Sized $body
    )* };
}
pub(super) use trait_methods;

macro_rules! const_methods {
    ($( $(#[$doc:meta])* $name:ident [$($g:tt)*] $args:tt -> $ret:ty $body:block )*) => { $(
        #[doc = concat!("[`Backoff::", stringify!($name), "`], also in a `const`.")]
        #[allow(clippy::missing_panics_doc, reason = "documented where the link leads")]
        #[must_use]
        #[inline]
        pub const fn $name<$($g)*> $args -> $ret $body
    )* };
}
pub(super) use const_methods;

/// What a built-in backoff has beside its implementation: the `const` twins, and `Display`, which
/// prints the description and then the schedule.
macro_rules! built_in {
    ([$($g:ident)*] $type:ty, [$($bound:tt)*]) => {
        #[allow(unused_imports, reason = "the list names every combinator")]
        const _: () = {
            use core::time::Duration;
            use $crate::backoff::*;
            use $crate::backoff::combinators::{combinators, const_methods};
            impl<$($g),*> $type {
                combinators! { const_methods }
            }
        };

        /// The description, and the schedule after it; `{:#}` gives the schedule line by line.
        impl<$($bound)*> core::fmt::Display for $type where $type: $crate::backoff::Backoff {
            #[inline]
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $crate::backoff::print(self, f)
            }
        }
    };
    ([$($g:ident)*] $type:ty) => {
        $crate::backoff::combinators::built_in!([$($g)*] $type, [$($g),*]);
    };
}
pub(super) use built_in;

/// `delay` of a backoff that computes in nanoseconds.
macro_rules! delay_in_nanos {
    () => {
        #[inline]
        fn delay(&self, attempt: &$crate::Attempt) -> Option<core::time::Duration> {
            self.delay_nanos(attempt).map($crate::time::from_nanos)
        }
    };
}
pub(super) use delay_in_nanos;

/// What a backoff implements whose delay is `at(number)` nanoseconds and nothing else.
macro_rules! grows {
    () => {
        $crate::backoff::combinators::delay_in_nanos!();

        #[inline]
        fn delay_nanos(&self, attempt: &$crate::Attempt) -> Option<u64> {
            Some(self.at(attempt.number()))
        }

        #[inline]
        fn bounds(&self, attempt: u32) -> Option<$crate::backoff::DelayBounds> {
            Some($crate::backoff::DelayBounds::exactly(from_nanos(self.at(attempt.max(1)))))
        }

        #[inline]
        fn reads_clock(&self) -> bool {
            false
        }
    };
}
pub(super) use grows;

/// A backoff that holds another and changes only some of it: what is not written is asked of the
/// field `inner`.
macro_rules! ask_inner {
    (delay) => {
        #[inline]
        fn delay(&self, attempt: &$crate::Attempt) -> Option<core::time::Duration> {
            self.inner.delay(attempt)
        }

        #[inline]
        fn delay_nanos(&self, attempt: &$crate::Attempt) -> Option<u64> {
            self.inner.delay_nanos(attempt)
        }
    };
    (bounds) => {
        #[inline]
        fn bounds(&self, attempt: u32) -> Option<$crate::backoff::DelayBounds> {
            self.inner.bounds(attempt)
        }
    };
    (limits) => {
        #[inline]
        fn limits(&self) -> $crate::backoff::Limits {
            self.inner.limits()
        }
    };
    (reads_clock) => {
        #[inline]
        fn reads_clock(&self) -> bool {
            self.inner.reads_clock()
        }
    };
}
pub(super) use ask_inner;

/// A pointer to a backoff is a backoff.
macro_rules! forward {
    ([$($g:tt)*] $type:ty) => {
        impl<$($g)* + Backoff> Backoff for $type {
            #[inline]
            fn delay(&self, attempt: &Attempt) -> Option<Duration> {
                (**self).delay(attempt)
            }
            #[inline]
            fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
                (**self).delay_nanos(attempt)
            }
            #[inline]
            fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
                (**self).bounds(attempt)
            }
            #[inline]
            fn limits(&self) -> Limits {
                (**self).limits()
            }
            #[inline]
            fn reads_clock(&self) -> bool {
                (**self).reads_clock()
            }
            fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).describe(f)
            }
            fn worst_case(&self) -> Option<Duration> {
                (**self).worst_case()
            }
        }
        #[diagnostic::do_not_recommend]
        impl<$($g)* + Finite> Finite for $type {}
    };
}
pub(super) use forward;
