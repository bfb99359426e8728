//! Circuit breakers: what opens and closes them, and that no probe is ever lost.
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

use persevere::hook::breaker::{
    Change, Counts, Observed, Permit, Settings, State, Trip, Window, observe, refuse_if,
};
use persevere::hook::{CircuitBreaker, Hook, HookExt, RetryEvent};
use persevere::time::{Clock as _, VirtualClock};
use persevere::{
    Attempt, Interrupted, Policy, Reason, RetryExt, Verdict, Veto, constant, delays, exponential,
    immediate, linear,
};

const SECOND: Duration = Duration::from_secs(1);
const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What went wrong, or that nothing was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Down,
    NotAsked,
}

impl From<Interrupted> for Trouble {
    fn from(interrupted: Interrupted) -> Self {
        assert_eq!(interrupted.reason(), Reason::Circuit);
        Trouble::NotAsked
    }
}

/// A breaker that is open for ten seconds, and its clock.
fn breaker(settings: Settings) -> (CircuitBreaker, VirtualClock) {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::new(settings).open_for(constant(10 * SECOND));
    (breaker.clock(clock.clone()), clock)
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
    assert_eq!(one(breaker, Ok(())), Err(Trouble::NotAsked));
}

#[test]
fn it_opens_after_failures_in_a_row_and_a_success_starts_the_count_again() {
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
    assert_eq!((outcome, calls.get()), (Err(Trouble::NotAsked), 0));
}

#[test]
fn it_is_open_for_exactly_its_duration_and_says_how_long() {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    assert_eq!(breaker.retry_after(), None);
    fail(&breaker);
    assert_eq!(breaker.retry_after(), Some(10 * SECOND));
    clock.advance(10 * SECOND - Duration::from_nanos(1));
    refuses(&breaker);
    let refused = breaker.try_acquire().unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_nanos(1)));
    assert_eq!(refused.to_string(), "the circuit is open for another 1ns");
    clock.advance(Duration::from_nanos(1));
    assert_eq!((breaker.state(), breaker.retry_after()), (State::Open, None));
    succeed(&breaker);
    assert_eq!((breaker.state(), breaker.openings()), (State::Closed, 0));
}

#[test]
fn it_waits_longer_each_time_until_it_has_closed() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::new(Settings::consecutive(1))
        .open_for(exponential(SECOND).max_delay(6 * SECOND))
        .clock(clock.clone());
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
fn an_open_duration_that_ends_repeats_its_last() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::new(Settings::consecutive(1))
        .open_for(delays([SECOND, 5 * SECOND]))
        .clock(clock.clone());
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
    let breaker = CircuitBreaker::new(Settings::consecutive(1))
        .open_for(persevere::from_fn(twice))
        .clock(clock.clone());
    for seconds in [1, 2, 4] {
        fail(&breaker);
        assert_eq!(breaker.retry_after(), Some(seconds * SECOND));
        clock.advance(seconds * SECOND);
    }
}

#[test]
fn an_endless_open_duration_is_never_over() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::new(Settings::consecutive(1))
        .open_for(constant(Duration::MAX))
        .clock(clock.clone());
    clock.advance(SECOND);
    fail(&breaker);
    clock.advance(5 * CENTURY);
    refuses(&breaker);
}

#[test]
fn jitter_draws_anew_each_time() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::new(Settings::consecutive(1))
        .open_for(constant(1000 * SECOND).full_jitter())
        .clock(clock.clone());
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
fn half_open_lets_as_many_probes_run_as_it_may() {
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
    // Five successes close it, whoever brings them.
    held.drain(..).for_each(Permit::success);
    assert_eq!(breaker.state(), State::HalfOpen);
    succeed(&breaker);
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn one_failed_probe_opens_it_again() {
    let (breaker, clock) = breaker(Settings::consecutive(4).probes(2).successes(9));
    (0..4).for_each(|_| fail(&breaker));
    clock.advance(10 * SECOND);
    (0..8).for_each(|_| succeed(&breaker));
    fail(&breaker);
    assert_eq!((breaker.state(), breaker.openings()), (State::Open, 2));
}

#[test]
fn probes_among_threads_are_never_more_than_it_may() {
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
    // All came back.
    let again: Vec<_> = (0..2).map(|_| breaker.try_acquire().unwrap()).collect();
    assert!(breaker.try_acquire().is_err());
    drop(again);
}

/// A circuit that is about to be half-open, with one probe.
fn about_to_probe() -> CircuitBreaker {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    fail(&breaker);
    clock.advance(10 * SECOND);
    breaker
}

/// The probe is there for the next one, who closes the circuit.
fn has_its_probe(breaker: &CircuitBreaker) {
    assert_eq!(breaker.state(), State::HalfOpen);
    succeed(breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_cancelled_probe_goes_back() {
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
        assert_eq!(policy.guard(breaker.operations()).call(other), Ok(()));
        assert_eq!(policy.hook(breaker.clone()).call(other), Ok(()));
    }
}

#[test]
fn a_hook_that_is_used_for_one_call_after_the_other_gives_its_probe_back_each_time() {
    let breaker = about_to_probe();
    let mut hook = breaker.clone();
    for _ in 0..2 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let panics = || -> Option<()> { panic!("in the operation") };
            panics.retry_with(immediate().max_attempts(3)).hook(&mut hook).call()
        }));
        assert!(outcome.is_err());
        drop(breaker.try_acquire().unwrap());
    }
    has_its_probe(&breaker);
}

#[test]
fn a_probe_that_panics_goes_back() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.clone());
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        policy.call(|_| -> Result<(), Trouble> { panic!("in the operation") })
    }));
    assert!(outcome.is_err());
    has_its_probe(&breaker);
}

#[test]
fn a_probe_that_another_guard_refuses_goes_back() {
    #[derive(Clone)]
    struct Refuse;
    impl<O> Hook<O> for Refuse {
        fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
            Break(Veto::Circuit)
        }
    }
    let (inside, outside) = (about_to_probe(), about_to_probe());
    let policy = Policy::new(immediate().max_attempts(3));
    let policy = policy.guard(inside.clone()).guard(outside.operations()).guard(Refuse);
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::NotAsked));
    has_its_probe(&inside);
    has_its_probe(&outside);
}

#[test]
fn a_probe_that_goes_back_takes_no_success_with_it() {
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
fn a_loop_that_is_left_gives_its_probe_back() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.clone());
    drop(policy.try_start::<Result<(), Trouble>>().unwrap());
    has_its_probe(&breaker);
}

#[test]
fn a_success_that_the_loop_is_told_of_closes_it() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.clone());
    let attempts = policy.try_start::<Result<Infallible, Trouble>>().unwrap();
    attempts.succeed(());
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_backoff_that_panics_leaves_the_probe_and_the_circuit() {
    let clock = VirtualClock::new();
    let first = |attempt: &Attempt| {
        assert!(attempt.is_first(), "in a backoff");
        Some(SECOND)
    };
    let breaker = CircuitBreaker::new(Settings::consecutive(1))
        .open_for(persevere::from_fn(first))
        .clock(clock.clone());
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
fn a_listener_that_panics_takes_one_call_with_it_and_no_probe() {
    let clock = VirtualClock::new();
    let breaker = CircuitBreaker::new(Settings::consecutive(1))
        .open_for(constant(SECOND))
        .clock(clock.clone())
        .on_change(|change| assert!(change.to() != State::HalfOpen, "in a listener"));
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
    // Begun when it was closed: neither is the second success, nor does the other open it.
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
fn what_is_late_does_not_spoil_the_rate_of_a_later_generation() {
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
fn isolated_stays_so_until_it_is_reset() {
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
fn forced_open_is_open_for_its_duration() {
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
fn forcing_it_open_anew_is_no_further_opening() {
    let clock = VirtualClock::new();
    let breaker =
        CircuitBreaker::new(Settings::consecutive(1)).open_for(linear(SECOND)).clock(clock.clone());
    for opening in 1..=2 {
        fail(&breaker);
        breaker.force_open();
        assert_eq!((breaker.openings(), breaker.retry_after()), (opening, Some(opening * SECOND)));
        clock.advance(opening * SECOND);
    }
}

#[test]
fn isolated_is_not_ended_by_forcing_it_open() {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    breaker.isolate();
    breaker.force_open();
    clock.advance(10 * SECOND);
    refuses(&breaker);
    assert_eq!((breaker.state(), breaker.retry_after()), (State::Isolated, None));
}

#[test]
fn openings_before_it_was_closed_do_not_count() {
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
fn every_change_is_told_to_every_listener_in_order() {
    let clock = VirtualClock::new();
    let log = Arc::new(Mutex::new(vec![]));
    let say = |name: &'static str| {
        let log = log.clone();
        move |change: &Change| {
            log.lock().unwrap().push(format!("{name} {}: {change}", change.generation()));
        }
    };
    let breaker = CircuitBreaker::new(Settings::consecutive(2))
        .open_for(exponential(SECOND))
        .clock(clock.clone())
        .on_change(say("a"))
        .on_change(say("b"));
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
            "1: closed to open for 1s",
            "2: open to half-open",
            "3: half-open to open for 2s",
            "4: open to isolated",
            "5: isolated to closed",
        ]
    );
    assert_eq!(of_a, of_b);
}

/// A breaker of default settings, and what its last listener is told.
fn told(change_itself: impl Fn(&Change) + Send + Sync + 'static) -> (CircuitBreaker, Log) {
    let log = Log::default();
    let lines = log.clone();
    let breaker = CircuitBreaker::default()
        .on_change(change_itself)
        .on_change(move |change| lines.lock().unwrap().push(change.to_string()));
    (breaker, log)
}

type Log = Arc<Mutex<Vec<String>>>;

#[test]
fn what_changes_no_state_is_told_to_nobody() {
    let (breaker, log) = told(|_| ());
    breaker.reset();
    breaker.isolate();
    breaker.isolate();
    breaker.force_open();
    breaker.reset();
    // A new opening is a change: its time begins anew.
    breaker.force_open();
    breaker.force_open();
    assert_eq!(
        *log.lock().unwrap(),
        [
            "closed to isolated",
            "isolated to closed",
            "closed to open for 30s",
            "open to open for 30s",
        ]
    );
}

#[test]
fn a_listener_that_panics_keeps_no_change_from_the_circuit_or_those_after_it() {
    let (breaker, log) = told(|change| assert!(change.to() != State::Open, "in a listener"));
    let breaker = breaker.on_change(|_| panic!("in another"));
    assert!(catch_unwind(AssertUnwindSafe(|| breaker.force_open())).is_err());
    assert_eq!((breaker.state(), breaker.openings()), (State::Open, 1));
    assert_eq!(*log.lock().unwrap(), ["closed to open for 30s"]);
}

#[test]
fn a_listener_may_use_the_breaker() {
    let slot = Arc::new(Mutex::new(None::<CircuitBreaker>));
    let of_listener = slot.clone();
    let (breaker, log) = told(move |change| {
        if change.to() == State::Open {
            of_listener.lock().unwrap().clone().unwrap().isolate();
        }
    });
    *slot.lock().unwrap() = Some(breaker.clone());
    // `isolate` tells the listener too, which has let the lock go by then.
    breaker.force_open();
    assert_eq!(breaker.state(), State::Isolated);
    assert_eq!(*log.lock().unwrap(), ["open to isolated", "closed to open for 30s"]);
    *slot.lock().unwrap() = None;
}

#[test]
fn inside_the_retry_it_sees_attempts_and_outside_operations() {
    // The same calls: each fails twice and then succeeds.
    let third = |attempt: Attempt| if attempt.number() < 3 { Err(Trouble::Down) } else { Ok(()) };
    let policy = Policy::new(immediate().max_attempts(3));
    let (inside, _) = breaker(Settings::consecutive(2));
    let (outside, _) = breaker(Settings::consecutive(2));
    let of_attempts = policy.guard(inside.clone());
    let of_operations = policy.guard(outside.operations());
    for _ in 0..5 {
        assert_eq!(of_operations.call(third), Ok(()));
    }
    assert_eq!(outside.state(), State::Closed);
    assert_eq!(of_attempts.call(third), Err(Trouble::Down));
    assert_eq!(inside.state(), State::Open);
    // And each fails for good.
    let attempts = Cell::new(0);
    for _ in 0..9 {
        let _ = of_operations.call(|_| {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(Trouble::Down)
        });
    }
    assert_eq!((outside.state(), attempts.get()), (State::Open, 2 * 3));
}

#[test]
fn outside_a_probe_is_a_call_with_its_retries() {
    let breaker = about_to_probe();
    let policy = Policy::new(immediate().max_attempts(3)).guard(breaker.operations());
    let outcome = policy.call(|attempt| {
        assert_eq!(breaker.state(), State::HalfOpen);
        refuses(&breaker);
        if attempt.is_last() { Ok(()) } else { Err(Trouble::Down) }
    });
    assert_eq!((outcome, breaker.state()), (Ok(()), State::Closed));
}

#[test]
fn outside_a_cancelled_call_gives_its_probe_back() {
    let breaker = about_to_probe();
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(SECOND).max_attempts(3))
        .guard(breaker.operations())
        .timer(clock.clone());
    {
        let mut retry = pin!((|| async { Err::<(), _>(Trouble::Down) }).retry_with(&policy));
        let _ = retry.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        refuses(&breaker);
    }
    has_its_probe(&breaker);
}

#[test]
fn a_retry_that_would_be_refused_is_not_slept_for_and_the_error_is_its_own() {
    let (breaker, clock) = breaker(Settings::consecutive(2));
    let policy = Policy::new(constant(SECOND).max_attempts(9)).guard(breaker).timer(clock.clone());
    let error = (|| Err::<(), _>("down")).retry_with(&policy).report().call().unwrap_err();
    assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 2));
    assert_eq!((error.error(), error.interrupted()), (Some(&"down"), None));
    assert_eq!(clock.slept(), [SECOND]);
}

#[test]
fn a_retry_of_a_circuit_that_was_isolated_meanwhile_is_not_slept_for() {
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
fn a_retry_that_comes_when_the_circuit_is_half_open_is_its_probe() {
    let (breaker, clock) = breaker(Settings::consecutive(1));
    let policy = Policy::new(constant(10 * SECOND).max_attempts(2))
        .guard(breaker.clone())
        .timer(clock.clone());
    let outcome = policy
        .call(|attempt| if attempt.is_first() { Err(Trouble::Down) } else { Ok(breaker.state()) });
    assert_eq!((outcome, breaker.state()), (Ok(State::HalfOpen), State::Closed));
}

#[test]
fn as_a_plain_hook_it_refuses_retries_only() {
    let (breaker, _) = breaker(Settings::consecutive(2));
    let policy = Policy::new(immediate().max_attempts(5)).hook(breaker.clone());
    let calls = Cell::new(0);
    let call = || {
        policy.call(|attempt| {
            calls.set(calls.get() + 1);
            Err::<(), _>(attempt.number())
        })
    };
    assert_eq!(call(), Err(2));
    assert_eq!((call(), calls.get()), (Err(1), 3));
    // What runs while it is open is not seen.
    assert_eq!(policy.call(|_| Ok::<_, u32>(())), Ok(()));
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_server_that_forbids_a_retry_has_failed() {
    let never = |_: &Result<(), Trouble>, _: &Attempt| Some(Verdict::Never);
    let policy = Policy::new(immediate().max_attempts(3)).classify(never);
    for outside in [false, true] {
        let (breaker, _) = breaker(Settings::consecutive(2));
        for state in [State::Closed, State::Open] {
            let outcome = if outside {
                policy.guard(breaker.operations()).call(|_| Err(Trouble::Down))
            } else {
                policy.guard(breaker.clone()).call(|_| Err(Trouble::Down))
            };
            assert_eq!((outcome, breaker.state()), (Err(Trouble::Down), state), "{outside}");
        }
    }
    let seen = Cell::new(None);
    let _ = policy.hook(observe(|what| seen.set(Some(what)))).call(|_| Err(Trouble::Down));
    assert_eq!(seen.get(), Some(Observed::Failure));
}

#[test]
fn a_stop_counts_as_the_settings_say() {
    let stop = |_: &Result<(), Trouble>, _: &Attempt| Some(Verdict::Stop);
    let policy = Policy::new(immediate().max_attempts(3)).classify(stop);
    let after = |counts: Counts, outside: bool| {
        let (breaker, _) = breaker(Settings::consecutive(2).stop(counts));
        fail(&breaker);
        let outcome = if outside {
            policy.guard(breaker.operations()).call(|_| Err(Trouble::Down))
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
    for outside in [false, true] {
        assert_eq!(after(Counts::Success, outside), (State::Closed, State::Closed));
        assert_eq!(after(Counts::Nothing, outside), (State::Closed, State::Open));
        assert_eq!(after(Counts::Failure, outside), (State::Open, State::Open));
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
    // The first is sixteen seconds old, and gone: two and this are not enough.
    clock.advance(13 * SECOND);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    // What was seen before it opened is forgotten when it has closed.
    clock.advance(10 * SECOND);
    succeed(&breaker);
    (0..3).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_failure_rate_over_time_survives_an_idle_century_and_any_part_of_it() {
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
fn what_was_seen_before_a_circuit_closed_does_not_come_back() {
    let settings = Settings::failure_rate(0.5, 3).over_time(3600 * SECOND);
    let (breaker, clock) = breaker(settings);
    (0..2).for_each(|_| fail(&breaker));
    // Into another part of the window, so that those two stay where they are.
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
fn one_failure_of_many_at_once_opens_it_once() {
    let opened = Arc::new(AtomicU32::new(0));
    let count = opened.clone();
    let breaker = CircuitBreaker::new(Settings::consecutive(100)).on_change(move |change| {
        assert_eq!((change.from(), change.to()), (State::Closed, State::Open));
        count.fetch_add(1, SeqCst);
    });
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
fn two_breakers_on_one_policy_see_the_same_calls() {
    let (inside, _) = breaker(Settings::consecutive(9));
    let (outside, _) = breaker(Settings::consecutive(1));
    let policy =
        Policy::new(immediate().max_attempts(3)).guard(outside.operations()).guard(inside.clone());
    assert_eq!(policy.call(|_| Err::<(), _>(Trouble::Down)), Err(Trouble::Down));
    assert_eq!((inside.state(), outside.state()), (State::Closed, State::Open));
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::NotAsked));
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
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::NotAsked));
}

/// The same breaker, one call after the other: slow, and plainly right.
#[derive(Debug)]
struct Plain {
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

impl Plain {
    fn asks(&mut self, now: Duration) -> bool {
        if self.state == State::Open && now >= self.since + self.openings * SECOND {
            (self.state, self.successes) = (State::HalfOpen, 0);
        }
        self.state == State::Closed || self.state == State::HalfOpen
    }

    fn hears(&mut self, failed: bool, now: Duration) {
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
    fn it_does_what_a_plain_breaker_does(
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
        let breaker = CircuitBreaker::new(settings.successes(2))
            .open_for(linear(SECOND))
            .clock(clock.clone());
        let mut plain = Plain {
            rule,
            state: State::Closed,
            seen: vec![],
            since: Duration::ZERO,
            openings: 0,
            successes: 0,
        };
        for (idle, failed) in steps {
            clock.advance(idle * SECOND / 2);
            let allowed = plain.asks(clock.now());
            let outcome = if failed { Err(Trouble::Down) } else { Ok(()) };
            let expected = if allowed { outcome } else { Err(Trouble::NotAsked) };
            prop_assert_eq!(one(&breaker, outcome), expected);
            if allowed {
                plain.hears(failed, clock.now());
            }
            prop_assert_eq!((breaker.state(), breaker.openings()), (plain.state, plain.openings));
        }
    }
}

#[test]
fn either_half_of_somebody_elses_breaker_is_enough() {
    let open = Cell::new(true);
    let policy = Policy::new(immediate().max_attempts(3)).guard(refuse_if(|| open.get()));
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::NotAsked));
    open.set(false);
    // It opens during the attempt: the retry is refused, with the operation's own error.
    let outcome = policy.call(|_| {
        open.set(true);
        Err::<(), _>(Trouble::Down)
    });
    assert_eq!(outcome, Err(Trouble::Down));

    let seen = RefCell::new(vec![]);
    let policy = Policy::new(immediate().max_attempts(3)).hook(observe(|what| {
        seen.borrow_mut().push(what);
    }));
    let _ = policy.call(|attempt| (attempt.number() == 2).then_some(()));
    let panicked = catch_unwind(AssertUnwindSafe(|| policy.call(|_| -> Option<()> { panic!() })));
    assert!(panicked.is_err());
    {
        let mut retry = pin!((|| pending::<Option<()>>()).retry_with(&policy));
        let _ = retry.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    let all = [Observed::Failure, Observed::Success, Observed::Nothing, Observed::Nothing];
    assert_eq!(seen.take(), all);
}

#[test]
fn the_breaker_of_another_crate_serves_through_two_closures() {
    let failures = failsafe::failure_policy::consecutive_failures(
        2,
        failsafe::backoff::constant(3600 * SECOND),
    );
    let theirs = failsafe::StateMachine::new(failures, ());
    let policy = Policy::new(immediate().max_attempts(9)).guard(
        refuse_if(|| !theirs.is_call_permitted()).and(observe(|seen| match seen {
            Observed::Success => theirs.on_success(),
            Observed::Failure => theirs.on_error(),
            Observed::Nothing => {}
        })),
    );
    let third =
        policy.call(|attempt| if attempt.number() == 2 { Ok(()) } else { Err(Trouble::Down) });
    assert_eq!((third, theirs.is_call_permitted()), (Ok(()), true));
    let attempts = Cell::new(0);
    let outcome = policy.call(|attempt| {
        attempts.set(attempt.number());
        Err::<(), _>(Trouble::Down)
    });
    assert_eq!((outcome, attempts.get()), (Err(Trouble::Down), 2));
    assert_eq!(policy.call(|_| Ok(())), Err(Trouble::NotAsked));
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
    assert_eq!((outcome, retries.get()), (Err(Trouble::NotAsked), 0));
    assert!(clock.slept().is_empty());
}

#[test]
fn impossible_settings_are_refused_by_name() {
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
fn a_setter_refuses_what_is_impossible() {
    let _ = Settings::failure_rate(0.5, 0);
}

#[test]
fn a_breaker_is_small_shareable_and_says_its_state() {
    fn shareable<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    shareable::<CircuitBreaker>();
    let breaker = CircuitBreaker::default();
    let text = format!("{breaker:?}");
    assert!(text.starts_with("CircuitBreaker { settings: ") && text.contains("state: Closed"));
    assert!(size_of::<CircuitBreaker>() <= 24, "{}", size_of::<CircuitBreaker>());
}
