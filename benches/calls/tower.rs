use std::pin::Pin;
use std::task::{Context, Poll};

use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::{Policy, Retry};
use tower::util::rng::HasherRng;
use tower::{ServiceExt, service_fn};

use super::{Entry, repeat, settings};
use crate::operation::{Flaky, Outcome, Refused, drive};
use crate::work::Work;

const NAME: &str = "tower";

pub const ENTRIES: &[Entry] = &[
    Entry::new(NAME, Work::AsyncFirstTry, |n| {
        let limited = Limited::new();
        repeat(n, || asynchronous(Flaky::succeeds_at_first(), limited.clone()));
    }),
    Entry::new(NAME, Work::AsyncFourthTry, |n| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime can be built");
        let _entered = runtime.enter();
        let limited = Limited::new();
        repeat(n, || asynchronous(Flaky::fails_thrice(), limited.clone()));
    }),
];

/// The policy that every user of tower's retry writes: so many retries, tower's own backoff.
#[derive(Clone)]
struct Limited {
    retries: u32,
    backoff: ExponentialBackoff,
}

impl Limited {
    fn new() -> Self {
        let settings = settings();
        let maker =
            ExponentialBackoffMaker::new(settings.base, settings.cap, 1.0, HasherRng::default());
        Self {
            retries: settings.attempts - 1,
            backoff: maker.expect("the settings are valid").make_backoff(),
        }
    }
}

impl Policy<(), u32, Refused> for Limited {
    type Future = Unslept;

    fn retry(&mut self, (): &mut (), result: &mut Outcome) -> Option<Unslept> {
        if result.is_ok() || self.retries == 0 {
            return None;
        }
        self.retries -= 1;
        Some(Unslept { _sleep: self.backoff.next_backoff() })
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

/// tower's backoff gives tokio's sleep and nothing else: it is made, and dropped without a wait.
struct Unslept {
    _sleep: tokio::time::Sleep,
}

impl Future for Unslept {
    type Output = ();

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

#[inline(always)]
fn asynchronous(flaky: Flaky, limited: Limited) -> Outcome {
    drive(Retry::new(limited, service_fn(|()| flaky.call_async())).oneshot(()))
}
