use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use super::combinators::built_in;
use super::{Backoff, DelayBounds, Finite, Limits};
use crate::Attempt;

/// The delays of a list, one after the other. Made by [`delays`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct List<L> {
    delays: L,
}

/// The delays of an array, a slice or a `Vec`, one after the other; after the last of them, one
/// more attempt is made and the retry ends. An empty list is one attempt.
///
/// ```
/// use persevere::{Backoff, delays};
/// use std::time::Duration;
///
/// let backoff = delays([1, 5, 30].map(Duration::from_secs));
/// assert_eq!(backoff.limits().attempts.unwrap().get(), 4);
/// assert_eq!(backoff.to_string(), "3 listed delays: 1s, 5s, 30s (36s in all)");
/// ```
#[must_use]
pub const fn delays<L: AsRef<[Duration]>>(delays: L) -> List<L> {
    List { delays }
}

/// Attempts are one more than delays.
fn attempts(delays: usize) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(delays).unwrap_or(u32::MAX).saturating_add(1))
}

/// The place of the delay that follows attempt `number`.
fn place(number: u32) -> Option<usize> {
    usize::try_from(number.max(1) - 1).ok()
}

impl<L: AsRef<[Duration]>> Backoff for List<L> {
    #[inline]
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        self.delays.as_ref().get(place(attempt.number())?).copied()
    }

    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        self.delays.as_ref().get(place(attempt)?).copied().map(DelayBounds::exactly)
    }

    #[inline]
    fn limits(&self) -> Limits {
        Limits { attempts: attempts(self.delays.as_ref().len()), ..Limits::NONE }
    }

    #[inline]
    fn reads_clock(&self) -> bool {
        false
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.delays.as_ref().len() {
            1 => f.write_str("1 listed delay"),
            n => write!(f, "{n} listed delays"),
        }
    }
}

impl<L: AsRef<[Duration]>> Finite for List<L> {}

built_in!([L] List<L>);

/// The delays of an iterator. Made by [`from_iter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct FromIter<I> {
    delays: I,
}

/// The delays of a clonable iterator, which is cloned and walked for each delay: the nth costs a
/// clone (of a `Vec`'s iterator, an allocation) and n steps, and a whole schedule the square of its
/// length. Collect a long one into [`delays`]. It is [`Finite`] by itself if the iterator knows
/// its length (`ExactSizeIterator`); give others a limit.
///
/// ```
/// use persevere::{Backoff, from_iter};
/// use std::time::Duration;
///
/// let squares = from_iter((1..=4_u64).map(|n| Duration::from_millis(n * n)));
/// let delays: Vec<_> = squares.schedule().map(|step| step.delay.max).collect();
/// assert_eq!(delays, [1, 4, 9, 16].map(Duration::from_millis));
/// ```
pub fn from_iter<I>(delays: I) -> FromIter<I::IntoIter>
where
    I: IntoIterator<Item = Duration>,
    I::IntoIter: Clone,
{
    FromIter { delays: delays.into_iter() }
}

impl<I: Iterator<Item = Duration> + Clone> Backoff for FromIter<I> {
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        self.delays.clone().nth(place(attempt.number())?)
    }

    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        self.delays.clone().nth(place(attempt)?).map(DelayBounds::exactly)
    }

    fn limits(&self) -> Limits {
        match self.delays.size_hint() {
            (_, Some(most)) => Limits { attempts: attempts(most), ..Limits::NONE },
            (_, None) => Limits::NONE,
        }
    }

    fn reads_clock(&self) -> bool {
        false
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("delays of an iterator")
    }
}

#[diagnostic::do_not_recommend]
impl<I: ExactSizeIterator<Item = Duration> + Clone> Finite for FromIter<I> {}

built_in!([I] FromIter<I>);
