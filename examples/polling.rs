//! Polling: a retry of values that are not ready yet.
//!
//! ```sh
//! cargo run --example polling
//! ```

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::{Duration, Instant};

use persevere::{Reason, RetryExt, constant, linear};

/// Long work elsewhere, whose progress can be read.
struct Job {
    started: Instant,
    length: Duration,
}

impl Job {
    fn start(length: Duration) -> Self {
        Job { started: Instant::now(), length }
    }

    /// A value that may be too low yet.
    fn percent(&self) -> Result<u128, JobLost> {
        Ok((self.started.elapsed().as_micros() * 100 / self.length.as_micros()).min(100))
    }

    /// A value that may not be there yet.
    fn result(&self) -> Option<&'static str> {
        (self.started.elapsed() >= self.length).then_some("forty-two")
    }

    /// A value, or the time that is left.
    fn poll(&self) -> ControlFlow<&'static str, Duration> {
        match self.length.checked_sub(self.started.elapsed()) {
            None => Break("forty-two"),
            Some(left) => Continue(left),
        }
    }
}

#[derive(Debug)]
struct JobLost;

impl fmt::Display for JobLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job is lost")
    }
}

impl Error for JobLost {}

fn main() -> Result<(), Box<dyn Error>> {
    // A limit on the time keeps the poll from waiting for ever for a job that does not end.
    let every = constant(Duration::from_millis(10)).max_elapsed(Duration::from_secs(30));
    let (short, long) = (Duration::from_millis(60), Duration::from_secs(3600));

    // `.until` decides about values. Errors are retried, unless `.when` returns `false`.
    let job = Job::start(short);
    let percent = (|| job.percent())
        .retry_with(every)
        .when(|JobLost| false)
        .until(|percent| *percent == 100)
        .on_retry(|retry| println!("{retry}; so far {:?}", retry.value()))
        .call()?;
    println!("percent: {percent}\n");

    // `None` means "not yet".
    let job = Job::start(short);
    let result = (|| job.result()).retry_with(every).call().ok_or("the job takes too long")?;
    println!("option: {result}\n");

    // A `ControlFlow` is `Break` with the result, and `Continue` with anything else until then.
    let job = Job::start(short);
    let flow = (|| job.poll())
        .retry_with(linear(Duration::from_millis(5)).max_attempts(100))
        .on_retry(|retry| println!("control flow: {:?} left", retry.error()))
        .call();
    println!("control flow: {flow:?}\n");

    // At a limit the call returns its last value, which is no error. `.report()` makes an error of it.
    let job = Job::start(long);
    let report = (|| job.percent())
        .retry_with(every.max_attempts(2))
        .until(|percent| *percent == 100)
        .report()
        .call();
    let Err(error) = report else { return Err("the job takes an hour".into()) };
    println!("limit: {error}");

    let held = percent == 100
        && result == "forty-two"
        && flow == Break(result)
        && error.reason() == Reason::Attempts;
    if held { Ok(()) } else { Err("polling did not end as it should".into()) }
}
