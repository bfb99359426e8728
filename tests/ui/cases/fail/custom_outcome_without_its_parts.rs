//! A report takes an outcome apart, and `.or_interrupted(..)` makes one of an error: a custom
//! outcome implements `IntoResult` and `FromError` for that.
use persevere::{CircuitBreaker, Outcome, RetryExt, immediate};

struct Reply(u16);

impl Outcome for Reply {
    type Value = u16;
    type Error = u16;
    fn as_result(&self) -> Result<&u16, &u16> {
        if self.0 < 400 { Ok(&self.0) } else { Err(&self.0) }
    }
}

fn main() {
    let retry = || (|| Reply(503)).retry_with(immediate().max_attempts(3));
    let _ = retry().report().call();
    let _ = retry().guard(CircuitBreaker::default()).call();
    let _ = retry().guard(CircuitBreaker::default()).or_interrupted(|_| 503).call();
}

async fn awaited() {
    let retry = || (async || Reply(503)).retry_with(immediate().max_attempts(3));
    let _ = retry().report().await;
    let _ = retry().guard(CircuitBreaker::default()).await;
}
