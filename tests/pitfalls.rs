//! Mistakes that other retry libraries have made, and tests that this one does not make them.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::{Future, Ready, poll_fn, ready};
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures::executor::LocalPool;
use futures::task::LocalSpawnExt as _;
use persevere::backoff::{Constant, MaxAttempts};
use persevere::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent, RetryFacts};
use persevere::policy::PolicyOf;
use persevere::retry::{FnOperation, RetryOf, marker};
use persevere::time::{
    AsyncIoTimer, BlockingTimer, ChunkedTimer, Clock, DefaultTimer, Timer, TokioTimer, VirtualClock,
};
use persevere::{
    Attempt, Attempts, Backoff, CircuitBreaker, Decision, DelayBounds, Engine, Finite, Limits,
    Policy, Reason, RetryExt, StaticPolicy, Verdict, constant, decorrelated, delays, exponential,
    from_fn, immediate, linear, polynomial,
};

use support::{AnyBackoff, ms, secs};

type Failure = Result<(), &'static str>;

/// Always the same error.
fn down() -> Failure {
    Err("down")
}

async fn down_async() -> Failure {
    Err("down")
}

/// A waker that remembers that it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Flag {
    fn is_up(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn poll<F: Future + ?Sized>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
        let waker = Waker::from(self.clone());
        future.poll(&mut Context::from_waker(&waker))
    }
}

/// A virtual clock that counts its uses.
#[derive(Clone, Debug, Default)]
struct Counting {
    clock: VirtualClock,
    reads: Arc<AtomicU32>,
    sleeps: Arc<AtomicU32>,
}

impl Counting {
    /// The number of reads of the clock, and of sleeps.
    fn uses(&self) -> (u32, u32) {
        (self.reads.load(Ordering::SeqCst), self.sleeps.load(Ordering::SeqCst))
    }
}

impl Clock for Counting {
    type Sleep = <VirtualClock as Clock>::Sleep;
    fn now(&self) -> Duration {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.clock.now()
    }
}

impl Timer for Counting {
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.sleeps.fetch_add(1, Ordering::SeqCst);
        self.clock.sleep(duration)
    }
}

impl BlockingTimer for Counting {
    fn sleep_blocking(&self, duration: Duration) {
        self.sleeps.fetch_add(1, Ordering::SeqCst);
        self.clock.sleep_blocking(duration);
    }
}

// ------------------------------------------------------------------------------------------------
// Numbers.

/// Delays of centuries are slept without a panic, whatever backoff they come from.
#[test]
fn delays_of_centuries_are_slept_without_a_panic() {
    let backoffs: [(&str, AnyBackoff); 8] = [
        ("constant", Arc::new(constant(Duration::MAX).max_attempts(4))),
        ("linear", Arc::new(linear(Duration::MAX).max_attempts(4))),
        ("exponential", Arc::new(exponential(Duration::MAX).max_attempts(4))),
        ("steep", Arc::new(exponential(ms(1)).factor(1e300).max_attempts(4))),
        ("polynomial", Arc::new(polynomial(Duration::MAX, u32::MAX).max_attempts(4))),
        ("listed", Arc::new(delays([Duration::MAX; 3]))),
        ("function", Arc::new(from_fn(|_| Some(Duration::MAX)).max_attempts(4))),
        ("floor", Arc::new(immediate().min_delay(Duration::MAX).max_attempts(4))),
    ];
    for (name, backoff) in backoffs {
        let (blocking, awaited) = (VirtualClock::new(), VirtualClock::new());
        assert_eq!(down.retry_with(backoff.clone()).timer(blocking.clone()).call(), down());
        let retry = down_async.retry_with(backoff).timer(awaited.clone());
        assert_eq!(awaited.block_on(retry), down());
        for clock in [blocking, awaited] {
            let slept = clock.slept();
            let centuries = |delay: &Duration| *delay >= secs(500 * 365 * 24 * 3600);
            assert_eq!(slept.len(), 3, "{name}");
            assert!(slept.iter().skip(1).all(centuries), "{name}: {slept:?}");
        }
    }
}

/// Sums of such delays saturate and do not wrap.
#[test]
fn sums_of_delays_of_centuries_saturate() {
    let clock = VirtualClock::new();
    let error = down
        .retry_with(constant(Duration::MAX).max_attempts(5))
        .timer(clock.clone())
        .report()
        .call()
        .unwrap_err();
    let centuries = secs(500 * 365 * 24 * 3600);
    assert!(error.waited() >= centuries, "{:?}", error.waited());
    assert!(error.elapsed() >= centuries, "{:?}", error.elapsed());
    assert_eq!(error.attempts(), 5);
}

/// `Duration::MAX` stands for "no limit".
#[test]
fn the_longest_duration_is_no_limit() {
    let clock = VirtualClock::new();
    let backoff = exponential(secs(3_600))
        .max_delay(Duration::MAX)
        .max_retry_after(Duration::MAX)
        .max_elapsed(Duration::MAX)
        .max_attempts(4);
    assert_eq!(backoff.limits().elapsed, None);
    let asked = [Duration::MAX, secs(1), secs(7_200)];
    let classifier = |_: &Failure, attempt: &Attempt| {
        asked.get(attempt.number() as usize - 1).map(|delay| Verdict::RetryAfter(*delay))
    };
    let error = down
        .retry_with(backoff)
        .classify(classifier)
        .timer(clock.clone())
        .report()
        .call()
        .unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Attempts, 4));
    assert_eq!(clock.slept()[1..], [secs(7_200), secs(14_400)]);
}

/// The elapsed time saturates, and is past every limit.
#[test]
fn an_attempt_of_centuries_is_past_every_limit() {
    let clock = VirtualClock::new();
    let lasts = || {
        clock.advance(Duration::MAX);
        down()
    };
    let retry = lasts.retry_with(constant(ms(1)).max_elapsed(secs(3_600))).timer(clock.clone());
    let error = retry.report().call().unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Elapsed, 1));
    assert!(error.elapsed() >= secs(3_600));
}

/// A call that reads the clock has the elapsed time, also where it saturates.
#[test]
fn the_elapsed_time_is_known_also_where_it_saturates() {
    let (clock, mut heard) = (VirtualClock::new(), None);
    let lasts = || {
        clock.advance(Duration::MAX);
        down()
    };
    let _ = lasts
        .retry_with(immediate().max_attempts(2))
        .timer(clock.clone())
        .timed()
        .on_retry(|retry| heard = retry.elapsed().ok())
        .call();
    assert!(heard >= Some(secs(500 * 365 * 24 * 3600)), "{heard:?}");
}

/// `Instant + Duration::MAX` panics, so no timer may add it.
#[test]
fn every_timer_takes_the_longest_duration() {
    fn pends<T: Timer>(timer: &T) {
        let mut sleep = Box::pin(timer.sleep(Duration::MAX));
        assert!(Arc::<Flag>::default().poll(sleep.as_mut()).is_pending());
    }
    pends(&DefaultTimer);
    pends(&AsyncIoTimer);
    pends(&VirtualClock::new());
    pends(&ChunkedTimer::new(VirtualClock::new(), ms(1), secs(60)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { pends(&TokioTimer) });
}

macro_rules! refused {
    ($( $name:ident: $made:expr, $message:literal; )*) => { $(
        #[test]
        #[should_panic(expected = $message)]
        fn $name() {
            let _ = $made;
        }
    )* };
}

refused! {
    a_factor_that_is_not_a_number_is_refused:
        exponential(ms(1)).factor(f64::NAN), "finite and not negative";
    a_negative_factor_is_refused:
        exponential(ms(1)).factor(-1.0), "finite and not negative";
    an_infinite_factor_is_refused:
        exponential(ms(1)).factor(f64::INFINITY), "finite and not negative";
    a_jitter_that_is_not_a_number_is_refused:
        constant(ms(1)).jitter(f64::NAN), "from 0.0 to 1.0";
    a_negative_jitter_is_refused:
        constant(ms(1)).jitter(-0.1), "from 0.0 to 1.0";
    a_jitter_above_the_whole_delay_is_refused:
        constant(ms(1)).jitter(1.1), "from 0.0 to 1.0";
    an_infinite_jitter_is_refused:
        constant(ms(1)).jitter(f64::INFINITY), "from 0.0 to 1.0";
    an_additive_jitter_the_wrong_way_round_is_refused:
        constant(ms(1)).additive_jitter(ms(2)..=ms(1)), "ends before it starts";
    a_limit_of_zero_attempts_is_refused:
        constant(ms(1)).max_attempts(0), "at least 1";
    a_chunked_timer_without_a_grain_is_refused:
        ChunkedTimer::new(VirtualClock::new(), ms(0), ms(1)), "more than zero";
    a_chunked_timer_without_a_range_is_refused:
        ChunkedTimer::new(VirtualClock::new(), ms(2), ms(1)), "below its grain";
}

// ------------------------------------------------------------------------------------------------
// Jitter.

static JITTERED: StaticPolicy = Policy::new(&constant(secs(1)).full_jitter().max_attempts(5));

/// The delays of one call.
fn drawn(policy: &StaticPolicy) -> Vec<Duration> {
    let clock = VirtualClock::new();
    assert_eq!(down.retry_with(policy).timer(clock.clone()).call(), down());
    clock.slept()
}

/// Each call has a seed of its own, wherever it runs.
#[test]
fn a_thousand_calls_of_one_policy_have_a_thousand_different_sequences() {
    let threads: Vec<_> = (0..4)
        .map(|_| thread::spawn(|| (0..250).map(|_| drawn(&JITTERED)).collect::<Vec<_>>()))
        .collect();
    let sequences: Vec<_> = threads.into_iter().flat_map(|calls| calls.join().unwrap()).collect();
    assert_eq!(sequences.len(), 1_000);
    assert_eq!(sequences.into_iter().collect::<HashSet<_>>().len(), 1_000);
}

/// A copy of a policy draws anew.
#[test]
fn copies_of_a_policy_do_not_share_their_sequence() {
    let sequences: HashSet<_> = (0..100)
        .map(|_| {
            let copy = JITTERED;
            drawn(&copy)
        })
        .collect();
    assert_eq!(sequences.len(), 100);
}

/// A draw is made for each delay, not one for the whole call.
#[test]
fn the_delays_of_one_call_differ() {
    let delays = drawn(&JITTERED);
    assert_eq!(delays.iter().collect::<HashSet<_>>().len(), 4, "{delays:?}");
}

/// A seeded call has the same delays on every surface; another seed has others.
#[test]
fn a_seeded_call_repeats_exactly_on_every_surface() {
    let backoff = decorrelated(ms(10)).max_delay(secs(9)).equal_jitter().max_attempts(9);
    let policy = |seed, clock: &VirtualClock| Policy::new(backoff).timer(clock.clone()).seed(seed);
    let by_hand = |seed| {
        let (mut engine, mut slept) = (Engine::new(Policy::new(backoff).seed(seed)), vec![]);
        loop {
            let Ok(_) = engine.enter(None);
            match engine.decide(&down(), None) {
                Decision::Wait(delay) => slept.push(delay),
                Decision::Return(_) => return slept,
            }
        }
    };
    let on_each = |seed: u64| {
        let clocks: [VirtualClock; 6] = Default::default();
        let [a, b, c, d, e, f] = &clocks;
        let _ = down.retry_with(backoff).seed(seed).timer(a.clone()).call();
        let _ = down.retry_with(&policy(seed, b)).call();
        let _ = c.block_on(down_async.retry_with(policy(seed, c)));
        let _ = d.block_on(policy(seed, d).run(async |_| down()));
        let _ = e.block_on(policy(seed, e).run_lending(async |_| down()));
        let _ = policy(seed, f).call(|_| down());
        clocks.map(|clock| clock.slept())
    };
    for seed in [0, 1, 42, u64::MAX] {
        let expected = by_hand(seed);
        assert_eq!(expected.len(), 8);
        assert_eq!(on_each(seed), [(); 6].map(|()| expected.clone()), "seed {seed}");
        assert_eq!(on_each(seed), on_each(seed), "seed {seed}");
    }
    let sequences: HashSet<_> = (0..1_000).map(by_hand).collect();
    assert_eq!(sequences.len(), 1_000, "neighbouring seeds differ");
}

/// The seed of a call goes before the seed of its policy.
#[test]
fn a_seed_of_a_call_replaces_the_seed_of_its_policy() {
    let delays = |policy: u64, call: Option<u64>| {
        let clock = VirtualClock::new();
        let backoff = constant(secs(1)).full_jitter().max_attempts(4);
        let retry = down.retry_with(Policy::new(backoff).seed(policy)).timer(clock.clone());
        let _ = match call {
            Some(seed) => retry.seed(seed).call(),
            None => retry.call(),
        };
        clock.slept()
    };
    assert_eq!(delays(1, Some(2)), delays(2, None));
    assert_ne!(delays(1, Some(2)), delays(1, None));
}

// ------------------------------------------------------------------------------------------------
// Clock and limits.

/// A retry that is built and dropped calls nothing.
#[test]
fn a_retry_that_is_built_and_dropped_has_no_side_effect() {
    let (timer, calls, heard) = (Counting::default(), Cell::new(0), Cell::new(0));
    let hear = || heard.set(heard.get() + 1);
    let operation = || {
        calls.set(calls.get() + 1);
        ready(down())
    };
    let policy = Policy::new(constant(ms(1)).max_elapsed(secs(1)))
        .timer(timer.clone())
        .on_finish(|_| hear());
    let build = || {
        operation
            .retry_with(&policy)
            .when(|_| true)
            .timed()
            .on_attempt(|_| hear())
            .on_finish(|_| hear())
            .report()
            .history(3)
            .seed(7)
    };
    drop(build());
    drop(Box::pin(build()));
    drop(policy.run(async |_| down()));
    drop(policy.run_lending(async |_| down()));
    assert_eq!((timer.uses(), calls.get(), heard.get()), ((0, 0), 0, 0));
}

/// The time between the building of a retry and its first poll does not count.
#[test]
fn the_clock_starts_at_the_first_poll() {
    let clock = VirtualClock::new();
    let calls = Cell::new(0);
    let operation = || {
        calls.set(calls.get() + 1);
        ready(down())
    };
    let policy = Policy::new(constant(ms(400)).max_elapsed(secs(1))).timer(clock.clone());
    let retry = operation.retry_with(&policy).report();
    clock.advance(secs(3_600));
    let error = clock.block_on(retry).unwrap_err();
    assert_eq!((calls.get(), error.elapsed()), (3, ms(800)));

    let retry = down.retry_with(&policy).report();
    clock.advance(secs(3_600));
    assert_eq!(retry.call().unwrap_err().elapsed(), ms(800));
}

/// The operation is called at the first poll, and again only when the sleep is over.
#[test]
fn the_operation_is_called_again_only_after_the_sleep() {
    let (clock, calls) = (VirtualClock::new(), Cell::new(0));
    let operation = || {
        calls.set(calls.get() + 1);
        ready(down())
    };
    let retry = operation.retry_with(constant(ms(100)).max_attempts(3)).timer(clock.clone());
    let (mut retry, flag) = (pin!(retry), Arc::<Flag>::default());
    assert_eq!(calls.get(), 0);
    assert!(flag.poll(retry.as_mut()).is_pending());
    assert_eq!(calls.get(), 1);
    // A poll before the end of the sleep does not end it.
    for _ in 0..3 {
        clock.advance(ms(33));
        assert!(flag.poll(retry.as_mut()).is_pending());
        assert_eq!(calls.get(), 1);
    }
    clock.advance(ms(1));
    assert!(flag.poll(retry.as_mut()).is_pending());
    assert_eq!(calls.get(), 2);
    clock.advance(ms(100));
    assert_eq!(flag.poll(retry.as_mut()), Poll::Ready(down()));
    assert_eq!(calls.get(), 3);
}

/// A retry that would begin at the limit or later is refused before its sleep.
#[test]
fn a_sleep_never_ends_at_the_limit_or_past_it() {
    let (limit, mut ends) = (secs(10), HashSet::new());
    for seed in 0..500 {
        let clock = VirtualClock::new();
        let backoff = exponential(ms(100)).jitter(0.9).max_elapsed(limit);
        let lasts = || {
            clock.advance(ms(seed));
            down()
        };
        let retry = lasts.retry_with(backoff).seed(seed).timer(clock.clone());
        let error = retry.report().call().unwrap_err();
        assert_eq!(error.reason(), Reason::Elapsed);
        let attempts = ms(seed) * error.attempts();
        assert_eq!(error.elapsed(), error.waited() + attempts);
        assert!(error.waited() + attempts - ms(seed) < limit, "a retry began past the limit");
        ends.insert(error.attempts());
    }
    assert!(ends.len() > 2, "{ends:?}");
}

/// `max_attempts` counts the first execution, `max_retries` does not.
#[test]
fn attempts_count_the_first_execution_and_retries_do_not() {
    let executions = |backoff: MaxAttempts<Constant>| {
        let calls = Cell::new(0_u32);
        let _ = (|| {
            calls.set(calls.get() + 1);
            down()
        })
        .retry_with(backoff)
        .call();
        calls.get()
    };
    for n in 1..20 {
        assert_eq!(executions(immediate().max_attempts(n)), n);
        assert_eq!(executions(immediate().max_retries(n)), n + 1);
    }
    assert_eq!(executions(immediate().max_retries(0)), 1);
}

/// A limit holds in any order of combinators.
#[test]
fn limits_hold_in_any_order_of_combinators() {
    let base = || constant(ms(100));
    let orders: [(&str, AnyBackoff); 6] = [
        ("1", Arc::new(base().max_attempts(3).max_elapsed(secs(9)).max_retry_after(secs(1)))),
        ("2", Arc::new(base().max_elapsed(secs(9)).max_attempts(3).max_retry_after(secs(1)))),
        ("3", Arc::new(base().max_retry_after(secs(1)).max_attempts(3).max_elapsed(secs(9)))),
        ("4", Arc::new(base().max_retry_after(secs(1)).max_attempts(3).forever().jitter(0.0))),
        ("5", Arc::new(base().max_attempts(3).max_retry_after(secs(1)).max_delay(secs(1)))),
        ("6", Arc::new(base().max_attempts(3).map(|delay| delay).max_retry_after(secs(1)))),
    ];
    for (name, backoff) in orders {
        let clock = VirtualClock::new();
        let run = |asked: Duration| {
            let retry = down.retry_with(backoff.clone()).timer(clock.clone());
            let error = retry
                .classify(move |_, _| Some(Verdict::RetryAfter(asked)))
                .report()
                .call()
                .unwrap_err();
            (error.reason(), error.attempts())
        };
        assert_eq!(run(ms(0)), (Reason::Attempts, 3), "{name}");
        assert_eq!(run(ms(1_000)), (Reason::Attempts, 3), "{name}");
        assert_eq!(run(ms(1_001)), (Reason::RetryAfterTooLong, 1), "{name}");
    }
    let orders: [(&str, AnyBackoff); 4] = [
        ("1", Arc::new(base().max_elapsed(ms(250)).max_attempts(9))),
        ("2", Arc::new(base().max_attempts(9).max_elapsed(ms(250)).forever())),
        ("3", Arc::new(base().max_elapsed(ms(250)).max_elapsed(Duration::MAX).jitter(0.0))),
        ("4", Arc::new(base().first(5).then(base().max_elapsed(ms(250))))),
    ];
    for (name, backoff) in orders {
        let retry = down.retry_with(backoff).timer(VirtualClock::new());
        let error = retry.report().call().unwrap_err();
        assert_eq!((error.reason(), error.attempts()), (Reason::Elapsed, 3), "{name}");
    }
}

/// The limits of a backoff hold also where it always has another delay.
#[test]
fn the_limits_of_a_backoff_hold_where_it_always_has_a_delay() {
    struct Unending;
    impl Backoff for Unending {
        fn delay(&self, _: &Attempt) -> Option<Duration> {
            Some(ms(1))
        }
        fn bounds(&self, _: u32) -> Option<DelayBounds> {
            Some(DelayBounds::exactly(ms(1)))
        }
        fn limits(&self) -> Limits {
            immediate().max_attempts(3).limits()
        }
    }
    impl Finite for Unending {}
    let clock = VirtualClock::new();
    let last = |attempt: Attempt| Err::<(), _>((attempt.number(), attempt.is_last()));
    let error =
        last.retry_with(Unending).timer(clock.clone()).report_without_source().call().unwrap_err();
    assert_eq!((error.reason(), error.into_error()), (Reason::Attempts, Some((3, true))));
    assert_eq!(clock.slept().len(), 2);
}

/// No classifier, hook or server gets a call past its limits, and an attempt that a server throttled
/// counts like any other.
#[test]
fn limits_hold_against_classifiers_hooks_and_servers() {
    struct Stubborn;
    impl<O> Hook<O> for Stubborn {
        fn allow_retry(&mut self, _: &RetryEvent<'_, O>) -> ControlFlow<persevere::Veto> {
            Continue(())
        }
    }
    for verdict in [Verdict::Retry, Verdict::RetryAfter(ms(100)), Verdict::RetryAfter(ms(0))] {
        let run = |backoff: AnyBackoff| {
            let calls = Cell::new(0_u32);
            let operation = || {
                calls.set(calls.get() + 1);
                assert!(calls.get() < 100, "the call goes on for ever");
                Ok::<_, ()>("throttled")
            };
            let retry = operation.retry_with(backoff).timer(VirtualClock::new());
            let outcome = retry.classify(move |_, _| Some(verdict)).hook(Stubborn).call();
            assert_eq!(outcome, Ok("throttled"));
            calls.get()
        };
        assert_eq!(run(Arc::new(constant(ms(100)).max_attempts(4))), 4, "{verdict:?}");
        assert_eq!(run(Arc::new(constant(ms(100)).max_elapsed(ms(301)))), 4, "{verdict:?}");
    }
}

/// One slow attempt may use up the whole limit; then the event and the report have that reason.
#[test]
fn a_limit_that_one_slow_attempt_used_up_is_the_reason_of_the_end() {
    let (clock, heard) = (VirtualClock::new(), RefCell::new(vec![]));
    let slow = || {
        clock.advance(secs(31));
        down()
    };
    let error = slow
        .retry_with(constant(secs(1)).max_elapsed(secs(30)))
        .timer(clock.clone())
        .on_give_up(|finish| heard.borrow_mut().push((finish.reason(), finish.to_string())))
        .report()
        .call()
        .unwrap_err();
    assert_eq!(
        *heard.borrow(),
        [(Reason::Elapsed, "gave up after 1 attempt (31 s): time limit reached: down".to_owned())]
    );
    // A text is no source of the report, so the report prints it itself.
    assert_eq!(error.to_string(), "gave up after 1 attempt (31 s): time limit reached: down");
    assert_eq!(error.into_error(), Some("down"));
}

/// Limits are measured by the timer that sleeps.
#[test]
fn limits_and_sleeps_use_one_timer() {
    let (clock, real) = (VirtualClock::new(), Instant::now());
    let hourly = constant(secs(3_600)).max_elapsed(secs(24 * 3_600));
    let error =
        clock.block_on(down_async.retry_with(hourly).timer(clock.clone()).report()).unwrap_err();
    assert_eq!((error.attempts(), error.elapsed()), (24, secs(23 * 3_600)));
    assert!(real.elapsed() < secs(60), "virtual time took real time");
}

/// A clock has to be monotonic; one that is not causes neither a panic nor an early end.
#[test]
fn a_clock_that_runs_backwards_does_no_harm() {
    #[derive(Clone)]
    struct Backwards(Rc<Cell<u64>>);
    impl Clock for Backwards {
        type Sleep = Ready<()>;
        fn now(&self) -> Duration {
            self.0.set(self.0.get().saturating_sub(10));
            secs(self.0.get())
        }
    }
    impl BlockingTimer for Backwards {
        fn sleep_blocking(&self, _: Duration) {}
    }
    let retry = down.retry_with(constant(ms(1)).max_elapsed(ms(9)).max_attempts(5));
    let error = retry.timer(Backwards(Rc::new(Cell::new(1_000)))).report().call().unwrap_err();
    assert_eq!((error.attempts(), error.elapsed()), (5, ms(0)));
}

// ------------------------------------------------------------------------------------------------
// The delay of a server.

/// The delay that a server requests is neither jittered down nor cut by a cap.
#[test]
fn the_delay_of_a_server_is_never_shortened() {
    let asked = secs(30);
    let backoffs: [AnyBackoff; 4] = [
        Arc::new(constant(secs(1)).full_jitter().max_attempts(4)),
        Arc::new(constant(secs(1)).max_delay(ms(5)).jitter(1.0).max_attempts(4)),
        Arc::new(exponential(ms(1)).max_attempts(4).equal_jitter().max_delay(secs(2))),
        Arc::new(decorrelated(ms(1)).map(|delay| delay / 2).max_attempts(4)),
    ];
    for backoff in backoffs {
        for seed in 0..20 {
            let clock = VirtualClock::new();
            let retry = down.retry_with(backoff.clone()).seed(seed).timer(clock.clone());
            let _ = retry.classify(|_, _| Some(Verdict::RetryAfter(asked))).call();
            assert_eq!(clock.slept(), [asked; 3]);
        }
    }
}

/// The delay of a server is a floor: a longer delay of the backoff counts.
#[test]
fn a_delay_of_a_server_does_not_shorten_the_backoff() {
    let clock = VirtualClock::new();
    let retry = down.retry_with(exponential(secs(1)).max_attempts(4)).timer(clock.clone());
    let _ = retry.classify(|_, _| Some(Verdict::RetryAfter(ms(0)))).call();
    assert_eq!(clock.slept(), [secs(1), secs(2), secs(4)]);
}

/// The delay of a server holds for one retry.
#[test]
fn the_delay_of_a_server_holds_for_one_retry() {
    let clock = VirtualClock::new();
    let first = |_: &Failure, attempt: &Attempt| {
        attempt.is_first().then_some(Verdict::RetryAfter(secs(60)))
    };
    // A backoff that grows from its own last delay, and not from that of the server.
    let grows = from_fn(|attempt| Some(attempt.previous_delay().map_or(ms(10), |delay| 2 * delay)));
    let retry = down.retry_with(grows.max_attempts(5)).classify(first).timer(clock.clone());
    let _ = retry.call();
    assert_eq!(clock.slept(), [secs(60), ms(20), ms(40), ms(80)]);

    let clock = VirtualClock::new();
    let backoff = decorrelated(ms(1)).max_attempts(3);
    let _ = down.retry_with(backoff).classify(first).timer(clock.clone()).call();
    assert!(clock.slept()[1] <= ms(9), "{:?}", clock.slept());
}

/// A delay of hours is refused with a reason of its own, and the error is kept.
#[test]
fn a_delay_of_hours_ends_the_call_with_its_error() {
    let clock = VirtualClock::new();
    let hours = Limits::RETRY_AFTER + Duration::from_nanos(1);
    let retry = down.retry_with(exponential(secs(1)).max_attempts(4)).timer(clock.clone());
    let error = retry
        .classify(move |_, attempt| (attempt.number() == 2).then_some(Verdict::RetryAfter(hours)))
        .report()
        .history(9)
        .call()
        .unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::RetryAfterTooLong, 2));
    assert_eq!((error.error(), error.history()), (Some(&"down"), &["down"][..]));
    assert_eq!(clock.slept(), [secs(1)]);
}

// ------------------------------------------------------------------------------------------------
// Async.

/// An operation that always fails, retried at once, does not keep other tasks from running.
#[test]
fn another_task_runs_between_two_attempts_without_a_delay() {
    let (turns, calls) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(vec![])));
    let mut pool = LocalPool::new();
    let (counted, seen) = (turns.clone(), calls.clone());
    let retry = async move {
        let operation = || {
            seen.borrow_mut().push(counted.get());
            down_async()
        };
        assert_eq!(operation.retry_with(immediate().max_attempts(1_000)).await, down());
    };
    let other = async move {
        for _ in 0..1_000 {
            turns.set(turns.get() + 1);
            yield_now().await;
        }
    };
    pool.spawner().spawn_local(retry).unwrap();
    pool.spawner().spawn_local(other).unwrap();
    pool.run();
    let calls = calls.borrow();
    assert_eq!(calls.len(), 1_000);
    assert!(calls.windows(2).all(|pair| pair[0] < pair[1]), "starved: {calls:?}");
}

/// The same in a loop, under tokio.
#[test]
fn another_task_of_tokio_runs_between_two_attempts_without_a_delay() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (turns, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, over) = (turns.clone(), ended.clone());
    runtime.block_on(async move {
        let other = tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        });
        let policy = Policy::new(immediate().max_attempts(1_000));
        let mut attempts = policy.start();
        while attempts.check(down()).await.is_continue() {}
        ended.store(true, Ordering::SeqCst);
        other.await.unwrap();
    });
    let turns = turns.load(Ordering::SeqCst);
    assert!(turns >= 900, "another task ran {turns} times in a thousand retries");
}

fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// A delay of zero makes no sleep.
#[test]
fn a_delay_of_zero_uses_no_timer() {
    let (timer, backoff) = (Counting::default(), immediate().max_attempts(50));
    let _ = down.retry_with(backoff).timer(timer.clone()).call();
    let _ = timer.clock.block_on(down_async.retry_with(backoff).timer(timer.clone()));
    let policy = Policy::new(backoff).timer(timer.clone());
    let mut attempts = policy.start();
    while timer.clock.block_on(attempts.check(down())).is_continue() {}
    let mut attempts = policy.start();
    while attempts.check_blocking(down()).is_continue() {}
    assert_eq!(timer.uses(), (0, 0));
}

/// A future that is moved to another task wakes that task.
#[test]
fn a_moved_retry_wakes_the_task_that_polled_it_last() {
    let clock = VirtualClock::new();
    let retry = down_async.retry_with(constant(secs(1)).max_attempts(2)).timer(clock.clone());
    let (mut retry, [before, after]) = (pin!(retry), <[Arc<Flag>; 2]>::default());
    assert!(before.poll(retry.as_mut()).is_pending());
    assert!(after.poll(retry.as_mut()).is_pending());
    clock.advance(secs(1));
    assert!(after.is_up() && !before.is_up());
    assert_eq!(after.poll(retry.as_mut()), Poll::Ready(down()));

    let mut policy = Box::pin(async {
        let policy = Policy::new(constant(secs(1)).max_attempts(2)).timer(clock.clone());
        policy.start().check(down()).await
    });
    let [before, after] = <[Arc<Flag>; 2]>::default();
    assert!(before.poll(policy.as_mut()).is_pending());
    assert!(after.poll(policy.as_mut()).is_pending());
    clock.advance(secs(1));
    assert!(after.is_up() && !before.is_up());
    assert_eq!(after.poll(policy.as_mut()), Poll::Ready(Continue(())));
}

/// The default timer, in real time.
#[test]
fn a_moved_retry_is_woken_by_the_default_timer() {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let begun = Instant::now();
    let mut retry = Box::pin(down_async.retry_with(constant(ms(30)).max_attempts(2)));
    assert!(Arc::<Flag>::default().poll(retry.as_mut()).is_pending());
    // The other thread sleeps until it is woken.
    let moved = thread::spawn(move || {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            if let Poll::Ready(outcome) = retry.as_mut().poll(&mut Context::from_waker(&waker)) {
                return (outcome, begun.elapsed());
            }
            assert!(begun.elapsed() < secs(10), "never woken");
            thread::park_timeout(secs(10));
        }
    });
    let (outcome, took) = moved.join().unwrap();
    assert_eq!(outcome, down());
    assert!(took >= ms(30) && took < secs(10), "{took:?}");
}

/// A retry that is dropped leaves neither a sleep nor a waker behind.
#[test]
fn a_dropped_retry_leaves_no_sleep_and_no_waker() {
    let (clock, flag) = (VirtualClock::new(), Arc::<Flag>::default());
    for _ in 0..10 {
        let retry = down_async.retry_with(constant(secs(1)).max_attempts(9)).timer(clock.clone());
        let mut retry = Box::pin(retry);
        for _ in 0..3 {
            assert!(flag.poll(retry.as_mut()).is_pending());
            assert_eq!((clock.sleepers(), Arc::strong_count(&flag)), (1, 2));
            clock.advance(secs(1));
        }
        assert!(flag.poll(retry.as_mut()).is_pending());
        drop(retry);
        assert_eq!((clock.sleepers(), Arc::strong_count(&flag)), (0, 1));
    }
}

/// A retry must not be polled after its end.
#[test]
#[should_panic(expected = "polled after it had ended")]
fn a_retry_that_is_polled_after_its_end_panics() {
    let mut retry = pin!(down_async.retry_with(immediate().max_attempts(1)));
    let flag = Arc::<Flag>::default();
    assert_eq!(flag.poll(retry.as_mut()), Poll::Ready(down()));
    let _ = flag.poll(retry.as_mut());
}

/// A timer with whole milliseconds, rounded down, that fires at once above a minute, as in browsers and
/// small devices.
#[derive(Clone, Debug, Default)]
struct Coarse(VirtualClock);

impl Coarse {
    const GRAIN: Duration = ms(1);
    const LONGEST: Duration = secs(60);

    fn measured(duration: Duration) -> Duration {
        if duration > Self::LONGEST { ms(0) } else { ms(duration.as_millis() as u64) }
    }

    fn chunked(&self) -> ChunkedTimer<Self> {
        ChunkedTimer::new(self.clone(), Self::GRAIN, Self::LONGEST)
    }
}

impl Clock for Coarse {
    type Sleep = <VirtualClock as Clock>::Sleep;
    fn now(&self) -> Duration {
        self.0.now()
    }
}

impl Timer for Coarse {
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(Self::measured(duration))
    }
}

impl BlockingTimer for Coarse {
    fn sleep_blocking(&self, duration: Duration) {
        self.0.sleep_blocking(Self::measured(duration));
    }
}

/// Sleeps beyond the range of a timer are made in chunks, and none is rounded down.
#[test]
fn a_chunked_timer_with_a_range_and_a_grain_is_never_early() {
    let micros = Duration::from_micros;
    let lengths = [micros(1), micros(999), ms(1), micros(1_001), secs(59), secs(60)]
        .into_iter()
        .chain([secs(60) + micros(1), secs(61), secs(120), secs(3_600) + micros(500)]);
    for length in lengths {
        let backoff = constant(length).max_attempts(2);
        let (alone, blocking, awaited) = (Coarse::default(), Coarse::default(), Coarse::default());
        let _ = down.retry_with(backoff).timer(alone.clone()).call();
        let exact = length <= Coarse::LONGEST && length.subsec_micros() % 1_000 == 0;
        assert_eq!(alone.now() < length, !exact, "the coarse timer is early by itself");

        let _ = down.retry_with(backoff).timer(blocking.chunked()).call();
        let retry = down_async.retry_with(backoff).timer(awaited.chunked());
        let _ = awaited.0.block_on(retry);
        for timer in [blocking, awaited] {
            let late = timer.now().checked_sub(length).expect("woken early");
            assert!(late < Coarse::GRAIN, "{length:?} took {:?}", timer.now());
            let chunks = length.as_nanos().div_ceil(Coarse::LONGEST.as_nanos());
            assert_eq!(timer.0.slept().len() as u128, chunks, "{length:?}");
            assert!(timer.0.slept().iter().all(|chunk| !chunk.is_zero()), "{length:?}");
        }
    }
}

/// A sleep in chunks moves and drops with its future, and wakes the last task that polled it.
#[test]
fn a_sleep_in_chunks_moves_and_drops_like_any_other() {
    let timer = Coarse::default();
    let retry = down_async.retry_with(constant(secs(150)).max_attempts(3)).timer(timer.chunked());
    let (mut retry, [before, after]) = (Box::pin(retry), <[Arc<Flag>; 2]>::default());
    assert!(before.poll(retry.as_mut()).is_pending());
    timer.0.advance(secs(60));
    assert!(before.is_up());
    assert!(before.poll(retry.as_mut()).is_pending());
    assert!(after.poll(retry.as_mut()).is_pending());
    timer.0.advance(secs(60));
    assert!(after.is_up());
    assert!(after.poll(retry.as_mut()).is_pending());
    assert_eq!(timer.0.slept(), [secs(60), secs(60), secs(30)]);
    drop(retry);
    assert_eq!(timer.0.sleepers(), 0);
}

// ------------------------------------------------------------------------------------------------
// Shared state.

/// Each call has its own state: calls that run at the same time do not affect each other.
#[test]
fn calls_of_one_policy_share_no_state() {
    #[derive(Clone, Default)]
    struct Count {
        retries: u32,
        seen: Arc<Mutex<Vec<(u32, u32, Duration)>>>,
    }
    impl<O> Hook<O> for Count {
        fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
            self.retries += 1;
            self.seen.lock().unwrap().push((self.retries, event.number(), event.waited()));
        }
    }
    let (clock, count) = (VirtualClock::new(), Count::default());
    let policy =
        Policy::new(exponential(secs(1)).max_attempts(4)).timer(clock.clone()).hook(count.clone());
    let log = RefCell::new(vec![]);
    let call = |name: char| {
        let (policy, log, clock) = (&policy, &log, &clock);
        let operation = move |attempt: Attempt| {
            log.borrow_mut().push((name, attempt.number(), clock.now().as_millis()));
            down_async()
        };
        operation.retry_with(policy)
    };
    let calls = async {
        let (a, b) = (pin!(call('a')), pin!(call('b')));
        let late = pin!(async {
            clock.sleep(ms(2_500)).await;
            call('c').await
        });
        futures::future::join3(a, b, late).await
    };
    assert_eq!(clock.block_on(calls), (down(), down(), down()));
    let mut log = log.into_inner();
    log.sort_unstable();
    let times = |name, from: u128| {
        [(1, 0), (2, 1_000), (3, 3_000), (4, 7_000)].map(|(number, at)| (name, number, from + at))
    };
    assert_eq!(log, [times('a', 0), times('b', 0), times('c', 2_500)].concat());
    let mut seen = count.seen.lock().unwrap().clone();
    seen.sort_unstable();
    let retries = [(1, 1, secs(0)), (2, 2, secs(1)), (3, 3, secs(3))];
    assert_eq!(seen, retries.map(|retry| [retry; 3]).concat());
}

/// A hook of a policy is a template: each call has a clone of it.
#[test]
fn each_call_has_hooks_of_its_own() {
    let counts = RefCell::new(vec![]);
    let (mut own, shared) = (0, &counts);
    let policy = Policy::new(immediate().max_attempts(3)).on_attempt(move |_| {
        own += 1;
        shared.borrow_mut().push(own);
    });
    for _ in 0..2 {
        let _ = down.retry_with(&policy).call();
        let _ = policy.call(|_| down());
        let _ = policy.start::<Failure>();
    }
    let calls = [[1, 2, 3].as_slice(), &[1, 2, 3], &[1]].concat();
    assert_eq!(counts.take(), calls.repeat(2));
}

/// A panic in one call does not affect other calls of the policy, in any thread.
#[test]
fn a_panicking_closure_poisons_nothing() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let policy = Policy::new(immediate().max_attempts(3)).on_retry(|_: &RetryFacts| {
        if CALLS.fetch_add(1, Ordering::SeqCst) == 0 {
            std::panic::resume_unwind(Box::new("in a hook"));
        }
    });
    let policy = Arc::new(policy);
    let shared = policy.clone();
    assert!(thread::spawn(move || down.retry_with(shared).call()).join().is_err());
    assert_eq!(down.retry_with(policy.clone()).call(), down());
    assert_eq!(thread::spawn(move || down.retry_with(policy).call()).join().unwrap(), down());
    assert_eq!(CALLS.load(Ordering::SeqCst), 1 + 2 + 2);
}

// ------------------------------------------------------------------------------------------------
// Hooks and errors.

/// Hooks add up, in the order in which they were added: those of the policy, then those of the call.
#[test]
fn a_further_hook_replaces_none_before_it() {
    let log = RefCell::new(vec![]);
    let write = |line: &str| log.borrow_mut().push(line.to_owned());
    let policy = Policy::new(immediate().max_attempts(2))
        .on_attempt(|attempt| write(&format!("1 attempt {}", attempt.number())))
        .on_retry(|_| write("1 retry"))
        .on_retry(|_| write("2 retry"))
        .on_give_up(|_| write("1 gave up"))
        .on_success(|_| write("1 success"))
        .on_finish(|_| write("1 finish"))
        .on_finish(|_| write("2 finish"));
    let _ = down
        .retry_with(&policy)
        .on_retry(|_| write("3 retry"))
        .on_attempt(|attempt| write(&format!("2 attempt {}", attempt.number())))
        .on_retry(|_| write("4 retry"))
        .on_finish(|_| write("3 finish"))
        .on_give_up(|_| write("2 gave up"))
        .on_success(|_| write("2 success"))
        .call();
    let expected = [
        ["1 attempt 1", "2 attempt 1"].as_slice(),
        &["1 retry", "2 retry", "3 retry", "4 retry"],
        &["1 attempt 2", "2 attempt 2"],
        &["1 gave up", "1 finish", "2 finish", "3 finish", "2 gave up"],
    ];
    assert_eq!(*log.borrow(), expected.concat());
}

/// A retry is announced if it will be made, and hooks receive the end once, however the call ends.
#[test]
fn the_last_failure_announces_no_retry_and_one_end() {
    struct Events<'a>(&'a RefCell<Vec<String>>);
    impl<O> Hook<O> for Events<'_> {
        fn reads_clock(&self) -> bool {
            false
        }
        fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
            self.0.borrow_mut().push(event.facts().to_string());
        }
        fn finish(&mut self, event: &FinishEvent<'_, O>) {
            self.0.borrow_mut().push(event.facts().to_string());
        }
    }
    let (clock, heard) = (VirtualClock::new(), RefCell::new(vec![]));
    let backoff = constant(ms(5)).max_attempts(2);
    let retries = |outcomes: [Failure; 2]| {
        let mut outcomes = outcomes.into_iter();
        let operation = || outcomes.next().unwrap();
        let retry = operation.retry_with(backoff).timer(clock.clone()).hook(Events(&heard));
        let _ = retry.when(|error| *error == "down").call();
        heard.take()
    };
    let retried = "attempt 1 of 2 failed, next in 5 ms";
    assert_eq!(
        retries([down(), down()]),
        [retried, "gave up after 2 attempts: attempt limit reached"]
    );
    assert_eq!(retries([down(), Ok(())]), [retried, "succeeded after 2 attempts"]);
    assert_eq!(retries([down(), Err("no")]), [retried, "gave up after 2 attempts: not retryable"]);
    assert_eq!(retries([Err("no"), down()]), ["gave up after 1 attempt: not retryable"]);
    assert_eq!(retries([Ok(()), down()]), ["succeeded after 1 attempt"]);
    let mut dropped =
        Box::pin(down_async.retry_with(backoff).timer(clock.clone()).hook(Events(&heard)));
    assert!(Arc::<Flag>::default().poll(dropped.as_mut()).is_pending());
    drop(dropped);
    assert_eq!(heard.take(), [retried, "ended after 1 attempt: cancelled"]);
}

/// Each closure for an end receives only its own ends.
#[test]
fn each_closure_hears_of_its_own_ends() {
    let run = |outcome: Failure, polls: bool| {
        let log = RefCell::new(String::new());
        let clock = VirtualClock::new();
        {
            let operation = || ready(outcome);
            let retry = operation
                .retry_with(constant(ms(1)).max_attempts(2))
                .timer(clock.clone())
                .on_success(|_| log.borrow_mut().push_str("success "))
                .on_give_up(|_| log.borrow_mut().push_str("gave-up "))
                .on_finish(|finish| log.borrow_mut().push_str(finish.reason().as_str()));
            if polls {
                let _ = clock.block_on(retry);
            } else {
                let _ = Arc::<Flag>::default().poll(pin!(retry));
            }
        }
        log.into_inner()
    };
    assert_eq!(run(Ok(()), true), "success succeeded");
    assert_eq!(run(down(), true), "gave-up attempts");
    assert_eq!(run(down(), false), "cancelled");
}

/// The delay that is announced is the one that is slept, after jitter and the floor of a server.
#[test]
fn the_announced_delay_is_the_slept_delay() {
    for seed in 0..50 {
        let (clock, announced) = (VirtualClock::new(), RefCell::new(vec![]));
        let backoff = exponential(ms(100)).jitter(0.5).max_delay(secs(3)).max_attempts(9);
        let policy = Policy::new(backoff)
            .seed(seed)
            .timer(clock.clone())
            .on_retry(|retry| announced.borrow_mut().push(retry.delay()));
        let floor = |_: &Failure, attempt: &Attempt| {
            (attempt.number() % 3 == 0).then_some(Verdict::RetryAfter(ms(700)))
        };
        let _ = down.retry_with(&policy).classify(floor).call();
        assert_eq!(clock.slept(), announced.take());
        let _ = clock.block_on(down_async.retry_with(&policy).classify(floor));
        assert_eq!(clock.slept()[8..], announced.take());
    }
}

/// A value that is retried and an error that is retried have the same delays and events.
#[test]
fn values_and_errors_are_retried_alike() {
    type Heard = (Vec<Duration>, Vec<String>);
    let run = |outcome: Result<u32, u32>, backoff: AnyBackoff| -> Heard {
        let (clock, heard) = (VirtualClock::new(), RefCell::new(vec![]));
        let timed = || {
            clock.advance(ms(7));
            outcome
        };
        let returned = timed
            .retry_with(backoff)
            .seed(1)
            .timer(clock.clone())
            .timed()
            .classify(|outcome, attempt| match (outcome, attempt.number()) {
                (Ok(wait) | Err(wait), 2) => Some(Verdict::RetryAfter(ms((*wait).into()))),
                (Ok(_) | Err(_), 7) => Some(Verdict::Stop),
                _ => Some(Verdict::Retry),
            })
            .on_retry(|retry| heard.borrow_mut().push(retry.facts().to_string()))
            .on_finish(|finish| heard.borrow_mut().push(finish.facts().to_string()))
            .call();
        assert_eq!(returned, outcome);
        (clock.slept(), heard.into_inner())
    };
    let backoffs: [AnyBackoff; 4] = [
        Arc::new(exponential(ms(10)).full_jitter().max_attempts(5)),
        Arc::new(exponential(ms(10)).full_jitter().max_attempts(9)),
        Arc::new(constant(ms(10)).max_elapsed(ms(100))),
        Arc::new(constant(ms(10)).max_retry_after(ms(400)).max_attempts(4)),
    ];
    for backoff in backoffs {
        let (slept, heard) = run(Ok(500), backoff.clone());
        assert!(!slept.is_empty() && heard.len() == slept.len() + 1);
        assert_eq!((slept, heard), run(Err(500), backoff));
    }
}

/// A report has the errors before the last one, as many as `.history(n)` keeps.
#[test]
fn a_report_keeps_earlier_errors() {
    let history = |most: usize| {
        let failing = |attempt: Attempt| Err::<(), _>(attempt.number());
        let retry = failing.retry_with(immediate().max_attempts(5)).report().history(most);
        let error = retry.call().unwrap_err();
        (error.history().to_vec(), error.into_error())
    };
    assert_eq!(history(0), (vec![], Some(5)));
    assert_eq!(history(2), (vec![3, 4], Some(5)));
    assert_eq!(history(4), (vec![1, 2, 3, 4], Some(5)));
    assert_eq!(history(100), (vec![1, 2, 3, 4], Some(5)));
}

/// A closure at a call site may borrow mutably.
#[test]
fn closures_of_a_call_site_may_borrow_mutably() {
    let (mut calls, mut retries, mut ends) = (0, vec![], 0);
    let _ = (|| {
        calls += 1;
        down()
    })
    .retry_with(immediate().max_attempts(3))
    .on_retry(|retry| retries.push(*retry.error().unwrap()))
    .on_finish(|_| ends += 1)
    .call();
    assert_eq!((calls, retries, ends), (3, vec!["down"; 2], 1));
}

// ------------------------------------------------------------------------------------------------
// The costs of a success.

/// A call that does not need the time reads no clock, whether it succeeds or not; and a call that
/// succeeds at once makes no sleep.
#[test]
fn a_call_that_does_not_need_the_time_reads_no_clock() {
    let timer = Counting::default();
    let backoff = exponential(ms(1)).full_jitter().max_delay(secs(1)).max_attempts(4);
    let policy = Policy::new(backoff).timer(timer.clone());
    let _ = (|| Ok::<_, ()>(1)).retry_with(&policy).on_success(|_| ()).call();
    let _ = timer.clock.block_on((|| ready(Some(1))).retry_with(&policy));
    let _ = timer.clock.block_on(policy.run(async |_| Some(1)));
    let _ = timer.clock.block_on(policy.run_lending(async |_| Some(1)));
    assert!(policy.start().check_blocking(Some(1)).is_break());
    assert_eq!(timer.uses(), (0, 0));
    let _ = policy.call(|_| down());
    assert_eq!(timer.uses(), (0, 3));

    let limited = Policy::new(backoff.max_elapsed(secs(9))).timer(timer.clone());
    let _ = limited.call(|_| Some(1));
    assert!(timer.uses().0 > 0, "a limit on time reads the clock");
}

/// A call whose operation or hooks are given the attempt has its seed from the start, so that their
/// draws repeat. The first failure changes nothing.
#[test]
fn draws_from_an_attempt_repeat_before_the_first_failure() {
    #[derive(Default)]
    struct Draws(Vec<(u32, u64)>);
    impl Draws {
        fn draw(&mut self, attempt: &Attempt) {
            assert_eq!(attempt.random(), attempt.random());
            self.0.push((attempt.number(), attempt.random()));
        }
    }
    impl<O> Hook<O> for Draws {
        fn before_attempt(&mut self, attempt: &Attempt) {
            self.draw(attempt);
        }
        fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
            self.draw(event.attempt());
        }
        fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
            self.draw(event.attempt());
        }
    }
    let mut draws = Draws::default();
    let _ = (|| Some(())).retry_with(immediate().max_attempts(3)).hook(&mut draws).call();
    let [(1, before), (1, after)] = draws.0[..] else { panic!("{:?}", draws.0) };
    assert_eq!(before, after);

    let (mut draws, mut own) = (Draws::default(), vec![]);
    let fails = |attempt: Attempt| {
        assert_eq!(attempt.random(), attempt.random());
        own.push(attempt.random());
        (attempt.number() == 2).then_some(())
    };
    let _ = fails.retry_with(immediate().max_attempts(3)).hook(&mut draws).call();
    let [(1, a), (1, b), (1, c), (2, d), (2, e)] = draws.0[..] else { panic!("{:?}", draws.0) };
    assert_eq!((a, b, d), (b, c, e));
    let different: HashSet<_> = own.into_iter().chain([a, d]).collect();
    assert_eq!(different.len(), 4, "attempts and lanes differ");
}

// ------------------------------------------------------------------------------------------------
// Retries in retries.

/// A retry is an operation like any other: each has its own count.
#[test]
fn a_retry_within_a_retry_keeps_its_own_count() {
    let (clock, calls) = (VirtualClock::new(), Cell::new(0));
    let inner = Policy::new(constant(ms(1)).max_attempts(2)).timer(clock.clone());
    let outer = Policy::new(constant(secs(1)).max_attempts(3)).timer(clock.clone());
    let operation = |_: Attempt| {
        calls.set(calls.get() + 1);
        down()
    };
    assert_eq!(outer.call(|_| inner.call(operation)), down());
    let slept = [ms(1), secs(1), ms(1), secs(1), ms(1)];
    assert_eq!((calls.get(), clock.slept()), (6, slept.to_vec()));

    let awaited = (|| async { (|| ready(operation(Attempt::new(1)))).retry_with(&inner).await })
        .retry_with(&outer);
    assert_eq!(clock.block_on(awaited), down());
    assert_eq!((calls.get(), &clock.slept()[5..]), (12, &slept[..]));
    assert_eq!(clock.sleepers(), 0);
}

/// The output of the inner retry is the outcome of the outer one.
#[test]
fn an_outer_retry_sees_how_the_inner_one_ended() {
    let clock = VirtualClock::new();
    let reasons = RefCell::new(vec![]);
    let error = (|| {
        let inner = down.retry_with(constant(ms(1)).max_attempts(2)).timer(clock.clone()).report();
        inner.call()
    })
    .retry_with(constant(secs(1)).max_attempts(5))
    .timer(clock.clone())
    .when(|error| {
        reasons.borrow_mut().push(error.reason());
        reasons.borrow().len() < 3
    })
    .call()
    .unwrap_err();
    assert_eq!((error.attempts(), error.waited()), (2, ms(1)));
    assert_eq!(*reasons.borrow(), [Reason::Attempts; 3]);
}

// ------------------------------------------------------------------------------------------------
// Send, and names.

/// Fails twice, and then succeeds.
struct Connection {
    queries: u32,
}

impl Connection {
    async fn query(&mut self, rows: &mut Vec<u32>) -> Result<usize, &'static str> {
        tokio::task::yield_now().await;
        self.queries += 1;
        rows.push(self.queries);
        if self.queries < 3 { Err("reset") } else { Ok(rows.len()) }
    }
}

fn spawned<F>(task: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async { tokio::spawn(task).await.unwrap() })
}

static SHORT: StaticPolicy<TokioTimer> =
    Policy::with(&constant(ms(1)).max_attempts(5), (), (), TokioTimer);

/// A retry that borrows from the task around it is `Send`.
#[test]
fn a_retry_with_borrowed_captures_can_be_spawned() {
    let outcome = spawned(async {
        let (calls, wanted, seen) = (AtomicU32::new(0), String::from("third"), Mutex::new(vec![]));
        let outcome = (|| async {
            tokio::task::yield_now().await;
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            if call < 3 { Err(wanted.len()) } else { Ok(wanted.clone()) }
        })
        .retry_with(&SHORT)
        .when(|length| *length == 5)
        .on_retry(|retry| seen.lock().unwrap().push(retry.number()))
        .report()
        .history(3)
        .await;
        (outcome, seen.into_inner().unwrap())
    });
    assert_eq!(outcome, (Ok("third".to_owned()), vec![1, 2]));
}

/// The loop borrows `&mut` across its waits, and its task is `Send`.
#[test]
fn a_loop_that_borrows_mutably_can_be_spawned() {
    let outcome = spawned(async {
        let (mut connection, mut rows) = (Connection { queries: 0 }, vec![]);
        let mut attempts = SHORT.start();
        let outcome = loop {
            if let Break(outcome) = attempts.attempt(connection.query(&mut rows)).await {
                break outcome;
            }
        };
        (outcome, rows)
    });
    assert_eq!(outcome, (Ok(3), vec![1, 2, 3]));
}

/// Loops with `check` and with `again` do so too.
#[test]
fn loops_with_check_and_again_can_be_spawned() {
    let outcome = spawned(async {
        let (mut connection, mut rows) = (Connection { queries: 0 }, vec![]);
        let mut attempts = SHORT.start();
        loop {
            let outcome = connection.query(&mut rows).await;
            if let Break(outcome) = attempts.check(outcome).await {
                break outcome;
            }
        }
    });
    assert_eq!(outcome, Ok(3));
    let outcome = spawned(async {
        let (mut connection, mut rows) = (Connection { queries: 0 }, vec![]);
        let mut attempts = SHORT.start();
        loop {
            match connection.query(&mut rows).await {
                Ok(count) => break Ok::<_, &str>(attempts.succeed(count)),
                Err(error) => attempts.again(error).await?,
            }
        }
    });
    assert_eq!(outcome, Ok(3));
}

/// A state that moves from attempt to attempt.
#[test]
fn a_run_with_state_can_be_spawned() {
    let ((connection, rows), outcome) = spawned(async {
        let state = (Connection { queries: 0 }, vec![]);
        SHORT
            .run_with(state, |(mut connection, mut rows), _| async move {
                let outcome = connection.query(&mut rows).await;
                ((connection, rows), outcome)
            })
            .await
    });
    assert_eq!((connection.queries, rows, outcome), (3, vec![1, 2, 3], Ok(3)));
}

/// A run of an async closure that captures nothing.
#[test]
fn a_run_without_captures_can_be_spawned() {
    let third = async |attempt: Attempt| {
        tokio::task::yield_now().await;
        if attempt.number() < 3 { Err("reset") } else { Ok(attempt.number()) }
    };
    assert_eq!(spawned(SHORT.run(third)), Ok(3));
    assert_eq!(spawned(SHORT.run_lending(third)), Ok(3));
}

/// A retry by a shared policy is `'static`, and can be boxed.
#[test]
fn a_boxed_retry_can_be_spawned() {
    let policy = Arc::new(Policy::new(constant(ms(1)).max_attempts(2)).timer(TokioTimer));
    let retry: Pin<Box<dyn Future<Output = Failure> + Send>> =
        Box::pin(down_async.retry_with(policy));
    assert_eq!(spawned(retry), down());
}

/// The futures have names, so that a struct can hold them.
#[test]
fn a_retry_and_a_loop_can_be_named_in_a_struct() {
    type Fetch = fn() -> Ready<Failure>;
    type Times = MaxAttempts<Constant>;
    type Patient = Policy<Times, (), (), VirtualClock>;

    struct Client<'a> {
        pending: RetryOf<FnOperation<Fetch>, marker::Async, &'a Patient>,
        attempts: Attempts<Failure, PolicyOf<&'a Patient>>,
    }

    impl Future for Client<'_> {
        type Output = (Failure, ControlFlow<Failure>);
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let outcome = std::task::ready!(Pin::new(&mut self.pending).poll(cx));
            Poll::Ready((outcome, self.attempts.check_blocking(outcome)))
        }
    }

    let clock = VirtualClock::new();
    let policy = Policy::new(constant(secs(1)).max_attempts(3)).timer(clock.clone());
    let client = Client {
        pending: ((|| ready(down())) as Fetch).retry_with(&policy),
        attempts: policy.start(),
    };
    assert_eq!(clock.block_on(client), (down(), Continue(())));
    assert_eq!(clock.slept(), [secs(1); 3]);
}

/// The range of a timer need not be a multiple of its grain.
#[test]
fn a_range_that_is_no_multiple_of_the_grain_makes_no_sleep_shorter() {
    let timer = ChunkedTimer::new(VirtualClock::new(), secs(1), ms(2_500));
    for asked in [secs(10), ms(2_400), ms(2_500), ms(4_001)] {
        let (mut left, mut slept) = (asked, Duration::ZERO);
        while !left.is_zero() {
            let piece = timer.piece(left);
            assert_eq!(piece.subsec_nanos(), 0, "whole grains: {piece:?}");
            slept += piece;
            left = left.saturating_sub(piece);
        }
        assert!(slept >= asked && slept < asked + secs(1), "{asked:?} took {slept:?}");
    }
}

/// A time limit of a backoff holds also where `reads_clock` of the backoff returns `false`.
#[test]
fn a_time_limit_of_a_custom_backoff_makes_the_call_read_the_clock() {
    struct Limited;
    impl Backoff for Limited {
        fn delay(&self, _: &Attempt) -> Option<Duration> {
            Some(secs(1))
        }
        fn bounds(&self, _: u32) -> Option<DelayBounds> {
            Some(DelayBounds::exactly(secs(1)))
        }
        fn limits(&self) -> Limits {
            Limits::NONE.with_elapsed(secs(3))
        }
        fn reads_clock(&self) -> bool {
            false
        }
    }
    impl Finite for Limited {}
    let clock = VirtualClock::new();
    let error = down.retry_with(Limited).timer(clock.clone()).report().call().unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Elapsed, 3));
}

/// The panic of an attempt ends the call. Where the panic is caught and the loop goes on, further
/// attempts are not retried, awaited or not.
#[test]
fn a_loop_whose_attempt_panicked_has_ended() {
    fn panics() -> Result<(), &'static str> {
        std::panic::resume_unwind(Box::new("in an attempt"))
    }
    let reasons = Arc::new(Mutex::new(vec![]));
    let heard = reasons.clone();
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(5))
        .timer(clock.clone())
        .on_finish(move |finish| heard.lock().unwrap().push(finish.reason()));

    let mut attempts = policy.start();
    let panic = std::panic::AssertUnwindSafe(|| attempts.attempt_blocking(panics));
    assert!(std::panic::catch_unwind(panic).is_err());
    assert_eq!(attempts.attempt_blocking(|| Err("after")), Break(Err("after")));
    drop(attempts);

    let mut attempts = policy.start();
    let attempt = attempts.attempt(async { panics() });
    let panic = std::panic::AssertUnwindSafe(|| clock.block_on(attempt));
    assert!(std::panic::catch_unwind(panic).is_err());
    assert_eq!(clock.block_on(attempts.check(Err("after"))), Break(Err("after")));
    drop(attempts);

    assert_eq!(*reasons.lock().unwrap(), [Reason::Panicked, Reason::Panicked]);
}

/// A loop can be looked at while its attempt is made. After an attempt or a sleep that was cut short it
/// shows the attempt that comes, and the sleep goes on before that attempt begins.
#[test]
fn a_loop_shows_the_attempt_that_is_about_to_be_made() {
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(secs(1)).max_attempts(4)).timer(clock.clone());
    let mut attempts = policy.start();
    let made = RefCell::new(vec![]);
    let send = |number| {
        let (made, clock) = (&made, &clock);
        async move {
            made.borrow_mut().push((number, clock.now()));
            Err::<(), _>(number)
        }
    };
    let outcome = loop {
        let attempt = pin!(attempts.attempt(send(attempts.number())));
        if let Poll::Ready(Break(outcome)) = Arc::<Flag>::default().poll(attempt) {
            break outcome;
        }
        // The sleep is dropped, again and again.
        clock.advance(ms(500));
    };
    assert_eq!(outcome, Err(4));
    assert_eq!(made.take(), [1, 2, 3, 4].map(|number| (number, (number - 1) * secs(1))));
}

/// Draws of an operation are independent of the delay that follows.
#[test]
fn an_operation_draws_other_numbers_than_its_backoff() {
    let clock = VirtualClock::new();
    let mut drawn = vec![];
    let _ = (|attempt: Attempt| {
        drawn.push(attempt.uniform(Duration::ZERO, secs(1)));
        Err::<(), _>("down")
    })
    .retry_with(constant(secs(1)).full_jitter().max_attempts(20))
    .seed(1)
    .timer(clock.clone())
    .call();
    let slept = clock.slept();
    assert!(drawn.iter().zip(&slept).all(|(drawn, slept)| drawn != slept), "{drawn:?}");
}

/// An engine whose call has ended begins nothing, and ends once.
#[test]
fn an_engine_that_has_ended_begins_no_further_attempt() {
    let (begun, ended) = (Cell::new(0), Cell::new(0));
    let policy = Policy::new(immediate().max_attempts(2));
    let policy =
        policy.on_attempt(|_| begun.set(begun.get() + 1)).on_finish(|_| ended.set(ended.get() + 1));
    let mut engine = Engine::new(&policy);
    for _ in 0..2 {
        let Ok(_) = engine.enter(None);
        let _ = engine.decide(&down(), None);
    }
    for _ in 0..3 {
        let Ok(attempt) = engine.enter(None);
        assert_eq!(attempt.number(), 2);
        let decision = engine.decide(&down(), None);
        assert!(matches!(decision, Decision::Return(facts) if facts.attempts() == 2));
        assert!(matches!(engine.time_out(None), Decision::Return(_)));
    }
    assert_eq!((begun.get(), ended.get()), (2, 1));
}

#[test]
fn an_engine_has_no_attempt_limit_before_its_first_attempt() {
    let policy = Policy::new(immediate().max_attempts(2)).attempt_timeout(secs(5));
    let mut engine = Engine::<Failure, _>::new(policy);
    assert_eq!(engine.attempt_limit(None), None);
    let _ = engine.enter(None);
    assert_eq!(engine.attempt_limit(None), Some(secs(5)));
}

/// The start of a call that is driven by hand is the first time that is known.
#[test]
fn an_engine_that_is_first_given_a_time_at_a_decision_starts_there() {
    let second = secs(1);
    let mut engine = Engine::<Option<u8>, _>::new(constant(second).max_elapsed(secs(10)));
    let Ok(_) = engine.enter(None);
    assert_eq!(engine.decide(&None, secs(1000)), Decision::Wait(second));
    let Ok(attempt) = engine.enter(secs(1001));
    assert_eq!(attempt.elapsed(), Ok(second));
}

/// A retry that was polled and is then configured cannot go on. It has one end, and has not panicked.
#[test]
fn a_retry_configured_after_its_poll_ends_once() {
    let ends_of = |ready: bool| {
        let ends = Cell::new(0);
        let reasons = RefCell::new(vec![]);
        let operation =
            || poll_fn(move |_| if ready { Poll::Ready(Some(7)) } else { Poll::Pending });
        let mut retry = operation
            .retry_with(immediate().max_attempts(3))
            .on_finish(|finish| reasons.borrow_mut().push(finish.reason()));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(Pin::new(&mut retry).poll(&mut cx).is_ready(), ready);
        drop(retry.timed().on_finish(|_| ends.set(ends.get() + 1)));
        (reasons.take(), ends.get())
    };
    assert_eq!(ends_of(true), (vec![Reason::Succeeded], 0));
    assert_eq!(ends_of(false), (vec![Reason::Cancelled], 1));
}

/// The engine has no limit of its own, and none is printed.
#[test]
fn an_engine_whose_attempt_timed_out_without_a_limit_says_no_number() {
    let mut engine = Engine::<Option<u8>, _>::new(immediate().max_attempts(1));
    let Ok(_) = engine.enter(None);
    let Decision::Return(facts) = engine.time_out(None) else { panic!("it was the last attempt") };
    assert_eq!(facts.to_string(), "gave up after 1 attempt: the attempt timed out");
}

/// Attempts are counted from 1, whatever was refused.
#[test]
fn an_engine_whose_first_attempt_was_refused_has_no_attempt_zero() {
    let breaker = CircuitBreaker::default();
    breaker.isolate();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker);
    let mut engine = Engine::<Option<u8>, _>::new(policy);
    assert!(engine.enter(None).is_err());
    assert_eq!(engine.enter(None).map(|attempt| attempt.number()).ok(), Some(1));
}
