//! Mutable state in a spawned task: two ways to keep the future `Send`.
//!
//! A multi-threaded runtime moves tasks between threads, so a spawned future has to be `Send`. An
//! operation that borrows `&mut` from around it may be an async closure, for
//! [`Policy::run_lending`](persevere::Policy::run_lending); but the compiler cannot prove that the
//! future of such a closure is `Send`. The futures of a loop and of `run_with` are.
//!
//! ```sh
//! cargo run --example spawned_state
//! ```

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow::Break;
use std::sync::Arc;
use std::time::Duration;

use persevere::{Policy, constant};

/// A connection for one caller at a time, with the statements that it has sent.
#[derive(Default)]
struct Connection {
    statements: Vec<String>,
}

impl Connection {
    /// The first two statements of a connection find a lock held.
    async fn execute(&mut self, statement: &str) -> Result<usize, Locked> {
        self.statements.push(statement.to_owned());
        tokio::task::yield_now().await;
        if self.statements.len() < 3 { Err(Locked) } else { Ok(self.statements.len()) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Locked;

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database is locked")
    }
}

impl Error for Locked {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let policy = Arc::new(
        Policy::new(constant(Duration::from_millis(10)).equal_jitter().max_attempts(5))
            .on_retry(|retry| println!("{retry}")),
    );

    // A loop borrows the connection anew for each attempt.
    let shared = policy.clone();
    let in_a_loop = tokio::spawn(async move {
        let mut connection = Connection::default();
        let mut attempts = shared.start();
        let outcome = loop {
            if let Break(outcome) = attempts.attempt(connection.execute("UPDATE a")).await {
                break outcome;
            }
        };
        (connection, outcome)
    });

    // `run_with` moves the connection from attempt to attempt, and returns it at the end.
    let handed_on = tokio::spawn(async move {
        let operation = |mut connection: Connection, attempt| async move {
            let outcome = connection.execute(&format!("UPDATE b -- {attempt}")).await;
            (connection, outcome)
        };
        policy.run_with(Connection::default(), operation).await
    });

    for task in [in_a_loop, handed_on] {
        let (connection, outcome) = task.await?;
        println!("{:?}: executed {} times", connection.statements, outcome?);
    }
    Ok(())
}
