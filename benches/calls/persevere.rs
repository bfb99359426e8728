use std::future::{Ready, ready};
use std::hint::black_box;
use std::ops::ControlFlow::Break;
use std::sync::LazyLock;
use std::time::Duration;

use persevere::backoff::{Exponential, FullJitter, MaxAttempts, MaxDelay};
use persevere::time::{BlockingTimer, Clock, Timer, TokioTimer};
use persevere::{Attempt, Backoff, DynPolicy, Interrupted, Policy, RetryExt, exponential};

use super::{Entry, repeat, settings};
use crate::channel::{self, Echo};
use crate::names::{DECORATOR, ERASED, LOOP, PERSEVERE, POLICY, RUN};
use crate::operation::{Flaky, Outcome, Refused, drive};
use crate::work::Work;

/// A success, and three failures before it, by one surface.
macro_rules! surface {
    ($name:expr, $call:expr) => {
        [
            Entry::new($name, Work::AsyncFirstTry, |n| {
                repeat(n, || $call(Flaky::succeeds_at_first()));
            }),
            Entry::new($name, Work::AsyncFourthTry, |n| {
                repeat(n, || $call(Flaky::fails_thrice()));
            }),
        ]
    };
}

const SECOND: Duration = Duration::from_secs(1);

pub fn entries() -> Vec<Entry> {
    let surfaces = [
        surface!(PERSEVERE, by_site),
        surface!(POLICY, by_policy),
        surface!(RUN, by_run),
        surface!(LOOP, by_loop),
        surface!(DECORATOR, by_decorator),
        surface!(ERASED, by_erased),
    ];
    let channels = [
        Entry::new(PERSEVERE, Work::Channel, |n| {
            channel::repeat(n, async |echo, number| {
                (|| echo.call(number)).retry_with(backoff()).timer(TokioTimer).await
            });
        }),
        Entry::new(POLICY, Work::Channel, |n| {
            channel::repeat(n, async |echo, number| {
                (|| echo.call(number)).retry_with(&TOKIO).await
            });
        }),
        Entry::new(RUN, Work::Channel, |n| {
            channel::repeat(n, async |echo, number| TOKIO.run(|_| echo.call(number)).await);
        }),
        Entry::new(LOOP, Work::Channel, |n| {
            channel::repeat(n, async |echo, number| {
                let mut attempts = TOKIO.start();
                loop {
                    if let Break(outcome) = attempts.attempt(echo.call(number)).await {
                        break outcome;
                    }
                }
            });
        }),
        Entry::new(DECORATOR, Work::Channel, |n| {
            channel::repeat(n, async |echo, number| decorated(echo, number).await);
        }),
        Entry::new(PERSEVERE, Work::ChannelTimeout, |n| {
            channel::repeat(n, async |echo, number| {
                (|| echo.call(number))
                    .retry_with(backoff())
                    .attempt_timeout(SECOND)
                    .timer(TokioTimer)
                    .await
            });
        }),
        Entry::new(PERSEVERE, Work::ChannelDeadline, |n| {
            channel::repeat(n, async |echo, number| {
                (|| echo.call(number))
                    .retry_with(backoff())
                    .deadline(9 * SECOND)
                    .timer(TokioTimer)
                    .await
            });
        }),
    ];
    let others = [
        Entry::new(PERSEVERE, Work::SyncFirstTry, |n| {
            repeat(n, || blocking(Flaky::succeeds_at_first()));
        }),
        Entry::new(PERSEVERE, Work::SyncFourthTry, |n| {
            repeat(n, || blocking(Flaky::fails_thrice()));
        }),
        Entry::new(PERSEVERE, Work::Delay, |n| {
            let attempt = Attempt::new(1).with_seed(0x5EED);
            repeat(n, || backoff().delay(black_box(&attempt)));
        }),
    ];
    surfaces.into_iter().flatten().chain(channels).chain(others).collect()
}

/// A timer whose sleep costs nothing.
#[derive(Clone, Copy)]
struct Sleepless;

impl Clock for Sleepless {
    type Sleep = Ready<()>;

    #[inline(always)]
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl Timer for Sleepless {
    #[inline(always)]
    fn sleep(&self, delay: Duration) -> Ready<()> {
        black_box(delay);
        ready(())
    }
}

impl BlockingTimer for Sleepless {
    #[inline(always)]
    fn sleep_blocking(&self, delay: Duration) {
        black_box(delay);
    }
}

type Curve = MaxAttempts<FullJitter<MaxDelay<Exponential>>>;

#[inline(always)]
fn backoff() -> Curve {
    let settings = settings();
    exponential(settings.base).max_delay(settings.cap).full_jitter().max_attempts(settings.attempts)
}

const CURVE: Curve = exponential(Duration::from_millis(100))
    .max_delay(Duration::from_secs(5))
    .full_jitter()
    .max_attempts(5);
static SHARED: Policy<Curve, (), (), Sleepless> = Policy::with(CURVE, (), (), Sleepless);
static TOKIO: Policy<Curve, (), (), TokioTimer> = Policy::with(CURVE, (), (), TokioTimer);

/// The shared policy, behind a pointer that the optimiser cannot see through.
#[inline(always)]
fn shared() -> &'static Policy<Curve, (), (), Sleepless> {
    black_box(&SHARED)
}

fn by_site(flaky: Flaky) -> Outcome {
    drive((|| flaky.call_async()).retry_with(backoff()).timer(Sleepless))
}

fn by_policy(flaky: Flaky) -> Outcome {
    drive((|| flaky.call_async()).retry_with(shared()))
}

fn by_run(flaky: Flaky) -> Outcome {
    drive(shared().run(|_| flaky.call_async()))
}

fn by_loop(flaky: Flaky) -> Outcome {
    drive(async {
        let mut attempts = shared().start();
        loop {
            if let Break(outcome) = attempts.attempt(flaky.call_async()).await {
                break outcome;
            }
        }
    })
}

fn by_decorator(flaky: Flaky) -> Outcome {
    #[persevere::retry(shared())]
    async fn call(flaky: &Flaky) -> Outcome {
        flaky.call_async().await
    }
    drive(call(&flaky))
}

fn by_erased(flaky: Flaky) -> Outcome {
    static ERASED: LazyLock<DynPolicy<Refused>> = LazyLock::new(|| SHARED.erase());
    drive((|| flaky.call_async()).retry_with(black_box(&*ERASED)))
}

fn blocking(flaky: Flaky) -> Outcome {
    (|| flaky.call()).retry_with(backoff()).timer(Sleepless).call()
}

#[persevere::retry(TOKIO)]
async fn decorated(echo: &Echo, number: u32) -> Outcome {
    echo.call(number).await
}

impl From<Interrupted> for Refused {
    fn from(_: Interrupted) -> Self {
        Refused(0)
    }
}
