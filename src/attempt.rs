//! [`Attempt`]: everything that varies from one execution to the next.

use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use crate::random;
use crate::time::{from_nanos, nanos};

/// The elapsed time where no clock was read. As a time it would be 584 years.
pub(crate) const UNKNOWN: u64 = u64::MAX;

/// An elapsed time that is not [`UNKNOWN`], even where time was saturated.
pub(crate) const fn known(elapsed: u64) -> u64 {
    if elapsed == UNKNOWN { UNKNOWN - 1 } else { elapsed }
}

/// One execution of an operation, as seen by the operation, by backoffs, classifiers and hooks.
///
/// It is small and `Copy`, and a pure value: two equal attempts get the same delay from the same
/// [`Backoff`](crate::Backoff). The engine makes attempts; [`Attempt::new`] and the `with_`
/// methods make one by hand, to test a backoff or a classifier of your own. Times are exact to the
/// nanosecond, up to 584 years; more is the same to it.
///
/// ```
/// use persevere::{Attempt, Backoff, exponential};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let second = Attempt::new(2).with_seed(7).with_max_attempts(2).with_waited(ms(100));
/// assert_eq!(exponential(ms(100)).delay(&second), Some(ms(200)));
/// assert!(second.is_last() && !second.is_first());
/// assert_eq!(second.waited(), ms(100));
/// assert_eq!(second.to_string(), "attempt 2 of 2");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    number: u32,
    /// What sequences took off `number`: draws are numbered over the whole call.
    offset: u32,
    lane: u32,
    most: Option<NonZeroU32>,
    /// Zero before the call has a seed; no code of the caller sees such an attempt.
    seed: u64,
    previous: u64,
    waited: u64,
    elapsed: u64,
}

impl Attempt {
    /// The attempt with this `number`, 1 for the first: nothing waited, no limit, no clock, in the
    /// random stream of seed 0. Zero counts as 1.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Attempt {
            number: if number == 0 { 1 } else { number },
            offset: 0,
            lane: 0,
            most: None,
            seed: random::spread(0).get(),
            previous: 0,
            waited: 0,
            elapsed: UNKNOWN,
        }
    }

    #[inline]
    pub(crate) const fn from_engine(
        number: u32,
        most: Option<NonZeroU32>,
        seed: u64,
        previous: u64,
        waited: u64,
        elapsed: u64,
    ) -> Self {
        Attempt { number, offset: 0, lane: 0, most, seed, previous, waited, elapsed }
    }

    /// The same attempt in the random stream of `seed`; equal seeds draw equal numbers.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = random::spread(seed).get();
        self
    }

    /// The same attempt, of a call that makes at most `most` of them. Zero means no maximum.
    #[must_use]
    pub const fn with_max_attempts(mut self, most: u32) -> Self {
        self.most = NonZeroU32::new(most);
        self
    }

    /// The same attempt after a backoff that gave `delay` the time before; zero unless it is set.
    /// The first attempt has none.
    ///
    /// ```
    /// use persevere::Attempt;
    /// use std::time::Duration;
    /// let second = Duration::from_secs(1);
    /// let before = |number| Attempt::new(number).with_previous_delay(second).previous_delay();
    /// assert_eq!((before(1), before(2)), (None, Some(second)));
    /// ```
    #[must_use]
    pub const fn with_previous_delay(mut self, delay: Duration) -> Self {
        self.previous = nanos(delay);
        self
    }

    /// The same attempt after `waited` of sleeping in all.
    #[must_use]
    pub const fn with_waited(mut self, waited: Duration) -> Self {
        self.waited = nanos(waited);
        self
    }

    /// The same attempt, `elapsed` after the call began.
    #[must_use]
    pub const fn with_elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = known(nanos(elapsed));
        self
    }

    /// Which execution this is: 1 for the first. Inside the second part of a
    /// [sequence](crate::Backoff::first) a backoff sees the count begin at 1 again.
    #[must_use]
    #[inline]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// How many executions the call makes at the most, the first included; `None` where its
    /// backoff has no limit on them.
    #[must_use]
    pub const fn max_attempts(&self) -> Option<NonZeroU32> {
        self.most
    }

    /// Whether this is the first execution, the one that is no retry.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.number == 1
    }

    /// Whether this is the last execution that the limit on attempts allows. A time limit, a
    /// budget or a classifier may make an earlier one the last.
    #[must_use]
    #[inline]
    pub const fn is_last(&self) -> bool {
        match self.most {
            Some(most) => self.number >= most.get(),
            None => false,
        }
    }

    /// What the backoff gave after the attempt before: its own delay, without what a server's
    /// `Retry-After` added to it. `None` at the first attempt, which had nothing before it.
    #[must_use]
    pub const fn previous_delay(&self) -> Option<Duration> {
        if self.is_first() { None } else { Some(from_nanos(self.previous)) }
    }

    /// The sum of all delays slept so far in this call.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        from_nanos(self.waited)
    }

    /// Returns the time since the call began.
    ///
    /// # Errors
    /// [`Untimed`] if nothing in the call reads the clock: then the time is not known. A
    /// [`max_elapsed`](crate::Backoff::max_elapsed) limit, a [deadline](crate::Policy::deadline),
    /// [`.timed()`](crate::Retry::timed), [`.report()`](crate::Retry::report), and a hook, guard or
    /// backoff whose [`reads_clock`](crate::Hook::reads_clock) returns `true` make the call read it.
    ///
    /// ```
    /// use persevere::{Attempt, Untimed};
    /// use std::time::Duration;
    /// let second = Duration::from_secs(1);
    /// assert_eq!(Attempt::new(1).elapsed(), Err(Untimed));
    /// assert_eq!(Attempt::new(1).with_elapsed(second).elapsed(), Ok(second));
    /// ```
    pub const fn elapsed(&self) -> Result<Duration, Untimed> {
        elapsed(self.elapsed)
    }

    /// A uniform random number, any `u64`: a pure function of the call's seed, the attempt's number
    /// and the lane, so that asking twice gives the same number and a seeded call repeats exactly.
    ///
    /// A backoff that wraps another draws here and passes on [`Attempt::inner`], so that stacked
    /// jitters differ. Draws of an operation are independent of its delays; draws of a classifier are
    /// those of the backoff, so that a delay computed there is the delay that is slept.
    ///
    /// ```
    /// use persevere::Attempt;
    /// let attempt = Attempt::new(1).with_seed(42);
    /// assert_eq!(attempt.random(), attempt.random());
    /// assert_ne!(attempt.random(), Attempt::new(2).with_seed(42).random());
    /// assert_ne!(attempt.random(), attempt.inner().random());
    /// ```
    #[must_use]
    #[inline]
    pub const fn random(&self) -> u64 {
        random::draw(self.seed, self.index(), self.lane)
    }

    /// A uniform random duration from `least` up to `most`; `least` if they are equal or the wrong
    /// way round. See [`Attempt::random`].
    ///
    /// ```
    /// use persevere::Attempt;
    /// use std::time::Duration;
    ///
    /// let (least, most) = (Duration::from_millis(10), Duration::from_millis(30));
    /// let attempt = Attempt::new(3).with_seed(42);
    /// let delay = attempt.uniform(least, most);
    /// assert!(least <= delay && delay <= most);
    /// assert_eq!(delay, attempt.uniform(least, most));
    /// ```
    #[must_use]
    #[inline]
    pub const fn uniform(&self, least: Duration, most: Duration) -> Duration {
        let least = nanos(least);
        let span = nanos(most).saturating_sub(least);
        from_nanos(least + random::scale(self.random(), span))
    }

    /// The same attempt for the backoff inside: its draws are independent of this one's. See
    /// [`Attempt::random`].
    #[must_use]
    #[inline]
    pub const fn inner(&self) -> Self {
        let mut inner = *self;
        inner.lane = inner.lane.wrapping_add(1);
        inner
    }

    /// The only attempt of an operation that is not retried.
    pub(crate) fn alone() -> Self {
        Attempt::from_engine(1, None, random::fresh().get(), 0, 0, UNKNOWN).for_operation()
    }

    /// The same attempt for the operation: its draws are independent of those of any backoff.
    #[inline]
    pub(crate) const fn for_operation(mut self) -> Self {
        self.lane = 1 << 31;
        self
    }

    /// This attempt for the jitter of a classifier: its draws are independent of those of any backoff.
    #[inline]
    pub(crate) const fn for_classifier(mut self) -> Self {
        self.lane = 1 << 30;
        self
    }

    /// The draw that [`Attempt::draw`] gave at the attempt before this one, if a backoff that
    /// counts from 1 had one.
    #[cfg(any(feature = "std", feature = "libm"))]
    pub(crate) fn previous_draw(&self) -> Option<u64> {
        let before = self.index().wrapping_sub(1);
        (self.number > 1).then(|| random::draw(self.seed, before, self.lane))
    }

    /// The attempt as the second part of a sequence sees it, `taken` retries later.
    pub(crate) const fn after(&self, taken: u32) -> Self {
        let mut later = *self;
        later.number -= taken;
        later.offset = later.offset.wrapping_add(taken);
        later.most = match later.most {
            Some(most) => NonZeroU32::new(most.get().saturating_sub(taken)),
            None => None,
        };
        later
    }

    const fn index(&self) -> u32 {
        self.number.wrapping_add(self.offset)
    }

    pub(crate) const fn previous_nanos(&self) -> u64 {
        self.previous
    }
}

/// `UNKNOWN` as an error.
pub(crate) const fn elapsed(nanos: u64) -> Result<Duration, Untimed> {
    if nanos == UNKNOWN { Err(Untimed) } else { Ok(from_nanos(nanos)) }
}

/// The elapsed time is not known, because nothing in the call reads the clock.
///
/// Calls read no clock unless they have to. [`.timed()`](crate::Retry::timed) makes them.
///
/// ```
/// use persevere::{RetryExt, Untimed, immediate};
///
/// let retry = || (|| None::<()>).retry_with(immediate().max_attempts(2));
/// let _ = retry().on_retry(|retry| assert_eq!(retry.elapsed(), Err(Untimed))).call();
/// let _ = retry().timed().on_retry(|retry| assert!(retry.elapsed().is_ok())).call();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untimed;

impl fmt::Display for Untimed {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the elapsed time is not known, because this call reads no clock: add `.timed()`",
        )
    }
}

impl core::error::Error for Untimed {}

impl fmt::Debug for Attempt {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("number", &self.number)
            .field("max_attempts", &self.most)
            .field("previous_delay", &self.previous_delay())
            .field("waited", &self.waited())
            .field("elapsed", &self.elapsed().ok())
            .finish_non_exhaustive()
    }
}

/// `attempt 2 of 5`, or `attempt 2` where no maximum is known.
impl fmt::Display for Attempt {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {}", self.number)?;
        match self.most {
            Some(most) => write!(f, " of {most}"),
            None => Ok(()),
        }
    }
}
