//! `attempt` cannot look at a value that borrows `&mut` and return it, too: a limit of the
//! language. `again` and `succeed` are for such values.
use persevere::{Policy, immediate};
use std::ops::ControlFlow::Break;

struct Table {
    rows: Vec<u32>,
}

impl Table {
    async fn row(&mut self) -> Result<&mut u32, String> {
        let policy = Policy::new(immediate().max_attempts(3));
        let mut attempts = policy.start();
        loop {
            let attempt = async { Ok(&mut self.rows[0]) };
            if let Break(outcome) = attempts.attempt(attempt).await {
                break outcome;
            }
        }
    }
}

fn main() {}
