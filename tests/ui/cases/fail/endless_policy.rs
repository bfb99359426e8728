//! `Policy::new` takes a finite backoff.
use persevere::{Policy, exponential};
use std::time::Duration;

fn main() {
    let _ = Policy::new(exponential(Duration::from_millis(1)).full_jitter());
}
