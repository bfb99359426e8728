//! What is wrong with a number that a budget or a breaker was given.

/// A setting that a [`Budget`](super::Budget), a [`CircuitBreaker`](super::CircuitBreaker) or a
/// [hedge](crate::hedge) cannot have. Setters panic with it; `try_new` gives it, for settings that come from a file.
///
/// ```
/// use persevere::hook::{Budget, budget::CostPerRetry};
///
/// let mut settings = CostPerRetry::AWS_STANDARD;
/// settings.retry_cost = 501;
/// let error = Budget::try_new(settings).unwrap_err();
/// assert_eq!(error.name(), "retry_cost");
/// assert_eq!(error.to_string(), "`retry_cost` is from 1 to the capacity");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is {expected}")]
pub struct InvalidSetting {
    name: &'static str,
    expected: &'static str,
}

impl InvalidSetting {
    pub(crate) const fn new(name: &'static str, expected: &'static str) -> Self {
        InvalidSetting { name, expected }
    }

    /// The setting, as its setter and its field are called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it may be, in words that follow "is".
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        self.expected
    }
}
