//! How long to wait: [`Backoff`], the built-in ones, and the combinators that refine them.
//!
//! A backoff is a pure function from an [`Attempt`] to a delay. That is what lets one value serve
//! every call without a lock, stand in a `static`, be printed, drawn and bounded before anything
//! runs, and repeat exactly when a call is given a seed.
//!
//! ```
//! use persevere::{Backoff, exponential};
//! use std::time::Duration;
//!
//! let backoff = exponential(Duration::from_millis(100))
//!     .max_delay(Duration::from_secs(1))
//!     .full_jitter()
//!     .max_attempts(6);
//! assert_eq!(backoff.worst_case(), Some(Duration::from_millis(100 + 200 + 400 + 800 + 1000)));
//! ```
//!
//! | backoff | nth delay |
//! |---|---|
//! | [`immediate()`](immediate) | 0 |
//! | [`constant(d)`](constant) | `d` |
//! | [`linear(d)`](linear) | `d · n`; with `.step(s)`: `d + s · (n − 1)` |
//! | [`exponential(d)`](exponential) | `d · 2^(n − 1)`; with `.factor(f)`: `d · f^(n − 1)` |
//! | [`fibonacci(d)`](fibonacci) | `d · F(n)`: 1, 1, 2, 3, 5, … |
//! | [`polynomial(d, k)`](polynomial) | `d · n^k` |
//! | [`decorrelated(d)`](decorrelated) | random in `d ..= 3 · previous` |
//! | [`decorrelated_v2(d)`](decorrelated_v2) | random along `2^t · tanh(√(4t))` |
//! | [`delays([..])`](delays), [`from_iter(..)`](from_iter) | as listed; ends with the list |
//! | [`from_fn(..)`](from_fn) | as your function says |
//!
//! | combinator | what it does | may exceed a cap written before it |
//! |---|---|---|
//! | [`max_attempts`](Backoff::max_attempts), [`max_retries`](Backoff::max_retries) | limits executions, or retries | |
//! | [`max_elapsed`](Backoff::max_elapsed) | limits the time of the whole call | |
//! | [`max_retry_after`](Backoff::max_retry_after) | limits what a server may ask for | |
//! | [`forever`](Backoff::forever) | says that there is no limit | |
//! | [`max_delay`](Backoff::max_delay) | cuts delays down | no |
//! | [`min_delay`](Backoff::min_delay) | lifts delays up | yes |
//! | [`full_jitter`](Backoff::full_jitter), [`equal_jitter`](Backoff::equal_jitter) | shortens at random | no |
//! | [`jitter`](Backoff::jitter), [`additive_jitter`](Backoff::additive_jitter) | shortens and lengthens, or lengthens | yes |
//! | [`map`](Backoff::map) | what you like | yes |
//! | [`first(n)`](Backoff::first)`.then(b)` | goes on with another | |
//!
//! | default | value |
//! |---|---|
//! | factor of `exponential` | 2 |
//! | step of `linear` | its first delay |
//! | longest `Retry-After` that is obeyed | [five minutes](Limits::RETRY_AFTER) |
//! | limit on attempts and time | none: a retry without either does not compile |
//! | longest delay | 584 years; more is the same to it |
//!
//! **Do** cap what grows, and jitter what many clients do at once: a service that comes back is felled
//! again by clients in step. **Do** write the cap before a full jitter; after it, the capped delays pile
//! up on the cap. **Don't** jitter the decorrelated ones, which are jittered already. **Don't** set
//! many attempts without a time limit where somebody waits: [`worst_case`](Backoff::worst_case) says
//! how long.

mod clamp;
mod combinators;
mod constant;
mod decorrelated;
#[cfg(any(feature = "std", feature = "libm"))]
mod decorrelated_v2;
mod exponential;
mod fibonacci;
mod from_fn;
mod jitter;
mod limit;
mod linear;
mod list;
mod map;
mod polynomial;
mod schedule;
mod sequence;

use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use crate::attempt::Attempt;
use crate::time::nanos;

pub use self::clamp::{MaxDelay, MinDelay};
pub use self::constant::{Constant, constant, immediate};
pub use self::decorrelated::{Decorrelated, decorrelated};
#[cfg(any(feature = "std", feature = "libm"))]
pub use self::decorrelated_v2::{DecorrelatedV2, decorrelated_v2};
pub use self::exponential::{Exponential, exponential};
pub use self::fibonacci::{Fibonacci, fibonacci};
pub use self::from_fn::{Bounded, FromFn, from_fn};
pub use self::jitter::{AdditiveJitter, EqualJitter, FullJitter, Jitter};
pub use self::limit::{Forever, MaxAttempts, MaxElapsed, MaxRetryAfter};
pub use self::linear::{Linear, linear};
pub use self::list::{FromIter, List, delays, from_iter};
pub use self::map::Map;
pub use self::polynomial::{Polynomial, polynomial};
pub use self::schedule::{Schedule, Step};
pub use self::sequence::{First, Sequence};

use self::combinators::{combinators, forward, trait_methods};
pub(crate) use self::schedule::print;

/// The shortest and the longest delay that may come; both included.
///
/// ```
/// use persevere::DelayBounds;
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let bounds = DelayBounds::new(ms(10), ms(30));
/// assert!(bounds.contains(ms(10)) && bounds.contains(ms(30)) && !bounds.contains(ms(31)));
/// assert_eq!(bounds.to_string(), "10ms to 30ms");
/// assert_eq!(DelayBounds::exactly(ms(10)), DelayBounds::new(ms(10), ms(0)));
/// assert!(DelayBounds::ANY.contains(Duration::MAX));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DelayBounds {
    /// No delay is shorter.
    pub min: Duration,
    /// No delay is longer.
    pub max: Duration,
}

impl DelayBounds {
    /// Any delay: what a closure promises that declares nothing.
    pub const ANY: DelayBounds = DelayBounds { min: Duration::ZERO, max: Duration::MAX };

    /// From `min` to `max`. If they are the wrong way round, `min` counts for both.
    #[must_use]
    pub const fn new(min: Duration, max: Duration) -> Self {
        DelayBounds { min, max: if max.as_nanos() < min.as_nanos() { min } else { max } }
    }

    /// This delay and no other.
    #[must_use]
    pub const fn exactly(delay: Duration) -> Self {
        DelayBounds { min: delay, max: delay }
    }

    /// Whether `delay` lies within, both ends included. 584 years and more are all the same to a
    /// retry.
    #[must_use]
    pub const fn contains(&self, delay: Duration) -> bool {
        let delay = nanos(delay);
        nanos(self.min) <= delay && delay <= nanos(self.max)
    }

    /// Both ends through `f`, which must not turn their order round.
    fn map(self, f: impl Fn(Duration) -> Duration) -> Self {
        DelayBounds { min: f(self.min), max: f(self.max) }
    }
}

/// `100ms`, or `0ns to 100ms`.
impl fmt::Display for DelayBounds {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{:?}", self.min)
        } else if *self == Self::ANY {
            f.write_str("any delay")
        } else {
            write!(f, "{:?} to {:?}", self.min, self.max)
        }
    }
}

/// The limits of a backoff. They bubble up through every combinator, and the engine holds a call
/// to them whatever a classifier, a hook or a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Limits {
    /// How many executions there are at the most, the first included; `None` means no limit.
    pub attempts: Option<NonZeroU32>,
    /// No retry starts this long after the call began, or later; `None` means no limit.
    pub elapsed: Option<Duration>,
    /// The longest delay that a server may ask for; a call told to wait longer stops.
    /// `None` means [`Limits::RETRY_AFTER`].
    pub retry_after: Option<Duration>,
}

impl Limits {
    /// No limit on attempts or time, and the default [one](Limits::RETRY_AFTER) on `Retry-After`.
    pub const NONE: Limits = Limits { attempts: None, elapsed: None, retry_after: None };

    /// The longest `Retry-After` that is obeyed where nothing else is said: five minutes.
    pub const RETRY_AFTER: Duration = Duration::from_secs(300);

    /// These limits with one on attempts, the first included.
    ///
    /// ```
    /// use persevere::Limits;
    /// use std::num::NonZeroU32;
    /// let three = NonZeroU32::new(3).unwrap();
    /// assert_eq!(Limits::NONE.with_attempts(three).attempts, Some(three));
    /// ```
    #[must_use]
    pub const fn with_attempts(self, attempts: NonZeroU32) -> Self {
        Limits { attempts: Some(attempts), ..self }
    }

    /// These limits with one on the time from the start of the call, the coming sleep counted.
    ///
    /// ```
    /// use persevere::Limits;
    /// use std::time::Duration;
    /// let limits = Limits::NONE.with_elapsed(Duration::from_secs(30));
    /// assert_eq!((limits.elapsed, limits.attempts), (Some(Duration::from_secs(30)), None));
    /// ```
    #[must_use]
    pub const fn with_elapsed(self, elapsed: Duration) -> Self {
        Limits { elapsed: Some(elapsed), ..self }
    }

    /// These limits with one on what a server may ask for. A longer wait stops the call.
    ///
    /// ```
    /// use persevere::Limits;
    /// use std::time::Duration;
    /// let limits = Limits::NONE.with_retry_after(Duration::from_secs(10));
    /// assert_eq!(limits.retry_after, Some(Duration::from_secs(10)));
    /// assert_eq!(Limits::RETRY_AFTER, Duration::from_secs(300));
    /// ```
    #[must_use]
    pub const fn with_retry_after(self, retry_after: Duration) -> Self {
        Limits { retry_after: Some(retry_after), ..self }
    }

    /// The tighter of both, limit by limit.
    ///
    /// ```
    /// use persevere::Limits;
    /// use std::time::Duration;
    /// let [long, short] = [60, 5].map(|n| Limits::NONE.with_elapsed(Duration::from_secs(n)));
    /// assert_eq!(long.and(short), short);
    /// assert_eq!(long.and(Limits::NONE), long);
    /// ```
    #[must_use]
    #[inline]
    pub fn and(self, other: Limits) -> Limits {
        fn tighter<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }
        }
        Limits {
            attempts: tighter(self.attempts, other.attempts),
            elapsed: tighter(self.elapsed, other.elapsed),
            retry_after: tighter(self.retry_after, other.retry_after),
        }
    }
}

/// How long to wait after a failed attempt.
///
/// A backoff is a **pure function** of the [`Attempt`]: it has no state, so that one value, even a
/// `static`, serves any number of calls at once, and can be printed, drawn and bounded before
/// anything runs. What varies is in the attempt: its number, the time, the delay before, and the
/// call's own random stream. Implement `delay` and `bounds`; the combinators come by themselves. The
/// combinators of a custom type are no `const fn`: in a `static`, implement [`Finite`] and write `Policy::new(&Mine)`,
/// or use a `LazyLock`.
///
/// ```
/// use persevere::{Attempt, Backoff, DelayBounds};
/// use std::time::Duration;
///
/// /// One second for each failure so far, and a little random on top.
/// struct Patient;
///
/// impl Backoff for Patient {
///     fn delay(&self, attempt: &Attempt) -> Option<Duration> {
///         let least = Duration::from_secs(attempt.number().into());
///         Some(attempt.uniform(least, least + Duration::from_millis(100)))
///     }
///     fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
///         let least = Duration::from_secs(attempt.into());
///         Some(DelayBounds::new(least, least + Duration::from_millis(100)))
///     }
///     fn reads_clock(&self) -> bool {
///         false
///     }
/// }
///
/// let policy = Patient.max_delay(Duration::from_secs(2)).max_attempts(4);
/// assert_eq!(policy.worst_case(), Some(Duration::from_millis(1_100 + 2_000 + 2_000)));
/// ```
pub trait Backoff {
    /// The delay between the failure of `attempt` and the next one; `None` stops.
    ///
    /// It must be pure, lie within [`bounds`](Backoff::bounds), and not panic for any number up
    /// to `u32::MAX`.
    fn delay(&self, attempt: &Attempt) -> Option<Duration>;

    /// The same delay in whole nanoseconds, which is what the engine asks for. By default that of
    /// [`delay`](Backoff::delay), so there is nothing to implement; the built-in backoffs compute
    /// here, in integers, and a delay of 584 years or more is all the same to them.
    #[inline]
    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        self.delay(attempt).map(nanos)
    }

    /// The shortest and longest delay that may follow attempt number `attempt`, for any seed;
    /// `None` where it stops. Attempts count from 1, and 0 is read as 1.
    fn bounds(&self, attempt: u32) -> Option<DelayBounds>;

    /// What ends the call. The engine enforces it on the final delay, after every jitter and after
    /// a server's floor. No limits by default.
    #[inline]
    fn limits(&self) -> Limits {
        Limits::NONE
    }

    /// Whether `delay` looks at [`Attempt::elapsed`]. Where nothing does, no clock is read.
    /// `true` by default, which is always right; say `false` to save a clock reading per call.
    #[inline]
    fn reads_clock(&self) -> bool {
        true
    }

    /// Says in a few words what this is; the built-in ones print it with their schedule.
    /// "custom backoff" by default.
    ///
    /// # Errors
    /// Those of the formatter.
    ///
    /// ```
    /// use persevere::{Attempt, Backoff, DelayBounds};
    /// use std::{fmt, time::Duration};
    ///
    /// struct Second;
    /// impl Backoff for Second {
    ///     fn delay(&self, _: &Attempt) -> Option<Duration> { Some(Duration::from_secs(1)) }
    ///     fn bounds(&self, _: u32) -> Option<DelayBounds> {
    ///         Some(DelayBounds::exactly(Duration::from_secs(1)))
    ///     }
    ///     fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("a second") }
    /// }
    /// assert_eq!(
    ///     Second.max_attempts(3).to_string(),
    ///     "a second, at most 3 attempts: 1s, 1s (2s in all)",
    /// );
    /// ```
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("custom backoff")
    }

    /// What will happen, attempt by attempt: bounds of each delay and of the sum.
    ///
    /// ```
    /// use persevere::{Backoff, exponential};
    /// use std::time::Duration;
    ///
    /// let backoff = exponential(Duration::from_millis(100)).max_attempts(3);
    /// let longest: Vec<_> = backoff.schedule().map(|step| step.delay.max).collect();
    /// assert_eq!(longest, [100, 200].map(Duration::from_millis));
    /// assert_eq!(backoff.schedule().to_string(), "100ms, 200ms (300ms in all)");
    /// ```
    fn schedule(&self) -> Schedule<&Self>
    where
        Self: Sized,
    {
        Schedule::new(self)
    }

    /// The longest that a call may sleep in all, without the time that its attempts take and
    /// without what servers ask for; `None` if it may go on for ever.
    ///
    /// Delays are added up for 4096 attempts; if there are more, the answer is the time limit,
    /// or [`Duration::MAX`].
    ///
    /// ```
    /// use persevere::{Backoff, constant};
    /// use std::time::Duration;
    ///
    /// let second = constant(Duration::from_secs(1));
    /// assert_eq!(second.max_attempts(5).worst_case(), Some(Duration::from_secs(4)));
    /// assert_eq!(second.forever().worst_case(), None);
    /// ```
    fn worst_case(&self) -> Option<Duration> {
        schedule::worst_case(&self)
    }

    combinators!(trait_methods);
}

/// A [`Backoff`] that ends: only these can drive a retry.
///
/// Everything with a limit is finite, jitter and caps keep it so, and `.forever()` says honestly
/// that this one is not. For a backoff of your own whose `delay` ends by itself, write
/// `impl Finite for Mine {}`. `dyn Finite` is a backoff whose type is not known.
///
/// ```
/// use persevere::{Backoff, Finite, constant, exponential};
/// use std::time::Duration;
///
/// fn backoff(gentle: bool) -> Box<dyn Finite> {
///     let second = Duration::from_secs(1);
///     if gentle {
///         Box::new(exponential(second).max_attempts(4))
///     } else {
///         Box::new(constant(second).max_elapsed(5 * second))
///     }
/// }
/// assert_eq!(backoff(true).worst_case(), Some(Duration::from_secs(1 + 2 + 4)));
/// assert_eq!(backoff(false).worst_case(), Some(Duration::from_secs(4)));
/// ```
#[diagnostic::on_unimplemented(
    message = "this retry would never end",
    label = "`{Self}` is no backoff that stops",
    note = "add `.max_attempts(5)`, `.max_elapsed(duration)` or `.forever()`",
    note = "for a dynamic backoff use `dyn Finite` instead of `dyn Backoff`, or add a limit outside; for your own backoff that ends by itself, `impl Finite for {Self} {{}}`",
    note = "a duration alone is no backoff: `constant(duration)` and `exponential(duration)` are; and a policy in a `LazyLock` is given as `&*POLICY`",
    note = "for a number of attempts without delay, write `immediate().max_attempts(3)`",
    note = "a generic function takes its policy by value, `policy: impl SendPolicyFor<O>`, with `+ Clone` for several calls"
)]
pub trait Finite: Backoff {}

forward!(['a, B: ?Sized] &'a B);
#[cfg(feature = "alloc")]
forward!([B: ?Sized] alloc::boxed::Box<B>);
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
forward!([B: ?Sized] alloc::sync::Arc<B>);

/// A backoff whose type is not known prints as any other.
macro_rules! display {
    ($($type:ty),*) => { $(
        impl fmt::Display for $type {
            #[inline]
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                schedule::print(&self, f)
            }
        }
    )* };
}
display!(
    dyn Finite + '_,
    dyn Finite + Send + '_,
    dyn Finite + Sync + '_,
    dyn Finite + Send + Sync + '_
);
display!(
    dyn Backoff + '_,
    dyn Backoff + Send + '_,
    dyn Backoff + Sync + '_,
    dyn Backoff + Send + Sync + '_
);
