//! Loops in methods borrow `self`, and return borrows from it, opaque types too.
use persevere::backoff::{Constant, MaxAttempts};
use persevere::{Policy, constant};
use std::ops::ControlFlow::Break;
use std::time::Duration;

static POLICY: Policy<MaxAttempts<Constant>> =
    Policy::new(constant(Duration::from_millis(1)).max_attempts(3));

struct Table {
    rows: Vec<u32>,
    reads: u32,
}

async fn ping() -> Result<(), String> {
    Ok(())
}

impl Table {
    async fn moved(&self, by: impl Fn(u32) -> u32) -> Result<impl Iterator<Item = u32>, String> {
        let mut attempts = POLICY.start();
        loop {
            let attempt = async {
                ping().await?;
                let by = by(1);
                Ok(self.rows.iter().map(move |row| row + by))
            };
            if let Break(outcome) = attempts.attempt(attempt).await {
                break outcome;
            }
        }
    }

    async fn read(&mut self, by_value: String) -> Result<usize, String> {
        let mut attempts = POLICY.start();
        loop {
            let by_value = by_value.clone();
            let attempt = async {
                self.reads += 1;
                ping().await?;
                Ok(by_value.len() + self.rows.len())
            };
            if let Break(outcome) = attempts.attempt(attempt).await {
                break outcome;
            }
        }
    }

    fn count(&mut self) -> Result<usize, String> {
        let mut attempts = POLICY.start();
        loop {
            self.reads += 1;
            let outcome = if self.reads < 2 { Err(String::new()) } else { Ok(self.rows.len()) };
            if let Break(outcome) = attempts.check_blocking(outcome) {
                break outcome;
            }
        }
    }
}

fn is_send<T: Send>(_: T) {}

fn main() {
    let mut table = Table { rows: vec![1], reads: 0 };
    assert_eq!(table.count(), Ok(1));
    is_send(table.read("x".into()));
    is_send(async move { table.moved(|row| row).await.map(Iterator::count) });
}
