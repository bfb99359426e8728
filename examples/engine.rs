//! The engine by hand: retries in a main loop of your own, where nothing may sleep or await.
//!
//! Everything that retries in this crate asks the same [`Engine`] what to do, and sleeps or awaits
//! as it is told. An actor, a game loop, or the firmware below has its own notion of waiting, so it
//! asks the engine itself: *enter* an attempt, make it, and let the engine *decide*.
//!
//! ```sh
//! cargo run --example engine
//! ```

use std::error::Error;
use std::fmt;
use std::time::Duration;

use persevere::classify::OnError;
use persevere::hook::FinishFacts;
use persevere::{Decision, Engine, Finite, Own, Reason, constant, exponential};

/// A radio that needs some polls to make up its mind, and is out of range now and then.
struct Radio {
    failures: u32,
    busy_polls: u32,
}

impl Radio {
    /// What the last transmission came to, once that is known.
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
        f.write_str("nobody in range")
    }
}

/// A message on its way: where it is, and the engine that knows what comes next. It never blocks;
/// the main loop calls [`tick`](Delivery::tick) whenever it comes by.
struct Delivery<'a> {
    backoff: &'a dyn Finite,
    radio: Radio,
    engine: Engine,
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
        // No entropy on this device: its serial number keeps it from jittering in step with others.
        let mut engine = Engine::new().with_seed(serial_number);
        engine.begin(Some(now));
        Delivery { backoff, radio, engine, state: State::Due(now) }
    }

    fn tick(&mut self, now: Duration) {
        let mut no_hooks = ();
        match self.state {
            State::Due(when) if now < when => {}
            State::Due(_) => {
                let entered = self.engine.enter::<Result<(), OutOfRange>, Own, _, _>(
                    self.backoff,
                    &mut no_hooks,
                    Some(now),
                );
                // `Own`: there is no guard that could refuse, so the compiler knows this is `Ok`.
                let Ok(attempt) = entered;
                println!("{now:>6?}  {attempt}");
                self.state = State::Sending;
            }
            State::Sending => {
                let Some(outcome) = self.radio.poll() else { return };
                let decision =
                    self.engine.decide(self.backoff, &OnError, &mut no_hooks, &outcome, Some(now));
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

/// The main loop: one tick every ten milliseconds, of a clock that the device counts itself.
fn deliver(backoff: &dyn Finite, failures: u32) -> FinishFacts {
    let mut now = Duration::ZERO;
    let radio = Radio { failures, busy_polls: 0 };
    let mut delivery = Delivery::new(backoff, radio, 4711, now);
    loop {
        delivery.tick(now);
        if let State::Done(facts) = delivery.state {
            return facts;
        }
        // Here the device would blink, measure, or save power.
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
        && given_up.elapsed() < Some(Duration::from_secs(1));
    if held { Ok(()) } else { Err("the engine decided otherwise than expected".into()) }
}
