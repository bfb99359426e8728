//! Hedged attempts, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use persevere::budget::{CostPerRetry, Threshold};
use persevere::classify::classify_fn;
use persevere::hedge::HedgeEvent::{Refused, Started, Won};
use persevere::hedge::{Hedge, Percentile};
use persevere::time::{Clock, Timer, VirtualClock, VirtualSleep};
use persevere::{
    Attempt, Budget, Idempotent, Interrupted, Policy, Reason, RetryExt, Verdict, constant,
    hedge_after, immediate,
};
use proptest::prelude::*;

use support::ms;

/// The error of a copy, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Busy(usize),
    Fatal(usize),
    After(Duration, usize),
    Forbidding(usize),
    /// The last attempt was dropped after this time.
    TimedOut(Duration),
}

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::AttemptTimeout { limit, .. } => Fault::TimedOut(limit),
            other => panic!("{other}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Error for Fault {}

fn meaning(outcome: &Result<usize, Fault>, _: &Attempt) -> Option<Verdict> {
    match outcome {
        Err(Fault::Fatal(_)) => Some(Verdict::Stop),
        Err(Fault::After(delay, _)) => Some(Verdict::RetryAfter(*delay)),
        Err(Fault::Forbidding(_)) => Some(Verdict::Forbidden),
        _ => None,
    }
}

/// How a copy ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Well,
    Busy,
    Fatally,
    After(u64),
    Forbidding,
    InPanic,
}
use Ends::{After, Busy, Fatally, Forbidding, InPanic, Well};

/// Never, in milliseconds.
const NEVER: u64 = 1_000_000_000;

/// A server whose nth copy, counted over all attempts from 1, takes the nth time of the script and ends
/// in its nth way. All copies after the end of the script are as its last line.
struct Server {
    clock: VirtualClock,
    script: Vec<(u64, Ends)>,
    /// The times at which copies started.
    started: RefCell<Vec<Duration>>,
    /// The copies that were dropped before their end, and the times.
    dropped: RefCell<Vec<(usize, Duration)>>,
    ended: Cell<usize>,
    running: Cell<usize>,
    most_running: Cell<usize>,
    polls: Cell<usize>,
}

struct Copy<'a> {
    server: &'a Server,
    number: usize,
    sleep: Option<Pin<Box<VirtualSleep>>>,
    ends: Ends,
    has_ended: bool,
}

impl Server {
    fn new(script: impl Into<Vec<(u64, Ends)>>) -> Self {
        Server {
            clock: VirtualClock::new(),
            script: script.into(),
            started: RefCell::default(),
            dropped: RefCell::default(),
            ended: Cell::new(0),
            running: Cell::new(0),
            most_running: Cell::new(0),
            polls: Cell::new(0),
        }
    }

    fn fetch(&self) -> Copy<'_> {
        let mut started = self.started.borrow_mut();
        started.push(self.clock.now());
        let number = started.len();
        let (takes, ends) = self.script[number.min(self.script.len()) - 1];
        let sleep = (takes > 0).then(|| Box::pin(self.clock.sleep(ms(takes))));
        self.running.set(self.running.get() + 1);
        self.most_running.set(self.most_running.get().max(self.running.get()));
        Copy { server: self, number, sleep, ends, has_ended: false }
    }

    fn hedge(
        &self,
        after: u64,
    ) -> Hedge<impl persevere::Classifier<Result<usize, Fault>> + Clone, VirtualClock> {
        hedge_after(ms(after)).classifier(classify_fn(meaning)).timer(self.clock.clone())
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.clock.block_on(future)
    }

    fn started(&self) -> Vec<u64> {
        self.started.borrow().iter().map(|time| time.as_millis() as u64).collect()
    }

    fn dropped(&self) -> Vec<(usize, u64)> {
        self.dropped.borrow().iter().map(|(copy, at)| (*copy, at.as_millis() as u64)).collect()
    }
}

impl Future for Copy<'_> {
    type Output = Result<usize, Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.has_ended, "polled after its end");
        self.server.polls.set(self.server.polls.get() + 1);
        if let Some(sleep) = &mut self.sleep {
            std::task::ready!(sleep.as_mut().poll(cx));
        }
        self.has_ended = true;
        self.server.ended.set(self.server.ended.get() + 1);
        let number = self.number;
        Poll::Ready(match self.ends {
            Well => Ok(number),
            Busy => Err(Fault::Busy(number)),
            Fatally => Err(Fault::Fatal(number)),
            After(millis) => Err(Fault::After(ms(millis), number)),
            Forbidding => Err(Fault::Forbidding(number)),
            InPanic => panic!("copy {number}"),
        })
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        self.server.running.set(self.server.running.get() - 1);
        if !self.has_ended {
            self.server.dropped.borrow_mut().push((self.number, self.server.clock.now()));
        }
    }
}

/// One attempt without a retry around it.
fn one(server: &Server, hedge_at: u64, most: u32) -> (Result<usize, Fault>, u64) {
    let hedged = (|| server.fetch()).hedged(Idempotent, server.hedge(hedge_at).at_most(most));
    let outcome = server.run(hedged.into_future());
    (outcome, server.clock.now().as_millis() as u64)
}

#[test]
fn a_first_copy_that_is_ready_at_once_arms_no_timer_and_is_alone() {
    let server = Server::new([(0, Well)]);
    assert_eq!(one(&server, 50, 2), (Ok(1), 0));
    assert_eq!((server.started(), server.clock.slept()), (vec![0], vec![]));
}

#[test]
fn a_first_copy_that_is_quick_enough_is_alone_and_leaves_no_sleep() {
    let server = Server::new([(49, Well)]);
    assert_eq!(one(&server, 50, 2), (Ok(1), 49));
    assert_eq!((server.started(), server.clock.sleepers()), (vec![0], 0));
}

#[test]
fn a_first_copy_that_is_ready_when_the_hedge_is_due_is_alone() {
    let server = Server::new([(50, Well)]);
    assert_eq!(one(&server, 50, 2), (Ok(1), 50));
    assert_eq!(server.started(), [0]);
}

#[test]
fn a_second_copy_starts_after_the_delay_and_wins_and_the_first_is_dropped() {
    let server = Server::new([(NEVER, Well), (10, Well)]);
    assert_eq!(one(&server, 50, 2), (Ok(2), 60));
    assert_eq!((server.started(), server.dropped()), (vec![0, 50], vec![(1, 60)]));
    assert_eq!(server.clock.sleepers(), 0);
}

#[test]
fn a_first_copy_that_is_quicker_in_the_end_wins_and_the_second_is_dropped() {
    let server = Server::new([(70, Well), (30, Well)]);
    assert_eq!(one(&server, 50, 2), (Ok(1), 70));
    assert_eq!(server.dropped(), [(2, 70)]);
}

#[test]
fn the_earliest_of_copies_that_are_ready_together_wins() {
    let server = Server::new([(70, Well), (20, Well)]);
    assert_eq!(one(&server, 50, 2), (Ok(1), 70));
}

#[test]
fn an_attempt_has_two_copies_by_default_and_arms_no_timer_for_a_third() {
    let server = Server::new([(1_000, Well)]);
    let hedged = (|| server.fetch()).hedged(Idempotent, server.hedge(50));
    assert_eq!(server.run(hedged.into_future()), Ok(1));
    assert_eq!((server.started(), server.dropped()), (vec![0, 50], vec![(2, 1_000)]));
    assert_eq!(server.clock.slept().iter().filter(|slept| **slept == ms(50)).count(), 1);
}

#[test]
fn each_of_several_copies_waits_for_the_delay_after_the_one_before() {
    let server =
        Server::new([(NEVER, Well), (NEVER, Well), (NEVER, Well), (NEVER, Well), (7, Well)]);
    assert_eq!(one(&server, 50, 5), (Ok(5), 207));
    assert_eq!(server.started(), [0, 50, 100, 150, 200]);
    assert_eq!(server.dropped(), [(1, 207), (2, 207), (3, 207), (4, 207)]);
}

#[test]
fn one_copy_at_most_is_no_hedging() {
    let server = Server::new([(500, Well)]);
    assert_eq!(one(&server, 50, 1), (Ok(1), 500));
    assert_eq!((server.started(), server.clock.slept()), (vec![0], vec![ms(500)]));
}

#[test]
fn a_delay_of_zero_starts_all_copies_together_unless_the_first_is_ready() {
    let server = Server::new([(30, Well), (20, Well), (10, Well)]);
    assert_eq!(one(&server, 0, 3), (Ok(3), 10));
    assert_eq!(server.started(), [0, 0, 0]);
    let server = Server::new([(0, Well)]);
    assert_eq!((one(&server, 0, 3), server.started()), ((Ok(1), 0), vec![0]));
}

#[test]
fn an_endless_delay_is_no_hedging_and_arms_no_timer() {
    let server = Server::new([(500, Well)]);
    let hedge = hedge_after(Duration::MAX).timer(server.clock.clone());
    let hedged = (|| server.fetch()).hedged(Idempotent, hedge);
    assert_eq!(server.run(hedged.into_future()), Ok(1));
    assert_eq!((server.started(), server.clock.slept()), (vec![0], vec![ms(500)]));
}

#[test]
fn a_failure_does_not_end_the_attempt_while_another_copy_runs() {
    let server = Server::new([(60, Busy), (40, Well)]);
    assert_eq!(one(&server, 50, 2), (Ok(2), 90));
    let server = Server::new([(90, Well), (10, Busy)]);
    assert_eq!(one(&server, 50, 2), (Ok(1), 90));
    assert!(server.dropped().is_empty());
}

#[test]
fn the_last_failure_is_the_outcome_when_all_copies_have_failed() {
    let server = Server::new([(60, Busy), (40, Busy)]);
    assert_eq!(one(&server, 50, 2), (Err(Fault::Busy(2)), 90));
    let server = Server::new([(90, Busy), (10, Busy)]);
    assert_eq!(one(&server, 50, 2), (Err(Fault::Busy(1)), 90));
}

#[test]
fn a_failure_of_the_only_copy_ends_the_attempt_and_starts_no_other() {
    let server = Server::new([(20, Busy), (0, Well)]);
    assert_eq!(one(&server, 50, 2), (Err(Fault::Busy(1)), 20));
    assert_eq!(server.started(), [0]);
}

#[test]
fn a_third_copy_starts_after_its_delay_though_the_first_failed() {
    let server = Server::new([(60, Busy), (NEVER, Well), (5, Well)]);
    assert_eq!(one(&server, 50, 3), (Ok(3), 105));
    assert_eq!(server.started(), [0, 50, 100]);
}

#[test]
fn a_failure_that_stops_the_call_ends_the_attempt_at_once() {
    let server = Server::new([(NEVER, Well), (10, Fatally)]);
    assert_eq!(one(&server, 50, 3), (Err(Fault::Fatal(2)), 60));
    assert_eq!(server.dropped(), [(1, 60)]);
}

#[test]
fn a_server_that_asks_for_a_delay_gets_no_more_copies() {
    let server = Server::new([(200, Well), (10, After(30)), (0, Well)]);
    assert_eq!(one(&server, 50, 3), (Ok(1), 200));
    assert_eq!(server.started(), [0, 50]);
    assert_eq!(server.clock.sleepers(), 0);
}

#[test]
fn the_longest_delay_that_a_server_asks_for_goes_before_other_failures() {
    let longest = Err(Fault::After(ms(30), 2));
    let server = Server::new([(200, Busy), (10, After(30))]);
    assert_eq!(one(&server, 50, 2), (longest, 200));
    let server = Server::new([(200, After(20)), (10, After(30))]);
    assert_eq!(one(&server, 50, 2), (longest, 200));
    let server = Server::new([(200, After(40)), (10, After(30))]);
    assert_eq!(one(&server, 50, 2), (Err(Fault::After(ms(40), 1)), 200));
}

#[test]
fn a_server_that_forbids_more_attempts_gets_no_more_copies_and_running_copies_may_win() {
    let server = Server::new([(200, Well), (10, Forbidding), (0, Well)]);
    assert_eq!(one(&server, 50, 3), (Ok(1), 200));
    assert_eq!(server.started(), [0, 50]);
    // If none wins, the call ends with the failure that forbids more attempts.
    let server = Server::new([(200, After(40)), (10, Forbidding)]);
    assert_eq!(one(&server, 50, 2), (Err(Fault::Forbidding(2)), 200));
    let retry = (|| server.fetch())
        .hedged(Idempotent, server.hedge(50))
        .retry_with(constant(ms(10)).max_attempts(3))
        .classify(meaning)
        .timer(server.clock.clone());
    assert_eq!(server.run(retry), Err(Fault::Forbidding(3)));
    assert_eq!(server.started().len(), 3);
}

#[test]
fn the_classifier_decides_which_outcome_is_a_success() {
    let server = Server::new([(60, Well), (40, Well)]);
    let not_the_first = classify_fn(|outcome: &Result<usize, Fault>, _: &Attempt| match outcome {
        Ok(1) => Some(Verdict::Retry),
        _ => None,
    });
    let hedge = server.hedge(50).classifier(not_the_first);
    let hedged = (|| server.fetch()).hedged(Idempotent, hedge);
    assert_eq!(server.run(hedged.into_future()), Ok(2));
    assert_eq!(server.clock.now(), ms(90));

    let server = Server::new([(NEVER, Well), (40, Busy)]);
    let hedge = server.hedge(50).when(|_: &Fault| false);
    let hedged = (|| server.fetch()).hedged(Idempotent, hedge);
    assert_eq!(server.run(hedged.into_future()), Err(Fault::Busy(2)));

    let server = Server::new([(NEVER, Well), (40, Busy)]);
    let harmless = classify_fn(|_: &Result<usize, Fault>, _: &Attempt| Some(Verdict::Accept));
    let hedge = server.hedge(50).classifier(&harmless);
    let hedged = (|| server.fetch()).hedged(Idempotent, hedge);
    assert_eq!(server.run(hedged.into_future()), Err(Fault::Busy(2)));
}

#[test]
fn a_hedged_attempt_starts_no_copy_before_the_first_poll() {
    let server = Server::new([(0, Well)]);
    drop((|| server.fetch()).hedged(Idempotent, server.hedge(50)).into_future());
    assert!(server.started().is_empty());
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_attempt_that_is_dropped_drops_all_copies_and_the_sleep() {
    let server = Server::new([(NEVER, Well)]);
    let hedged = (|| server.fetch()).hedged(Idempotent, server.hedge(50).at_most(4));
    let mut attempt = Box::pin(hedged.into_future());
    for _ in 0..3 {
        assert!(poll(attempt.as_mut()).is_pending());
        server.clock.advance(ms(50));
    }
    assert_eq!(server.running.get(), 3);
    drop(attempt);
    assert_eq!(server.dropped(), [(1, 150), (2, 150), (3, 150)]);
    assert_eq!((server.running.get(), server.clock.sleepers()), (0, 0));
}

#[test]
fn a_panic_propagates_and_the_other_copies_are_dropped() {
    let server = Server::new([(NEVER, Well), (10, InPanic)]);
    let hedged = (|| server.fetch()).hedged(Idempotent, server.hedge(50));
    let panicked = catch_unwind(AssertUnwindSafe(|| server.run(hedged.into_future())));
    let panic = *panicked.unwrap_err().downcast::<String>().unwrap();
    assert_eq!((panic.as_str(), server.dropped()), ("copy 2", vec![(1, 60)]));
    assert_eq!((server.running.get(), server.clock.sleepers()), (0, 0));
}

#[test]
#[should_panic(expected = "a hedged attempt was polled after it had ended or panicked")]
fn an_attempt_is_not_polled_again_after_its_end() {
    let server = Server::new([(0, Well)]);
    let mut attempt =
        Box::pin((|| server.fetch()).hedged(Idempotent, server.hedge(50)).into_future());
    assert_eq!(poll(attempt.as_mut()), Poll::Ready(Ok(1)));
    let _ = poll(attempt.as_mut());
}

#[test]
fn an_attempt_is_not_polled_again_after_a_panic() {
    let server = Server::new([(0, InPanic)]);
    let mut attempt =
        Box::pin((|| server.fetch()).hedged(Idempotent, server.hedge(50)).into_future());
    let mut panic = || {
        let panicked = catch_unwind(AssertUnwindSafe(|| poll(attempt.as_mut()))).unwrap_err();
        *panicked.downcast::<String>().unwrap()
    };
    assert_eq!(panic(), "copy 1");
    assert_eq!(panic(), "a hedged attempt was polled after it had ended or panicked");
}

#[test]
fn copies_are_polled_with_the_latest_waker_and_none_is_lost() {
    // The two copies and the sleep between them wake the task that polled last.
    let server = Server::new([(500, Busy), (100, Busy), (10, Well)]);
    let hedged = (|| server.fetch()).hedged(Idempotent, server.hedge(200).at_most(3));
    let mut attempt = Box::pin(hedged.into_future());
    assert!(poll(attempt.as_mut()).is_pending());
    assert_eq!(server.run(attempt), Ok(3));
    assert_eq!(server.clock.now(), ms(410));
}

#[test]
fn other_copies_are_dropped_before_the_outcome_is_returned() {
    let server = Server::new([(NEVER, Well), (10, Well)]);
    let hedged = (|| server.fetch()).hedged(Idempotent, server.hedge(50).at_most(3));
    let mut attempt = Box::pin(hedged.into_future());
    assert_eq!(server.run(attempt.as_mut()), Ok(2));
    assert_eq!((server.dropped(), server.clock.sleepers()), (vec![(1, 60)], 0));
}

#[test]
fn running_copies_are_polled_once_when_another_starts() {
    let server = Server::new([(NEVER, Well)]);
    let hedged = (|| server.fetch()).hedged(Idempotent, server.hedge(50).at_most(3));
    let mut attempt = Box::pin(hedged.into_future());
    let mut polls = || {
        assert!(poll(attempt.as_mut()).is_pending());
        server.clock.advance(ms(50));
        server.polls.take()
    };
    assert_eq!([polls(), polls(), polls(), polls()], [1, 2, 3, 3]);
}

#[test]
fn the_sleep_until_a_copy_is_dropped_when_no_more_copies_will_start() {
    let server = Server::new([(NEVER, Well), (10, After(30))]);
    let hedged = (|| server.fetch()).hedged(Idempotent, server.hedge(50).at_most(3));
    let mut attempt = Box::pin(hedged.into_future());
    let mut sleepers = |advance: u64| {
        server.clock.advance(ms(advance));
        assert!(poll(attempt.as_mut()).is_pending());
        server.clock.sleepers()
    };
    // A copy and the delay, two copies and the delay, and the first copy alone.
    assert_eq!([sleepers(0), sleepers(50), sleepers(10)], [2, 3, 1]);
}

// Budgets.

#[test]
fn a_hedge_is_paid_for_when_it_starts() {
    let (server, budget) = (Server::new([(49, Well)]), Budget::new(CostPerRetry::new(500)));
    let hedge = server.hedge(50).budget(&budget);
    let hedged = (|| server.fetch()).hedged(Idempotent, hedge);
    assert_eq!(server.run(hedged.into_future()), Ok(1));
    assert_eq!(budget.tokens(), 500.0);

    let server = Server::new([(NEVER, Well)]);
    let hedge = server.hedge(50).budget(&budget);
    let mut attempt = Box::pin((|| server.fetch()).hedged(Idempotent, hedge).into_future());
    assert!(poll(attempt.as_mut()).is_pending());
    server.clock.advance(ms(49));
    assert!(poll(attempt.as_mut()).is_pending());
    assert_eq!(budget.tokens(), 500.0);
    server.clock.advance(ms(1));
    assert!(poll(attempt.as_mut()).is_pending());
    assert_eq!((budget.tokens(), server.running.get()), (495.0, 2));
    // A copy that ran was load, also if it is dropped.
    drop(attempt);
    assert_eq!(budget.tokens(), 495.0);
}

#[test]
fn an_attempt_whose_budget_is_empty_is_not_hedged_and_asks_once() {
    let (server, budget) = (Server::new([(500, Well)]), Budget::new(CostPerRetry::new(5)));
    budget.try_acquire().unwrap().spend();
    let events = RefCell::new(Vec::new());
    let hedge = server.hedge(50).at_most(5).budget(&budget);
    let hedge = hedge.on_hedge(|event| events.borrow_mut().push(event));
    let hedged = (|| server.fetch()).hedged(Idempotent, hedge);
    assert_eq!(server.run(hedged.into_future()), Ok(1));
    assert_eq!((server.started(), events.take()), (vec![0], vec![Refused { copy: 2 }]));
    assert_eq!(server.clock.slept(), [ms(500), ms(50)]);
}

#[test]
fn a_budget_that_runs_out_ends_the_hedges_of_an_attempt() {
    let (server, budget) = (Server::new([(500, Well)]), Budget::new(CostPerRetry::new(10)));
    let events = RefCell::new(Vec::new());
    let hedge = server.hedge(50).at_most(5).budget(&budget);
    let hedge = hedge.on_hedge(|event| events.borrow_mut().push(event));
    let hedged = (|| server.fetch()).hedged(Idempotent, hedge);
    assert_eq!(server.run(hedged.into_future()), Ok(1));
    let expected = [Started { copy: 2 }, Started { copy: 3 }, Refused { copy: 4 }, Won { copy: 1 }];
    assert_eq!((server.started(), events.take()), (vec![0, 50, 100], expected.to_vec()));
}

#[test]
fn a_hedge_that_panics_before_it_begins_returns_its_tokens() {
    let (server, budget) = (Server::new([(NEVER, Well)]), Budget::new(CostPerRetry::new(5)));
    let second_panics = || {
        assert!(server.started().is_empty(), "no second");
        server.fetch()
    };
    let hedged = second_panics.hedged(Idempotent, server.hedge(50).budget(&budget));
    let panicked = catch_unwind(AssertUnwindSafe(|| server.run(hedged.into_future())));
    assert!(panicked.is_err());
    assert_eq!((budget.tokens(), server.dropped()), (5.0, vec![(1, 50)]));
}

#[test]
fn retries_and_hedges_share_one_budget() {
    // Three retries or hedges at 5.
    let (server, budget) = (Server::new([(60, Busy)]), Budget::new(CostPerRetry::new(15)));
    let policy = Policy::new(constant(ms(100)).max_attempts(9)).hook(budget.clone());
    let retry = (|| server.fetch())
        .hedged(Idempotent, server.hedge(50).budget(&budget))
        .retry_with(&policy)
        .timer(server.clock.clone())
        .report();
    let error = server.run(retry).unwrap_err();
    // A hedge, a retry and its hedge take all tokens.
    assert_eq!((error.reason(), error.attempts()), (Reason::Budget, 2));
    assert_eq!(server.started(), [0, 50, 210, 260]);
    assert_eq!(budget.tokens(), 0.0);
}

#[test]
fn a_threshold_that_failures_drained_allows_no_hedges() {
    let (server, budget) = (Server::new([(60, Busy)]), Budget::new(Threshold::new(4, 0.1)));
    let policy = Policy::new(immediate().max_attempts(1)).hook(budget.clone());
    let attempt = || {
        let hedge = server.hedge(50).budget(&budget);
        let operation = (|| server.fetch()).hedged(Idempotent, hedge);
        let before = server.started().len();
        let _ = server.run(operation.retry_with(&policy).timer(server.clock.clone()));
        server.started().len() - before
    };
    assert_eq!([attempt(), attempt(), attempt()], [2, 2, 1]);
}

// Retries.

#[test]
fn a_retry_retries_hedged_attempts() {
    let server = Server::new([(60, Busy), (60, Busy), (NEVER, Well), (10, Well)]);
    let retry = (|| server.fetch())
        .hedged(Idempotent, server.hedge(50))
        .retry_with(constant(ms(100)).max_attempts(3))
        .timer(server.clock.clone());
    assert_eq!(server.run(retry), Ok(4));
    assert_eq!(server.started(), [0, 50, 210, 260]);
    assert_eq!((server.dropped(), server.clock.now()), (vec![(3, 270)], ms(270)));
}

#[test]
fn attempts_with_several_copies_count_once() {
    let server = Server::new([(60, Busy)]);
    let retry = (|| server.fetch())
        .hedged(Idempotent, server.hedge(50))
        .retry_with(constant(ms(100)).max_attempts(3))
        .timer(server.clock.clone())
        .report();
    let error = server.run(retry).unwrap_err();
    assert_eq!((error.attempts(), error.into_error()), (3, Some(Fault::Busy(6))));
}

#[test]
fn copies_of_an_attempt_have_its_number_and_random_streams_of_their_own() {
    let server = Server::new([(60, Busy)]);
    let seen = RefCell::new(Vec::new());
    let run = || {
        let fetch = |attempt: Attempt| {
            seen.borrow_mut().push((attempt.number(), attempt.random()));
            server.fetch()
        };
        let retry = fetch
            .hedged(Idempotent, server.hedge(20).at_most(3))
            .retry_with(constant(ms(100)).max_attempts(2))
            .timer(server.clock.clone())
            .seed(7);
        assert!(server.run(retry).is_err());
        seen.take()
    };
    let calls = run();
    assert_eq!(calls.iter().map(|call| call.0).collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2]);
    let mut draws: Vec<_> = calls.iter().map(|call| call.1).collect();
    draws.sort_unstable();
    draws.dedup();
    assert_eq!(draws.len(), 6);
    assert_eq!(run(), calls);
}

#[test]
fn a_hedged_operation_that_is_not_retried_draws_anew_each_time() {
    let draw = || {
        let hedged = (|attempt: Attempt| std::future::ready(Some(attempt.random())))
            .hedged(Idempotent, hedge_after(ms(50)));
        VirtualClock::new().block_on(hedged.into_future())
    };
    assert_ne!(draw(), draw(), "all of them would pick the same server first");
}

#[test]
fn a_limit_on_the_time_of_an_attempt_is_shared_by_all_its_copies() {
    let server = Server::new([(NEVER, Well)]);
    let policy = Policy::new(constant(ms(100)).max_attempts(2)).attempt_timeout(ms(80));
    let retry = (|| server.fetch())
        .hedged(Idempotent, server.hedge(50))
        .retry_with(&policy)
        .timer(server.clock.clone());
    assert_eq!(server.run(retry), Err(Fault::TimedOut(ms(80))));
    assert_eq!(server.started(), [0, 50, 180, 230]);
    assert_eq!(server.dropped(), [(1, 80), (2, 80), (3, 260), (4, 260)]);
}

#[test]
fn a_loop_makes_hedged_attempts() {
    let server = Server::new([(60, Busy), (60, Busy), (NEVER, Well), (10, Well)]);
    let hedged = (|| server.fetch()).hedged(Idempotent, server.hedge(50));
    let policy = Policy::new(constant(ms(100)).max_attempts(3)).timer(server.clock.clone());
    let outcome = server.run(async {
        let mut attempts = policy.start();
        loop {
            let attempt = hedged.clone().into_future();
            if let std::ops::ControlFlow::Break(outcome) = attempts.attempt(attempt).await {
                break outcome;
            }
        }
    });
    assert_eq!((outcome, server.clock.now()), (Ok(4), ms(270)));
}

#[test]
fn copies_may_be_whole_retries() {
    let server = Server::new([(NEVER, Well), (10, Busy), (10, Well)]);
    let policy = Policy::new(constant(ms(5)).max_attempts(3)).timer(server.clock.clone());
    let patient = || (|| server.fetch()).retry_with(&policy);
    let hedged = patient.hedged(Idempotent, server.hedge(50));
    assert_eq!(server.run(hedged.into_future()), Ok(3));
    assert_eq!((server.started(), server.clock.now()), (vec![0, 50, 65], ms(75)));
}

#[test]
fn a_hedged_retry_can_be_sent_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    let url = "http://localhost/".to_owned();
    let fetch = || async { Ok::<_, Fault>(url.len()) };
    let retry = fetch
        .hedged(Idempotent, hedge_after(ms(50)).budget(&Budget::default()))
        .retry_with(constant(ms(100)).max_attempts(3));
    is_send(&retry);
}

// Percentiles.

/// The delay of the second copy after each of `attempts` attempts.
fn after_each(server: &Server, percentile: &Percentile, attempts: usize) -> Vec<Duration> {
    let hedge = server.hedge(50).at_percentile(percentile);
    let run = |_| {
        let _ = server.run((|| server.fetch()).hedged(Idempotent, hedge.clone()).into_future());
        hedge.delay()
    };
    (0..attempts).map(run).collect()
}

#[test]
fn the_fixed_delay_counts_until_enough_attempts_were_recorded() {
    let (server, p95) = (Server::new([(20, Well)]), Percentile::new(95.0));
    let delays = after_each(&server, &p95, 128);
    assert_eq!(delays[..127], [ms(50); 127]);
    assert!(ms(20) < delays[127] && delays[127] <= ms(20) * 17 / 16, "{:?}", delays[127]);
}

#[test]
fn an_attempt_is_hedged_at_the_percentile() {
    let (server, p95) = (Server::new([(NEVER, Well), (10, Well)]), Percentile::new(95.0));
    (1..=1_600).for_each(|micros| p95.record(Duration::from_micros(micros)));
    let delay = p95.delay().unwrap();
    let hedge = server.hedge(50).at_percentile(&p95);
    let hedged = (|| server.fetch()).hedged(Idempotent, hedge);
    assert_eq!(server.run(hedged.into_future()), Ok(2));
    assert_eq!(server.started.borrow()[1], delay);
}

#[test]
fn failures_and_dropped_attempts_are_not_recorded() {
    for ends in [Busy, Fatally, After(5)] {
        let (server, p95) = (Server::new([(20, ends)]), Percentile::new(95.0));
        after_each(&server, &p95, 200);
        assert_eq!(p95.delay(), None, "{ends:?}");
    }
    // Nor is a hedge that wins when the first copy has failed.
    let failures = [(60, Busy), (10, Well)].repeat(200);
    let (server, p95) = (Server::new(failures), Percentile::new(95.0));
    after_each(&server, &p95, 200);
    assert_eq!((p95.delay(), server.started().len()), (None, 400));

    let (server, p95) = (Server::new([(20, Well)]), Percentile::new(95.0));
    for _ in 0..200 {
        let hedge = server.hedge(50).at_percentile(&p95);
        let mut attempt = Box::pin((|| server.fetch()).hedged(Idempotent, hedge).into_future());
        assert!(poll(attempt.as_mut()).is_pending());
    }
    assert_eq!(p95.delay(), None);
}

#[test]
fn a_first_copy_that_lost_counts_as_slow() {
    // One in ten is slow; its hedge takes 10 ms. If those were left out, all recorded times would be
    // 10 ms, and every attempt would be hedged.
    let script: Vec<_> = (0..2_000)
        .flat_map(|attempt| match attempt % 10 {
            9 => vec![(NEVER, Well), (10, Well)],
            _ => vec![(10, Well)],
        })
        .collect();
    let (server, p95) = (Server::new(script), Percentile::new(95.0));
    let delays = after_each(&server, &p95, 1_900);
    assert!(delays[500..].iter().all(|delay| *delay >= ms(50)), "{delays:?}");
    assert_eq!(server.started().len(), 1_900 + 190);
}

#[test]
fn the_percentile_follows_a_service_that_gets_slower_and_quicker() {
    let p95 = Percentile::new(95.0);
    let close_to = |millis: u64| {
        (0..3_000).for_each(|_| p95.record(ms(millis)));
        let delay = p95.delay().unwrap();
        assert!(ms(millis) < delay && delay <= ms(millis) * 17 / 16 + ms(1), "{delay:?}");
    };
    close_to(10);
    close_to(400);
    close_to(3);
}

#[test]
fn slow_attempts_with_different_times_are_forgotten_no_sooner_than_quick_ones() {
    let p97 = Percentile::new(97.0);
    for call in 0..6_000_u64 {
        // One in twenty takes from one second to about a minute, and each another time than the one before.
        let slow = ms(1_000).mul_f64(1.07_f64.powi((call / 20 % 64) as i32));
        p97.record(if call % 20 == 0 { slow } else { ms(10) });
        assert!(p97.delay().is_none_or(|delay| delay >= ms(1_000)), "{call}: {p97:?}");
    }
}

#[test]
fn hedges_share_the_percentile_of_a_service() {
    let p95 = Percentile::new(95.0);
    let (server, hedge) = (Server::new([(20, Well)]), hedge_after(ms(50)).at_percentile(&p95));
    after_each(&server, &p95.clone(), 128);
    assert!(hedge.delay() < ms(22));
}

#[test]
fn percentiles_out_of_range_are_refused() {
    for percent in [0.0, 0.95, 99.1, -95.0, f64::NAN, f64::INFINITY] {
        assert!(Percentile::try_new(percent).is_err(), "{percent}");
    }
    assert_eq!(Percentile::new(99.0).percent(), 99.0);
    assert!(catch_unwind(|| Percentile::new(100.0)).is_err());
}

#[test]
fn numbers_of_copies_out_of_range_are_refused() {
    for copies in [0, 6, u32::MAX] {
        assert!(catch_unwind(|| hedge_after(ms(50)).at_most(copies)).is_err(), "{copies}");
    }
}

// Properties.

fn ends() -> impl Strategy<Value = (u64, Ends)> {
    let ends = prop_oneof![
        4 => Just(Well),
        4 => Just(Busy),
        1 => Just(Fatally),
        1 => (1_u64..50).prop_map(After),
        1 => Just(Forbidding),
        1 => Just(InPanic),
    ];
    (prop_oneof![1 => Just(0_u64), 6 => 1_u64..300], ends)
}

proptest! {
    #[test]
    fn a_hedged_retry_has_one_outcome_and_no_more_copies_than_allowed(
        script in proptest::collection::vec(ends(), 1..12),
        delay in 0_u64..200,
        most in 1_u32..=5,
        tokens in 1_u32..40,
        attempts in 1_u32..4,
        cancelled in proptest::option::of(0_u64..900),
    ) {
        let server = Server::new(script.clone());
        let budget = Budget::new(CostPerRetry::new(tokens).retry_cost(tokens.min(5)));
        let (hedges, wins) = (Cell::new(0), Cell::new(0));
        let hedge = server.hedge(delay).at_most(most).budget(&budget).on_hedge(|event| match event {
            Started { copy } => {
                assert!((2..=most).contains(&copy));
                hedges.set(hedges.get() + 1);
            }
            Won { .. } => wins.set(wins.get() + 1),
            _ => {}
        });
        let finished = Cell::new(0);
        let retry = (|| server.fetch())
            .hedged(Idempotent, hedge)
            .retry_with(constant(ms(10)).max_attempts(attempts))
            .timer(server.clock.clone())
            .on_finish(|_| finished.set(finished.get() + 1));
        let ended = catch_unwind(AssertUnwindSafe(|| {
            server.run(async {
                let mut retry = std::pin::pin!(retry);
                let mut limit = cancelled.map(|at| Box::pin(server.clock.sleep(ms(at))));
                std::future::poll_fn(|cx| {
                    if let Poll::Ready(outcome) = retry.as_mut().poll(cx) {
                        return Poll::Ready(Some(outcome));
                    }
                    let is_over = |limit: &mut Pin<Box<VirtualSleep>>| limit.as_mut().poll(cx).is_ready();
                    if limit.as_mut().is_some_and(is_over) { Poll::Ready(None) } else { Poll::Pending }
                })
                .await
            })
        }));
        let started = server.started().len();
        prop_assert_eq!(finished.get(), 1);
        prop_assert!(server.most_running.get() <= most as usize);
        prop_assert!(started <= (most * attempts) as usize);
        prop_assert_eq!(server.ended.get() + server.dropped().len(), started);
        prop_assert_eq!((server.running.get(), server.clock.sleepers()), (0, 0));
        prop_assert_eq!(budget.tokens() + f64::from(hedges.get() * tokens.min(5)), f64::from(tokens));
        prop_assert!(wins.get() <= 1);
        match ended {
            // A success is that of a copy that succeeds.
            Ok(Some(Ok(copy))) => prop_assert_eq!(script[copy.min(script.len()) - 1].1, Well),
            Ok(Some(Err(_))) => prop_assert_eq!(wins.get(), 0),
            Ok(None) => prop_assert!(cancelled.is_some()),
            Err(_) => prop_assert!(script.iter().any(|(_, ends)| *ends == InPanic)),
        }
    }

    #[test]
    fn a_percentile_is_that_of_the_recorded_times_or_a_little_more(
        micros in proptest::collection::vec(prop_oneof![0_u64..100, 1_000_u64..90_000, 0_u64..3_000_000_000], 8..31),
        // Whole percentages often meet a recorded time exactly.
        percent in prop_oneof![1.0..=99.0, (1..=99_u32).prop_map(f64::from)],
    ) {
        // Sixteen of each, so that the percentile is up to date, and too few for weights to be halved.
        let percentile = Percentile::new(percent);
        let mut seen: Vec<_> = micros.iter().flat_map(|micros| [*micros; 16]).collect();
        seen.iter().for_each(|micros| percentile.record(Duration::from_micros(*micros)));
        seen.sort_unstable();
        let rank = (seen.len() as f64 * percent / 100.0).ceil() as usize;
        let exact = seen[rank.max(1) - 1];
        let delay = percentile.delay().unwrap().as_micros() as u64;
        prop_assert!(exact < delay && delay <= exact + exact / 16 + 1, "{exact} {delay}");
    }
}

proptest! {
    // Each case records many times.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_percentile_of_many_times_is_that_of_the_recorded_times_with_less_weight_for_old_ones(
        micros in proptest::collection::vec(
            prop_oneof![0_u64..100, 1_000_u64..90_000, 0_u64..3_000_000_000],
            128..3_000,
        ),
        percent in 1.0..=99.0,
    ) {
        let percentile = Percentile::new(percent);
        micros.iter().for_each(|micros| percentile.record(Duration::from_micros(*micros)));
        // It is updated after every 16th time, and all weights are halved after every 512th.
        let seen = micros.len() / 16 * 16;
        let weight = |place: usize| 0.5_f64.powi((seen / 512 - place / 512) as i32);
        let mut weights: Vec<_> =
            micros[..seen].iter().enumerate().map(|(place, micros)| (*micros, weight(place))).collect();
        weights.sort_unstable_by_key(|(micros, _)| *micros);
        let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let exact = |percent: f64| {
            let mut below = 0.0;
            let reaches = |(_, weight): &&(u64, f64)| {
                below += weight;
                below >= all * percent / 100.0
            };
            weights.iter().find(reaches).or(weights.last()).unwrap().0
        };
        // A halved weight may lose its last bit.
        let (least, most) = (exact(percent - 0.001), exact(percent + 0.001));
        let delay = percentile.delay().unwrap().as_micros() as u64;
        prop_assert!(least < delay && delay <= most + most / 16 + 1, "{least}..={most} {delay}");
    }
}
