//! The schedule that everybody is asked for.

use std::time::Duration;

/// A doubling delay below a cap, with full jitter, for so many attempts.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub base: Duration,
    pub cap: Duration,
    pub attempts: u32,
}
