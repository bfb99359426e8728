//! The states of a circuit, and their changes.

use core::fmt;
use core::time::Duration;

use super::machine::{Kind, Transition};
use crate::time::{Rounded, from_nanos};

/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Everything is let through.
    Closed,
    /// Everything is refused. It stays so when the open duration is over, until somebody asks.
    Open,
    /// A few probes are let through.
    HalfOpen,
    /// Everything is refused until [`reset`](super::CircuitBreaker::reset).
    Isolated,
}

impl State {
    /// The state in one word, for the labels of metrics: `closed`, `open`, `half_open`, `isolated`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half_open",
            State::Isolated => "isolated",
        }
    }
}

/// `half-open`
impl fmt::Display for State {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::HalfOpen => "half-open",
            other => other.as_str(),
        })
    }
}

impl From<Kind> for State {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Closed => State::Closed,
            Kind::Opening | Kind::Open => State::Open,
            Kind::HalfOpen => State::HalfOpen,
            Kind::Isolated => State::Isolated,
        }
    }
}

/// A circuit went from one state to another. Listeners of [`on_change`](super::CircuitBreakerBuilder::on_change) are given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub(super) transition: Transition,
}

impl Change {
    /// The state before.
    #[must_use]
    pub fn from(&self) -> State {
        self.transition.from.into()
    }

    /// The state after.
    #[must_use]
    pub fn to(&self) -> State {
        self.transition.to.into()
    }

    /// How long the circuit will be open, if that is what it became.
    #[must_use]
    pub fn open_for(&self) -> Option<Duration> {
        self.transition.open_for.map(from_nanos)
    }

    /// The number of this change: larger than those of the changes before it. Changes in quick
    /// succession may be told out of order by two threads; this is their order.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.transition.generation
    }
}

/// `closed to open for 30 s`
impl fmt::Display for Change {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from(), self.to())?;
        match self.open_for() {
            Some(open_for) => write!(f, " for {}", Rounded(open_for)),
            None => Ok(()),
        }
    }
}
