//! One policy and one operation, on every runtime: a retry knows nothing of what polls it.
//!
//! What it needs is a timer, and the default one works everywhere. A runtime's own timer saves the
//! default one's helper thread, and follows the runtime's clock where that can be paused or moved.
//! Any other is a few lines, as [`ThreadTimer`] shows.
//!
//! ```sh
//! cargo run -p persevere-examples
//! ```

use std::error::Error;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::channel::oneshot;
use persevere::time::{AsyncIoTimer, Clock, Timer, TokioTimer};
use persevere::{Attempt, DefaultTimer, Policy, RetryExt, StaticPolicy, exponential};

/// One policy for all of them.
static POLICY: StaticPolicy =
    Policy::new(&exponential(Duration::from_millis(20)).equal_jitter().max_attempts(5));

/// One operation for all of them: it fails twice.
async fn flaky(attempt: Attempt) -> Result<u32, Unavailable> {
    if attempt.number() < 3 { Err(Unavailable) } else { Ok(attempt.number()) }
}

#[derive(Debug)]
struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unavailable")
    }
}

impl Error for Unavailable {}

/// Retries with this timer, on whatever runtime is polling.
async fn deliver(runtime: &str, timer: impl Timer + fmt::Debug) -> Result<(), Box<dyn Error>> {
    let (name, started) = (format!("{timer:?}"), Instant::now());
    let attempts = flaky.retry_with(&POLICY).timer(timer).await?;
    let elapsed = started.elapsed();
    println!("{runtime:<18} {name:<13} {attempts} attempts in {elapsed:.1?}");

    // Two waits, each no shorter than the policy promises.
    let promised = POLICY.schedule().nth(1).map(|step| step.waited.min);
    if attempts == 3 && Some(elapsed) >= promised {
        Ok(())
    } else {
        Err("a timer came back early".into())
    }
}

/// A timer for runtimes that have none: a thread for each sleep. Not for thousands of them, but
/// all there is to it.
#[derive(Clone, Copy, Debug)]
struct ThreadTimer;

impl Clock for ThreadTimer {
    type Sleep = futures::future::Map<oneshot::Receiver<()>, fn(Result<(), oneshot::Canceled>)>;

    fn now(&self) -> Duration {
        DefaultTimer.now()
    }
}

impl Timer for ThreadTimer {
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        let (over, wake) = oneshot::channel();
        thread::spawn(move || {
            thread::sleep(duration);
            // Nobody waits any more if the retry was cancelled.
            let _ = over.send(());
        });
        wake.map(drop)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("{POLICY}\n");

    // Only the runtime's own timer asks for `enable_time`.
    let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    tokio.block_on(deliver("tokio", DefaultTimer))?;
    tokio.block_on(deliver("tokio", TokioTimer))?;

    smol::block_on(deliver("smol", DefaultTimer))?;
    smol::block_on(deliver("smol", AsyncIoTimer))?;

    futures::executor::block_on(deliver("futures::executor", DefaultTimer))?;
    futures::executor::block_on(deliver("futures::executor", ThreadTimer))?;

    pollster::block_on(deliver("pollster", DefaultTimer))?;
    pollster::block_on(deliver("pollster", ThreadTimer))
}
