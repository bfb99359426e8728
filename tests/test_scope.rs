//! Test scopes: without waits, with a number of attempts, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::Cell;
use std::future::{IntoFuture as _, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use figment::Figment;
use figment::providers::{Format as _, Toml};
use futures::FutureExt as _;
use futures::executor::block_on;
use persevere::guard::Guard;
use persevere::policy::{Policies, PolicyHandle};
use persevere::testing::TestScope;
use persevere::time::{AsyncIoTimer, BlockingTimer, Clock, DefaultTimer, TokioTimer, VirtualClock};
use persevere::{
    Attempt, Attempts, Budget, CircuitBreaker, Decision, Engine, Idempotent, Policy, Reason,
    RetryExt, StaticPolicy, Verdict, breaker, budget, constant, exponential, hedge_after,
    immediate, retry,
};

use support::{ms, secs};

/// Held by tests whose scope would change others: those of all threads, and the tests that run without
/// a scope.
static EVERYWHERE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner)
}

static POLICY: StaticPolicy = Policy::new(&exponential(Duration::from_secs(3600)).max_attempts(5));

fn down() -> Result<(), &'static str> {
    Err("down")
}

#[retry(POLICY)]
fn decorated(calls: &Cell<u32>) -> Result<(), &'static str> {
    calls.set(calls.get() + 1);
    down()
}

#[retry(POLICY)]
async fn decorated_async(calls: &Cell<u32>) -> Result<(), &'static str> {
    calls.set(calls.get() + 1);
    down()
}

/// A policy of settings with hours between three attempts.
fn named() -> PolicyHandle {
    let toml = "retry.policies.slow = { attempts = 3, strategy = 'constant', wait_min = '1h', wait_max = '1h', jitter = 'none' }";
    Policies::load(&Figment::from(Toml::string(toml)), "retry").unwrap().get("slow").unwrap()
}

/// The attempts of calls that always fail, on every surface: those of policies with 5 attempts, and
/// those of the named policy, with 3.
fn attempts_of_every_surface() -> ([u32; 9], u32) {
    let calls = Cell::new(0);
    let call = || {
        calls.set(calls.get() + 1);
        std::io::Error::other("down")
    };
    let failing = || Err::<(), _>(call());
    let failing_async = || ready(Err::<(), _>(call()));
    let in_code = || exponential(secs(3600)).max_attempts(5);

    let _ = failing.retry_with(in_code()).call();
    let blocking = calls.take();
    let _ = block_on(failing_async.retry_with(in_code()));
    let awaited = calls.take();
    let _ = POLICY.call(|_| failing());
    let of_a_static = calls.take();
    let _ = block_on(POLICY.run_lending(async |_| failing()));
    let lending = calls.take();
    let mut attempts = POLICY.start();
    while block_on(attempts.attempt(failing_async())).is_continue() {}
    let looped = calls.take();
    let erased = Policy::new(in_code()).erase();
    let _ = failing.retry_with(&erased).call();
    let of_erased = calls.take();
    let mut engine = Engine::new(&POLICY);
    loop {
        let Ok(_) = engine.enter(None);
        if let Decision::Return(_) = engine.decide(&failing(), None) {
            break;
        }
    }
    let by_hand = calls.take();
    let _ = decorated(&calls);
    let of_decorated = calls.take();
    let _ = block_on(decorated_async(&calls));
    let of_decorated_async = calls.take();
    let _ = failing.retry_with(&named()).when(|_| true).call();
    let surfaces = [
        blocking,
        awaited,
        of_a_static,
        lending,
        looped,
        of_erased,
        by_hand,
        of_decorated,
        of_decorated_async,
    ];
    (surfaces, calls.take())
}

#[test]
fn a_scope_without_waits_keeps_the_attempts_of_every_surface() {
    let _scope = TestScope::new().no_waits().enter();
    let begun = Instant::now();
    assert_eq!(attempts_of_every_surface(), ([5; 9], 3));
    // They would have waited for days.
    assert!(begun.elapsed() < secs(60));
}

#[test]
fn a_scope_with_a_number_of_attempts_sets_it_on_every_surface() {
    for attempts in [1, 2, 7] {
        let _scope = TestScope::new().no_waits().attempts(attempts).enter();
        assert_eq!(attempts_of_every_surface(), ([attempts; 9], attempts));
    }
}

#[test]
fn a_scope_with_a_limit_on_attempts_keeps_lower_ones() {
    let _scope = TestScope::new().no_waits().max_attempts(4).enter();
    assert_eq!(attempts_of_every_surface(), ([4; 9], 3));
}

#[test]
fn a_scope_of_one_attempt_ends_calls_without_a_limit() {
    let _scope = TestScope::new().attempts(1).enter();
    let error = down.retry_with(constant(secs(3600)).forever()).report().call().unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Attempts, 1));
}

/// An attempt of a scope is the last one for everything that looks at it.
#[test]
fn the_number_of_attempts_of_a_scope_is_visible_to_operations_and_rules() {
    let _scope = TestScope::new().no_waits().attempts(2).enter();
    let mut seen = vec![];
    let outcome = POLICY.call(|attempt| {
        seen.push((attempt.number(), attempt.is_last(), attempt.max_attempts().unwrap().get()));
        down()
    });
    assert_eq!((outcome, seen), (down(), vec![(1, false, 2), (2, true, 2)]));
    let mut attempts = Attempts::<Result<(), &str>, _>::start(&POLICY);
    assert!(attempts.check_blocking(down()).is_continue());
    assert!(attempts.is_last());
}

#[test]
#[should_panic(expected = "`attempts` counts the first attempt, so it must be at least 1, got 0")]
fn zero_attempts_of_a_scope_panic() {
    let _ = TestScope::new().attempts(0);
}

#[test]
#[should_panic(expected = "`attempts` counts the first attempt, so it must be at least 1, got 0")]
fn zero_as_a_limit_on_attempts_of_a_scope_panics() {
    let _ = TestScope::new().max_attempts(0);
}

#[test]
fn events_and_limits_of_a_scope_without_waits_are_those_of_production() {
    let _scope = TestScope::new().no_waits().enter();
    let mut retries = vec![];
    let error = down
        .retry_with(exponential(secs(1)).max_elapsed(secs(20)))
        .on_retry(|retry| retries.push((retry.delay(), retry.waited())))
        .report()
        .call()
        .unwrap_err();
    let announced =
        [(1, 0), (2, 1), (4, 3), (8, 7)].map(|(delay, waited)| (secs(delay), secs(waited)));
    assert_eq!(retries, announced);
    assert_eq!((error.reason(), error.attempts(), error.waited()), (Reason::Elapsed, 5, secs(15)));
}

#[test]
fn the_delay_of_a_server_is_skipped_in_a_scope_without_waits() {
    let _scope = TestScope::new().no_waits().enter();
    let begun = Instant::now();
    let error = down
        .retry_with(immediate().max_attempts(3))
        .classify(|_, _| Some(Verdict::RetryAfter(secs(60))))
        .report()
        .call()
        .unwrap_err();
    assert_eq!((error.attempts(), error.waited()), (3, secs(120)));
    assert!(begun.elapsed() < secs(60));
}

#[test]
fn skipped_waits_count_towards_a_deadline() {
    let _scope = TestScope::new().no_waits().enter();
    let failing = || Err::<(), _>(std::io::Error::other("down"));
    let retry = failing.retry_with(constant(secs(10)).max_attempts(9)).deadline(secs(25));
    let error = retry.report().call().unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Deadline, 3));
}

/// Other tasks of the executor run between two attempts.
#[test]
fn an_awaited_call_in_a_scope_without_waits_yields_between_attempts() {
    let _scope = TestScope::new().no_waits().enter();
    let mut retry = Box::pin((|| ready(down())).retry_with(constant(secs(9)).max_attempts(3)));
    assert!(retry.as_mut().now_or_never().is_none());
    assert!(retry.as_mut().now_or_never().is_none());
    assert_eq!(retry.as_mut().now_or_never(), Some(down()));
}

/// The code under test has a timer of its own.
#[test]
fn waits_are_skipped_whatever_the_timer() {
    let _scope = TestScope::new().no_waits().enter();
    let clock = VirtualClock::new();
    let hourly = || constant(secs(3600)).max_attempts(3);
    let _ = down.retry_with(hourly()).timer(clock.clone()).call();
    let _ = down.retry_with(hourly()).timer(TokioTimer).call();
    let _ = block_on((|| ready(down())).retry_with(hourly()).timer(AsyncIoTimer));
    assert_eq!((clock.slept(), clock.now()), (vec![], Duration::ZERO));
}

#[test]
fn an_inner_scope_changes_only_what_it_sets() {
    let attempts = || {
        let error = down.retry_with(constant(ms(1)).max_attempts(5)).report().call().unwrap_err();
        (error.attempts(), error.waited())
    };
    let clock = VirtualClock::new();
    let _outer = TestScope::new().clock(&clock).attempts(2).enter();
    assert_eq!(attempts(), (2, ms(1)));
    {
        let _inner = TestScope::new().attempts(4).enter();
        assert_eq!(attempts(), (4, ms(3)));
        {
            let _innermost = TestScope::new().no_waits().enter();
            assert_eq!(attempts(), (4, ms(3)));
            assert_eq!(clock.now(), ms(4)); // without the last 3 ms
        }
    }
    assert_eq!(attempts(), (2, ms(1)));
    assert_eq!(clock.now(), ms(5));
}

#[test]
fn scopes_may_end_in_any_order() {
    let attempts =
        || down.retry_with(immediate().max_attempts(5)).report().call().unwrap_err().attempts();
    let outer = TestScope::new().attempts(2).enter();
    let inner = TestScope::new().attempts(3).enter();
    assert_eq!(attempts(), 3);
    drop(outer);
    assert_eq!(attempts(), 3);
    drop(inner);
    let _alone = alone();
    assert_eq!(attempts(), 5);
}

#[test]
fn a_scope_ends_with_a_panic_of_its_test() {
    let attempts =
        || down.retry_with(immediate().max_attempts(5)).report().call().unwrap_err().attempts();
    let outcome = catch_unwind(|| {
        let _scope = TestScope::new().attempts(1).enter();
        assert_eq!(attempts(), 1);
        panic!("the test fails");
    });
    assert!(outcome.is_err());
    let _alone = alone();
    assert_eq!(attempts(), 5);
}

#[test]
fn a_scope_of_a_thread_is_not_entered_on_other_threads() {
    let _alone = alone();
    let _scope = TestScope::new().attempts(1).enter();
    let attempts =
        || down.retry_with(immediate().max_attempts(5)).report().call().unwrap_err().attempts();
    assert_eq!(attempts(), 1);
    assert_eq!(std::thread::spawn(attempts).join().unwrap(), 5);
}

#[test]
fn a_scope_that_is_entered_everywhere_reaches_every_thread_and_gives_way_to_that_of_a_thread() {
    let _alone = alone();
    let attempts =
        || down.retry_with(immediate().max_attempts(5)).report().call().unwrap_err().attempts();
    let scope = TestScope::new().attempts(2).enter_everywhere();
    let of_thread = move || {
        let without = attempts();
        let _scope = TestScope::new().attempts(3).enter();
        (without, attempts())
    };
    assert_eq!(std::thread::spawn(of_thread).join().unwrap(), (2, 3));
    drop(scope);
    assert_eq!(std::thread::spawn(attempts).join().unwrap(), 5);
}

#[test]
fn a_call_keeps_the_scope_in_which_it_began() {
    let retry = (|| ready(down())).retry_with(constant(secs(3600)).max_attempts(3));
    let mut retry = Box::pin(retry);
    let scope = TestScope::new().no_waits().attempts(2).enter();
    assert!(retry.as_mut().now_or_never().is_none());
    drop(scope);
    assert_eq!(retry.as_mut().now_or_never(), Some(down()));
}

/// One place gives the clock to retries, hedges, budgets, breakers and named policies.
#[test]
fn the_clock_of_a_scope_is_that_of_everything() {
    let clock = VirtualClock::new();
    let _scope = TestScope::new().clock(&clock).enter();

    let _ = down.retry_with(constant(secs(10)).max_attempts(3)).call();
    assert_eq!(clock.now(), secs(20));

    let failing = || Err::<(), _>(std::io::Error::other("down"));
    let _ = failing.retry_with(&named()).when(|_| true).call();
    assert_eq!(clock.now(), secs(20 + 2 * 3600));

    let breaker = CircuitBreaker::new(breaker::Settings::consecutive(1));
    breaker.force_open();
    clock.advance(secs(29));
    assert!(breaker.try_acquire().is_err());
    clock.advance(secs(1));
    assert!(breaker.try_acquire().is_ok());

    // 10 retries in a second are allowed without any call, for 10 seconds.
    let budget = Budget::new(budget::Ratio::FINAGLE);
    let all = budget.available();
    let _ = down.retry_with(immediate().max_attempts(1_000)).hook(budget.clone()).call();
    assert_eq!((all, budget.available()), (100, 0));
    clock.advance(secs(11));
    assert!(budget.available() > 90, "{}", budget.available());

    let before = clock.now();
    let mut copies = 0;
    let slow_first = || {
        copies += 1;
        let slow = copies == 1;
        async move { if slow { std::future::pending().await } else { Some(7) } }
    };
    let hedged = slow_first.hedged(Idempotent, hedge_after(secs(5)));
    assert_eq!(clock.block_on(hedged.into_future()), Some(7));
    assert_eq!(clock.now() - before, secs(5));
}

/// The message of a panic of `function`.
fn panic_of<T>(function: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(function)).map(drop).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_timer_of_real_time_panics_in_virtual_time_and_says_what_to_pass() {
    let hourly = || constant(secs(3600)).max_attempts(2);
    let clock = VirtualClock::new();
    let begun = Instant::now();
    let awaited = || clock.block_on((|| ready(down())).retry_with(hourly()).timer(TokioTimer));
    let looped = || {
        let policy = Policy::new(hourly()).timer(AsyncIoTimer);
        clock.block_on(policy.start().attempt(ready(down())))
    };
    let called = || {
        let _scope = TestScope::new().clock(&clock).enter();
        down.retry_with(hourly()).timer(TokioTimer).call()
    };
    for (message, timer) in [
        (panic_of(awaited), "TokioTimer"),
        (panic_of(looped), "AsyncIoTimer"),
        (panic_of(called), "TokioTimer"),
    ] {
        let expected = format!(
            "`{timer}` would sleep in real time, and this test runs in the time of a \
             `VirtualClock`: give the retry no timer, so that it follows the clock of the test \
             scope, or pass `.timer(clock.clone())`"
        );
        assert_eq!(message, expected);
    }
    assert!(begun.elapsed() < secs(60));
    // The scope of the clock ended with its panic.
    let _alone = alone();
    DefaultTimer.sleep_blocking(ms(1));
    assert_eq!(clock.now(), Duration::ZERO);
}

/// A guard sees the waits of a scope as time that passed.
#[test]
fn the_elapsed_time_of_attempts_has_the_skipped_waits() {
    #[derive(Clone)]
    struct Sees<'a>(&'a Cell<Duration>);
    impl<O> Guard<O> for Sees<'_> {
        fn reads_clock(&self) -> bool {
            true
        }
        fn before_attempt(&mut self, attempt: &Attempt) {
            self.0.set(attempt.elapsed().unwrap());
        }
    }
    let _scope = TestScope::new().no_waits().enter();
    let seen = Cell::new(Duration::ZERO);
    let failing = || Err::<(), _>(std::io::Error::other("down"));
    let _ = failing.retry_with(constant(secs(10)).max_attempts(3)).guard(Sees(&seen)).call();
    assert!(seen.get() >= secs(20) && seen.get() < secs(80));
}
