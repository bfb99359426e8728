//! Calls that sleep in their backoff: how large their futures are, and how to spawn one.

use std::future::pending;
use std::hint::black_box;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::execution_policy::core::TokioCore;
use ::execution_policy::{ExecutionPolicy, ExecutionPolicyBuilder, Jitter};
use ::relentless::clock::{FuturesTimerClock, TokioClock};
use ::relentless::stop::StopAfterAttempts;
use ::relentless::wait::{Jittered, WaitCapped, WaitExponential};
use ::relentless::{RetryPolicy, Wait as _, stop, wait};
use backon::Retryable as _;
use futures_timer::Delay;
use persevere::time::TokioTimer;
use persevere::{Finite, RetryExt as _, exponential};
use tokio_retry2::MapErr as _;

use crate::hand_written;
use crate::names::{HAND_WRITTEN, PERSEVERE};
use crate::operation::{Outcome, Refused};
use crate::settings::Settings;

/// Which timer a call sleeps by. A peer without a default timer gets the one that it offers for
/// every runtime.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    Default,
    Tokio,
}

/// One kind of call.
pub struct Sleeper {
    pub contender: &'static str,
    pub timer: Timer,
    /// The bytes that its future has more than the operation's own.
    pub added: fn() -> usize,
    /// Spawns a task that makes the call.
    pub spawns: Spawns,
}

/// The same task beside so many bytes of its own. tokio gives its tasks memory in steps of 128
/// bytes: eight sizes, evenly spread over one step, keep a figure from being the luck of one.
pub type Spawns = [fn(); 8];

macro_rules! spawns {
    ($call:expr) => {{
        fn spawn<const BYTES: usize>() {
            drop(tokio::spawn(async {
                let beside = black_box([0_u8; BYTES]);
                let _ = $call.await;
                black_box(&beside);
            }));
        }
        [
            spawn::<0>,
            spawn::<16>,
            spawn::<32>,
            spawn::<48>,
            spawn::<64>,
            spawn::<80>,
            spawn::<96>,
            spawn::<112>,
        ]
    }};
}

macro_rules! sleepers {
    ($($contender:expr, $timer:ident => $call:expr;)*) => {
        &[$(Sleeper {
            contender: $contender,
            timer: Timer::$timer,
            added: || size_of_val(&$call) - size_of_val(&operation()),
            spawns: spawns!($call),
        }),*]
    };
}

/// What the figures are compared with: tasks whose operation never ends.
pub const BARE: Spawns = spawns!(endless());

#[rustfmt::skip]
pub const SLEEPERS: &[Sleeper] = sleepers! {
    HAND_WRITTEN, Default => hand_written::Retry::new(operation, SETTINGS, Delay::new);
    HAND_WRITTEN, Tokio => hand_written::Retry::new(operation, SETTINGS, tokio::time::sleep);
    PERSEVERE, Default => operation.retry_with(persevere());
    PERSEVERE, Tokio => operation.retry_with(persevere()).timer(TokioTimer);
    "backon", Default => operation.retry(backon()).sleep(backon::FuturesTimerSleeper);
    "backon", Tokio => operation.retry(backon()).sleep(backon::TokioSleeper);
    "execution-policy", Tokio => execution_policy().run(operation);
    "relentless", Default => relentless().retry_async(|_| operation()).clock(FuturesTimerClock::new()).call();
    "relentless", Tokio => relentless().retry_async(|_| operation()).clock(TokioClock::new()).call();
    "tokio-retry", Tokio => tokio_retry::Retry::start(tokio_retry(), operation);
    "tokio-retry2", Tokio => tokio_retry2::Retry::spawn(tokio_retry2(), transient);
    "tryhard", Tokio => tryhard::retry_fn(operation).retries(RETRIES).exponential_backoff(SETTINGS.base).max_delay(SETTINGS.cap);
};

/// Sleeps so long that hardly a task wakes while they are counted.
const SETTINGS: Settings =
    Settings { base: Duration::from_secs(1 << 20), cap: Duration::from_secs(1 << 24), attempts: 5 };
const RETRIES: u32 = SETTINGS.attempts - 1;

static ATTEMPTS: AtomicUsize = AtomicUsize::new(0);

/// The attempts made so far: a task that made one is asleep.
pub fn attempts() -> usize {
    ATTEMPTS.load(Ordering::Relaxed)
}

/// Fails at once.
async fn operation() -> Outcome {
    ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    Err(Refused(black_box(1)))
}

async fn endless() -> Outcome {
    ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    pending().await
}

fn persevere() -> impl Finite {
    exponential(SETTINGS.base).max_delay(SETTINGS.cap).full_jitter().max_attempts(SETTINGS.attempts)
}

fn backon() -> backon::ExponentialBuilder {
    backon::ExponentialBuilder::new()
        .with_min_delay(SETTINGS.base)
        .with_max_delay(SETTINGS.cap)
        .with_max_times(RETRIES as usize)
        .with_jitter()
}

fn execution_policy() -> &'static ExecutionPolicy<TokioCore, u32, Refused> {
    static POLICY: LazyLock<ExecutionPolicy<TokioCore, u32, Refused>> = LazyLock::new(|| {
        ExecutionPolicyBuilder::new()
            .retry(
                ::execution_policy::Retry::exponential()
                    .base_delay(SETTINGS.base)
                    .max_delay(SETTINGS.cap)
                    .jitter(Jitter::Full)
                    .max_attempts(SETTINGS.attempts),
            )
            .build()
    });
    &POLICY
}

type RelentlessPolicy = RetryPolicy<StopAfterAttempts, Jittered<WaitCapped<WaitExponential>>>;

fn relentless() -> &'static RelentlessPolicy {
    static POLICY: LazyLock<RelentlessPolicy> = LazyLock::new(|| {
        RetryPolicy::new()
            .wait(wait::exponential(SETTINGS.base).cap(SETTINGS.cap).full_jitter())
            .stop(stop::attempts(SETTINGS.attempts))
    });
    &POLICY
}

fn tokio_retry() -> impl Iterator<Item = Duration> {
    ::tokio_retry::strategy::ExponentialBackoff::from_millis(2)
        .factor(SETTINGS.base.as_millis() as u64 / 2)
        .max_delay(SETTINGS.cap)
        .map(::tokio_retry::strategy::jitter)
        .take(RETRIES as usize)
}

fn tokio_retry2() -> impl Iterator<Item = Duration> {
    ::tokio_retry2::strategy::ExponentialBackoff::from_millis(2)
        .factor(SETTINGS.base.as_millis() as u64 / 2)
        .max_delay(SETTINGS.cap)
        .map(::tokio_retry2::strategy::jitter)
        .take(RETRIES as usize)
}

async fn transient() -> Result<u32, ::tokio_retry2::RetryError<Refused>> {
    operation().await.map_transient_err()
}
