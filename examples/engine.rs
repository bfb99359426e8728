//! An engine by hand: retries in a main loop that may neither sleep nor await.
//!
//! All retries of this crate are driven by one [`Engine`], which decides after each attempt and never
//! sleeps. An actor, a game loop, or the firmware below waits in its own way, so it drives an engine
//! itself: *enter* an attempt, make it, and let the engine *decide*.
//!
//! ```sh
//! cargo run --example engine
//! ```

use std::error::Error;
use std::fmt;
use std::time::Duration;

use persevere::hook::FinishFacts;
use persevere::{Decision, Engine, Finite, Policy, Reason, constant, exponential};

/// A radio that needs three polls for a transmission, and is out of range for the first ones.
struct Radio {
    failures: u32,
    busy_polls: u32,
}

impl Radio {
    /// Returns the outcome of the last transmission, once it is known.
    fn poll(&mut self) -> Option<Result<(), OutOfRange>> {
        self.busy_polls += 1;
        if self.busy_polls % 3 != 0 {
            return None;
        }
        Some(match self.failures.checked_sub(1) {
            Some(left) => {
                self.failures = left;
                Err(OutOfRange)
            }
            None => Ok(()),
        })
    }
}

#[derive(Debug)]
struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of range")
    }
}

/// The delivery of a message, with the engine that decides about its attempts. It never blocks; the
/// main loop calls [`tick`](Delivery::tick) in every turn.
struct Delivery<'a> {
    radio: Radio,
    engine: Engine<Result<(), OutOfRange>, Policy<&'a dyn Finite>>,
    state: State,
}

enum State {
    /// The next attempt begins at this time.
    Due(Duration),
    Sending,
    Done(FinishFacts),
}

impl<'a> Delivery<'a> {
    fn new(backoff: &'a dyn Finite, radio: Radio, serial_number: u64, now: Duration) -> Self {
        // A device without entropy: by its serial number it jitters differently from other devices.
        let engine = Engine::new(Policy::new(backoff).seed(serial_number));
        Delivery { radio, engine, state: State::Due(now) }
    }

    fn tick(&mut self, now: Duration) {
        match self.state {
            State::Due(when) if now < when => {}
            State::Due(_) => {
                // The policy has no guard that could refuse an attempt, so this is always `Ok`.
                let Ok(attempt) = self.engine.enter(now);
                println!("{now:>6?}  {attempt}");
                self.state = State::Sending;
            }
            State::Sending => {
                let Some(outcome) = self.radio.poll() else { return };
                let decision = self.engine.decide(&outcome, now);
                println!("{now:>6?}    {decision}");
                self.state = match decision {
                    Decision::Wait(delay) => State::Due(now + delay),
                    Decision::Return(facts) => State::Done(facts),
                };
            }
            State::Done(_) => {}
        }
    }
}

/// The main loop: one tick every ten milliseconds, by a counter of the device.
fn deliver(backoff: &dyn Finite, failures: u32) -> FinishFacts {
    let mut now = Duration::ZERO;
    let radio = Radio { failures, busy_polls: 0 };
    let mut delivery = Delivery::new(backoff, radio, 4711, now);
    loop {
        delivery.tick(now);
        if let State::Done(facts) = delivery.state {
            return facts;
        }
        // Other work of the device.
        now += Duration::from_millis(10);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let growing = exponential(Duration::from_millis(100)).equal_jitter().max_attempts(5);
    let delivered = deliver(&growing, 3);
    println!();

    let steady = constant(Duration::from_millis(200)).max_elapsed(Duration::from_secs(1));
    let given_up = deliver(&steady, u32::MAX);

    let held = delivered.reason() == Reason::Succeeded
        && delivered.attempts() == 4
        && given_up.reason() == Reason::Elapsed
        && given_up.elapsed().is_ok_and(|elapsed| elapsed < Duration::from_secs(1));
    if held { Ok(()) } else { Err("the engine has not decided as expected".into()) }
}
