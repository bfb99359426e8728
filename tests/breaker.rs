//! Circuit breakers: what opens and closes a circuit, and the invariant that no probe is lost.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, pending};
use std::ops::ControlFlow::{self, Break};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use persevere::breaker::{
    Change, CircuitBreakerBuilder, Counts, Permit, Settings, State, Trip, Window, observe,
    refuse_if,
};
use persevere::guard::Guard;
use persevere::hook::{Hook, RetryEvent};
use persevere::time::{Clock as _, VirtualClock};
use persevere::{
    Attempt, CircuitBreaker, Interrupted, Policy, Reason, RetryExt, Verdict, Veto, constant,
    delays, exponential, immediate, linear,
};

const SECOND: Duration = Duration::from_secs(1);
const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The error of an attempt, or of a call whose attempt was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Down,
    Refused,
}

impl From<Interrupted> for Trouble {
    fn from(interrupted: Interrupted) -> Self {
        assert_eq!(interrupted.reason(), Reason::Circuit);
        Trouble::Refused
    }
}

/// A breaker that is open for ten seconds, and its clock.
fn breaker(settings: Settings) -> (CircuitBreaker, VirtualClock) {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::builder(settings)
        .open_for(constant(10 * SECOND))
        .clock(clock.clone())
        .build();
    (breaker, clock)
}

/// A call with one attempt.
fn one(breaker: &CircuitBreaker, outcome: Result<(), Trouble>) -> Result<(), Trouble> {
    Policy::new(immediate().max_attempts(1)).guard(breaker.clone()).call(|_| outcome)
}

fn fail(breaker: &CircuitBreaker) {
    assert_eq!(one(breaker, Err(Trouble::Down)), Err(Trouble::Down));
}

fn succeed(breaker: &CircuitBreaker) {
    assert_eq!(one(breaker, Ok(())), Ok(()));
}

fn refuses(breaker: &CircuitBreaker) {
    assert_eq!(one(breaker, Ok(())), Err(Trouble::Refused));
}

#[test]
fn a_circuit_opens_after_failures_in_a_row_and_a_success_restarts_the_count() {
    let (breaker, _) = breaker(Settings::consecutive(3));
    for _ in 0..5 {
        fail(&breaker);
        fail(&breaker);
        succeed(&breaker);
    }
    fail(&breaker);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!((breaker.state(), breaker.openings()), (State::Open, 1));
    refuses(&breaker);
}

#[test]
fn an_open_circuit_does_not_run_the_operation() {
    let (breaker, _) = breaker(Settings::consecutive(1));
    fail(&breaker);
    let calls = Cell::new(0);
    let policy = Policy::new(immediate().max_attempts(9)).guard(breaker);
    let outcome = policy.call(|_| {
        calls.set(calls.get() + 1);
        Ok::<(), Trouble>(())
    });
    assert_eq!((outcome, calls.get()), (Err(Trouble::Refused), 0));
}

#[test]
fn an_open_circuit_returns_the_time_that_is_left_and_admits_a_probe_at_its_end() {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    assert_eq!(breaker.retry_after(), None);
    fail(&breaker);
    assert_eq!(breaker.retry_after(), Some(10 * SECOND));
    clock.advance(10 * SECOND - Duration::from_nanos(1));
    refuses(&breaker);
    let refused = breaker.try_acquire().unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_nanos(1)));
    assert_eq!(refused.to_string(), "the circuit is open for another 1 ns");
    clock.advance(Duration::from_nanos(1));
    assert_eq!((breaker.state(), breaker.retry_after()), (State::Open, None));
    succeed(&breaker);
    assert_eq!((breaker.state(), breaker.openings()), (State::Closed, 0));
}

#[test]
fn a_circuit_stays_open_longer_each_time_until_it_has_closed() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::builder(Settings::consecutive(1))
        .open_for(exponential(SECOND).max_delay(6 * SECOND))
        .clock(clock.clone())
        .build();
    for round in 0..2 {
        for (opening, seconds) in [(1, 1), (2, 2), (3, 4), (4, 6), (5, 6)] {
            fail(&breaker);
            assert_eq!((breaker.openings(), round < 2), (opening, true));
            assert_eq!(breaker.retry_after(), Some(seconds * SECOND));
            clock.advance(seconds * SECOND);
        }
        succeed(&breaker);
    }
}

#[test]
fn a_backoff_of_open_durations_that_ends_repeats_its_last() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::builder(Settings::consecutive(1))
        .open_for(delays([SECOND, 5 * SECOND]))
        .clock(clock.clone())
        .build();
    for seconds in [1, 5, 5, 5] {
        fail(&breaker);
        assert_eq!(breaker.retry_after(), Some(seconds * SECOND));
        clock.advance(seconds * SECOND);
    }
}

#[test]
fn an_open_duration_may_grow_from_the_one_before() {
    let clock = VirtualClock::new();
    let twice = |attempt: &Attempt| attempt.previous_delay().map_or(Some(SECOND), |d| Some(2 * d));
    let breaker = CircuitBreaker::builder(Settings::consecutive(1))
        .open_for(persevere::from_fn(twice))
        .clock(clock.clone())
        .build();
    for seconds in [1, 2, 4] {
        fail(&breaker);
        assert_eq!(breaker.retry_after(), Some(seconds * SECOND));
        clock.advance(seconds * SECOND);
    }
}

#[test]
fn an_open_duration_without_end_does_not_end() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::builder(Settings::consecutive(1))
        .open_for(constant(Duration::MAX))
        .clock(clock.clone())
        .build();
    clock.advance(SECOND);
    fail(&breaker);
    clock.advance(5 * CENTURY);
    refuses(&breaker);
}

#[test]
fn jitter_of_open_durations_draws_anew_each_time() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::builder(Settings::consecutive(1))
        .open_for(constant(1000 * SECOND).full_jitter())
        .clock(clock.clone())
        .build();
    let mut durations = vec![];
    for _ in 0..20 {
        breaker.reset();
        fail(&breaker);
        durations.push(breaker.retry_after());
    }
    durations.sort_unstable();
    durations.dedup();
    assert!(durations.len() > 15);
}

#[test]
fn a_half_open_circuit_admits_as_many_probes_as_the_settings_allow() {
    let (breaker, clock) = breaker(Settings::consecutive(1).probes(3).successes(5));
    fail(&breaker);
    clock.advance(10 * SECOND);
    let mut held: Vec<_> = (0..3).map(|_| breaker.try_acquire().unwrap()).collect();
    assert_eq!(breaker.state(), State::HalfOpen);
    let refused = breaker.try_acquire().unwrap_err();
    assert_eq!(
        (refused.retry_after(), refused.to_string().as_str()),
        (None, "the circuit is open")
    );
    refuses(&breaker);
    // Any five successes close it.
    held.drain(..).for_each(Permit::success);
    assert_eq!(breaker.state(), State::HalfOpen);
    succeed(&breaker);
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn one_failed_probe_opens_the_circuit_again() {
    let (breaker, clock) = breaker(Settings::consecutive(4).probes(2).successes(9));
    (0..4).for_each(|_| fail(&breaker));
    clock.advance(10 * SECOND);
    (0..8).for_each(|_| succeed(&breaker));
    fail(&breaker);
    assert_eq!((breaker.state(), breaker.openings()), (State::Open, 2));
}

#[test]
fn probes_of_many_threads_are_no_more_than_the_settings_allow() {
    let (breaker, clock) = breaker(Settings::consecutive(1).probes(2).successes(60_000));
    fail(&breaker);
    clock.advance(10 * SECOND);
    let (running, most, done) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for turn in 0..5_000 {
                    let Ok(permit) = breaker.try_acquire() else { continue };
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    done.fetch_add(1, SeqCst);
                    if turn % 3 == 0 {
                        thread::yield_now();
                    }
                    running.fetch_sub(1, SeqCst);
                    if turn % 2 == 0 { permit.success() } else { drop(permit) }
                }
            });
        }
    });
    assert!(most.load(SeqCst) <= 2 && done.load(SeqCst) >= 5_000);
    // All were returned.
    let again: Vec<_> = (0..2).map(|_| breaker.try_acquire().unwrap()).collect();
    assert!(breaker.try_acquire().is_err());
    drop(again);
}

/// A circuit that becomes half-open at the next attempt, with one probe.
fn about_to_probe() -> CircuitBreaker {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    fail(&breaker);
    clock.advance(10 * SECOND);
    breaker
}

/// Asserts that the probe is free: the next attempt takes it and closes the circuit.
fn has_its_probe(breaker: &CircuitBreaker) {
    assert_eq!(breaker.state(), State::HalfOpen);
    succeed(breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_cancelled_probe_is_returned() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.clone());
    {
        let mut retry = pin!((|| pending::<Result<(), Trouble>>()).retry_with(&policy));
        let _ = retry.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        refuses(&breaker);
    }
    has_its_probe(&breaker);
}

#[test]
fn an_attempt_takes_one_probe() {
    let (breaker, clock) = breaker(Settings::consecutive(1).probes(2).successes(9));
    fail(&breaker);
    clock.advance(10 * SECOND);
    let policy = Policy::new(immediate().max_attempts(1));
    let other = |_| {
        drop(breaker.try_acquire().expect("the other probe"));
        Ok::<_, Trouble>(())
    };
    for _ in 0..2 {
        assert_eq!(policy.guard(breaker.clone()).call(other), Ok(()));
        assert_eq!(policy.guard(breaker.per_call()).call(other), Ok(()));
        assert_eq!(policy.guard(breaker.by_ref()).call(other), Ok(()));
    }
}

#[test]
fn a_breaker_that_is_the_guard_of_several_calls_in_turn_returns_its_probe_each_time() {
    let breaker = about_to_probe();
    let mut guard = breaker.clone();
    for _ in 0..2 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let panics = || -> Option<()> { panic!("in the operation") };
            panics.retry_with(immediate().max_attempts(3)).guard(&mut guard).call()
        }));
        assert!(outcome.is_err());
        drop(breaker.try_acquire().unwrap());
    }
    has_its_probe(&breaker);
}

#[test]
fn a_probe_that_panics_is_returned() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.clone());
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        policy.call(|_| -> Result<(), Trouble> { panic!("in the operation") })
    }));
    assert!(outcome.is_err());
    has_its_probe(&breaker);
}

#[test]
fn a_probe_that_another_guard_refuses_is_returned() {
    #[derive(Clone)]
    struct Refuse;
    impl<O> Guard<O> for Refuse {
        fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
            Break(Veto::Circuit)
        }
    }
    let (inside, outside) = (about_to_probe(), about_to_probe());
    let policy = Policy::new(immediate().max_attempts(3));
    let policy = policy.guard(inside.clone()).guard(outside.per_call()).guard(Refuse);
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::Refused));
    has_its_probe(&inside);
    has_its_probe(&outside);
}

#[test]
fn a_probe_that_is_returned_takes_no_success_with_it() {
    let (breaker, clock) = breaker(Settings::consecutive(1).successes(2));
    fail(&breaker);
    clock.advance(10 * SECOND);
    succeed(&breaker);
    drop(breaker.try_acquire().unwrap());
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_probe_of_an_earlier_generation_makes_no_room_for_another() {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    breaker.force_open();
    clock.advance(10 * SECOND);
    let earlier = breaker.try_acquire().unwrap();
    breaker.force_open();
    clock.advance(10 * SECOND);
    let probe = breaker.try_acquire().unwrap();
    drop(earlier);
    refuses(&breaker);
    drop(probe);
    has_its_probe(&breaker);
}

#[test]
fn a_loop_that_is_abandoned_returns_its_probe() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.clone());
    drop(policy.try_start::<Result<(), Trouble>>().unwrap());
    has_its_probe(&breaker);
}

#[test]
fn a_success_that_is_reported_to_a_loop_closes_the_circuit() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.clone());
    let attempts = policy.try_start::<Result<Infallible, Trouble>>().unwrap();
    attempts.succeed(());
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_backoff_that_panics_changes_neither_the_probe_nor_the_circuit() {
    let clock = VirtualClock::new();
    let first = |attempt: &Attempt| {
        assert!(attempt.is_first(), "in a backoff");
        Some(SECOND)
    };
    let breaker = CircuitBreaker::builder(Settings::consecutive(1))
        .open_for(persevere::from_fn(first))
        .clock(clock.clone())
        .build();
    fail(&breaker);
    clock.advance(SECOND);
    assert!(catch_unwind(AssertUnwindSafe(|| one(&breaker, Err(Trouble::Down)))).is_err());
    has_its_probe(&breaker);
    assert!(
        catch_unwind(AssertUnwindSafe(|| {
            breaker.force_open();
            clock.advance(SECOND);
            breaker.try_acquire().unwrap().failure();
        }))
        .is_err()
    );
    has_its_probe(&breaker);
}

#[test]
fn a_listener_that_panics_ends_one_call_and_takes_no_probe() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::builder(Settings::consecutive(1))
        .open_for(constant(SECOND))
        .clock(clock.clone())
        .on_change(|change| assert!(change.to() != State::HalfOpen, "in a listener"))
        .build();
    fail(&breaker);
    clock.advance(SECOND);
    assert!(catch_unwind(AssertUnwindSafe(|| one(&breaker, Ok(())))).is_err());
    has_its_probe(&breaker);
}

#[test]
fn a_clone_does_not_hold_the_probe_of_its_original() {
    let breaker = about_to_probe();
    let permit = breaker.try_acquire().unwrap();
    drop(breaker.clone());
    assert!(breaker.try_acquire().is_err());
    drop(permit);
    has_its_probe(&breaker);
}

#[test]
fn results_of_an_earlier_generation_do_not_count() {
    let (breaker, clock) = breaker(Settings::consecutive(1).successes(2));
    let (late_good, late_bad) = (breaker.try_acquire().unwrap(), breaker.try_acquire().unwrap());
    fail(&breaker);
    clock.advance(10 * SECOND);
    succeed(&breaker);
    assert_eq!(breaker.state(), State::HalfOpen);
    // Both began when the circuit was closed: one is no second success, the other does not open it.
    late_good.success();
    late_bad.failure();
    assert_eq!(breaker.state(), State::HalfOpen);
    let late_probe = breaker.try_acquire().unwrap();
    breaker.reset();
    late_probe.failure();
    assert_eq!(breaker.state(), State::Closed);
    let late = breaker.try_acquire().unwrap();
    breaker.reset();
    late.failure();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn late_results_do_not_count_in_the_rate_of_a_later_generation() {
    for settings in [
        Settings::failure_rate(0.5, 3).over_calls(3),
        Settings::failure_rate(0.5, 3).over_time(SECOND),
    ] {
        let (breaker, _) = breaker(settings);
        let late: Vec<_> = (0..3).map(|_| breaker.try_acquire().unwrap()).collect();
        breaker.reset();
        (0..2).for_each(|_| fail(&breaker));
        late.into_iter().for_each(Permit::success);
        assert_eq!(breaker.state(), State::Closed);
        fail(&breaker);
        assert_eq!(breaker.state(), State::Open);
    }
}

#[test]
fn an_isolated_circuit_stays_isolated_until_it_is_reset() {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    let before = breaker.try_acquire().unwrap();
    breaker.isolate();
    before.success();
    clock.advance(1_000_000 * SECOND);
    refuses(&breaker);
    assert_eq!((breaker.state(), breaker.retry_after()), (State::Isolated, None));
    breaker.reset();
    succeed(&breaker);
}

#[test]
fn a_circuit_that_is_forced_open_is_open_for_its_duration() {
    let (breaker, clock) = breaker(Settings::consecutive(9));
    breaker.force_open();
    assert_eq!((breaker.state(), breaker.retry_after()), (State::Open, Some(10 * SECOND)));
    clock.advance(4 * SECOND);
    breaker.force_open();
    assert_eq!((breaker.openings(), breaker.retry_after()), (1, Some(10 * SECOND)));
    clock.advance(10 * SECOND);
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_circuit_that_is_forced_open_while_it_is_open_counts_no_further_opening() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::builder(Settings::consecutive(1))
        .open_for(linear(SECOND))
        .clock(clock.clone())
        .build();
    for opening in 1..=2 {
        fail(&breaker);
        breaker.force_open();
        assert_eq!((breaker.openings(), breaker.retry_after()), (opening, Some(opening * SECOND)));
        clock.advance(opening * SECOND);
    }
}

#[test]
fn an_isolated_circuit_that_is_forced_open_stays_isolated() {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    breaker.isolate();
    breaker.force_open();
    clock.advance(10 * SECOND);
    refuses(&breaker);
    assert_eq!((breaker.state(), breaker.retry_after()), (State::Isolated, None));
}

#[test]
fn openings_before_the_circuit_was_closed_do_not_count() {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    fail(&breaker);
    clock.advance(10 * SECOND);
    fail(&breaker);
    assert_eq!(breaker.openings(), 2);
    clock.advance(10 * SECOND);
    succeed(&breaker);
    assert_eq!(breaker.openings(), 0);
    breaker.isolate();
    assert_eq!(breaker.openings(), 0);
}

#[test]
fn every_listener_is_called_with_every_change_in_order() {
    let clock = VirtualClock::new();
    let log = Arc::new(Mutex::new(vec![]));
    let listener = |name: &'static str| {
        let log = log.clone();
        move |change: &Change| {
            log.lock().unwrap().push(format!("{name} {}: {change}", change.generation()));
        }
    };
    let breaker = CircuitBreaker::builder(Settings::consecutive(2))
        .open_for(exponential(SECOND))
        .clock(clock.clone())
        .on_change(listener("a"))
        .on_change(listener("b"))
        .build();
    fail(&breaker);
    fail(&breaker);
    clock.advance(SECOND);
    fail(&breaker);
    breaker.isolate();
    breaker.reset();
    let lines = log.lock().unwrap();
    let of_a: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("a ")).collect();
    let of_b: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("b ")).collect();
    assert_eq!(
        of_a,
        [
            "1: closed to open for 1 s",
            "2: open to half-open",
            "3: half-open to open for 2 s",
            "4: open to isolated",
            "5: isolated to closed",
        ]
    );
    assert_eq!(of_a, of_b);
}

/// A breaker with default settings, a listener, and a second listener that writes a log.
fn logged(listener: impl Fn(&Change) + Send + Sync + 'static) -> (CircuitBreakerBuilder, Log) {
    let log = Log::default();
    let lines = log.clone();
    let builder = CircuitBreaker::builder(Settings::DEFAULT)
        .on_change(listener)
        .on_change(move |change| lines.lock().unwrap().push(change.to_string()));
    (builder, log)
}

type Log = Arc<Mutex<Vec<String>>>;

#[test]
fn listeners_are_not_called_where_the_state_does_not_change() {
    let (builder, log) = logged(|_| ());
    let breaker = builder.build();
    breaker.reset();
    breaker.isolate();
    breaker.isolate();
    breaker.force_open();
    breaker.reset();
    // Another opening is a change: the open duration begins anew.
    breaker.force_open();
    breaker.force_open();
    assert_eq!(
        *log.lock().unwrap(),
        [
            "closed to isolated",
            "isolated to closed",
            "closed to open for 30 s",
            "open to open for 30 s",
        ]
    );
}

#[test]
fn a_listener_that_panics_keeps_neither_the_circuit_nor_later_listeners_from_the_change() {
    let (builder, log) = logged(|change| assert!(change.to() != State::Open, "in a listener"));
    let breaker = builder.on_change(|_| panic!("in another")).build();
    assert!(catch_unwind(AssertUnwindSafe(|| breaker.force_open())).is_err());
    assert_eq!((breaker.state(), breaker.openings()), (State::Open, 1));
    assert_eq!(*log.lock().unwrap(), ["closed to open for 30 s"]);
}

#[test]
fn a_listener_may_use_the_breaker() {
    let slot = Arc::new(Mutex::new(None::<CircuitBreaker>));
    let of_listener = slot.clone();
    let (builder, log) = logged(move |change| {
        if change.to() == State::Open {
            of_listener.lock().unwrap().clone().unwrap().isolate();
        }
    });
    let breaker = builder.build();
    *slot.lock().unwrap() = Some(breaker.clone());
    // `isolate` calls the listener again, which has released the lock by then.
    breaker.force_open();
    assert_eq!(breaker.state(), State::Isolated);
    assert_eq!(*log.lock().unwrap(), ["open to isolated", "closed to open for 30 s"]);
    *slot.lock().unwrap() = None;
}

#[test]
fn a_breaker_sees_attempts_and_per_call_it_sees_calls() {
    // Calls that fail twice and then succeed.
    let third = |attempt: Attempt| if attempt.number() < 3 { Err(Trouble::Down) } else { Ok(()) };
    let policy = Policy::new(immediate().max_attempts(3));
    let (inside, _) = breaker(Settings::consecutive(2));
    let (outside, _) = breaker(Settings::consecutive(2));
    let per_attempt = policy.guard(inside.clone());
    let per_call = policy.guard(outside.per_call());
    for _ in 0..5 {
        assert_eq!(per_call.call(third), Ok(()));
    }
    assert_eq!(outside.state(), State::Closed);
    assert_eq!(per_attempt.call(third), Err(Trouble::Down));
    assert_eq!(inside.state(), State::Open);
    // Calls that fail.
    let attempts = Cell::new(0);
    for _ in 0..9 {
        let _ = per_call.call(|_| {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(Trouble::Down)
        });
    }
    assert_eq!((outside.state(), attempts.get()), (State::Open, 2 * 3));
}

#[test]
fn a_probe_per_call_is_a_call_with_its_retries() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.per_call());
    let outcome = policy.call(|attempt| {
        assert_eq!(breaker.state(), State::HalfOpen);
        refuses(&breaker);
        if attempt.is_last() { Ok(()) } else { Err(Trouble::Down) }
    });
    assert_eq!((outcome, breaker.state()), (Ok(()), State::Closed));
}

#[test]
fn a_cancelled_call_returns_its_probe_per_call() {
    let breaker = about_to_probe();
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(SECOND).max_attempts(3))
        .guard(breaker.per_call())
        .timer(clock.clone());
    {
        let mut retry = pin!((|| async { Err::<(), _>(Trouble::Down) }).retry_with(&policy));
        let _ = retry.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        refuses(&breaker);
    }
    has_its_probe(&breaker);
}

#[test]
fn a_retry_that_would_be_refused_is_not_slept_for_and_the_error_is_that_of_the_operation() {
    let (breaker, clock) = breaker(Settings::consecutive(2));
    let policy = Policy::new(constant(SECOND).max_attempts(9)).guard(breaker).timer(clock.clone());
    let error = (|| Err::<(), _>("down")).retry_with(&policy).report().call().unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 2));
    assert_eq!((error.error(), error.interrupted()), (Some(&"down"), None));
    assert_eq!(clock.slept(), [SECOND]);
}

#[test]
fn a_retry_of_a_circuit_that_was_isolated_during_the_attempt_is_not_slept_for() {
    let (breaker, clock) = breaker(Settings::DEFAULT);
    let policy = Policy::new(constant(SECOND).max_attempts(9)).timer(clock.clone());
    let outcome = policy.guard(breaker.clone()).call(|_| {
        breaker.isolate();
        Err::<(), _>(Trouble::Down)
    });
    assert_eq!(outcome, Err(Trouble::Down));
    assert!(clock.slept().is_empty());
}

#[test]
fn a_retry_that_begins_when_the_open_duration_is_over_is_the_probe() {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    let policy = Policy::new(constant(10 * SECOND).max_attempts(2))
        .guard(breaker.clone())
        .timer(clock.clone());
    let outcome = policy
        .call(|attempt| if attempt.is_first() { Err(Trouble::Down) } else { Ok(breaker.state()) });
    assert_eq!((outcome, breaker.state()), (Ok(State::HalfOpen), State::Closed));
}

#[test]
fn an_outcome_that_forbids_a_retry_counts_as_a_failure() {
    let never = |_: &Result<(), Trouble>, _: &Attempt| Some(Verdict::Forbidden);
    let policy = Policy::new(immediate().max_attempts(3)).classify(never);
    for per_call in [false, true] {
        let (breaker, _) = breaker(Settings::consecutive(2));
        for state in [State::Closed, State::Open] {
            let outcome = if per_call {
                policy.guard(breaker.per_call()).call(|_| Err(Trouble::Down))
            } else {
                policy.guard(breaker.clone()).call(|_| Err(Trouble::Down))
            };
            assert_eq!((outcome, breaker.state()), (Err(Trouble::Down), state), "{per_call}");
        }
    }
    let seen = Cell::new(None);
    let _ = policy.hook(observe(|counts| seen.set(Some(counts)))).call(|_| Err(Trouble::Down));
    assert_eq!(seen.get(), Some(Counts::Failure));
}

#[test]
fn a_stop_counts_by_the_settings() {
    let stop = |_: &Result<(), Trouble>, _: &Attempt| Some(Verdict::Stop);
    let policy = Policy::new(immediate().max_attempts(3)).classify(stop);
    let after = |counts: Counts, per_call: bool| {
        let (breaker, _) = breaker(Settings::consecutive(2).stop(counts));
        fail(&breaker);
        let outcome = if per_call {
            policy.guard(breaker.per_call()).call(|_| Err(Trouble::Down))
        } else {
            policy.guard(breaker.clone()).call(|_| Err(Trouble::Down))
        };
        assert_eq!(outcome, Err(Trouble::Down));
        let stopped = breaker.state();
        if stopped == State::Closed {
            fail(&breaker);
        }
        (stopped, breaker.state())
    };
    for per_call in [false, true] {
        assert_eq!(after(Counts::Success, per_call), (State::Closed, State::Closed));
        assert_eq!(after(Counts::Nothing, per_call), (State::Closed, State::Open));
        assert_eq!(after(Counts::Failure, per_call), (State::Open, State::Open));
    }
}

#[test]
fn a_failure_rate_needs_enough_calls_and_is_taken_over_the_last() {
    let (breaker, _) = breaker(Settings::failure_rate(0.5, 4).over_calls(6));
    (0..3).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed, "three are not enough");
    breaker.reset();
    (0..6).for_each(|_| succeed(&breaker));
    (0..2).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed, "two of the last six");
    // Six successes later those failures are forgotten.
    (0..6).for_each(|_| succeed(&breaker));
    (0..2).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed);
    succeed(&breaker);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open, "three of the last six");
}

#[test]
fn a_failure_rate_is_exact() {
    for (rate, failures, of) in [(0.07, 7, 100), (0.29, 29, 100), (0.6, 3, 5), (1.0, 10, 10)] {
        let (breaker, _) = breaker(Settings::failure_rate(rate, of).over_calls(of));
        (failures..of).for_each(|_| succeed(&breaker));
        (1..failures).for_each(|_| fail(&breaker));
        assert_eq!(breaker.state(), State::Closed, "{rate}");
        fail(&breaker);
        assert_eq!(breaker.state(), State::Open, "{rate}");
    }
}

#[test]
fn a_failure_rate_over_time_forgets() {
    let settings = Settings::failure_rate(0.5, 4).over_time(16 * SECOND);
    let (breaker, clock) = breaker(settings);
    for _ in 0..3 {
        fail(&breaker);
        clock.advance(SECOND);
    }
    // The first is sixteen seconds old and forgotten: two and this one are not enough.
    clock.advance(13 * SECOND);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    // Results before the circuit opened are forgotten when it has closed.
    clock.advance(10 * SECOND);
    succeed(&breaker);
    (0..3).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_failure_rate_over_time_forgets_after_each_idle_year_of_a_century() {
    let (breaker, clock) = breaker(Settings::failure_rate(0.5, 3).over_time(SECOND));
    for _ in 0..100 {
        (0..2).for_each(|_| fail(&breaker));
        clock.advance(CENTURY / 100);
        (0..2).for_each(|_| fail(&breaker));
        assert_eq!(breaker.state(), State::Closed);
        fail(&breaker);
        assert_eq!(breaker.state(), State::Open);
        breaker.reset();
    }
}

#[test]
fn results_before_a_circuit_closed_do_not_return() {
    let settings = Settings::failure_rate(0.5, 3).over_time(3600 * SECOND);
    let (breaker, clock) = breaker(settings);
    (0..2).for_each(|_| fail(&breaker));
    // Another part of the window, so that the two failures stay in theirs.
    clock.advance(300 * SECOND);
    for _ in 0..4_000 {
        breaker.reset();
        fail(&breaker);
        assert_eq!(breaker.state(), State::Closed);
    }
}

#[test]
fn many_outcomes_in_one_slot_of_time_keep_their_rate() {
    let settings = Settings::failure_rate(0.5, 1).over_time(SECOND);
    let (breaker, _) = breaker(settings);
    (0..100_000).for_each(|_| succeed(&breaker));
    (0..20_000).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed);
    (0..60_000).for_each(|_| {
        if breaker.state() == State::Closed {
            fail(&breaker);
        }
    });
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_rate_among_threads_counts_every_outcome_once() {
    for settings in [
        Settings::failure_rate(1.0, 4_000).over_calls(4_000),
        Settings::failure_rate(1.0, 4_000).over_time(SECOND),
    ] {
        let (breaker, _) = breaker(settings);
        let failing = |times: u32| {
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| (0..times).for_each(|_| fail(&breaker)));
                }
            });
        };
        failing(1_333);
        assert_eq!(breaker.state(), State::Closed, "3999 are not enough");
        fail(&breaker);
        assert_eq!(breaker.state(), State::Open);
    }
}

#[test]
fn many_failures_at_the_same_time_open_the_circuit_once() {
    let opened = Arc::new(AtomicU32::new(0));
    let count = opened.clone();
    let breaker = CircuitBreaker::builder(Settings::consecutive(100))
        .on_change(move |change| {
            assert_eq!((change.from(), change.to()), (State::Closed, State::Open));
            count.fetch_add(1, SeqCst);
        })
        .build();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..100).for_each(|_| assert!(one(&breaker, Err(Trouble::Down)).is_err()));
            });
        }
    });
    assert_eq!((opened.load(SeqCst), breaker.openings()), (1, 1));
}

#[test]
fn two_breakers_of_one_policy_see_the_same_calls() {
    let (inside, _) = breaker(Settings::consecutive(9));
    let (outside, _) = breaker(Settings::consecutive(1));
    let policy =
        Policy::new(immediate().max_attempts(3)).guard(outside.per_call()).guard(inside.clone());
    assert_eq!(policy.call(|_| Err::<(), _>(Trouble::Down)), Err(Trouble::Down));
    assert_eq!((inside.state(), outside.state()), (State::Closed, State::Open));
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::Refused));
}

#[test]
fn a_breaker_by_reference_is_the_same_breaker() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.by_ref());
    {
        let mut retry = pin!((|| pending::<Result<(), Trouble>>()).retry_with(&policy));
        let _ = retry.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        refuses(&breaker);
    }
    assert_eq!(policy.call(|_| Ok::<_, Trouble>(())), Ok(()));
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(policy.call(|_| Err::<(), _>(Trouble::Down)), Err(Trouble::Down));
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::Refused));
}

/// A model of the breaker, for one call after the other.
#[derive(Debug)]
struct BreakerModel {
    rule: Rule,
    state: State,
    seen: Vec<bool>,
    since: Duration,
    openings: u32,
    successes: u32,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Run(usize),
    Rate { percent: usize, least: usize, last: usize },
}

impl BreakerModel {
    fn allows(&mut self, now: Duration) -> bool {
        if self.state == State::Open && now >= self.since + self.openings * SECOND {
            (self.state, self.successes) = (State::HalfOpen, 0);
        }
        self.state == State::Closed || self.state == State::HalfOpen
    }

    fn record(&mut self, failed: bool, now: Duration) {
        self.seen.push(failed);
        let opens =
            failed
                && match self.rule {
                    _ if self.state == State::HalfOpen => true,
                    Rule::Run(most) => self.seen.rchunks(most).next().is_some_and(|last| {
                        last.len() == most && last.iter().all(|failed| *failed)
                    }),
                    Rule::Rate { percent, least, last } => {
                        let seen: Vec<_> = self.seen.iter().rev().take(last).collect();
                        let failures = seen.iter().filter(|failed| ***failed).count();
                        seen.len() >= least && failures * 100 >= percent * seen.len()
                    }
                };
        if opens {
            (self.state, self.since) = (State::Open, now);
            self.openings += 1;
        } else if self.state == State::HalfOpen {
            self.successes += 1;
            if self.successes == 2 {
                self.state = State::Closed;
                self.openings = 0;
                self.seen.clear();
            }
        }
    }
}

fn rules() -> impl Strategy<Value = Rule> {
    let rate = (1_usize..=100, 1_usize..=8, 0_usize..=4);
    prop_oneof![
        (1_usize..=4).prop_map(Rule::Run),
        rate.prop_map(|(percent, least, more)| Rule::Rate { percent, least, last: least + more }),
    ]
}

proptest! {
    #[test]
    fn a_breaker_does_the_same_as_its_model(
        rule in rules(),
        steps in prop::collection::vec((0_u32..6, any::<bool>()), 1..200),
    ) {
        let settings = match rule {
            Rule::Run(most) => Settings::consecutive(most as u32),
            Rule::Rate { percent, least, last } => {
                let rate = Settings::failure_rate(percent as f64 / 100.0, least as u32);
                rate.over_calls(last as u32)
            }
        };
        let clock = VirtualClock::new();
        let breaker = CircuitBreaker::builder(settings.successes(2))
            .open_for(linear(SECOND))
            .clock(clock.clone())
            .build();
        let mut model = BreakerModel {
            rule,
            state: State::Closed,
            seen: vec![],
            since: Duration::ZERO,
            openings: 0,
            successes: 0,
        };
        for (idle, failed) in steps {
            clock.advance(idle * SECOND / 2);
            let allowed = model.allows(clock.now());
            let outcome = if failed { Err(Trouble::Down) } else { Ok(()) };
            let expected = if allowed { outcome } else { Err(Trouble::Refused) };
            prop_assert_eq!(one(&breaker, outcome), expected);
            if allowed {
                model.record(failed, clock.now());
            }
            prop_assert_eq!((breaker.state(), breaker.openings()), (model.state, model.openings));
        }
    }
}

#[test]
fn refuse_if_and_observe_work_alone() {
    let open = Cell::new(true);
    let policy = Policy::new(immediate().max_attempts(3)).guard(refuse_if(|| open.get()));
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::Refused));
    open.set(false);
    // The circuit opens during the attempt: the retry is refused, and the error of the operation returned.
    let outcome = policy.call(|_| {
        open.set(true);
        Err::<(), _>(Trouble::Down)
    });
    assert_eq!(outcome, Err(Trouble::Down));

    let seen = RefCell::new(vec![]);
    let policy = Policy::new(immediate().max_attempts(3)).hook(observe(|counts| {
        seen.borrow_mut().push(counts);
    }));
    let _ = policy.call(|attempt| (attempt.number() == 2).then_some(()));
    let panicked = catch_unwind(AssertUnwindSafe(|| policy.call(|_| -> Option<()> { panic!() })));
    assert!(panicked.is_err());
    {
        let mut retry = pin!((|| pending::<Option<()>>()).retry_with(&policy));
        let _ = retry.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    let all = [Counts::Failure, Counts::Success, Counts::Nothing, Counts::Nothing];
    assert_eq!(seen.take(), all);
}

#[test]
fn a_breaker_of_another_crate_is_used_by_two_closures() {
    let failures = failsafe::failure_policy::consecutive_failures(
        2,
        failsafe::backoff::constant(3600 * SECOND),
    );
    let theirs = failsafe::StateMachine::new(failures, ());
    let policy = Policy::new(immediate().max_attempts(9))
        .guard(refuse_if(|| !theirs.is_call_permitted()))
        .hook(observe(|counts| match counts {
            Counts::Success => theirs.on_success(),
            Counts::Failure => theirs.on_error(),
            _ => {}
        }));
    let third =
        policy.call(|attempt| if attempt.number() == 2 { Ok(()) } else { Err(Trouble::Down) });
    assert_eq!((third, theirs.is_call_permitted()), (Ok(()), true));
    let attempts = Cell::new(0);
    let outcome = policy.call(|attempt| {
        attempts.set(attempt.number());
        Err::<(), _>(Trouble::Down)
    });
    assert_eq!((outcome, attempts.get()), (Err(Trouble::Down), 2));
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::Refused));
}

#[test]
fn a_refusal_is_not_retried() {
    struct Count<'a>(&'a Cell<u32>);
    impl<O> Hook<O> for Count<'_> {
        fn before_retry(&mut self, _: &RetryEvent<'_, O>) {
            self.0.set(self.0.get() + 1);
        }
    }
    let (breaker, clock) = breaker(Settings::consecutive(1));
    fail(&breaker);
    let retries = Cell::new(0);
    let policy = Policy::new(constant(SECOND).max_attempts(5)).guard(breaker).timer(clock.clone());
    let outcome = (|| Ok::<(), Trouble>(())).retry_with(&policy).hook(Count(&retries)).call();
    assert_eq!((outcome, retries.get()), (Err(Trouble::Refused), 0));
    assert!(clock.slept().is_empty());
}

#[test]
fn impossible_settings_are_refused_with_their_name() {
    let refused = |edit: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::DEFAULT;
        edit(&mut settings);
        CircuitBreaker::try_new(settings).unwrap_err().to_string()
    };
    let rate = |rate, min_calls, window| {
        refused(&|s| s.trip = Trip::FailureRate { rate, min_calls, window })
    };
    let ten = Window::Calls(10);
    assert_eq!(refused(&|s| s.trip = Trip::Consecutive(0)), "`failures` is at least 1");
    assert_eq!(refused(&|s| s.probes = 0), "`probes` is from 1 to 65535");
    assert_eq!(refused(&|s| s.probes = 65_536), "`probes` is from 1 to 65535");
    assert_eq!(refused(&|s| s.successes = 0), "`successes` is from 1 to 65535");
    for bad in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1.01] {
        assert_eq!(rate(bad, 1, ten), "`rate` is over 0 and up to 1");
    }
    assert_eq!(rate(0.5, 0, ten), "`min_calls` is from 1 to 10000");
    assert_eq!(rate(0.5, 11, ten), "`calls` is from `min_calls` to 10000");
    assert_eq!(rate(0.5, 1, Window::Calls(10_001)), "`calls` is from `min_calls` to 10000");
    for bad in [Duration::ZERO, Duration::from_millis(999), 3601 * SECOND, Duration::MAX] {
        assert_eq!(rate(0.5, 1, Window::Time(bad)), "`time` is from 1 s to 1 h");
    }
}

#[test]
#[should_panic(expected = "`min_calls` is from 1 to 10000")]
fn a_setter_refuses_an_impossible_value() {
    let _ = Settings::failure_rate(0.5, 0);
}

#[test]
fn a_breaker_is_small_and_shareable_and_prints_its_state() {
    fn shareable<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    shareable::<CircuitBreaker>();
    let breaker = CircuitBreaker::default();
    let text = format!("{breaker:?}");
    assert!(text.starts_with("CircuitBreaker { settings: ") && text.contains("state: Closed"));
    assert!(size_of::<CircuitBreaker>() <= 24, "{}", size_of::<CircuitBreaker>());
}
