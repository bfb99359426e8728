//! A circuit breaker is complete when it is made: `CircuitBreaker::builder(settings)` has the
//! setters.
use persevere::breaker::Settings;
use persevere::{CircuitBreaker, DefaultTimer, constant};
use std::time::Duration;

fn main() {
    let _ = CircuitBreaker::default().open_for(constant(Duration::from_secs(5)));
    let _ = CircuitBreaker::new(Settings::consecutive(5)).clock(DefaultTimer);
    let _ = CircuitBreaker::new(Settings::consecutive(5)).seed(7);
    let _ = CircuitBreaker::new(Settings::consecutive(5)).on_change(|_| {});
}
