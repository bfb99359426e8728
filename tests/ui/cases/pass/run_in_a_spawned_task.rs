//! The future of `policy.run(|attempt| ..)` is `Send` if the closure and its futures are, and takes
//! the setters of a call.
use persevere::{CircuitBreaker, Policy, RetryExt, StaticPolicy, immediate};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

static POLICY: StaticPolicy = Policy::new(&immediate().max_attempts(3));

async fn send(text: &str, number: u32) -> Result<usize, String> {
    if number < 3 { Err(format!("{text} again")) } else { Ok(text.len()) }
}

fn spawn<F: Future + Send + 'static>(task: F) -> F::Output {
    let mut task = pin!(task);
    loop {
        if let Poll::Ready(output) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn main() {
    let outcome = spawn(async {
        let (text, mut retries) = (String::from("text"), 0);
        let run = POLICY
            .run(|attempt| send(&text, attempt.number()))
            .when(|error| error.ends_with("again"))
            .on_retry(|_| retries += 1);
        let outcome = run.await;
        (outcome, retries)
    });
    assert_eq!(outcome, (Ok(4), 2));

    // The future itself, of a closure that captures by reference nothing that is local.
    assert_eq!(spawn(POLICY.run(|attempt| send("ab", attempt.number()))), Ok(2));
    assert_eq!(
        spawn(POLICY.run(|attempt| async move { send("abc", attempt.number()).await })),
        Ok(3)
    );

    // The closure changes what it captures; its futures do not borrow it.
    let policy = Arc::new(
        Policy::new(immediate().max_attempts(3))
            .guard(CircuitBreaker::default())
            .deadline(Duration::from_secs(60))
            .or_interrupted(|why| why.to_string()),
    );
    let shared = policy.clone();
    let numbers = spawn(async move {
        let mut numbers = vec![];
        let outcome = shared
            .run(|attempt| {
                numbers.push(attempt.number());
                send("abc", attempt.number())
            })
            .report()
            .await;
        assert_eq!(outcome.ok(), Some(3));
        numbers
    });
    assert_eq!(numbers, [1, 2, 3]);

    // Blocking, too.
    assert_eq!(policy.run(|attempt| Ok::<_, String>(attempt.number())).call(), Ok(1));
    let operation = |attempt: persevere::Attempt| send("abcd", attempt.number());
    assert_eq!(spawn(operation.retry_with(policy)), Ok(4));
}
