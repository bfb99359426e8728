//! Everything that `retry_with` takes.
use persevere::{
    Attempt, Backoff, DelayBounds, Finite, Policy, RetryExt, constant, delays, from_iter, immediate,
};
use std::sync::Arc;
use std::time::Duration;

struct Patient;

impl Backoff for Patient {
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        (attempt.number() < 3).then_some(Duration::ZERO)
    }
    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        (attempt < 3).then_some(DelayBounds::exactly(Duration::ZERO))
    }
}

/// It ends by itself.
impl Finite for Patient {}

fn main() {
    let zero = Duration::ZERO;
    let parse = || "7".parse::<u32>();
    let dynamic: Arc<dyn Finite + Send + Sync> = Arc::new(immediate().max_attempts(3));
    let endless: Box<dyn Backoff> = Box::new(immediate());
    let policy = Policy::new(immediate().max_attempts(3))
        .when(|error: &std::num::ParseIntError| error.to_string().is_empty());

    let _ = parse.retry_with(Patient).call();
    let _ = parse.retry_with(&Patient).call();
    let _ = parse.retry_with(dynamic.clone()).call();
    let _ = parse.retry_with(&*dynamic).call();
    let _ = parse.retry_with(endless.max_attempts(2)).call();
    let _ = parse.retry_with(constant(zero).forever()).call();
    let _ = parse.retry_with(constant(zero).max_elapsed(zero)).call();
    let _ = parse.retry_with(constant(zero).first(2)).call();
    let _ = parse.retry_with(constant(zero).first(2).then(delays([zero]))).call();
    let _ = parse.retry_with(from_iter(vec![zero])).call();
    let _ = parse.retry_with(Policy::new(dynamic).seed(1)).call();
    let _ = parse.retry_with(&policy).call();
    let _ = parse.retry_with(policy.clone()).call();
    let _ = parse.retry_with(Arc::new(policy)).call();
}
