//! Loops with the setters of a call ([`Loop`]), and loops whose attempts are dropped, as in `select!`.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::num::ParseIntError;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use futures::future::{Either, select};
use persevere::guard::Guard;
use persevere::hook::{AttemptEvent, FinishEvent, Hook};
use persevere::retry::Loop;
use persevere::time::{CancelToken, Clock, Timer, VirtualClock};
use persevere::{
    Attempt, Attempts, CircuitBreaker, Interrupted, Interruption, Policy, Reason, RetryError,
    RetryExt, Veto, breaker, constant, exponential, immediate,
};

use support::{ms, secs};

type Parsed = Result<u8, ParseIntError>;

#[test]
fn a_loop_asks_its_own_predicate() {
    let mut attempts = Loop::<Parsed>::new()
        .retry_with(immediate().max_attempts(5))
        .when(|error| error.to_string().contains("empty"))
        .start();
    assert!(attempts.check_blocking("".parse()).is_continue());
    assert!(matches!(attempts.check_blocking("x".parse()), Break(Err(_))));
}

#[test]
fn a_loop_polls_until_its_value_is_accepted() {
    let mut attempts = Loop::<Result<u8, ()>>::new()
        .retry_with(immediate().max_attempts(5))
        .until(|progress| *progress == 100)
        .start();
    assert_eq!(attempts.check_blocking(Ok(99)), Continue(()));
    assert_eq!(attempts.check_blocking(Ok(100)), Break(Ok(100)));
}

#[test]
fn a_loop_reports_events_to_its_own_hooks_with_the_name_of_its_operation() {
    let log = RefCell::new(vec![]);
    let clock = VirtualClock::new();
    let mut attempts = Loop::<Result<(), &str>>::new()
        .retry_with(constant(ms(100)).max_attempts(2))
        .timer(clock.clone())
        .named("load")
        .seed(7)
        .on_retry(|retry| log.borrow_mut().push(retry.to_string()))
        .on_give_up(|finish| log.borrow_mut().push(finish.to_string()))
        .start();
    assert!(attempts.check_blocking(Err("busy")).is_continue());
    assert!(attempts.check_blocking(Err("busy")).is_break());
    assert_eq!(clock.slept(), [ms(100)]);
    assert_eq!(
        log.take(),
        [
            "load: attempt 1 of 2 failed, next in 100 ms: busy",
            "load: gave up after 2 attempts: attempt limit reached: busy",
        ]
    );
}

#[test]
fn a_loop_makes_a_report() {
    let clock = VirtualClock::new();
    let mut attempts = Loop::<Parsed>::new()
        .retry_with(constant(ms(100)).max_attempts(3))
        .timer(clock.clone())
        .report()
        .history(5)
        .start();
    let error: RetryError<ParseIntError> = loop {
        if let Break(outcome) = clock.block_on(attempts.attempt(async { "x".parse() })) {
            break outcome.unwrap_err();
        }
    };
    assert_eq!((error.reason(), error.attempts()), (Reason::Attempts, 3));
    assert_eq!((error.elapsed(), error.history().len()), (ms(200), 2));
}

#[test]
fn a_report_of_a_loop_that_has_ended_has_the_outcome_of_the_late_attempt() {
    let retry = Loop::<Result<u8, &str>>::new().retry_with(immediate().max_attempts(1));
    let mut attempts = retry.report().start();
    assert!(attempts.check_blocking(Ok(1)).is_break());
    assert_eq!(attempts.check_blocking(Ok(2)), Break(Ok(2)));
    let Break(Err(error)) = attempts.check_blocking(Err("late")) else {
        panic!("the loop has ended")
    };
    assert_eq!((error.reason(), error.attempts()), (Reason::NotRetryable, 1));
}

/// Refuses attempts from this number on.
#[derive(Clone)]
struct From(u32);

impl<O> Guard<O> for From {
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        if attempt.number() < self.0 { Continue(()) } else { Break(Veto::Circuit) }
    }
}

#[test]
fn a_loop_whose_first_attempt_is_refused_ends_when_it_begins() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(From(1));
    assert!(matches!(Loop::<Option<u8>>::new().retry_with(&policy).begin(), Break(None)));
    let Break(Err(error)) = Loop::<Parsed>::new().retry_with(&policy).report().begin() else {
        panic!("the guard refuses it")
    };
    assert_eq!(error.interrupted(), Some(Interrupted::Vetoed(Veto::Circuit)));
    assert_eq!((error.attempts(), error.error()), (0, None));
}

#[test]
fn a_loop_whose_second_attempt_is_refused_reports_the_error_before() {
    let policy = Policy::new(immediate().max_attempts(3)).guard(From(2));
    let Continue(mut attempts) = Loop::<Parsed>::new().retry_with(&policy).report().begin() else {
        panic!("the first attempt is allowed")
    };
    let Break(Err(error)) = attempts.check_blocking("x".parse()) else {
        panic!("the second attempt is refused")
    };
    assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 1));
    assert!(error.error().is_some());
}

#[test]
fn a_loop_that_was_not_started_does_nothing() {
    let retry = Loop::<Parsed>::new().retry_with(immediate().max_attempts(3));
    drop(retry.on_attempt(|_| panic!("no attempt")).on_finish(|_| panic!("no end")));
}

// ------------------------------------------------------------------------------------------------
// Attempts that are dropped, as in `select!`.

/// The outcome of `future`, unless `limit` passes before: then the future is dropped.
async fn unless_passes<F: Future>(
    clock: &VirtualClock,
    limit: Duration,
    future: F,
) -> Option<F::Output> {
    match select(Box::pin(future), clock.sleep(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(((), _)) => None,
    }
}

/// The seconds at which something happened.
#[derive(Default)]
struct Times(RefCell<Vec<f64>>);

impl Times {
    fn note(&self, clock: &VirtualClock) {
        self.0.borrow_mut().push(clock.now().as_secs_f64());
    }
}

/// A tick of 100 ms beside a backoff of 60 s makes one connection in ten seconds, not a hundred.
#[test]
fn a_sleep_that_is_cut_short_goes_on_at_the_next_attempt() {
    let (clock, connections) = (VirtualClock::new(), Times::default());
    let policy = Policy::new(constant(secs(60)).max_attempts(9)).timer(clock.clone());
    clock.block_on(async {
        let mut attempts = policy.start();
        while clock.now() < secs(150) {
            let connect = async {
                connections.note(&clock);
                Err::<(), _>("down")
            };
            if let Some(next) = unless_passes(&clock, ms(100), attempts.attempt(connect)).await {
                assert_eq!(next, Continue(()));
            }
        }
    });
    assert_eq!(*connections.0.borrow(), [0.0, 60.0, 120.0]);
}

/// Dropped at each poll of an attempt and of its sleep: the sleep is neither skipped nor begun again.
#[test]
fn attempts_are_spaced_by_their_delays_wherever_the_future_is_dropped() {
    for tick in [1, 7, 99, 100, 101, 250] {
        let (clock, calls) = (VirtualClock::new(), Times::default());
        let policy = Policy::new(exponential(ms(100)).max_attempts(4)).timer(clock.clone());
        let outcome = clock.block_on(async {
            let mut attempts = policy.start();
            loop {
                let call = async {
                    calls.note(&clock);
                    Err::<(), _>(attempts_made(&calls))
                };
                let next = unless_passes(&clock, ms(tick), attempts.attempt(call)).await;
                if let Some(Break(outcome)) = next {
                    break outcome;
                }
            }
        });
        assert_eq!((outcome, &*calls.0.borrow()), (Err(4), &vec![0.0, 0.1, 0.3, 0.7]), "{tick} ms");
    }
}

fn attempts_made(calls: &Times) -> usize {
    calls.0.borrow().len()
}

/// An attempt that was dropped before its end counts, and its delay follows.
#[test]
fn a_dropped_attempt_counts_and_is_followed_by_its_delay() {
    let (clock, calls) = (VirtualClock::new(), Times::default());
    let policy = Policy::new(constant(secs(10)).max_attempts(3)).timer(clock.clone());
    let outcome = clock.block_on(async {
        let mut attempts = policy.start();
        let mut seen = vec![];
        loop {
            let number = attempts.number();
            let call = async {
                calls.note(&clock);
                seen.push(number);
                // The second attempt hangs.
                if seen.len() == 2 { pending().await } else { Err::<(), _>(number) }
            };
            // Longer than a sleep.
            let next = unless_passes(&clock, secs(15), attempts.attempt(call)).await;
            if let Some(Break(outcome)) = next {
                break outcome;
            }
        }
    });
    assert_eq!((outcome, &*calls.0.borrow()), (Err(3), &vec![0.0, 10.0, 35.0]));
}

/// If a dropped attempt was the last one, the call ends with the last outcome that there was.
#[test]
fn a_loop_whose_last_attempt_is_dropped_ends_with_the_last_outcome() {
    let (clock, reasons) = (VirtualClock::new(), RefCell::new(vec![]));
    let mut attempts = Loop::<Result<(), u32>>::new()
        .retry_with(constant(secs(10)).max_attempts(3))
        .timer(clock.clone())
        .on_finish(|finish| reasons.borrow_mut().push((finish.reason(), finish.attempts())))
        .start();
    let calls = Cell::new(0);
    let outcome = clock.block_on(async {
        loop {
            let call = async {
                calls.set(calls.get() + 1);
                if calls.get() == 3 { pending().await } else { Err(calls.get()) }
            };
            let next = unless_passes(&clock, secs(15), attempts.attempt(call)).await;
            if let Some(Break(outcome)) = next {
                break outcome;
            }
        }
    });
    assert_eq!((outcome, calls.get()), (Err(2), 3));
    assert_eq!(*reasons.borrow(), [(Reason::Attempts, 3)]);
}

/// A report of such a loop has the last error, and all attempts.
#[test]
fn a_report_of_a_loop_whose_last_attempt_is_dropped_has_the_last_error() {
    let clock = VirtualClock::new();
    let mut attempts = Loop::<Parsed>::new()
        .retry_with(constant(secs(10)).max_attempts(2))
        .timer(clock.clone())
        .report()
        .start();
    let error = clock.block_on(async {
        assert!(attempts.attempt(ready("x".parse())).await.is_continue());
        assert!(unless_passes(&clock, secs(5), attempts.attempt(pending())).await.is_none());
        let Break(outcome) = attempts.attempt(pending()).await else {
            panic!("the limit is reached")
        };
        outcome.unwrap_err()
    });
    assert_eq!((error.reason(), error.attempts()), (Reason::Attempts, 2));
    assert_eq!(error.to_string(), "gave up after 2 attempts (15 s): attempt limit reached");
    assert!(error.into_error().is_some());
}

/// Without any outcome, there is nothing to end with: the attempts go on, spaced.
#[test]
fn a_loop_without_an_outcome_goes_on_past_its_limit_with_its_last_delay() {
    let (clock, calls) = (VirtualClock::new(), Times::default());
    let ends_after = |attempts: u32, backoff| {
        let policy = Policy::new(backoff).timer(clock.clone());
        calls.0.take();
        let begun = clock.now().as_secs_f64();
        clock.block_on(async {
            // The first attempt is dropped after a second, the others begin at the end of a tick.
            let mut attempts_left = attempts;
            let mut attempts = policy.start::<Result<(), ()>>();
            while attempts_left > 0 {
                let call = async {
                    calls.note(&clock);
                    attempts_left -= 1;
                    pending().await
                };
                let next = unless_passes(&clock, secs(1), attempts.attempt(call)).await;
                assert_eq!(next, None);
            }
        });
        calls.0.take().iter().map(|at| at - begun).collect::<Vec<_>>()
    };
    let ten_seconds = ends_after(5, constant(secs(10)).max_attempts(2));
    assert_eq!(ten_seconds, [0.0, 11.0, 21.0, 31.0, 41.0]);
    let no_retry = ends_after(4, constant(secs(10)).max_attempts(1));
    assert_eq!(no_retry, [0.0, 2.0, 3.0, 4.0]);
}

/// The elapsed time counts, also where the attempts were dropped.
#[test]
fn a_loop_with_a_time_limit_ends_with_the_last_outcome() {
    let (clock, calls) = (VirtualClock::new(), Cell::new(0));
    let policy = Policy::new(constant(secs(10)).max_elapsed(secs(60))).timer(clock.clone());
    let outcome = clock.block_on(async {
        let mut attempts = policy.start();
        loop {
            let call = async {
                calls.set(calls.get() + 1);
                if calls.get() > 1 { pending().await } else { Err::<(), _>("first") }
            };
            let next = unless_passes(&clock, secs(15), attempts.attempt(call)).await;
            if let Some(Break(outcome)) = next {
                break outcome;
            }
        }
    });
    // Attempts at 0, 10, 35 and 50; the last is dropped at 55, and another delay would be past the limit.
    assert_eq!((outcome, calls.get(), clock.now()), (Err("first"), 4, secs(55)));
}

#[test]
fn retry_now_skips_the_rest_of_a_sleep_that_was_cut_short() {
    let (clock, calls) = (VirtualClock::new(), Times::default());
    let policy = Policy::new(constant(secs(60)).max_attempts(9)).timer(clock.clone());
    clock.block_on(async {
        let mut attempts = policy.start();
        attempts.retry_now(); // no sleep was cut short
        for _ in 0..3 {
            let call = async {
                calls.note(&clock);
                Err::<(), _>("down")
            };
            assert!(unless_passes(&clock, secs(5), attempts.attempt(call)).await.is_none());
            attempts.retry_now();
        }
    });
    assert_eq!(*calls.0.borrow(), [0.0, 5.0, 10.0]);
}

/// A blocking attempt after an awaited one waits for the rest of the sleep too.
#[test]
fn a_blocking_attempt_waits_for_the_rest_of_a_sleep_that_was_cut_short() {
    let (clock, calls) = (VirtualClock::new(), Times::default());
    let policy = Policy::new(constant(secs(60)).max_attempts(3)).timer(clock.clone());
    let mut attempts = policy.start();
    let cut = unless_passes(&clock, secs(20), attempts.attempt(ready(Err::<(), _>("down"))));
    assert!(clock.block_on(cut).is_none());
    let next = attempts.attempt_blocking(|| {
        calls.note(&clock);
        Ok(())
    });
    assert_eq!((next, &*calls.0.borrow()), (Break(Ok(())), &vec![60.0]));
}

/// A token that is cancelled ends the loop at its next attempt, with the last outcome.
#[test]
fn a_cancelled_loop_ends_with_the_last_outcome_at_its_next_attempt() {
    let (clock, token) = (VirtualClock::new(), CancelToken::new());
    let policy = Policy::new(constant(secs(60)).max_attempts(9)).timer(clock.clone());
    let policy = policy.cancel_by(&token);
    clock.block_on(async {
        let mut attempts = policy.start();
        let failed = attempts.attempt(ready(Err::<(), _>("down")));
        assert!(unless_passes(&clock, secs(20), failed).await.is_none());
        token.cancel();
        let late = async { panic!("no attempt is made after the cancellation") };
        assert_eq!(attempts.attempt(late).await, Break(Err("down")));
    });
    assert_eq!(clock.now(), secs(20));
}

/// Counts events.
#[derive(Clone, Default)]
struct Events(std::rc::Rc<RefCell<Vec<String>>>);

impl<O> Hook<O> for Events {
    fn before_attempt(&mut self, attempt: &Attempt) {
        self.0.borrow_mut().push(format!("begins {}", attempt.number()));
    }
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        self.0.borrow_mut().push(format!("ends {}", event.attempt().number()));
    }
    fn attempt_dropped(&mut self, attempt: &Attempt) {
        self.0.borrow_mut().push(format!("dropped {}", attempt.number()));
    }
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        self.0.borrow_mut().push(format!("finishes: {:?}", event.reason()));
    }
}

#[test]
fn a_dropped_attempt_is_an_event() {
    let (clock, events) = (VirtualClock::new(), Events::default());
    let policy = Policy::new(constant(secs(1)).max_attempts(3)).timer(clock.clone());
    let policy = policy.hook(events.clone());
    clock.block_on(async {
        let mut attempts = policy.start();
        assert!(unless_passes(&clock, secs(1), attempts.attempt(pending())).await.is_none());
        assert_eq!(attempts.attempt(ready(Some(7))).await, Break(Some(7)));
    });
    let expected = ["begins 1", "dropped 1", "begins 2", "ends 2", "finishes: Succeeded"];
    assert_eq!(*events.0.borrow(), expected);
}

/// A probe whose attempt is dropped is released, so that the circuit can close again.
#[test]
fn the_probe_of_a_dropped_attempt_is_released() {
    let clock = VirtualClock::new();
    let settings = breaker::Settings::consecutive(1);
    let breaker = CircuitBreaker::builder(settings).clock(clock.clone()).build();
    breaker.force_open();
    clock.advance(secs(3600));
    let policy = Policy::new(immediate().max_attempts(5)).timer(clock.clone());
    let policy = policy.guard(breaker.clone());
    clock.block_on(async {
        let mut attempts = policy.try_start::<Result<(), Interrupted>>().unwrap();
        assert!(unless_passes(&clock, secs(1), attempts.attempt(pending())).await.is_none());
        assert_eq!(attempts.attempt(ready(Ok(()))).await, Break(Ok(())));
    });
    assert_eq!(breaker.state(), breaker::State::Closed);
}

/// A loop that forgets its outcomes can be spawned though its error is not `Send`; after a dropped last
/// attempt it goes on, because it has no outcome to end with.
#[test]
fn a_loop_without_its_last_outcome_is_send_and_goes_on_past_its_limit() {
    fn is_send<T: Send>(loop_: T) -> T {
        loop_
    }
    let clock = VirtualClock::new();
    let policy = Policy::new(constant(secs(10)).max_attempts(2)).timer(clock.clone());
    type NotSend = Result<(), std::rc::Rc<u8>>;
    let attempts = Attempts::<NotSend, _>::start(&policy).without_last_outcome();
    let mut attempts = is_send(attempts);
    clock.block_on(async {
        let failed = || ready(Err(std::rc::Rc::new(7)));
        assert!(attempts.attempt(failed()).await.is_continue());
        assert!(unless_passes(&clock, secs(1), attempts.attempt(pending())).await.is_none());
        assert!(attempts.attempt(failed()).await.is_break());
    });
    assert_eq!(clock.now(), secs(21));
}

/// A cancelled loop without an outcome has nothing to end with. Its attempts stay spaced.
#[test]
fn a_cancelled_loop_without_an_outcome_keeps_its_delays() {
    macro_rules! check {
        (|$policy:ident| $attempts:expr) => {{
            let (clock, token, calls) = (VirtualClock::new(), CancelToken::new(), Times::default());
            let policy = Policy::new(constant(secs(60)).max_attempts(9)).timer(clock.clone());
            let $policy = policy.cancel_by(&token);
            token.cancel();
            clock.block_on(async {
                let mut attempts = $attempts;
                while calls.0.borrow().len() < 4 {
                    let call = async {
                        calls.note(&clock);
                        pending().await
                    };
                    let next = unless_passes(&clock, secs(1), attempts.attempt(call)).await;
                    assert_eq!(next, None);
                }
                assert_eq!(attempts.attempt(ready(Err(()))).await, Break(Err(())));
            });
            let times = calls.0.take();
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1.0), "{times:?}");
        }};
    }
    check!(|policy| policy.start::<Result<(), ()>>());
    check!(|policy| Attempts::<Result<(), ()>, _>::try_start(policy.erase::<()>()).unwrap());
}

/// With guards, it ends as interrupted.
#[test]
fn a_cancelled_loop_with_guards_ends_without_an_outcome() {
    let (clock, token) = (VirtualClock::new(), CancelToken::new());
    let policy = Policy::new(constant(secs(60)).max_attempts(9))
        .timer(clock.clone())
        .cancel_by(&token)
        .deadline(secs(3600))
        .or_interrupted(|why: Interruption<Reason>| why.reason());
    let mut attempts = policy.try_start::<Result<(), Reason>>().unwrap();
    let dropped = attempts.attempt(pending());
    assert_eq!(clock.block_on(unless_passes(&clock, secs(1), dropped)), None);
    token.cancel();
    let next = clock.block_on(attempts.attempt(async { panic!("an attempt is made") }));
    assert_eq!((next, clock.now()), (Break(Err(Reason::Cancelled)), secs(1)));
}

/// The sleep that was cut short is over when the loop goes on, or is skipped.
#[test]
fn a_loop_cancelled_after_a_sleep_that_was_cut_short_makes_no_attempt() {
    let go_on: [(&str, fn(&VirtualClock)); 2] =
        [("over", |clock| clock.advance(secs(100))), ("skipped", |_| {})];
    for (name, pass) in go_on {
        for blocking in [false, true] {
            let (clock, token) = (VirtualClock::new(), CancelToken::new());
            let policy = Policy::new(constant(secs(60)).max_attempts(9)).timer(clock.clone());
            let policy = policy.cancel_by(&token);
            let mut attempts = policy.start();
            let failed = attempts.attempt(ready(Err::<(), _>("down")));
            assert!(clock.block_on(unless_passes(&clock, secs(20), failed)).is_none());
            token.cancel();
            pass(&clock);
            attempts.retry_now();
            let flow = if blocking {
                attempts.attempt_blocking(|| panic!("an attempt is made"))
            } else {
                clock.block_on(attempts.attempt(async { panic!("an attempt is made") }))
            };
            assert_eq!(flow, Break(Err("down")), "{name}, blocking: {blocking}");
        }
    }
}
