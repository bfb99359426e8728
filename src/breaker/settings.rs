//! When a circuit opens, and when it closes.

use core::time::Duration;

use crate::InvalidSetting;

/// What a [`CircuitBreaker`](super::CircuitBreaker) is made of, but for its open duration, its clock
/// and its listeners.
///
/// | setting | default | range |
/// |---|---|---|
/// | `trip` | 5 failures in a row | see [`Trip`] |
/// | `probes` | 1 | 1 to 65 535 |
/// | `successes` | 1 | 1 to 65 535 |
/// | `stop` | [`Counts::Success`] | |
///
/// ```
/// use persevere::breaker::{Counts, Settings};
/// use std::time::Duration;
///
/// const STORE: Settings = Settings::failure_rate(0.5, 20)
///     .over_time(Duration::from_secs(30))
///     .probes(3)
///     .successes(6)
///     .stop(Counts::Failure);
/// assert!(STORE.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// When a closed circuit opens.
    pub trip: Trip,
    /// How many may run at once while the circuit is half-open.
    pub probes: u32,
    /// How many probes must succeed to close the circuit. One that fails opens it again.
    pub successes: u32,
    /// What an outcome counts that [stops](crate::Verdict::Stop) a call.
    pub stop: Counts,
}

/// When a closed circuit opens.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[doc(hidden)]
pub enum Trip {
    /// After this many failures in a row, from 1. A success starts the count again.
    Consecutive(u32),
    /// When failures are too large a part of what was seen lately. Only a failure opens the circuit.
    FailureRate {
        /// The part, over 0 and up to 1.
        rate: f64,
        /// What must have been seen for the rate to mean anything: from 1, and at most the calls of
        /// the window.
        min_calls: u32,
        /// What is lately.
        window: Window,
    },
}

/// Over what a failure rate is taken. It starts anew when the circuit closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[doc(hidden)]
pub enum Window {
    /// The last so many outcomes, 1 to 10 000. Takes 4 bytes for each.
    Calls(u32),
    /// The outcomes of this last time, to a sixteenth of it; 1 s to 1 h.
    Time(Duration),
}

/// What an outcome means to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// The service works.
    Success,
    /// The service does not work.
    Failure,
    /// It says nothing about the service.
    Nothing,
}

impl Settings {
    /// Five failures in a row; one probe, which decides.
    pub const DEFAULT: Self =
        Settings { trip: Trip::Consecutive(5), probes: 1, successes: 1, stop: Counts::Success };

    /// Opens after so many failures in a row.
    ///
    /// # Panics
    /// If `failures` is zero; in a `const` that is a compile error. So for all settings here.
    #[must_use]
    #[inline]
    pub const fn consecutive(failures: u32) -> Self {
        assert!(failures > 0, "`failures` is at least 1");
        Settings { trip: Trip::Consecutive(failures), ..Self::DEFAULT }
    }

    /// Opens when this part of the last outcomes are failures, once there are `min_calls` of them.
    /// The window is the last hundred outcomes, or `min_calls` if that is more.
    ///
    /// # Panics
    /// If `rate` is not over 0 and up to 1, or `min_calls` is zero or over 10 000.
    #[must_use]
    #[inline]
    pub const fn failure_rate(rate: f64, min_calls: u32) -> Self {
        assert!(is_rate(rate), "`rate` is over 0 and up to 1");
        assert!(0 < min_calls && min_calls <= MOST_CALLS, "`min_calls` is from 1 to 10000");
        let window = Window::Calls(if min_calls > 100 { min_calls } else { 100 });
        Settings { trip: Trip::FailureRate { rate, min_calls, window }, ..Self::DEFAULT }
    }

    /// Takes the failure rate over the last so many outcomes.
    ///
    /// # Panics
    /// If `calls` is below `min_calls` or over 10 000, or there is no failure rate.
    #[must_use]
    #[inline]
    pub const fn over_calls(self, calls: u32) -> Self {
        let Trip::FailureRate { rate, min_calls, .. } = self.trip else {
            panic!("only a failure rate has a window");
        };
        assert!(min_calls <= calls && calls <= MOST_CALLS, "`calls` is from `min_calls` to 10000");
        let window = Window::Calls(calls);
        Settings { trip: Trip::FailureRate { rate, min_calls, window }, ..self }
    }

    /// Takes the failure rate over the outcomes of this last time.
    ///
    /// # Panics
    /// If `time` is below a second or above an hour, or there is no failure rate.
    #[must_use]
    #[inline]
    pub const fn over_time(self, time: Duration) -> Self {
        let Trip::FailureRate { rate, min_calls, .. } = self.trip else {
            panic!("only a failure rate has a window");
        };
        assert!(is_time(time), "`time` is from 1 s to 1 h");
        let window = Window::Time(time);
        Settings { trip: Trip::FailureRate { rate, min_calls, window }, ..self }
    }

    /// Sets how many may run at once while the circuit is half-open.
    ///
    /// # Panics
    /// If `probes` is zero or over 65 535.
    #[must_use]
    #[inline]
    pub const fn probes(self, probes: u32) -> Self {
        assert!(is_count(probes), "`probes` is from 1 to 65535");
        Settings { probes, ..self }
    }

    /// Sets how many probes must succeed to close the circuit.
    ///
    /// # Panics
    /// If `successes` is zero or over 65 535.
    #[must_use]
    #[inline]
    pub const fn successes(self, successes: u32) -> Self {
        assert!(is_count(successes), "`successes` is from 1 to 65535");
        Settings { successes, ..self }
    }

    /// Sets what an outcome counts that stops a call.
    #[must_use]
    pub const fn stop(self, counts: Counts) -> Self {
        Settings { stop: counts, ..self }
    }

    /// Whether [`CircuitBreaker::new`](super::CircuitBreaker::new) takes these settings.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    #[inline]
    pub fn check(&self) -> Result<(), InvalidSetting> {
        let invalid = |name, expected| Err(InvalidSetting::new(name, expected));
        match self.trip {
            Trip::Consecutive(0) => return invalid("failures", "at least 1"),
            Trip::FailureRate { rate, .. } if !is_rate(rate) => {
                return invalid("rate", "over 0 and up to 1");
            }
            Trip::FailureRate { min_calls, .. } if !(1..=MOST_CALLS).contains(&min_calls) => {
                return invalid("min_calls", "from 1 to 10000");
            }
            Trip::FailureRate { min_calls, window: Window::Calls(calls), .. }
                if !(min_calls..=MOST_CALLS).contains(&calls) =>
            {
                return invalid("calls", "from `min_calls` to 10000");
            }
            Trip::FailureRate { window: Window::Time(time), .. } if !is_time(time) => {
                return invalid("time", "from 1 s to 1 h");
            }
            _ => {}
        }
        if !is_count(self.probes) {
            invalid("probes", "from 1 to 65535")
        } else if !is_count(self.successes) {
            invalid("successes", "from 1 to 65535")
        } else {
            Ok(())
        }
    }
}

impl Default for Settings {
    /// [`DEFAULT`](Settings::DEFAULT).
    fn default() -> Self {
        Self::DEFAULT
    }
}

const MOST_CALLS: u32 = 10_000;

/// Not a number is none.
const fn is_rate(rate: f64) -> bool {
    0.0 < rate && rate <= 1.0
}

const fn is_time(time: Duration) -> bool {
    let (nanos, second) = (time.as_nanos(), 1_000_000_000);
    second <= nanos && nanos <= 3600 * second
}

/// What a state has room for.
const fn is_count(count: u32) -> bool {
    0 < count && count <= 0xFFFF
}
