//! A hedge runs an operation several times at once, which the caller allows with `Idempotent`.
use persevere::{RetryExt, hedge_after};
use std::time::Duration;

async fn pay() -> Result<u32, String> {
    Ok(7)
}

fn main() {
    drop(pay.hedged(hedge_after(Duration::from_millis(50))));
}
