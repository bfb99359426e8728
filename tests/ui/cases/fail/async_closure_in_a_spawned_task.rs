//! The future of `run_lending` with an async closure that captures is not `Send`: a limit of the
//! language. The futures of `run`, `run_with` and the loop are.
use persevere::{Policy, immediate};

struct Connection;

impl Connection {
    async fn query(&mut self) -> Result<u32, String> {
        std::future::ready(()).await;
        Ok(1)
    }
}

async fn run() {
    let policy = Policy::new(immediate().max_attempts(3));
    let mut connection = Connection;
    let _ = policy.run_lending(async |_| connection.query().await).await;
}

fn spawn<T: Send>(_: T) {}

fn main() {
    spawn(run());
}
