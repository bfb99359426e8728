//! `check` does not lend to a value that borrows a local variable of the future.
use persevere::{Policy, immediate};
use std::ops::ControlFlow::Break;

async fn count() {
    let policy = Policy::new(immediate().max_attempts(3));
    let mut counter = 0_u32;
    let mut attempts = policy.start();
    loop {
        let attempt = async {
            counter += 1;
            Ok::<_, String>(&mut counter)
        };
        if let Break(_) = attempts.attempt(attempt).await {
            break;
        }
    }
}

fn main() {}
