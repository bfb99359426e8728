//! Code of the caller that panics, never waits, or counts time from a far epoch: a call ends once, and
//! nothing of it is lost.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, Ready, pending, ready};
use std::ops::ControlFlow::{self, Break};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::executor::LocalPool;
use futures::task::LocalSpawnExt as _;
use persevere::backoff::{DelayBounds, Limits};
use persevere::guard::Guard;
use persevere::hook::{FinishEvent, Hook};
use persevere::time::{AsyncIoTimer, BlockingTimer, Clock, Timer, VirtualClock, VirtualSleep};
use persevere::{
    Attempt, Attempts, Backoff, Engine, Finite, Interrupted, Outcome, Policy, Reason, RetryExt,
    Verdict, constant, immediate,
};

use support::{ms, secs};

type Failure = Result<(), &'static str>;

fn down() -> Failure {
    Err("down")
}

// ------------------------------------------------------------------------------------------------
// Seeds.

/// The delay that a classifier computes is the one that is slept.
#[test]
fn a_delay_computed_in_a_classifier_is_the_slept_one() {
    let jittered = constant(secs(100)).full_jitter().max_attempts(4);
    let computed = RefCell::new(vec![]);
    let clock = VirtualClock::new();
    let compute = |_: &Failure, attempt: &Attempt| {
        computed.borrow_mut().extend(jittered.delay(attempt));
        None
    };
    let assert_slept = || {
        let slept = clock.slept().split_off(clock.slept().len() - 3);
        assert_eq!(computed.take(), slept);
        slept
    };
    let _ = down.retry_with(jittered).classify(compute).timer(clock.clone()).call();
    let first = assert_slept();
    let retry = (|| ready(down())).retry_with(jittered).classify(compute).timer(clock.clone());
    let _ = clock.block_on(retry);
    assert_ne!(assert_slept(), first);
    let mut attempts = persevere::retry::Loop::new()
        .retry_with(jittered)
        .classify(compute)
        .timer(clock.clone())
        .start();
    while attempts.check_blocking(down()).is_continue() {}
    assert_slept();
}

/// Records the random number of each attempt, as hooks and guards see it.
#[derive(Clone, Default)]
struct Draws(Rc<RefCell<Vec<u64>>>);

impl<O> Hook<O> for Draws {
    fn before_attempt(&mut self, attempt: &Attempt) {
        self.0.borrow_mut().push(attempt.random());
    }
}

/// A draw before the first failure differs from call to call, wherever it is made.
#[test]
fn a_draw_before_the_first_failure_differs_from_call_to_call() {
    let succeeds = |attempt: Attempt, drawn: &Cell<u64>| -> Option<()> {
        drawn.set(attempt.random());
        Some(())
    };
    let policy = Policy::new(immediate().max_attempts(3));
    let drawn = Cell::new(0);
    let surfaces: [(&str, &dyn Fn()); 6] = [
        ("an operation", &|| {
            let _ = policy.call(|attempt| succeeds(attempt, &drawn));
        }),
        ("an awaited operation", &|| {
            let call = policy.run(|attempt| ready(succeeds(attempt, &drawn)));
            let _ = VirtualClock::new().block_on(call);
        }),
        ("a classifier", &|| {
            let classify = |_: &Option<()>, attempt: &Attempt| {
                drawn.set(attempt.random());
                None
            };
            let _ = (|| Some(())).retry_with(&policy).classify(classify).call();
        }),
        ("a hook", &|| {
            let draws = Draws::default();
            let _ = (|| Some(())).retry_with(&policy).hook(draws.clone()).call();
            drawn.set(draws.0.borrow()[0]);
        }),
        ("a loop", &|| {
            drawn.set(policy.start::<Option<()>>().current().random());
        }),
        ("an engine", &|| {
            let mut engine = Engine::<Option<()>, _>::new(&policy);
            let Ok(attempt) = engine.enter(None);
            drawn.set(attempt.random());
        }),
    ];
    for (name, surface) in surfaces {
        let mut seen: Vec<_> = (0..16)
            .map(|_| {
                surface();
                drawn.get()
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 16, "{name}");
    }
}

// ------------------------------------------------------------------------------------------------
// Panics.

/// Panics from its reading with this number on, without the message of a panic.
#[derive(Clone)]
struct Fuse(Rc<Cell<u32>>);

impl Fuse {
    fn of(readings: u32) -> Self {
        Fuse(Rc::new(Cell::new(readings)))
    }

    fn burn(&self) {
        match self.0.get() {
            0 => resume_unwind(Box::new("fuse")),
            left => self.0.set(left - 1),
        }
    }
}

/// A clock that panics from a reading on.
#[derive(Clone)]
struct FailingClock(Fuse);

impl Clock for FailingClock {
    type Sleep = Ready<()>;
    fn now(&self) -> Duration {
        self.0.burn();
        Duration::ZERO
    }
}

impl Timer for FailingClock {
    fn sleep(&self, _: Duration) -> Ready<()> {
        self.0.burn();
        ready(())
    }
}

impl BlockingTimer for FailingClock {
    fn sleep_blocking(&self, _: Duration) {
        self.0.burn();
    }
}

/// A backoff whose methods panic from a call on.
#[derive(Clone)]
struct FailingBackoff(Fuse);

impl Backoff for FailingBackoff {
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        self.0.burn();
        (attempt.number() < 4).then_some(ms(1))
    }
    fn bounds(&self, _: u32) -> Option<DelayBounds> {
        None
    }
    fn limits(&self) -> Limits {
        self.0.burn();
        Limits::NONE
    }
    fn reads_clock(&self) -> bool {
        self.0.burn();
        true
    }
}

impl Finite for FailingBackoff {}

/// Records the ends of a call, and whether it made an attempt.
#[derive(Clone, Default)]
struct Ends(Rc<RefCell<Vec<Reason>>>, Rc<Cell<bool>>);

impl<O> Hook<O> for Ends {
    fn reads_clock(&self) -> bool {
        true
    }
    fn before_attempt(&mut self, _: &Attempt) {
        self.1.set(true);
    }
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        self.0.borrow_mut().push(event.reason());
    }
}

/// Makes calls whose code panics from its N-th use on, and whose operation panics too: whatever
/// unwinds, the process lives, and each call that made an attempt ends once.
fn survives(name: &str, call: impl Fn(Fuse, Ends)) {
    let mut panicked = 0;
    for readings in 0..40 {
        let (fuse, ends) = (Fuse::of(readings), Ends::default());
        let outcome = catch_unwind(AssertUnwindSafe(|| call(fuse.clone(), ends.clone())));
        panicked += u32::from(outcome.is_err());
        let (began, ends) = (ends.1.get(), ends.0.take());
        let expected = usize::from(began);
        assert_eq!(ends.len(), expected, "{name} ends otherwise after {readings}: {ends:?}");
    }
    assert!(panicked > 0, "{name} never panics");
}

#[test]
fn a_clock_that_panics_aborts_no_process_and_hides_no_end() {
    let policy = |fuse, ends| {
        Policy::new(constant(ms(1)).max_attempts(3)).timer(FailingClock(fuse)).hook(ends)
    };
    fn panics(attempt: Attempt) -> Failure {
        if attempt.is_last() { resume_unwind(Box::new("operation")) } else { Err("down") }
    }
    for operation in [|_: Attempt| Err("down"), panics] {
        survives("a blocking call", |fuse, ends| {
            let _ = policy(fuse, ends).call(operation);
        });
        survives("an awaited call", |fuse, ends| {
            let policy = policy(fuse, ends);
            let call = policy.run(|attempt| async move { operation(attempt) });
            let _ = VirtualClock::new().block_on(call);
        });
        survives("a loop", |fuse, ends| {
            let mut attempts = Attempts::start(policy(fuse, ends));
            while attempts.attempt_blocking(down).is_continue() {}
        });
        survives("an awaited loop", |fuse, ends| {
            let mut attempts = Attempts::start(policy(fuse, ends));
            let clock = VirtualClock::new();
            while clock.block_on(attempts.attempt(ready(down()))).is_continue() {}
        });
        survives("a call with limits", |fuse, ends| {
            let policy = policy(fuse, ends).deadline(secs(60)).attempt_timeout(secs(1));
            let failing =
                |attempt| async move { operation(attempt).map_err(std::io::Error::other) };
            let _ = VirtualClock::new().block_on(policy.run(failing));
        });
    }
}

#[test]
fn a_backoff_that_panics_aborts_no_process_and_hides_no_end() {
    let policy =
        |fuse, ends| Policy::new(FailingBackoff(fuse)).timer(VirtualClock::new()).hook(ends);
    survives("a blocking call", |fuse, ends| {
        let _ = policy(fuse, ends).call(|_| down());
    });
    survives("an awaited call", |fuse, ends| {
        let clock = VirtualClock::new();
        let policy = policy(fuse, ends).timer(clock.clone());
        let _ = clock.block_on(policy.run(|_| ready(down())));
    });
    survives("a loop", |fuse, ends| {
        let mut attempts = Attempts::start(policy(fuse, ends));
        while attempts.check_blocking(down()).is_continue() {}
    });
}

/// A call that is dropped reads the time of its end from its clock. A clock that panics does not hide it.
#[test]
fn a_dropped_call_whose_clock_panics_reports_its_end() {
    let (fuse, ends) = (Fuse::of(1), Ends::default());
    let policy = Policy::new(immediate().max_attempts(3)).timer(FailingClock(fuse.clone()));
    let mut call = Box::pin(policy.run(|_| pending::<Failure>()).hook(ends.clone()));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(fuse.0.get(), 0);
    drop(call);
    assert_eq!(ends.0.take(), [Reason::Cancelled]);

    let (fuse, ends) = (Fuse::of(1), Ends::default());
    let policy = Policy::new(immediate().max_attempts(3)).timer(FailingClock(fuse.clone()));
    let attempts = Attempts::<Failure, _>::start(policy.hook(ends.clone()));
    assert_eq!(fuse.0.get(), 0);
    drop(attempts);
    assert_eq!(ends.0.take(), [Reason::Abandoned]);
}

/// An outcome whose drop panics.
#[derive(Debug)]
struct Bomb(Rc<Cell<u32>>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        if self.0.get() == 1 {
            resume_unwind(Box::new("drop"));
        }
    }
}

/// An outcome that panics when the call drops it to make room for the next: the call has ended, and so
/// it says.
#[test]
fn an_outcome_that_panics_in_its_drop_ends_its_call_as_panicked() {
    let policy = || Policy::new(constant(secs(1)).max_attempts(3));

    let (dropped, ends, calls) = (Rc::default(), Ends::default(), Cell::new(0));
    let operation = || {
        calls.set(calls.get() + 1);
        Err::<(), _>(Bomb(Rc::clone(&dropped)))
    };
    let clock = VirtualClock::new();
    let retry = operation.retry_with(policy()).timer(clock.clone()).hook(ends.clone());
    assert!(catch_unwind(AssertUnwindSafe(|| retry.call())).is_err());
    assert_eq!((calls.take(), ends.0.take()), (1, vec![Reason::Panicked]));

    // The future that made the outcome has ended: it is not polled again.
    let (dropped, ends) = (Rc::default(), Ends::default());
    let operation = || {
        calls.set(calls.get() + 1);
        let dropped = Rc::clone(&dropped);
        async move { Err::<(), _>(Bomb(dropped)) }
    };
    let mut retry =
        Box::pin(operation.retry_with(policy()).timer(clock.clone()).hook(ends.clone()));
    let mut poll = || {
        let mut cx = Context::from_waker(Waker::noop());
        catch_unwind(AssertUnwindSafe(|| drop(retry.as_mut().poll(&mut cx))))
    };
    assert_eq!(poll().unwrap_err().downcast_ref(), Some(&"drop"));
    let again = poll().unwrap_err();
    assert_eq!(
        again.downcast_ref::<&str>(),
        Some(&"a retry was polled after it had ended or panicked")
    );
    drop(retry);
    assert_eq!((calls.take(), ends.0.take()), (1, vec![Reason::Panicked]));

    // A loop.
    let (dropped, ends) = (Rc::default(), Ends::default());
    let looped = policy().timer(clock.clone()).hook(ends.clone());
    let mut attempts = Attempts::<Result<(), Bomb>, _>::start(looped).without_last_outcome();
    let failed = || Err(Bomb(Rc::clone(&dropped)));
    let panicked = catch_unwind(AssertUnwindSafe(|| attempts.check_blocking(failed()).is_break()));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"drop"));
    assert!(matches!(attempts.check_blocking(failed()), Break(Err(_))));
    drop(attempts);
    assert_eq!(ends.0.take(), [Reason::Panicked]);
}

/// A panic in a destructor while the call unwinds would abort; so only the end is asserted.
#[test]
fn a_panic_in_the_drop_of_an_attempt_loses_no_end() {
    struct Attempting;
    impl Future for Attempting {
        type Output = Failure;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Failure> {
            Poll::Pending
        }
    }
    impl Drop for Attempting {
        fn drop(&mut self) {
            resume_unwind(Box::new("drop"));
        }
    }
    let ends = Ends::default();
    let policy = Policy::new(immediate().max_attempts(3)).hook(ends.clone());
    let mut retry = Box::pin(policy.run(|_| Attempting));
    assert!(retry.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(retry)));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"drop"));
    assert_eq!(ends.0.take(), [Reason::Cancelled]);
}

// ------------------------------------------------------------------------------------------------
// Sleeps that are over at once.

/// A timer whose sleeps are ready when they are first polled.
#[derive(Clone)]
struct Instant;

impl Clock for Instant {
    type Sleep = Ready<()>;
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl Timer for Instant {
    fn sleep(&self, _: Duration) -> Ready<()> {
        ready(())
    }
}

/// The turns that another task of the executor has during a call.
fn turns_beside<F: Future + 'static>(call: F) -> u32 {
    let turns = Rc::new(Cell::new(0));
    let mut pool = LocalPool::new();
    let counted = Rc::clone(&turns);
    let other = async move {
        loop {
            counted.set(counted.get() + 1);
            let mut yielded = false;
            std::future::poll_fn(|cx| {
                let ready = std::mem::replace(&mut yielded, true);
                cx.waker().wake_by_ref();
                if ready { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    };
    pool.spawner().spawn_local(other).unwrap();
    pool.run_until(call);
    turns.get()
}

#[test]
fn another_task_runs_between_attempts_whatever_the_timer() {
    const ATTEMPTS: u32 = 1000;
    let nanosecond = || constant(Duration::from_nanos(1)).max_attempts(ATTEMPTS);
    let failing = || ready(down());
    assert!(turns_beside(failing.retry_with(nanosecond()).timer(Instant)) >= ATTEMPTS - 1);
    assert!(turns_beside(failing.retry_with(nanosecond()).timer(AsyncIoTimer)) >= ATTEMPTS - 1);
    assert!(turns_beside(failing.retry_with(nanosecond())) >= ATTEMPTS - 1);
    let looped = async move {
        let mut attempts = Attempts::start(Policy::new(nanosecond()).timer(Instant));
        while attempts.attempt(failing()).await.is_continue() {}
    };
    assert!(turns_beside(looped) >= ATTEMPTS - 1);
    let lending = async move {
        let policy = Policy::new(nanosecond()).timer(Instant);
        policy.run_lending(async |_| down()).await
    };
    assert!(turns_beside(lending) >= ATTEMPTS - 1);
}

// ------------------------------------------------------------------------------------------------
// Far epochs.

/// The time of a virtual clock, counted from the year 1.
#[derive(Clone)]
struct SinceYearOne(VirtualClock);

impl Clock for SinceYearOne {
    type Sleep = <VirtualClock as Clock>::Sleep;
    fn now(&self) -> Duration {
        Duration::from_secs(2026 * 31_556_952) + self.0.now()
    }
}

impl Timer for SinceYearOne {
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }
}

impl BlockingTimer for SinceYearOne {
    fn sleep_blocking(&self, duration: Duration) {
        self.0.sleep_blocking(duration);
    }
}

#[test]
fn limits_hold_by_a_clock_of_a_far_epoch() {
    let minutes = || constant(secs(60)).max_elapsed(secs(300));
    let clock = VirtualClock::new();
    let error = down.retry_with(minutes()).timer(SinceYearOne(clock.clone())).report().call();
    let error = error.unwrap_err();
    assert_eq!(
        (error.reason(), error.attempts(), error.elapsed()),
        (Reason::Elapsed, 5, secs(240))
    );

    let clock = VirtualClock::new();
    let hangs = || pending::<Result<(), Interrupted>>();
    let retry = hangs.retry_with(constant(secs(1)).max_attempts(9));
    let retry =
        retry.attempt_timeout(secs(10)).deadline(secs(25)).timer(SinceYearOne(clock.clone()));
    let deadline = Interrupted::Deadline { limit: secs(25) };
    assert_eq!(clock.block_on(retry), Err(deadline));
    assert_eq!(clock.now(), secs(25));

    let clock = VirtualClock::new();
    let policy = Policy::new(minutes()).timer(SinceYearOne(clock.clone()));
    let mut attempts = policy.start();
    let mut calls = 1;
    while clock.block_on(attempts.attempt(ready(down()))).is_continue() {
        calls += 1;
    }
    assert_eq!((calls, clock.now()), (5, secs(240)));

    let mut engine = Engine::new(minutes());
    let year_one = Duration::from_secs(2026 * 31_556_952);
    let Ok(_) = engine.enter(year_one);
    assert_eq!(engine.decide(&down(), year_one + secs(200)), persevere::Decision::Wait(secs(60)));
    let Ok(_) = engine.enter(year_one + secs(260));
    let ended = engine.decide(&down(), year_one + secs(260));
    assert!(
        matches!(ended, persevere::Decision::Return(facts) if facts.reason() == Reason::Elapsed)
    );
}

/// A deadline around a call is seen by calls within, whatever the epochs of both clocks.
#[test]
fn a_deadline_by_a_clock_of_a_far_epoch_reaches_calls_within() {
    let clock = VirtualClock::new();
    let inner = || {
        let failing = || ready(Err::<(), _>(Interrupted::AttemptTimeout { limit: ms(1) }));
        failing.retry_with(constant(secs(10)).max_attempts(9)).timer(clock.clone())
    };
    let outer = inner.retry_with(immediate().max_attempts(1)).deadline(secs(25));
    let _ = clock.block_on(outer.timer(SinceYearOne(clock.clone())));
    assert_eq!(clock.now(), secs(20));
}

// ------------------------------------------------------------------------------------------------
// Reports.

/// `Display` rounds durations to three digits; `Debug` has them in full.
#[test]
fn a_report_rounds_durations_in_display_and_not_in_debug() {
    let delay = Duration::from_nanos(1_234_567_891);
    let clock = VirtualClock::new();
    let retry = down.retry_with(constant(delay).max_attempts(2)).timer(clock).report();
    let error = retry.call().unwrap_err();
    assert_eq!(error.to_string(), "gave up after 2 attempts (1.23 s): attempt limit reached: down");
    let debug = format!("{error:?}");
    assert!(debug.contains("1.234567891s"), "{debug}");
    assert!(!debug.contains("1.23 s"), "{debug}");
}

/// Refuses nothing, and panics when it is dropped while a call unwinds.
#[test]
fn a_guard_that_panics_at_the_end_of_a_call_does_not_hide_it_from_hooks() {
    struct Panics;
    impl<O: Outcome> Guard<O> for Panics {
        fn finish(&mut self, _: &FinishEvent<'_, O>) {
            resume_unwind(Box::new("guard"));
        }
        fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<persevere::Veto> {
            ControlFlow::Continue(())
        }
    }
    let ends = Ends::default();
    let failing = || Err::<(), _>(Interrupted::AttemptTimeout { limit: ms(1) });
    let retry = failing.retry_with(immediate().max_attempts(2)).guard(Panics).hook(ends.clone());
    let retry = retry.classify(|_, _| Some(Verdict::Stop));
    assert!(catch_unwind(AssertUnwindSafe(|| retry.call())).is_err());
    assert_eq!(ends.0.take(), [Reason::NotRetryable]);
}

/// A clock that panics once, after the sleep has begun.
#[derive(Clone)]
struct PanicsAsleep<'a>(&'a Cell<bool>, VirtualClock);

impl Clock for PanicsAsleep<'_> {
    type Sleep = VirtualSleep;
    fn now(&self) -> Duration {
        if self.0.take() {
            resume_unwind(Box::new("clock"));
        }
        self.1.now()
    }
}

impl Timer for PanicsAsleep<'_> {
    fn sleep(&self, delay: Duration) -> VirtualSleep {
        self.0.set(true);
        self.1.sleep(delay)
    }
}

#[test]
fn a_loop_whose_clock_panicked_has_ended() {
    let (panics, clock, calls) = (Cell::new(false), VirtualClock::new(), Cell::new(0));
    let ends = Ends::default();
    let policy = Policy::new(constant(secs(60)).max_attempts(9))
        .timer(PanicsAsleep(&panics, clock.clone()))
        .hook(ends.clone());
    let mut attempts = policy.start();
    let mut attempt = || {
        let work = async {
            calls.set(calls.get() + 1);
            down()
        };
        clock.block_on(attempts.attempt(work))
    };
    assert!(catch_unwind(AssertUnwindSafe(&mut attempt)).is_err());
    assert_eq!(ends.0.take(), []); // at the next use, or when the loop is dropped
    assert!(attempt().is_break(), "a late attempt is not retried");
    assert_eq!((ends.0.take(), calls.get()), (vec![Reason::Panicked], 2));
}
