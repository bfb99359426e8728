//! [`Percentile`]: how long attempts take, all but a few.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use core::time::Duration;

use crate::InvalidSetting;
use crate::time::nanos;

/// A percentile of how long attempts take, for [`Hedge::at_percentile`](super::Hedge::at_percentile).
/// Shared by its clones and lock-free.
///
/// | | |
/// |---|---|
/// | what is seen | how long a first copy took that succeeded; of one that lost to another copy, the time until then, which is less than it would have taken |
/// | what is not | failures, and attempts that were dropped |
/// | accuracy | it is never below that percentile of what was seen, and above by 1/16 (6.25 %) and a microsecond at the most |
/// | range | from 1 µs to 71 minutes; what takes longer counts as that |
/// | how long it remembers | 512 observations later, one counts half; time does not matter |
/// | how quickly it learns | it has no answer before 128 observations, and a new one after every 16 |
/// | memory | 2 KB |
/// | cost | two atomic additions for each observation, one read for each hedge |
///
/// Have one for each kind of request to each service: of two that differ, the slower would always be
/// hedged and the quicker never.
///
/// ```
/// use persevere::hedge::Percentile;
/// use std::time::Duration;
///
/// let p95 = Percentile::new(95.0);
/// assert_eq!(p95.delay(), None);
/// (1..=160).for_each(|millis| p95.record(Duration::from_millis(millis)));
/// let delay = p95.delay().unwrap().as_millis();
/// assert!((152..=161).contains(&delay));
/// ```
#[derive(Clone)]
pub struct Percentile(Arc<Histogram>);

impl Percentile {
    /// The percentile `percent`, from 1 to 99: 95 to hedge one attempt in twenty. Beyond 99, more of
    /// the past would have to be remembered than is.
    ///
    /// # Panics
    /// If `percent` is out of its range.
    #[must_use]
    #[track_caller]
    #[inline]
    pub fn new(percent: f64) -> Self {
        match Percentile::try_new(percent) {
            Ok(percentile) => percentile,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// The same for a number that comes from outside.
    ///
    /// # Errors
    /// If `percent` is out of its range.
    ///
    /// ```
    /// use persevere::hedge::Percentile;
    /// let error = Percentile::try_new(0.95).unwrap_err();
    /// assert_eq!(error.to_string(), "`percent` is from 1 to 99");
    /// ```
    #[inline]
    pub fn try_new(percent: f64) -> Result<Self, InvalidSetting> {
        if (1.0..=99.0).contains(&percent) {
            Ok(Percentile(Arc::new(Histogram::new(percent))))
        } else {
            Err(InvalidSetting::new("percent", "from 1 to 99"))
        }
    }

    /// Which percentile it is.
    #[must_use]
    pub fn percent(&self) -> f64 {
        self.0.percent
    }

    /// The percentile; `None` until enough was seen.
    #[must_use]
    #[inline]
    pub fn delay(&self) -> Option<Duration> {
        let place = self.0.place.load(Relaxed).checked_sub(1)?;
        Some(Duration::from_micros(top(place)))
    }

    /// Adds an observation. Hedges do so by themselves; do it yourself for what you know from
    /// elsewhere, such as from before a restart.
    #[inline]
    pub fn record(&self, latency: Duration) {
        self.0.record(latency);
    }
}

impl fmt::Debug for Percentile {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Percentile")
            .field("percent", &self.percent())
            .field("delay", &self.delay())
            .finish()
    }
}

/// Each power of two has so many buckets of equal width, as in an HDR histogram.
const STEPS: u32 = 16;
/// Of microseconds in 32 bits: those below [`STEPS`] have a bucket each.
const BUCKETS: usize = ((32 - STEPS.ilog2() + 1) * STEPS) as usize;
/// What an observation counts at first. It is halved, and lost when it was halved 17 times: so many
/// together do not vanish because each of their buckets holds but one.
const WEIGHT: u32 = 1 << 16;
/// After how many observations the weight of all is halved.
const HALF_LIFE: u32 = 512;
/// After how many the percentile is computed again.
const REFRESH: u32 = 16;
/// How many there are to be before it is.
const ENOUGH: u64 = 128;

struct Histogram {
    percent: f64,
    /// The weights of what was seen. All of them together are about twice the half-life, so nothing
    /// overflows.
    buckets: [AtomicU32; BUCKETS],
    seen: AtomicU32,
    /// The bucket of the percentile, counted from 1; 0 while it is not known.
    place: AtomicU32,
}

impl Histogram {
    #[inline]
    fn new(percent: f64) -> Self {
        Histogram {
            percent,
            buckets: [const { AtomicU32::new(0) }; BUCKETS],
            seen: AtomicU32::new(0),
            place: AtomicU32::new(0),
        }
    }

    #[inline]
    fn record(&self, latency: Duration) {
        self.buckets[place(latency) as usize].fetch_add(WEIGHT, Relaxed);
        let seen = self.seen.fetch_add(1, Relaxed).wrapping_add(1);
        if seen % HALF_LIFE == 0 {
            for bucket in &self.buckets {
                // Others may add meanwhile, and none of that is lost.
                let half = |weight| (weight > 0).then_some(weight / 2);
                let _ = bucket.fetch_update(Relaxed, Relaxed, half);
            }
        }
        if seen % REFRESH == 0 {
            self.refresh();
        }
    }

    #[cold]
    fn refresh(&self) {
        let weights = || self.buckets.iter().map(|bucket| u64::from(bucket.load(Relaxed)));
        let all: u64 = weights().sum();
        if all < ENOUGH * u64::from(WEIGHT) {
            return;
        }
        let (wanted, mut below) = (all as f64 * self.percent / 100.0, 0);
        // Somebody may have halved the weights since they were added up.
        let place = weights().position(|weight| {
            below += weight;
            below as f64 >= wanted
        });
        if let Some(place) = place {
            self.place.store(place as u32 + 1, Relaxed);
        }
    }
}

/// The bucket of a latency.
fn place(latency: Duration) -> u32 {
    let micros = u32::try_from(nanos(latency) / 1_000).unwrap_or(u32::MAX);
    if micros < STEPS {
        return micros;
    }
    let shift = micros.ilog2() - STEPS.ilog2();
    // The highest bit, which is always set, counts the powers of two up.
    shift * STEPS + (micros >> shift)
}

/// Where a bucket ends, in microseconds.
fn top(place: u32) -> u64 {
    let shift = (place / STEPS).saturating_sub(1);
    (u64::from(place - shift * STEPS) + 1) << shift
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn every_latency_lies_in_its_bucket_and_buckets_are_narrow() {
        let powers = (0..40).map(|power| 1_u64 << power);
        for micros in powers.flat_map(|power| [power - 1, power, power + power / 3]) {
            let seen = micros.min(u32::MAX.into());
            let end = top(place(Duration::from_micros(micros)));
            assert!(seen < end && end <= seen + seen / 16 + 1, "{micros} µs: {end}");
        }
        assert_eq!(place(Duration::MAX) as usize, BUCKETS - 1);
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for place in 1..BUCKETS as u32 {
            assert_eq!(super::place(Duration::from_micros(top(place - 1))), place);
        }
    }

    #[test]
    fn no_observation_of_many_threads_is_lost() {
        let histogram = Histogram::new(50.0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| histogram.record(Duration::from_millis(1))));
            }
        });
        let all: u64 = histogram.buckets.iter().map(|bucket| u64::from(bucket.load(Relaxed))).sum();
        assert_eq!(all, 400 * u64::from(WEIGHT));
    }
}
