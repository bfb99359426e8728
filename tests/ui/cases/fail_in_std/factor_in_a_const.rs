//! The factor of an exponential backoff is not negative.
use persevere::backoff::Exponential;
use persevere::exponential;
use std::time::Duration;

const SHRINKING: Exponential = exponential(Duration::from_millis(1)).factor(-2.0);

fn main() {
    let _ = SHRINKING;
}
