//! A value that borrows `&mut` leaves the loop, in a future that is `Send`.
use persevere::backoff::{Constant, MaxAttempts};
use persevere::{Policy, constant};
use std::time::Duration;

static POLICY: Policy<MaxAttempts<Constant>> =
    Policy::new(constant(Duration::from_millis(1)).max_attempts(3));

struct Table {
    rows: Vec<u8>,
}

impl Table {
    async fn query(&mut self) -> Result<&mut [u8], String> {
        std::future::ready(()).await;
        Ok(&mut self.rows)
    }
}

async fn local() -> Result<usize, String> {
    let mut table = Table { rows: vec![1] };
    let mut attempts = POLICY.start();
    let rows = loop {
        match table.query().await {
            Ok(rows) => break attempts.succeed(rows),
            Err(error) => attempts.again(error).await?,
        }
    };
    rows[0] = 2;
    Ok(rows.len())
}

fn is_send<T: Send>(_: T) {}

fn main() {
    is_send(local());
}
