//! A value that borrows from `self` cannot be returned from inside the loop: a limit of the borrow
//! checker. It can leave the loop, as in `pass/again_lends.rs`.
use persevere::{Policy, immediate};

struct Table {
    rows: Vec<u8>,
}

impl Table {
    async fn query(&mut self) -> Result<&mut [u8], String> {
        Ok(&mut self.rows)
    }

    async fn lend(&mut self) -> Result<&mut [u8], String> {
        let policy = Policy::new(immediate().max_attempts(3));
        let mut attempts = policy.start();
        loop {
            match self.query().await {
                Ok(rows) => break Ok(attempts.succeed(rows)),
                Err(error) => attempts.again(error).await?,
            }
        }
    }
}

fn main() {}
