use core::fmt;
use core::time::Duration;

use super::{Backoff, DelayBounds};

/// How many delays `Display` prints before it says "…".
const PRINTED: usize = 8;

/// How many delays are added up for a worst case.
const ADDED: usize = 1 << 12;

/// One delay of a [`Schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The number of the attempt that failed before this delay: 1 for the first.
    pub attempt: u32,
    /// The shortest and the longest that this delay may be.
    pub delay: DelayBounds,
    /// All delays up to this one together.
    pub waited: DelayBounds,
}

/// What a backoff will do, attempt by attempt: an iterator of [`Step`]s, made by
/// [`Backoff::schedule`].
///
/// It ends where the backoff does. It assumes attempts that take no time, so that a time limit may
/// end a real call earlier. It does not end for a backoff that goes on for ever: add `.take(n)`.
///
/// `Display` prints the first eight delays and the worst case; `{:#}` prints a line for each.
///
/// ```
/// use persevere::{Backoff, exponential};
/// use std::time::Duration;
///
/// let backoff = exponential(Duration::from_secs(1)).full_jitter().max_attempts(3);
/// let second = backoff.schedule().nth(1).unwrap();
/// assert_eq!((second.attempt, second.waited.max), (2, Duration::from_secs(1 + 2)));
/// assert_eq!(
///     backoff.schedule().to_string(),
///     "0ns to 1s, 0ns to 2s (at most 3s in all)",
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Schedule<B> {
    backoff: B,
    place: Place,
}

impl<B: Backoff> Schedule<B> {
    pub(crate) const fn new(backoff: B) -> Self {
        Schedule { backoff, place: Place::FIRST }
    }
}

impl<B: Backoff> Iterator for Schedule<B> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        self.place.step(&self.backoff)
    }
}

impl<B: Backoff> core::iter::FusedIterator for Schedule<B> {}

/// The rest of the schedule: `100ms, 200ms, 400ms (700ms in all)`.
impl<B: Backoff> fmt::Display for Schedule<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.print(&self.backoff, f)
    }
}

/// The place of a schedule. Its methods take `&dyn Backoff`, because a copy of them for each type of
/// backoff is 5 kB, and a third of the time in which this crate compiles.
#[derive(Clone, Copy, Debug)]
struct Place {
    next: Option<u32>,
    waited: DelayBounds,
}

impl Place {
    const FIRST: Self = Place { next: Some(1), waited: DelayBounds::exactly(Duration::ZERO) };

    fn step(&mut self, backoff: &dyn Backoff) -> Option<Step> {
        let attempt = self.next.take()?;
        let limits = backoff.limits();
        if limits.attempts.is_some_and(|most| attempt >= most.get()) {
            return None;
        }
        let mut delay = backoff.bounds(attempt)?;
        let mut waited = DelayBounds {
            min: self.waited.min.saturating_add(delay.min),
            max: self.waited.max.saturating_add(delay.max),
        };
        if let Some(limit) = limits.elapsed {
            if waited.min >= limit {
                return None;
            }
            waited.max = waited.max.min(limit);
            delay.max = delay.max.min(limit.saturating_sub(self.waited.min));
        }
        self.waited = waited;
        self.next = attempt.checked_add(1);
        Some(Step { attempt, delay, waited })
    }

    fn print(mut self, backoff: &dyn Backoff, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut exact, mut printed) = (true, 0);
        while let Some(step) = if printed < PRINTED { self.step(backoff) } else { None } {
            exact &= step.delay.min == step.delay.max;
            if f.alternate() {
                writeln!(f, "after {}: {}", crate::Attempt::new(step.attempt), step.delay)?;
            } else {
                write!(f, "{}{}", if printed == 0 { "" } else { ", " }, step.delay)?;
            }
            printed += 1;
        }
        if printed == 0 {
            return f.write_str("no wait");
        }
        let more = self.step(backoff).is_some();
        match (more, f.alternate()) {
            (true, false) => f.write_str(", …")?,
            (true, true) => f.write_str("…\n")?,
            (false, _) => {}
        }
        let limited = backoff.limits().elapsed.is_some();
        let space = if f.alternate() { "" } else { " " };
        match backoff.worst_case() {
            None => write!(f, "{space}(for ever)"),
            Some(Duration::MAX) => write!(f, "{space}(no bound in all)"),
            Some(worst) if exact && !more && !limited => write!(f, "{space}({worst:?} in all)"),
            Some(worst) => write!(f, "{space}(at most {worst:?} in all)"),
        }
    }
}

/// See [`Backoff::worst_case`].
pub(super) fn worst_case(backoff: &dyn Backoff) -> Option<Duration> {
    let limits = backoff.limits();
    let (mut place, mut longest) = (Place::FIRST, Duration::ZERO);
    for _ in 0..ADDED {
        let Some(step) = place.step(backoff) else { return Some(longest) };
        longest = step.waited.max;
    }
    match (place.step(backoff), limits.elapsed, limits.attempts) {
        (None, _, _) => Some(longest),
        (Some(_), Some(elapsed), _) if elapsed < Duration::MAX => Some(elapsed),
        (Some(_), _, Some(_)) => Some(Duration::MAX),
        (Some(_), _, None) => None,
    }
}

/// Prints the description of a backoff, and its schedule.
pub(crate) fn print(backoff: &dyn Backoff, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    backoff.describe(f)?;
    f.write_str(if f.alternate() { ":\n" } else { ": " })?;
    Place::FIRST.print(backoff, f)
}

impl<B: Backoff> Schedule<&B> {
    /// The backoff whose schedule this is.
    ///
    /// ```
    /// use persevere::{Backoff, immediate};
    /// let backoff = immediate().max_attempts(3);
    /// assert_eq!(backoff.schedule().backoff(), &backoff);
    /// ```
    #[must_use]
    pub const fn backoff(&self) -> &B {
        self.backoff
    }
}
