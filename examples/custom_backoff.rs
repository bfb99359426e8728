//! A backoff of your own: two methods, and every combinator works on it.
//!
//! ```sh
//! cargo run --example custom_backoff
//! ```

use std::error::Error;
use std::fmt;
use std::time::Duration;

use persevere::time::VirtualClock;
use persevere::{Attempt, Backoff, DelayBounds, RetryExt};

/// Grows to a plateau along an S: slow at first, fast in the middle, and hardly at all near the
/// top. Up to a tenth of each delay is random, on top.
#[derive(Clone, Copy)]
struct Logistic {
    plateau: Duration,
    /// The attempt at which half of the plateau is reached.
    middle: u32,
}

impl Logistic {
    /// The delay without its random part. Numbers go up to `u32::MAX`; floats saturate gracefully.
    fn at(&self, attempt: u32) -> Duration {
        let steps = f64::from(attempt) - f64::from(self.middle);
        let delay = self.plateau.mul_f64(1.0 / (1.0 + (-steps).exp()));
        Duration::from_millis(delay.as_millis() as u64) // A backoff need not be that exact.
    }
}

impl Backoff for Logistic {
    /// Pure: all that varies, chance included, comes with the attempt.
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        let least = self.at(attempt.number());
        Some(attempt.uniform(least, least + least / 10))
    }

    /// What `delay` promises to keep to. With it, the worst case is known before anything runs.
    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        let least = self.at(attempt);
        Some(DelayBounds::new(least, least + least / 10))
    }

    /// This backoff never asks how late it is, so nobody has to look at a clock for it.
    fn reads_clock(&self) -> bool {
        false
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "logistic up to {:?}", self.plateau)
    }
}

/// The contract of `bounds`, checked as a property: whatever the attempt and the seed, the delay
/// lies within, and asking twice gives the same answer. Worth a test for every backoff of your own.
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
            return Err(format!("{attempt}: {delay:?} breaks the promise"));
        }
        checked += 1;
    }
    Ok(checked)
}

fn main() -> Result<(), Box<dyn Error>> {
    let logistic = Logistic { plateau: Duration::from_secs(8), middle: 4 };
    println!("{} draws of the backoff kept within its bounds", check(&logistic)?);

    // What comes out of the combinators keeps to its own bounds as well.
    let backoff = logistic.max_delay(Duration::from_secs(6)).max_attempts(9);
    println!("{} draws of the composition kept within its bounds", check(&backoff)?);
    println!("\n{:#}\n", backoff.schedule());

    // And it drives a retry as the built-in ones do. A virtual clock passes the time at once.
    let clock = VirtualClock::new();
    let outcome: Result<(), &str> =
        (|| Err("still down")).retry_with(backoff).timer(clock.clone()).call();
    let slept: Duration = clock.slept().iter().sum();
    println!("{outcome:?} after {} delays, {slept:.1?} in all", clock.slept().len());

    let kept = clock.slept().len() == 8 && Some(slept) <= backoff.worst_case();
    if kept { Ok(()) } else { Err("the retry did not keep to the schedule".into()) }
}
