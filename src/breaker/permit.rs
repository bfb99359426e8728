//! A breaker around anything, without a retry.

use core::fmt;
use core::time::Duration;

use super::{CircuitBreaker, Counts};
use crate::time::{Rounded, from_nanos};
use crate::{Interrupted, Veto};

/// Leave to do one thing, from [`CircuitBreaker::try_acquire`]. Say how it went; one that is dropped
/// without a word counts nothing, and gives its probe back.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts nothing"]
pub struct Permit(CircuitBreaker);

impl Permit {
    /// It worked.
    #[inline]
    pub fn success(self) {
        self.record(Counts::Success);
    }

    /// It did not work.
    #[inline]
    pub fn failure(self) {
        self.record(Counts::Failure);
    }

    /// It counts this.
    #[inline]
    pub fn record(mut self, counts: Counts) {
        let CircuitBreaker { shared, ticket } = &mut self.0;
        shared.answer(ticket, counts);
    }
}

/// The circuit is open, or half-open and all probes are taken.
///
/// It converts into [`Interrupted`], which is what error types of guarded calls know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    retry_after: Option<Duration>,
}

impl Refused {
    /// How long it will stay open, if that is known: not while probes run, nor when isolated.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<Refused> for Interrupted {
    fn from(_: Refused) -> Self {
        Interrupted::Vetoed(Veto::Circuit)
    }
}

/// `the circuit is open for another 30 s`
impl fmt::Display for Refused {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the circuit is open")?;
        self.retry_after.map_or(Ok(()), |left| write!(f, " for another {}", Rounded(left)))
    }
}

impl core::error::Error for Refused {}

impl CircuitBreaker {
    /// Asks for leave to do something that is no retry: a connection, a message, a health check.
    ///
    /// # Errors
    /// If the circuit is open, or half-open and all its probes are taken.
    ///
    /// ```
    /// use persevere::{CircuitBreaker, breaker::Settings};
    ///
    /// let breaker = CircuitBreaker::new(Settings::consecutive(1));
    /// match breaker.try_acquire() {
    ///     Ok(permit) => permit.failure(),
    ///     Err(refused) => unreachable!("{refused}"),
    /// }
    /// assert!(breaker.try_acquire().unwrap_err().retry_after().is_some());
    /// ```
    pub fn try_acquire(&self) -> Result<Permit, Refused> {
        let mut breaker = self.clone();
        match self.shared.acquire() {
            Ok(ticket) => {
                breaker.ticket = Some(ticket);
                Ok(Permit(breaker))
            }
            Err(left) => Err(Refused { retry_after: left.map(from_nanos) }),
        }
    }
}
