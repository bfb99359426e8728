//! The futures of a closure that `run` takes do not borrow from it mutably; `run_lending` takes
//! those that do.
use persevere::{Policy, immediate};

async fn count() -> Result<u32, String> {
    let policy = Policy::new(immediate().max_attempts(3));
    let mut calls = 0;
    let run = policy.run(async |_| {
        calls += 1;
        Err(String::from("busy"))
    });
    run.await
}

fn main() {}
