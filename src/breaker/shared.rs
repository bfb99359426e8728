//! The parts of a breaker, and the way of outcomes through them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::health::{Ring, Seen, Slots};
use super::machine::{self, Kind, Machine, Ticket, Transition};
use super::{Change, Counts, Settings, State, Trip, Window};
use crate::hook::run_both;
use crate::time::{SharedClock, from_nanos, nanos};
use crate::{Attempt, Backoff, random};

/// What all clones of a breaker share.
pub(super) struct Shared {
    pub(super) parts: Parts,
    pub(super) machine: Machine,
    rate: Rate,
}

type Listener = dyn Fn(&Change) + Send + Sync;

/// The parts of a breaker, without its state.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) open_for: Arc<dyn Backoff + Send + Sync>,
    pub(super) seed: Option<u64>,
    pub(super) clock: SharedClock,
    pub(super) listeners: Vec<Arc<Listener>>,
}

/// What a failure rate is taken from.
enum Rate {
    None,
    Calls(Ring),
    Time(Slots),
}

impl Shared {
    /// A closed circuit of these parts.
    #[inline]
    pub(super) fn new(parts: Parts) -> Self {
        let rate = match parts.settings.trip {
            Trip::Consecutive(_) => Rate::None,
            Trip::FailureRate { window: Window::Calls(calls), .. } => Rate::Calls(Ring::new(calls)),
            Trip::FailureRate { window: Window::Time(time), .. } => {
                Rate::Time(Slots::new(nanos(time)))
            }
        };
        Shared { parts, machine: Machine::closed(), rate }
    }

    /// Leave to run; or how long to wait for it.
    #[inline]
    pub(super) fn acquire(&self) -> Result<Ticket, Option<u64>> {
        match self.machine.acquire_closed() {
            Some(ticket) => Ok(ticket),
            None => self.acquire_otherwise(),
        }
    }

    #[cold]
    #[inline(never)]
    fn acquire_otherwise(&self) -> Result<Ticket, Option<u64>> {
        let probes = self.parts.settings.probes;
        let (ticket, transition) = self.machine.acquire(probes, || self.parts.clock.nanos())?;
        if transition.is_some() {
            // A listener that panics takes the call with it, and that holds no ticket yet.
            let unheld = Unheld { machine: &self.machine, ticket };
            self.tell(transition);
            core::mem::forget(unheld);
        }
        Ok(ticket)
    }

    /// The holder of `ticket` is done. What changes nothing is seen here, by one load.
    #[inline]
    pub(super) fn record(&self, ticket: Ticket, counts: Counts) {
        let success = counts == Counts::Success && matches!(self.rate, Rate::None);
        if !(success && self.machine.is_untroubled(ticket)) {
            self.record_otherwise(ticket, counts);
        }
    }

    #[inline(never)]
    fn record_otherwise(&self, ticket: Ticket, counts: Counts) {
        match counts {
            Counts::Success => self.succeed(ticket),
            Counts::Failure => self.fail(ticket),
            Counts::Nothing => self.machine.release(ticket),
        }
    }

    fn succeed(&self, ticket: Ticket) {
        if !matches!(self.rate, Rate::None) {
            self.see(ticket, false);
        }
        self.tell(self.machine.succeed(ticket, self.parts.settings.successes));
    }

    fn fail(&self, ticket: Ticket) {
        let trip = match self.parts.settings.trip {
            Trip::Consecutive(failures) => machine::Trip::AtRun(failures),
            Trip::FailureRate { rate, min_calls, .. } => {
                let seen = self.see(ticket, true);
                if seen.calls >= min_calls && seen.reaches(rate) {
                    machine::Trip::Now
                } else {
                    machine::Trip::NotYet
                }
            }
        };
        let now = || self.parts.clock.nanos();
        self.tell(self.machine.fail(ticket, trip, now, |n, d| self.duration(n, d)));
    }

    /// Records an outcome of a closed circuit, and says what was seen lately if it is a failure.
    fn see(&self, ticket: Ticket, failed: bool) -> Seen {
        if self.machine.kind() != Kind::Closed || self.machine.generation() != ticket.generation {
            return Seen::default();
        }
        match &self.rate {
            Rate::None => Seen::default(),
            Rate::Calls(ring) => ring.record(ticket.generation, failed),
            Rate::Time(slots) => {
                let now = self.parts.clock.nanos();
                slots.record(ticket.generation, failed, now);
                if failed { slots.seen(ticket.generation, now) } else { Seen::default() }
            }
        }
    }

    /// How long it will stay open; `None` if it is not, or its time is over.
    pub(super) fn left(&self) -> Option<u64> {
        let left = self.machine.until()?.saturating_sub(self.parts.clock.nanos());
        (left > 0).then_some(left)
    }

    #[inline]
    pub(super) fn describe(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        f.debug_struct(name)
            .field("settings", &self.parts.settings)
            .field("state", &State::from(self.machine.kind()))
            .finish_non_exhaustive()
    }

    /// How long it is open for the nth time, in nanoseconds, after it was for so long before.
    pub(super) fn duration(&self, opening: u32, before: u64) -> u64 {
        let attempt = Attempt::new(opening)
            .with_seed(self.parts.seed.unwrap_or_else(|| random::fresh().get()))
            .with_previous_delay(from_nanos(before));
        self.parts.open_for.delay_nanos(&attempt).unwrap_or(before)
    }

    #[inline]
    pub(super) fn tell(&self, transition: Option<Transition>) {
        if let Some(transition) = transition {
            tell(&self.parts.listeners, &Change { transition });
        }
    }
}

fn tell(listeners: &[Arc<Listener>], change: &Change) {
    if let [listener, others @ ..] = listeners {
        run_both(|| listener(change), || tell(others, change));
    }
}

/// Gives a ticket back that nobody came to hold.
struct Unheld<'a> {
    machine: &'a Machine,
    ticket: Ticket,
}

impl Drop for Unheld<'_> {
    fn drop(&mut self) {
        self.machine.release(self.ticket);
    }
}
