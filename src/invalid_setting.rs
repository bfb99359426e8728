//! [`InvalidSetting`]: the error of a budget, a breaker or a hedge whose settings are out of range.

use core::fmt;

/// A setting of a [`Budget`](crate::Budget), a [`CircuitBreaker`](crate::CircuitBreaker) or a
/// [hedge](crate::hedge) is out of its range. Setters panic with it; `try_new` returns it, for settings
/// of a file.
///
/// ```
/// use persevere::{Budget, budget::CostPerRetry};
///
/// let mut settings = CostPerRetry::AWS_STANDARD;
/// settings.retry_cost = 501;
/// let error = Budget::try_new(settings).unwrap_err();
/// assert_eq!(error.name(), "retry_cost");
/// assert_eq!(error.to_string(), "`retry_cost` is from 1 to the capacity");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSetting {
    name: &'static str,
    expected: &'static str,
}

impl InvalidSetting {
    pub(crate) const fn new(name: &'static str, expected: &'static str) -> Self {
        InvalidSetting { name, expected }
    }

    /// Returns the name of the setting: that of its setter and its field.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the range, in words that follow "is".
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        self.expected
    }
}

/// `` `probes` is from 1 to 65535 ``
impl fmt::Display for InvalidSetting {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}", self.name, self.expected)
    }
}

impl core::error::Error for InvalidSetting {}
