//! A timer that only blocks cannot be awaited.
use persevere::time::{BlockingTimer, Clock};
use persevere::{RetryExt, immediate};
use std::time::Duration;

struct Spin;

impl Clock for Spin {
    type Sleep = ();
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl BlockingTimer for Spin {
    fn sleep_blocking(&self, _: Duration) {}
}

async fn awaited() -> Result<u32, String> {
    (async || Ok(1)).retry_with(immediate().max_attempts(3)).timer(Spin).await
}

fn main() {}
