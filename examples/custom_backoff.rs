//! A custom backoff: two methods, and every combinator works on it.
//!
//! ```sh
//! cargo run --example custom_backoff
//! ```

use std::error::Error;
use std::fmt;
use std::time::Duration;

use persevere::time::VirtualClock;
use persevere::{Attempt, Backoff, DelayBounds, RetryExt};

/// Grows to a plateau by a logistic curve: slowly at first, fast in the middle, and slowly near the
/// plateau. Up to a tenth of each delay is added at random.
#[derive(Clone, Copy)]
struct Logistic {
    plateau: Duration,
    /// The attempt at which half of the plateau is reached.
    middle: u32,
}

impl Logistic {
    /// The delay without its random part. Attempt numbers go up to `u32::MAX`; floats saturate.
    fn at(&self, attempt: u32) -> Duration {
        let steps = f64::from(attempt) - f64::from(self.middle);
        let delay = self.plateau.mul_f64(1.0 / (1.0 + (-steps).exp()));
        Duration::from_millis(delay.as_millis() as u64) // Milliseconds are exact enough for a backoff.
    }
}

impl Backoff for Logistic {
    /// Pure: everything that varies, random numbers too, is in the attempt.
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        let least = self.at(attempt.number());
        Some(attempt.uniform(least, least + least / 10))
    }

    /// The bounds of `delay`. With them, the worst case is known before a call.
    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        let least = self.at(attempt);
        Some(DelayBounds::new(least, least + least / 10))
    }

    /// This backoff does not use the elapsed time, so calls need not read a clock for it.
    fn reads_clock(&self) -> bool {
        false
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "logistic up to {:?}", self.plateau)
    }
}

/// The contract of `bounds`, checked as a property: for any attempt and seed, the delay lies within its
/// bounds and is the same each time. Every custom backoff should have such a test.
fn check(backoff: &impl Backoff) -> Result<u32, String> {
    let numbers = (1..=64).chain([1_000, u32::MAX - 1, u32::MAX]);
    let attempts = numbers.flat_map(|n| (0..100).map(move |seed| Attempt::new(n).with_seed(seed)));
    let mut checked = 0;
    for attempt in attempts {
        let delay = backoff.delay(&attempt);
        let within = match (delay, backoff.bounds(attempt.number())) {
            (Some(delay), Some(bounds)) => bounds.contains(delay),
            (delay, bounds) => delay.is_none() && bounds.is_none(),
        };
        if !within || backoff.delay(&attempt) != delay {
            return Err(format!("{attempt}: {delay:?} is out of its bounds"));
        }
        checked += 1;
    }
    Ok(checked)
}

fn main() -> Result<(), Box<dyn Error>> {
    let logistic = Logistic { plateau: Duration::from_secs(8), middle: 4 };
    println!("{} draws of the backoff are within its bounds", check(&logistic)?);

    // The result of the combinators has bounds of its own.
    let backoff = logistic.max_delay(Duration::from_secs(6)).max_attempts(9);
    println!("{} draws of the composition are within its bounds", check(&backoff)?);
    println!("\n{:#}\n", backoff.schedule());

    // A retry uses it like the built-in ones. A virtual clock passes the time at once.
    let clock = VirtualClock::new();
    let outcome: Result<(), &str> =
        (|| Err("still down")).retry_with(backoff).timer(clock.clone()).call();
    let slept: Duration = clock.slept().iter().sum();
    println!("{outcome:?} after {} delays, {slept:.1?} in all", clock.slept().len());

    let kept = clock.slept().len() == 8 && Some(slept) <= backoff.worst_case();
    if kept { Ok(()) } else { Err("the delays of the retry are not those of the schedule".into()) }
}
