//! A budget is complete when it is made: `Budget::with_clock(Ratio::new(..), clock)`.
use persevere::{Budget, DefaultTimer};

fn main() {
    let _ = Budget::default().clock(DefaultTimer);
}
