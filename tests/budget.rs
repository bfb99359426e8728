//! Retry budgets: the published examples of each model, and the invariant that no token is made or
//! lost.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::ops::ControlFlow::{self, Break};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

use persevere::budget::{CostPerRetry, Model, PerKey, Ratio, Threshold};
use persevere::hook::{Hook, RetryEvent};
use persevere::time::VirtualClock;
use persevere::{
    Attempt, Budget, Decision, Engine, Interrupted, Policy, Reason, RetryExt, Verdict, Veto,
    constant, immediate,
};

const SECOND: Duration = Duration::from_secs(1);

/// The reason and the attempts of a call that fails `failures` times and then succeeds, with at most ten
/// attempts.
fn call(budget: &Budget, failures: u32) -> (Reason, u32) {
    let end = Cell::new(None);
    let _ = (|attempt: Attempt| (attempt.number() > failures).then_some(()))
        .retry_with(immediate().max_attempts(10))
        .hook(budget.clone())
        .on_finish(|finish| end.set(Some((finish.reason(), finish.attempts()))))
        .call();
    end.get().unwrap()
}

const FOREVER: u32 = u32::MAX;

#[test]
fn the_standard_mode_of_the_aws_sdks_holds() {
    // https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html and the tests
    // that every AWS SDK passes: capacity 500, a retry costs 5.
    let budget = Budget::new(CostPerRetry::AWS_STANDARD);
    // "Retry eventually succeeds": 500, 495, 490, and the last cost is returned.
    assert_eq!(call(&budget, 2), (Reason::Succeeded, 3));
    assert_eq!(budget.tokens(), 495.0);
    // "Fail due to max attempts": nothing is returned.
    let policy = Policy::new(immediate().max_attempts(3)).hook(budget.clone());
    let _ = policy.call(|_| None::<()>);
    assert_eq!(budget.tokens(), 485.0);
    // A success at the first attempt adds one.
    assert_eq!(call(&budget, 0), (Reason::Succeeded, 1));
    assert_eq!(budget.tokens(), 486.0);

    // "Retry quota reached after a single retry", with a capacity of 5.
    let budget = Budget::new(CostPerRetry::new(5));
    assert_eq!(call(&budget, FOREVER), (Reason::Budget, 2));
    assert_eq!(budget.tokens(), 0.0);
    // "No retries at all if retry quota is 0": the costs of 5 do not fit into 4.
    assert_eq!(call(&budget, 0), (Reason::Succeeded, 1));
    assert_eq!(call(&budget, FOREVER), (Reason::Budget, 1));
    assert_eq!(budget.tokens(), 1.0);
}

#[test]
fn a_retry_after_a_timeout_costs_more_and_a_success_returns_the_cost() {
    for budget in [Budget::new(CostPerRetry::AWS_STANDARD), Budget::new(CostPerRetry::new(10))] {
        let (full, clock) = (budget.tokens(), VirtualClock::new());
        let policy = Policy::new(immediate().max_attempts(3)).timer(clock.clone());
        let policy = policy.hook(budget.clone()).attempt_timeout(SECOND);
        let third = async |attempt: Attempt| {
            if attempt.is_first() {
                pending::<()>().await;
            }
            assert_eq!(budget.tokens(), full - 10.0);
            Ok::<_, Interrupted>(())
        };
        assert_eq!(clock.block_on(policy.run(third)), Ok(()));
        assert_eq!(budget.tokens(), full);
    }
}

#[test]
fn returned_tokens_do_not_exceed_the_capacity() {
    // A permit holds five of seven tokens, and three are there when the five are returned.
    let budget = Budget::new(CostPerRetry::new(7));
    assert_eq!(call(&budget, FOREVER), (Reason::Budget, 2));
    (0..4).for_each(|_| assert_eq!(call(&budget, 0).1, 1));
    let permit = budget.try_acquire().unwrap();
    (0..2).for_each(|_| assert_eq!(call(&budget, 0).1, 1));
    assert_eq!(budget.tokens(), 3.0);
    drop(permit);
    assert_eq!(budget.tokens(), 7.0);
    // From zero to two in steps of 0.7, of which two is no multiple.
    let budget = Budget::new(Threshold::new(2, 0.7));
    let one = Policy::new(immediate().max_attempts(1)).hook(budget.clone());
    (0..2).for_each(|_| assert!(one.call(|_| None::<()>).is_none()));
    (0..4).for_each(|_| assert!(one.call(|_| Some(())).is_some()));
    assert_eq!(budget.tokens(), 2.0);
}

#[test]
fn a_success_on_a_full_budget_changes_nothing() {
    for model in [Model::from(CostPerRetry::AWS_STANDARD), Threshold::GRPC_EXAMPLE.into()] {
        let budget = Budget::new(model);
        let full = budget.tokens();
        assert_eq!(call(&budget, 0), (Reason::Succeeded, 1));
        assert_eq!(budget.tokens(), full);
    }
}

#[test]
fn the_throttling_example_of_grpc_holds() {
    // https://github.com/grpc/proposal/blob/master/A6-client-retries.md: maxTokens 10, tokenRatio
    // 0.1. "If token_count is less than or equal to the threshold, defined to be (maxTokens / 2),
    // then RPCs will not be retried until token_count rises over the threshold."
    let budget = Budget::new(Threshold::GRPC_EXAMPLE);
    let one = Policy::new(immediate().max_attempts(1)).hook(budget.clone());
    // "Every failed RPC will decrement the token_count by 1", also one that is not to be retried.
    for left in [9.0, 8.0, 7.0, 6.0] {
        let _ = one.call(|_| None::<()>);
        assert_eq!(budget.tokens(), left);
    }
    assert_eq!(call(&budget, FOREVER), (Reason::Budget, 1));
    assert_eq!(budget.tokens(), 5.0);
    // "Every successful RPC will increment the token_count by tokenRatio." Ten are needed for the
    // token that the next failure takes, and one more to be above.
    for _ in 0..10 {
        assert_eq!(call(&budget, 0), (Reason::Succeeded, 1));
    }
    assert_eq!(budget.tokens(), 6.0);
    assert_eq!(call(&budget, FOREVER), (Reason::Budget, 1));
    for _ in 0..11 {
        assert_eq!(call(&budget, 0), (Reason::Succeeded, 1));
    }
    assert_eq!(call(&budget, 1), (Reason::Succeeded, 2));
    assert_eq!(budget.tokens(), 5.2);
}

#[test]
fn tokens_of_a_threshold_stay_between_zero_and_the_maximum() {
    let budget = Budget::new(Threshold::new(3, 1.0));
    let one = Policy::new(immediate().max_attempts(1)).hook(budget.clone());
    (0..9).for_each(|_| assert!(one.call(|_| None::<()>).is_none()));
    assert_eq!(budget.tokens(), 0.0);
    (0..9).for_each(|_| assert!(one.call(|_| Some(())).is_some()));
    assert_eq!(budget.tokens(), 3.0);
}

#[test]
fn decimals_of_a_token_ratio_after_the_third_are_ignored_and_the_first_three_are_exact() {
    // The proposal's "eg. 0.5466 is treated as 0.546"; and 1000 times 1.001 is a little less than 1001.
    for (ratio, tokens) in [(0.57, 0.57), (1.001, 1.001), (0.5466, 0.546), (0.001, 0.001)] {
        let budget = Budget::new(Threshold::new(2, ratio));
        let one = Policy::new(immediate().max_attempts(1)).hook(budget.clone());
        (0..2).for_each(|_| assert!(one.call(|_| None::<()>).is_none()));
        assert!(one.call(|_| Some(())).is_some());
        assert_eq!(budget.tokens(), tokens);
    }
}

#[test]
fn an_outcome_that_stops_neither_drains_nor_refills_a_threshold_and_a_forbidden_retry_drains_it() {
    // "The only RPCs that are counted as failures for the throttling policy are RPCs that fail with a
    // status code that qualifies as a retryable or non-fatal status code, or that receive a pushback
    // response indicating not to retry."
    for (verdict, left) in [(Verdict::Stop, 10.0), (Verdict::Forbidden, 9.0)] {
        let budget = Budget::new(Threshold::GRPC_EXAMPLE);
        let classify = move |_: &Option<()>, _: &Attempt| Some(verdict);
        let policy =
            Policy::new(immediate().max_attempts(3)).classify(classify).hook(budget.clone());
        let mut calls = 0;
        let _ = policy.call(|_| {
            calls += 1;
            None::<()>
        });
        assert_eq!((calls, budget.tokens()), (1, left));
    }
}

/// How many of `calls` failing calls, with one retry each, were allowed their retry.
fn retried(budget: &Budget, calls: u32) -> u32 {
    let policy = Policy::new(immediate().max_attempts(2)).hook(budget.clone());
    let attempts = Cell::new(0);
    for _ in 0..calls {
        let _ = policy.call(|_| {
            attempts.set(attempts.get() + 1);
            None::<()>
        });
    }
    attempts.get() - calls
}

fn ratio(settings: Ratio) -> (Budget, VirtualClock) {
    let clock = VirtualClock::new();
    (Budget::with_clock(settings, clock.clone()), clock)
}

#[test]
fn the_examples_of_finagles_retry_budget_hold_exactly() {
    // https://github.com/twitter/finagle/blob/develop/finagle-core/src/test/scala/com/twitter/finagle/service/RetryBudgetTest.scala
    // which tolerates an error of one retry; here the numbers are exact.
    let shares = [0.1, 0.5, 0.25, 0.75, 0.99, 0.999, 0.9999, 0.01, 0.001, 0.0001, 0.6, 1.0];
    for share in shares {
        let (budget, _) = ratio(Ratio::new(share).min_per_second(0).ttl(60 * SECOND));
        assert_eq!(budget.available(), 0);
        let expected = (10_000.0 * share).round() as u32;
        assert_eq!(retried(&budget, 10_000), expected, "{share}");
    }
    for (share, seconds, least) in [(0.0, 1, 10), (0.0, 2, 5), (0.1, 1, 10), (0.5, 2, 5)] {
        let ttl = seconds * SECOND;
        let (budget, _) = ratio(Ratio::FINAGLE.min_per_second(least).ttl(ttl));
        assert_eq!(budget.available(), u64::from(least * seconds));
        let (budget, _) = ratio(Ratio::new(share).min_per_second(least).ttl(ttl));
        let expected = (10_000.0 * share) as u32 + least * seconds;
        assert_eq!(retried(&budget, 10_000), expected, "{share}");
    }
    // "greater than 1.0"
    let (budget, _) = ratio(Ratio::new(2.0).min_per_second(0).ttl(60 * SECOND));
    (0..10_000).for_each(|_| assert_eq!(call(&budget, 0).1, 1));
    assert_eq!(budget.available(), 20_000);
}

#[test]
fn a_third_is_a_third() {
    let (budget, _) = ratio(Ratio::new(1.0 / 3.0).min_per_second(0));
    assert_eq!(retried(&budget, 300_000), 100_000);
}

#[test]
fn the_examples_of_finagles_leaky_bucket_hold() {
    // https://github.com/twitter/util/blob/develop/util-core/src/test/scala/com/twitter/util/TokenBucketTest.scala
    // "a leaky bucket is leaky"
    let (budget, clock) = ratio(Ratio::new(1.0).min_per_second(0).ttl(3 * SECOND));
    (0..100).for_each(|_| assert_eq!(call(&budget, 0).1, 1));
    assert_eq!(budget.available(), 100);
    clock.advance(3 * SECOND);
    assert_eq!((budget.available(), budget.tokens()), (0, 0.0));

    // "provisions reserves"
    let (budget, clock) = ratio(Ratio::new(0.0).min_per_second(33).ttl(3 * SECOND));
    assert_eq!(retried(&budget, 99), 99);
    assert_eq!(retried(&budget, 1), 0);
    for _ in 0..2 {
        clock.advance(SECOND);
        // "This is what you get for eating all of your candy right away."
        assert_eq!(retried(&budget, 1), 0);
    }
    clock.advance(SECOND);
    assert_eq!(retried(&budget, 50), 50);
    clock.advance(3 * SECOND);
    assert_eq!(retried(&budget, 100), 99);
}

#[test]
fn a_budget_has_a_full_reserve_after_each_idle_year_of_a_century() {
    let (budget, clock) = ratio(Ratio::FINAGLE.ttl(SECOND));
    for year in 1..=100 {
        assert_eq!((budget.available(), budget.tokens()), (10, 10.0), "{year}");
        assert_eq!(retried(&budget, 100), 10 + 20, "{year}");
        clock.advance(365 * 86_400 * SECOND);
    }
}

#[test]
fn a_refused_retry_returns_the_error_of_the_operation_and_does_not_sleep() {
    let (clock, budget) = (VirtualClock::new(), Budget::new(CostPerRetry::new(5)));
    let policy = Policy::new(constant(SECOND).max_attempts(9)).hook(budget).timer(clock.clone());
    let error = (|attempt: Attempt| Err::<(), _>(attempt.number()))
        .retry_with(&policy)
        .report()
        .call()
        .unwrap_err();
    assert_eq!((error.reason(), error.into_error()), (Reason::Budget, Some(2)));
    assert_eq!(clock.slept(), [SECOND]);
    assert_eq!(policy.call(|_| Err::<(), _>("its own")), Err("its own"));
    assert_eq!(clock.slept(), [SECOND]);
}

fn poll_once(future: impl Future) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

/// One budget of each model that takes tokens, with the number of its retries.
fn takers() -> [(Budget, u64); 2] {
    [
        (Budget::new(CostPerRetry::new(50)), 10),
        (ratio(Ratio::new(0.0).min_per_second(10).ttl(SECOND)).0, 10),
    ]
}

#[test]
fn a_call_that_is_dropped_in_its_sleep_returns_its_token() {
    for (budget, full) in takers() {
        poll_once(
            (|| async { None::<()> })
                .retry_with(constant(SECOND).max_attempts(5))
                .hook(budget.clone())
                .timer(VirtualClock::new()),
        );
        assert_eq!(budget.available(), full);
    }
}

#[test]
fn a_call_that_is_dropped_in_its_retry_has_used_its_token() {
    for (budget, full) in takers() {
        let clock = VirtualClock::new();
        let operation = |attempt: Attempt| async move {
            if attempt.is_first() { None::<()> } else { pending().await }
        };
        let mut retry = Box::pin(
            operation
                .retry_with(constant(SECOND).max_attempts(5))
                .hook(budget.clone())
                .timer(clock.clone()),
        );
        let mut cx = Context::from_waker(Waker::noop());
        assert!(retry.as_mut().poll(&mut cx).is_pending());
        clock.advance(SECOND);
        assert!(retry.as_mut().poll(&mut cx).is_pending());
        drop(retry);
        assert_eq!(budget.available(), full - 1);
    }
}

#[test]
fn a_retry_that_another_hook_refuses_costs_nothing() {
    struct Refuse;
    impl<O> Hook<O> for Refuse {
        fn allow_retry(&mut self, _: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
            Break(Veto::Refused)
        }
    }
    for (budget, full) in takers() {
        let _ = (|| None::<()>)
            .retry_with(immediate().max_attempts(5))
            .hook((budget.clone(), Refuse))
            .call();
        assert_eq!(budget.available(), full);
    }
}

#[test]
fn a_panic_between_the_payment_and_the_retry_returns_the_token() {
    for (budget, full) in takers() {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            (|| None::<()>)
                .retry_with(immediate().max_attempts(5))
                .hook(budget.clone())
                .on_retry(|_| panic!("in a closure"))
                .call()
        }));
        assert!(outcome.is_err());
        assert_eq!(budget.available(), full);
    }
}

#[test]
fn a_panic_in_a_retry_has_used_its_token_and_does_not_affect_other_calls() {
    for (budget, full) in takers() {
        let operation = |attempt: Attempt| match attempt.number() {
            1 => None::<()>,
            _ => panic!("in the operation"),
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            operation.retry_with(immediate().max_attempts(5)).hook(budget.clone()).call()
        }));
        assert!(outcome.is_err());
        assert_eq!(budget.available(), full - 1);
        assert_eq!(call(&budget, 1), (Reason::Succeeded, 2));
    }
}

#[test]
fn an_engine_that_is_dropped_after_its_decision_returns_its_token() {
    for (budget, full) in takers() {
        let policy = Policy::new(immediate().max_attempts(3)).hook(budget.clone());
        let mut engine = Engine::new(policy);
        let Ok(_) = engine.enter(None);
        let decision = engine.decide(&None::<()>, None);
        assert_eq!(decision, Decision::Wait(Duration::ZERO));
        assert_eq!(budget.available(), full - 1);
        drop(engine);
        assert_eq!(budget.available(), full);
    }
}

#[test]
fn a_success_that_is_reported_to_a_loop_counts() {
    let budget = Budget::new(Threshold::new(10, 1.0));
    let one = Policy::new(immediate().max_attempts(1)).hook(budget.clone());
    let _ = one.call(|_| None::<()>);
    let attempts = one.start::<Result<Infallible, ()>>();
    assert_eq!(attempts.succeed("done"), "done");
    assert_eq!(budget.tokens(), 10.0);
}

#[test]
fn a_budget_that_is_the_hook_of_several_calls_in_turn_begins_anew_with_each() {
    let mut budget = Budget::new(CostPerRetry::new(100));
    for left in [100.0, 100.0] {
        let _ = (|attempt: Attempt| (attempt.number() == 2).then_some(()))
            .retry_with(immediate().max_attempts(3))
            .hook(&mut budget)
            .call();
        assert_eq!(budget.tokens(), left);
    }
    let _ = (|| Some(())).retry_with(immediate().max_attempts(3)).hook(&mut budget).call();
    assert_eq!(budget.tokens(), 100.0);
}

#[test]
fn a_budget_by_reference_is_the_same_budget() {
    for (budget, full) in takers() {
        let policy = Policy::new(immediate().max_attempts(3)).hook(budget.by_ref());
        let _ = policy.call(|_| None::<()>);
        assert_eq!(budget.available(), full - 2);
        let clock = VirtualClock::new();
        let asleep = Policy::new(constant(SECOND).max_attempts(3)).hook(budget.by_ref());
        let asleep = asleep.timer(clock);
        poll_once((|| async { None::<()> }).retry_with(&asleep));
        assert_eq!(budget.available(), full - 2);
    }
}

#[test]
fn a_permit_that_is_dropped_returns_its_token_and_one_that_is_spent_does_not() {
    for (budget, full) in takers() {
        let permits: Vec<_> = (0..full).map(|_| budget.try_acquire().unwrap()).collect();
        assert!(budget.try_acquire().is_none() && budget.available() == 0);
        drop(permits);
        assert_eq!(budget.available(), full);
        budget.try_acquire().unwrap().spend();
        assert_eq!(budget.available(), full - 1);
    }
}

#[test]
fn tokens_that_were_taken_in_a_window_that_has_passed_are_not_returned_twice() {
    let (budget, clock) = ratio(Ratio::new(0.0).min_per_second(10).ttl(SECOND));
    let permits: Vec<_> = (0..10).map(|_| budget.try_acquire().unwrap()).collect();
    clock.advance(SECOND);
    assert_eq!(budget.available(), 10);
    drop(permits);
    assert_eq!(budget.available(), 10);
}

#[test]
fn each_key_has_a_budget_and_full_budgets_that_are_not_in_use_are_dropped() {
    let clock = VirtualClock::new();
    let ratio = Ratio::new(0.0).min_per_second(1).ttl(SECOND);
    let budgets = PerKey::<u32>::with_clock(ratio, clock.clone());
    assert!(budgets.is_empty());
    let held = budgets.get(&0);
    assert_eq!(call(&budgets.get(&1), FOREVER), (Reason::Budget, 2));
    for key in 0..1_000 {
        let _ = budgets.get(&key);
    }
    assert!(budgets.len() <= 64, "{}", budgets.len());
    assert!(budgets.get(&0).is_shared_with(&held));
    assert_eq!((budgets.get(&1).available(), budgets.get(&999).available()), (0, 1));
    // The spent budget is full again a second later.
    clock.advance(SECOND);
    (0..1_000).for_each(|key| drop(budgets.get(&key)));
    assert_eq!(budgets.get(&1).available(), 1);
    assert!(budgets.len() <= 65);
}

#[test]
fn keys_that_fail_once_are_dropped_after_hours_and_keys_in_use_stay_spent() {
    let (clock, hour) = (VirtualClock::new(), 3_600 * SECOND);
    for model in [Model::from(CostPerRetry::new(5)), Threshold::new(2, 0.1).into()] {
        let budgets = PerKey::<u32>::with_clock(model, clock.clone());
        let held = budgets.get(&0);
        let _ = call(&held, FOREVER);
        for round in 1..=5 {
            for key in (1..=10).chain(round * 1_000..round * 1_000 + 500) {
                let _ = call(&budgets.get(&key), FOREVER);
            }
            assert!((0..=10).all(|key| budgets.get(&key).available() == 0), "{round}");
            // The keys of this hour and of the one before.
            assert_eq!(budgets.len(), 11 + 500 * round.min(2) as usize);
            clock.advance(hour);
        }
        // A key that is used later than that begins with a full budget.
        assert!(budgets.get(&1_000).available() > 0);
        assert!(budgets.get(&0).is_shared_with(&held));
    }
}

#[test]
fn many_threads_that_ask_for_a_key_get_the_same_budget() {
    let budgets = PerKey::<String>::new(CostPerRetry::new(100));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for key in 0..100 {
                    budgets.get(&key.to_string()).try_acquire().unwrap().spend();
                }
            });
        }
    });
    let left = |key: u32| budgets.get(&key.to_string()).tokens();
    assert!((0..100).all(|key| left(key) == 80.0));
}

/// A model of the budget: a list of all deposits and withdrawals.
#[derive(Default)]
struct Ledger(Vec<(u64, f64)>);

impl Ledger {
    /// The balance of `reserve` and of the amounts in the sixteen slots that end with this one.
    fn balance(&self, reserve: f64, slot: u64) -> f64 {
        let seen = self.0.iter().filter(|(then, _)| slot - then < 16);
        reserve + seen.map(|(_, amount)| amount).sum::<f64>()
    }
}

proptest! {
    #[test]
    fn a_window_allows_the_same_retries_as_a_ledger_of_all_amounts(
        quarters in 1_u32..=12,
        least in 0_u32..=3,
        steps in prop::collection::vec((0_u64..40, 0_u8..4), 1..200),
    ) {
        let share = f64::from(quarters) / 4.0;
        let (budget, clock) = ratio(Ratio::new(share).min_per_second(least).ttl(16 * SECOND));
        let (mut ledger, mut slot) = (Ledger::default(), 0);
        let (reserve, mut held) = (f64::from(least * 16), vec![]);
        for (idle, event) in steps {
            if idle > 20 {
                clock.advance((idle - 20) as u32 * SECOND);
                slot += idle - 20;
            }
            match event {
                0 => {
                    assert_eq!(call(&budget, 0).1, 1);
                    ledger.0.push((slot, share));
                }
                1 | 2 => {
                    let allowed = ledger.balance(reserve, slot) >= 1.0;
                    let permit = budget.try_acquire();
                    prop_assert_eq!(permit.is_some(), allowed);
                    if let Some(permit) = permit {
                        ledger.0.push((slot, -1.0));
                        held.push((slot, permit));
                    }
                }
                _ => {
                    if let Some((then, permit)) = held.pop() {
                        drop(permit);
                        ledger.0.push((then, 1.0));
                    }
                }
            }
            prop_assert_eq!(budget.tokens(), ledger.balance(reserve, slot));
        }
        held.into_iter().for_each(|(_, permit)| permit.spend());
    }

    #[test]
    fn every_share_of_four_decimals_is_exact(share in 1_u32..=30_000) {
        let (budget, _) = ratio(Ratio::new(f64::from(share) / 10_000.0).min_per_second(0));
        let policy = Policy::new(immediate().max_attempts(1)).hook(budget.clone());
        for _ in 0..100 {
            let _ = policy.call(|_| Some(()));
        }
        prop_assert!((budget.tokens() - f64::from(share) / 100.0).abs() < 1e-9);
        prop_assert_eq!(budget.available(), u64::from(share / 100));
    }
}

#[test]
fn no_token_is_made_or_lost_among_threads() {
    // Many calls at the same time that end without having used the token they took: all tokens are
    // returned at the end, and there are never more than at the beginning.
    for (budget, full) in takers() {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let retry = || {
                        (|| async { None::<()> })
                            .retry_with(constant(SECOND).max_attempts(5))
                            .hook(budget.clone())
                            .timer(VirtualClock::new())
                    };
                    for _ in 0..2_000 {
                        let mut held: Vec<_> = (0..5).map(|_| Box::pin(retry())).collect();
                        for retry in &mut held {
                            poll_once(retry.as_mut());
                        }
                        assert!(budget.available() <= full);
                    }
                });
            }
        });
        assert_eq!(budget.available(), full);
    }
}

#[test]
fn threads_together_are_allowed_as_many_retries_as_one_thread() {
    let allowed = |budget: &Budget| -> u32 {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| retried(budget, 2_500))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        })
    };
    assert_eq!(allowed(&Budget::new(CostPerRetry::new(5_000))), 1_000);
    assert_eq!(allowed(&ratio(Ratio::new(0.0).min_per_second(50)).0), 500);
}

#[test]
fn a_window_that_moves_under_many_threads_allows_no_more_than_its_limit() {
    let (budget, clock) = ratio(Ratio::new(0.0).min_per_second(100).ttl(SECOND));
    let moves = 400_u32;
    let allowed: u32 = thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| retried(&budget, 20_000))).collect();
        for _ in 0..moves {
            clock.advance(SECOND / 16);
            thread::yield_now();
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // A hundred in any second: 400 sixteenths are 25 seconds, plus the second that had begun.
    assert!((100..=26 * 100).contains(&allowed), "{allowed}");
}

#[test]
fn impossible_settings_are_refused_with_their_name() {
    let refused = |model: Model| Budget::try_new(model).unwrap_err().to_string();
    let cost = CostPerRetry::AWS_STANDARD;
    let edit = |change: &dyn Fn(&mut CostPerRetry)| {
        let mut settings = cost;
        change(&mut settings);
        refused(settings.into())
    };
    assert_eq!(edit(&|s| s.capacity = 0), "`capacity` is at least 1");
    assert_eq!(edit(&|s| s.retry_cost = 0), "`retry_cost` is from 1 to the capacity");
    assert_eq!(edit(&|s| s.retry_cost = 501), "`retry_cost` is from 1 to the capacity");
    assert_eq!(edit(&|s| s.timeout_cost = 501), "`timeout_cost` is from 1 to the capacity");
    assert_eq!(edit(&|s| s.first_try_reward = 0), "`first_try_reward` is at least 1");
    for bad in [f64::NAN, f64::INFINITY, -0.1, 0.0, 0.0009, 1000.1] {
        let mut settings = Threshold::GRPC_EXAMPLE;
        settings.token_ratio = bad;
        assert_eq!(refused(settings.into()), "`token_ratio` is from 0.001 to 1000");
    }
    for bad in [f64::NAN, f64::INFINITY, -0.1, 0.00009, 1000.1] {
        let mut settings = Ratio::FINAGLE;
        settings.share = bad;
        assert_eq!(refused(settings.into()), "`share` is 0, or from 0.0001 to 1000");
    }
    for bad in [Duration::ZERO, SECOND - Duration::from_nanos(1), 61 * SECOND, Duration::MAX] {
        let mut settings = Ratio::FINAGLE;
        settings.ttl = bad;
        assert_eq!(refused(settings.into()), "`ttl` is from 1 s to 60 s");
    }
    let mut never = Ratio::FINAGLE;
    (never.share, never.min_per_second) = (0.0, 0);
    assert_eq!(refused(never.into()), "`min_per_second` is not 0 where the share is");
}

#[test]
#[should_panic(expected = "`retry_cost` is from 1 to the capacity")]
fn a_setter_refuses_an_impossible_value() {
    let _ = CostPerRetry::new(10).retry_cost(11);
}

#[test]
fn the_largest_settings_do_not_overflow() {
    let huge = CostPerRetry::new(u32::MAX).first_try_reward(u32::MAX);
    let budget = Budget::new(huge);
    assert_eq!(call(&budget, 1), (Reason::Succeeded, 2));
    assert_eq!(call(&budget, 0), (Reason::Succeeded, 1));
    assert_eq!(budget.tokens(), f64::from(u32::MAX));

    let (budget, clock) = ratio(Ratio::new(1000.0).min_per_second(u32::MAX).ttl(60 * SECOND));
    assert_eq!(budget.available(), u64::from(u32::MAX) * 60);
    assert_eq!(call(&budget, 1), (Reason::Succeeded, 2));
    clock.advance(Duration::MAX);
    assert_eq!(call(&budget, 1), (Reason::Succeeded, 2));
    assert!(budget.available() > u64::from(u32::MAX));
}

#[test]
fn a_budget_is_small_and_shareable_and_prints_its_tokens() {
    fn shareable<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    shareable::<Budget>();
    let budget = Budget::new(CostPerRetry::new(20));
    let text = format!("{budget:?}");
    assert!(text.starts_with("Budget { model: CostPerRetry(") && text.ends_with("tokens: 20.0 }"));
    assert!(size_of::<Budget>() <= 32, "{}", size_of::<Budget>());
}
