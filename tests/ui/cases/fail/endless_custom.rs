//! A custom backoff is finite if it implements `Finite`.
use persevere::{Attempt, Backoff, DelayBounds, RetryExt};
use std::time::Duration;

struct Patient;

impl Backoff for Patient {
    fn delay(&self, _: &Attempt) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
    fn bounds(&self, _: u32) -> Option<DelayBounds> {
        Some(DelayBounds::exactly(Duration::from_secs(1)))
    }
}

async fn endless() -> Result<u32, String> {
    (async || Ok(1)).retry_with(Patient).await
}

fn main() {}
