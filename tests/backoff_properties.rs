//! Properties of every backoff that can be composed, and of each formula against an oracle.
//!
//! The compositions are the same in every run; `PROPTEST_RNG_SEED` gives others, `PROPTEST_CASES`
//! more of them. Properties of sleeps drive the engine in virtual time.

#[path = "support/cases.rs"]
mod cases;
#[path = "support_compositions/mod.rs"]
mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use persevere::backoff::{
    AdditiveJitter, Constant, Decorrelated, DecorrelatedV2, EqualJitter, Exponential, Fibonacci,
    First, Forever, FullJitter, Jitter, Linear, MaxAttempts, MaxDelay, MaxElapsed, MaxRetryAfter,
    MinDelay, Polynomial, Sequence,
};
use persevere::classify::RetryErrors;
use persevere::{
    Attempt, Backoff, Classifier, Decision, DelayBounds, Engine, Finite, Limits, Policy, Reason,
    Verdict, constant, decorrelated, decorrelated_v2, delays, exponential, fibonacci, from_fn,
    immediate, linear, polynomial,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

use support::{
    Claim, Function, Leaf, Moment, Op, Recipe, Sum, leaf, limiting, moment, nanos, number,
    printed_duration, recipe, seed_that_draws, short_recipe, shortening, time,
};

const fn ns(n: u64) -> Duration {
    Duration::from_nanos(n)
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// With room for properties that leave many compositions out.
fn cases(cases: u32) -> Config {
    let config = cases::cases(cases);
    Config { max_global_rejects: config.cases * 20, ..config }
}

// ---- a call in virtual time ------------------------------------------------------------------

/// The course of a call.
#[derive(Debug)]
struct Run {
    slept: Vec<Duration>,
    waited: Duration,
    /// `None` if the call had not ended after the last sleep that was looked at.
    end: Option<Reason>,
}

/// Runs a call whose attempts all fail and take `lasts` each, for at most `sleeps` sleeps. Without
/// a seed, the call draws its own.
fn run<B: Backoff + ?Sized>(backoff: &B, seed: Option<u64>, lasts: Duration, sleeps: usize) -> Run {
    run_classified(backoff, &RetryErrors, seed, lasts, sleeps)
}

fn run_classified<B: Backoff + ?Sized>(
    backoff: &B,
    classifier: &impl Classifier<Option<()>>,
    seed: Option<u64>,
    lasts: Duration,
    sleeps: usize,
) -> Run {
    let mut now = secs(7);
    let mut run = Run { slept: vec![], waited: Duration::ZERO, end: None };
    let policy = Policy::new(backoff.forever());
    let policy = seed.map_or(policy, |seed| policy.seed(seed)).classifier(classifier);
    let mut engine = Engine::new(policy);
    let reads_clock = engine.reads_clock();
    let read = |now: Duration| reads_clock.then_some(now);
    while run.slept.len() < sleeps {
        let Ok(_) = engine.enter(read(now));
        now = now.saturating_add(lasts);
        match engine.decide(&None, read(now)) {
            Decision::Wait(delay) => {
                now = now.saturating_add(delay);
                run.waited = run.waited.saturating_add(delay);
                run.slept.push(delay);
            }
            Decision::Return(facts) => {
                assert_eq!(nanos(facts.waited()), nanos(run.waited));
                run.end = Some(facts.reason());
                break;
            }
        }
    }
    run
}

/// The delays of a backoff that is asked by hand, each told the one before.
fn asked<B: Backoff + ?Sized>(backoff: &B, seed: u64, most: u32) -> Vec<Duration> {
    let mut previous = Duration::ZERO;
    (1..=most)
        .map_while(|number| {
            let attempt = Attempt::new(number).with_seed(seed).with_previous_delay(previous);
            previous = backoff.delay(&attempt)?;
            Some(previous)
        })
        .collect()
}

// ---- every composition -----------------------------------------------------------------------

proptest! {
    #![proptest_config(cases(400))]

    // No number panics or wraps either, up to attempt `u32::MAX`,
    // `Duration::MAX` and factors of 1e300; this build checks for overflow.
    #[test]
    fn every_delay_is_within_its_bounds_and_ends_where_they_end(
        recipe in recipe(),
        moments in prop::collection::vec(moment(), 1..12),
        elapsed in time(),
        waited in time(),
    ) {
        let backoff = recipe.build();
        for moment in moments {
            let attempt = moment.attempt().with_elapsed(elapsed).with_waited(waited);
            let (delay, bounds) = (backoff.delay(&attempt), backoff.bounds(moment.number));
            if let Some(bounds) = bounds {
                prop_assert!(bounds.min <= bounds.max, "{bounds:?} after {attempt:?}");
            }
            match (delay, bounds) {
                (Some(delay), Some(bounds)) => {
                    prop_assert!(holds(bounds, delay), "{delay:?} out of {bounds:?}: {attempt:?}");
                }
                (Some(delay), None) => prop_assert!(false, "{delay:?} past the end: {attempt:?}"),
                // A closure that declares nothing stops where it likes.
                (None, Some(_)) => prop_assert!(!recipe.announces_its_end(), "ends: {attempt:?}"),
                (None, None) => {}
            }
        }
    }

    #[test]
    fn every_delay_is_as_documented(
        recipe in recipe().prop_filter("computed without floats", Recipe::is_exact),
        moments in prop::collection::vec(moment(), 1..12),
    ) {
        let backoff = recipe.build();
        for moment in moments {
            let delay = backoff.delay(&moment.attempt());
            prop_assert_eq!(delay.map(nanos), recipe.expected(&moment), "{:?}", moment);
        }
    }

    #[test]
    fn limits_are_the_tightest_of_all_that_were_written(recipe in recipe()) {
        let limits = recipe.build().limits();
        prop_assert_eq!(limits.attempts.map(u32::from), recipe.attempts());
        prop_assert_eq!(limits.elapsed, recipe.elapsed());
        prop_assert_eq!(limits.retry_after, recipe.retry_after());
    }

    #[test]
    fn the_same_attempt_gets_the_same_delay_in_any_order(
        recipe in recipe(),
        moments in prop::collection::vec(moment(), 1..6),
    ) {
        let (backoff, again) = (recipe.build(), recipe.build());
        let ask = |moment: &Moment| backoff.delay(&moment.attempt());
        let forth: Vec<_> = moments.iter().map(ask).collect();
        let back: Vec<_> = moments.iter().rev().map(ask).collect();
        prop_assert!(forth.iter().eq(back.iter().rev()));
        prop_assert!(forth.iter().copied().eq(moments.iter().map(|m| again.delay(&m.attempt()))));
    }

    #[test]
    fn pointers_to_a_backoff_are_the_backoff(recipe in short_recipe(), moment in moment()) {
        let backoff = recipe.build();
        let by_reference: &dyn Backoff = &*backoff;
        let boxed: Box<dyn Backoff> = Box::new(backoff.clone());
        let shared: Arc<dyn Backoff> = Arc::new(&backoff);
        let text = backoff.schedule().to_string();
        for other in [by_reference, &boxed, &shared] {
            let attempt = moment.attempt();
            prop_assert_eq!(other.delay(&attempt), backoff.delay(&attempt));
            prop_assert_eq!(other.bounds(moment.number), backoff.bounds(moment.number));
            prop_assert_eq!(other.limits(), backoff.limits());
            prop_assert_eq!(other.reads_clock(), backoff.reads_clock());
            prop_assert_eq!(Backoff::schedule(&other).to_string(), text.as_str());
            prop_assert_eq!(described(other), described(&*backoff));
        }
    }

    #[test]
    fn nothing_without_a_time_limit_or_a_closure_reads_the_clock(recipe in recipe()) {
        prop_assert_eq!(recipe.build().reads_clock(), recipe.reads_clock());
    }
}

struct Described<'a>(&'a dyn Backoff);

impl std::fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.describe(f)
    }
}

fn described(backoff: &dyn Backoff) -> String {
    Described(backoff).to_string()
}

// ---- caps and limits -------------------------------------------------------------------------

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_cap_holds_through_everything_that_only_shortens(
        recipe in recipe(),
        cap in time(),
        after in prop::collection::vec(shortening(), 0..4),
        moments in prop::collection::vec(moment(), 1..8),
    ) {
        let capped = after.into_iter().fold(recipe.with(Op::MaxDelay(cap)), Recipe::with).build();
        for moment in moments {
            let longest = capped.bounds(moment.number).map(|bounds| bounds.max);
            prop_assert!(longest.is_none_or(|longest| nanos(longest) <= nanos(cap)));
            let delay = capped.delay(&moment.attempt());
            prop_assert!(delay.is_none_or(|delay| nanos(delay) <= nanos(cap)), "{delay:?} at {moment:?}");
        }
    }

    #[test]
    fn a_floor_holds_when_it_is_written_last(
        recipe in recipe(),
        floor in time(),
        moments in prop::collection::vec(moment(), 1..8),
    ) {
        let lifted = recipe.with(Op::MinDelay(floor)).build();
        for moment in moments {
            let delay = lifted.delay(&moment.attempt());

            prop_assert!(delay.is_none_or(|delay| nanos(delay) >= nanos(floor)), "{delay:?}");
        }
    }

    #[test]
    fn a_smaller_cap_never_gives_a_longer_delay(
        recipe in recipe(),
        one in time(),
        other in time(),
        after in prop::collection::vec(shortening(), 0..4),
        moments in prop::collection::vec(moment(), 1..8),
    ) {
        let capped = |cap| {
            let capped = recipe.clone().with(Op::MaxDelay(cap));
            after.iter().cloned().fold(capped, Recipe::with).build()
        };
        let (tight, wide) = (capped(one.min(other)), capped(one.max(other)));
        for moment in moments {
            let (tight, wide) = (tight.delay(&moment.attempt()), wide.delay(&moment.attempt()));
            prop_assert_eq!(tight.is_some(), wide.is_some());
            prop_assert!(tight <= wide, "{:?} > {:?} at {:?}", tight, wide, moment);
        }
    }

    #[test]
    fn a_smaller_limit_on_attempts_only_makes_the_schedule_shorter(
        recipe in recipe(),
        few in 1..8_u32,
        more in 0..8_u32,
        seed in any::<u64>(),
    ) {
        let limited = |most| recipe.clone().with(Op::MaxAttempts(most)).build();
        let (short, long) = (limited(few), limited(few + more));
        let steps = |backoff: &support::Built| backoff.schedule().collect::<Vec<_>>();
        let (short_steps, long_steps) = (steps(&short), steps(&long));
        prop_assert_eq!(&short_steps[..], &long_steps[..short_steps.len()]);
        prop_assert_eq!(short_steps.len(), long_steps.len().min(few as usize - 1));
        let calls = [short, long].map(|b| {
            run(&b, Some(seed), Duration::ZERO, 40).slept
        });
        prop_assert_eq!(&calls[0][..], &calls[1][..calls[1].len().min(few as usize - 1)]);
    }

    #[test]
    fn limits_in_any_order_are_the_same_limits(
        leaf in leaf(),
        (limits, shuffled) in prop::collection::vec(limiting(), 1..6)
            .prop_flat_map(|limits| (Just(limits.clone()), Just(limits).prop_shuffle())),
        among in prop::collection::vec((shortening(), 0..6_usize), 0..3),
        moments in prop::collection::vec(moment(), 1..6),
    ) {
        let written = limits.into_iter().fold(Recipe::Leaf(leaf.clone()), Recipe::with);
        let mut other = shuffled;
        for (op, place) in among {
            // A combinator that shortens delays is no limit, at any place among the limits.
            other.insert(place.min(other.len()), op);
        }
        let other = other.into_iter().fold(Recipe::Leaf(leaf), Recipe::with);
        let (written, other) = (written.build(), other.build());
        prop_assert_eq!(written.limits(), other.limits());
        for moment in moments {
            let ends = |backoff: &support::Built| backoff.delay(&moment.attempt()).is_none();
            prop_assert_eq!(ends(&written), ends(&other), "{:?}", moment);
        }
    }

    #[test]
    fn no_call_makes_more_attempts_than_its_limit(
        recipe in recipe(), most in 1..9_u32, seed in any::<u64>(), after in shortening(),
    ) {
        let backoff = recipe.with(Op::MaxAttempts(most)).with(after).build();
        let call = run(&backoff, Some(seed), Duration::ZERO, 20);
        prop_assert!(call.slept.len() < most as usize, "{call:?}");
        prop_assert!(matches!(call.end, Some(Reason::Attempts | Reason::Elapsed)), "{call:?}");
    }

    #[test]
    fn no_sleep_of_a_call_ends_at_its_time_limit_or_later(
        recipe in recipe(), limit in time(), lasts in time(), seed in any::<u64>(),
    ) {
        prop_assume!(nanos(limit) < u64::MAX);
        let backoff = recipe.with(Op::MaxElapsed(limit)).build();
        let call = run(&backoff, Some(seed), lasts, 20);
        let worked = lasts.saturating_mul(call.slept.len() as u32);
        prop_assert!(
            call.slept.is_empty() || call.waited.saturating_add(worked) < limit,
            "{call:?}"
        );
        // And no more than that is announced.
        for step in backoff.schedule().take(20) {
            prop_assert!(step.waited.min < limit && step.waited.max <= limit, "{step:?}");
            prop_assert!(step.delay.min <= step.delay.max && step.delay.max <= limit, "{step:?}");
        }
    }
}

#[test]
fn a_retry_that_would_start_at_the_time_limit_is_not_slept_for() {
    let backoff = constant(secs(1)).max_elapsed(secs(3));
    let call = run(&backoff, None, Duration::ZERO, 9);
    assert_eq!((call.slept, call.end), (vec![secs(1); 2], Some(Reason::Elapsed)));
    assert_eq!((backoff.schedule().count(), backoff.worst_case()), (2, Some(secs(2))));
    // The time that attempts take counts: the second retry would start at three seconds.
    let call = run(&backoff, None, ms(500), 9);
    assert_eq!(call.slept, [secs(1)]);
    let jittered = constant(secs(2)).full_jitter().max_elapsed(secs(3));
    assert_eq!(jittered.worst_case(), Some(secs(3)));
}

// ---- sleeps are as announced -----------------------------------------------------------------

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_call_sleeps_within_its_schedule_and_no_longer_than_its_worst_case(
        recipe in short_recipe(),
        seed in any::<u64>(),
        lasts in prop_oneof![Just(Duration::ZERO), time()],
    ) {
        sleeps_within_its_schedule(&recipe, seed, lasts)?;
    }

    #[test]
    fn a_call_is_as_printed(recipe in short_recipe(), seed in any::<u64>()) {
        is_as_printed(&recipe, seed)?;
    }
}

proptest! {
    // Few, since thousands of attempts are added up for each.
    #![proptest_config(cases(12))]

    #[test]
    fn a_call_that_may_go_on_for_long_is_as_printed(
        recipe in recipe(), seed in any::<u64>(), lasts in time(),
    ) {
        sleeps_within_its_schedule(&recipe, seed, lasts)?;
        is_as_printed(&recipe, seed)?;
    }
}

fn sleeps_within_its_schedule(
    recipe: &Recipe,
    seed: u64,
    lasts: Duration,
) -> Result<(), TestCaseError> {
    let backoff = recipe.build();
    let call = run(&backoff, Some(seed), lasts, 40);
    let mut steps = backoff.schedule();
    let mut waited = Duration::ZERO;
    for (place, slept) in call.slept.iter().enumerate() {
        let Some(step) = steps.next() else {
            return Err(TestCaseError::fail(format!("sleep {place} is not planned: {call:?}")));
        };
        waited = waited.saturating_add(*slept);
        prop_assert_eq!(step.attempt as usize, place + 1);
        prop_assert!(holds(step.delay, *slept), "{slept:?} is not in {step:?}");
        prop_assert!(holds(step.waited, waited), "{waited:?} is not in {step:?}");
    }
    // The schedule ends with a call that its limit on attempts ended.
    if call.end == Some(Reason::Attempts) && recipe.announces_its_end() {
        prop_assert_eq!(steps.next(), None);
    }
    let worst = backoff.worst_case();
    prop_assert!(
        worst.is_none_or(|worst| nanos(call.waited) <= nanos(worst)),
        "{worst:?}: {call:?}"
    );
    // Only a call without any limit may go on for ever.
    if worst.is_none() {
        prop_assert_eq!((recipe.attempts(), recipe.elapsed()), (None, None));
    }
    Ok(())
}

fn is_as_printed(recipe: &Recipe, seed: u64) -> Result<(), TestCaseError> {
    let backoff = recipe.build();
    let call = run(&backoff, Some(seed), Duration::ZERO, 70);
    let text = backoff.schedule().to_string();
    let claim = Claim::parse(&text);
    for (slept, range) in call.slept.iter().zip(&claim.delays) {
        prop_assert!(holds(*range, *slept), "{slept:?} is not in {range}: {text}");
    }
    prop_assert!(claim.goes_on || call.slept.len() <= claim.delays.len(), "{text}: {call:?}");
    match claim.sum {
        Sum::Exactly(sum) if call.end.is_some() && recipe.announces_its_end() => {
            prop_assert_eq!(nanos(call.waited), nanos(sum), "{}: {:?}", text, call);
        }
        Sum::Exactly(sum) | Sum::AtMost(sum) => {
            prop_assert!(nanos(call.waited) <= nanos(sum), "{text}: {call:?}");
        }
        Sum::NoBound => {}
        Sum::ForEver => {
            let ended = matches!(call.end, Some(Reason::Attempts));
            prop_assert!(!ended || !recipe.announces_its_end(), "{text}: {call:?}");
        }
    }

    // A line for each delay says the same.
    let lines = format!("{:#}", backoff.schedule());
    let lines = lines.lines().filter_map(|line| line.strip_prefix("after attempt "));
    let claimed = claim.delays.iter().enumerate();
    let claimed: Vec<_> = claimed.map(|(n, range)| format!("{}: {range}", n + 1)).collect();
    prop_assert!(lines.eq(claimed.iter().map(String::as_str)), "{text}");
    Ok(())
}

/// Within, where 544 years and more are all the same.
fn holds(bounds: DelayBounds, delay: Duration) -> bool {
    nanos(bounds.min) <= nanos(delay) && nanos(delay) <= nanos(bounds.max)
}

#[test]
fn printed_durations_are_read_back() {
    let extreme = [Duration::ZERO, ns(1), ns(1_500), ms(20), ms(1_050), secs(90), ns(u64::MAX)];
    for duration in extreme.into_iter().chain([Duration::MAX]) {
        assert_eq!(printed_duration(&format!("{duration:?}")), duration);
    }
}

// ---- seeds -----------------------------------------------------------------------------------

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_draw_can_come_at_every_place(
        random in any::<u64>(), attempt in 1..=u32::MAX, lane in 0..9_u32,
    ) {
        // The tests of bounds rest on this. If the generator was changed on purpose, run the new
        // one backwards in `seed_that_draws`.
        let seed = seed_that_draws(random, attempt, lane);
        let attempt = Attempt::new(attempt).with_seed(seed);
        let placed = (0..lane).fold(attempt, |attempt, _| attempt.inner());
        prop_assert_eq!(placed.random(), random);
    }

    #[test]
    fn a_seeded_call_repeats_exactly(recipe in recipe(), seed in any::<u64>(), lasts in time()) {
        let call = || run(&recipe.build(), Some(seed), lasts, 20).slept;
        prop_assert_eq!(call(), call());
    }

    #[test]
    fn delays_asked_for_by_hand_are_those_of_the_engine(recipe in recipe(), seed in any::<u64>()) {
        let backoff = recipe.build();
        let call = run(&backoff, Some(seed), Duration::ZERO, 20);
        let by_hand = asked(&backoff, seed, 20);
        prop_assert!(call.slept.len() <= by_hand.len());
        for (slept, asked) in call.slept.iter().zip(by_hand) {
            prop_assert_eq!(nanos(*slept), nanos(asked));
        }
    }

    #[test]
    fn different_seeds_give_different_delays(one in any::<u64>(), other in any::<u64>()) {
        // Two streams agree in one delay of an hour with a chance of 1 in 3.6e12, and in four of
        // them with less than 1 in 1e50.
        prop_assume!(one != other);
        let hour = secs(3600);
        for backoff in [
            Arc::new(constant(hour).full_jitter()) as support::Built,
            Arc::new(constant(2 * hour).equal_jitter()),
            Arc::new(constant(hour).jitter(0.5)),
            Arc::new(constant(hour).additive_jitter(Duration::ZERO..=hour)),
            Arc::new(decorrelated(hour)),
            Arc::new(decorrelated_v2(hour)),
        ] {
            prop_assert_ne!(asked(&backoff, one, 4), asked(&backoff, other, 4));
        }
    }
}

#[test]
fn a_thousand_calls_without_a_seed_sleep_a_thousand_different_ways() {
    // Two of them agree by chance with a probability below 1e-44.
    let backoff = constant(secs(3600)).full_jitter().max_attempts(5);
    let calls: HashSet<_> =
        (0..1000).map(|_| run(&backoff, None, Duration::ZERO, 9).slept).collect();
    assert_eq!(calls.len(), 1000);
}

#[test]
fn a_thousand_small_seeds_are_a_thousand_streams() {
    // Of 1000 streams, two agree in four delays of an hour with a chance below 1e-44.
    let backoff = constant(secs(3600)).full_jitter();
    let streams: HashSet<_> = (0..1000).map(|seed| asked(&backoff, seed, 4)).collect();
    assert_eq!(streams.len(), 1000);
    // Nor does any delay come twice: 4000 draws of 3.6e12 collide with a chance below 1e-5, and
    // these are always the same.
    let single: HashSet<_> = streams.iter().flatten().collect();
    assert_eq!(single.len(), 4000);
}

// ---- bounds are attained ---------------------------------------------------------------------

proptest! {
    #![proptest_config(cases(600))]

    /// Bounds that are too wide would pass every test that only looks whether they hold.
    #[test]
    fn the_bounds_of_a_jitter_are_its_extreme_draws(
        delay in time(), more in time(), share in 0.0..=1.0_f64, number in number(),
    ) {
        let jittered = [
            Arc::new(constant(delay).full_jitter()) as support::Built,
            Arc::new(constant(delay).equal_jitter()),
            Arc::new(constant(delay).jitter(share)),
            Arc::new(constant(delay).additive_jitter(Duration::ZERO..=more)),
            Arc::new(constant(delay).additive_jitter(more..=Duration::MAX)),
        ];
        for backoff in jittered {
            let bounds = backoff.bounds(number).expect("no end");
            let extreme = [0, u64::MAX].map(|random| {
                let attempt = Attempt::new(number);
                backoff.delay(&attempt.with_seed(seed_that_draws(random, number, 0)))
            });
            prop_assert_eq!(extreme[0], Some(bounds.min), "{}", described(&backoff));
            let longest = extreme[1].expect("no end");
            // A window of all times there are is not drawn from to its last nanosecond.
            let widest = nanos(bounds.max) - nanos(bounds.min) == u64::MAX;
            let short = ns(u64::from(widest));
            prop_assert_eq!(longest + short, bounds.max, "{}", described(&backoff));
        }
    }

    #[test]
    fn the_bounds_of_a_decorrelated_backoff_are_its_extreme_draws(
        base in time(), number in number(),
    ) {
        let backoff = decorrelated(base);
        let bounds = backoff.bounds(number).expect("no end");
        let longest_before = match number {
            1 => Duration::ZERO,
            number => backoff.bounds(number - 1).expect("no end").max,
        };
        let drawn = |random| {
            let attempt = Attempt::new(number).with_previous_delay(longest_before);
            backoff.delay(&attempt.with_seed(seed_that_draws(random, number, 0)))
        };
        prop_assert_eq!(drawn(0), Some(bounds.min));
        prop_assert_eq!(drawn(u64::MAX), Some(bounds.max));
    }

    #[test]
    fn the_bounds_of_a_deterministic_backoff_are_its_delay(
        leaf in leaf(), cap in time(), floor in time(), number in number(),
    ) {
        let random = matches!(
            leaf,
            Leaf::Decorrelated(_) | Leaf::DecorrelatedV2(_) | Leaf::Function(..) | Leaf::Declared(..)
        );
        prop_assume!(!random);
        let recipe = Recipe::Leaf(leaf)
            .with(Op::Map(Function::Add(ns(1))))
            .with(Op::MaxDelay(cap))
            .with(Op::MinDelay(floor));
        let backoff = recipe.build();
        let delay = backoff.delay(&Attempt::new(number)).map(nanos);
        let bounds = backoff.bounds(number);
        prop_assert_eq!(delay, bounds.map(|bounds| nanos(bounds.min)));
        prop_assert_eq!(delay, bounds.map(|bounds| nanos(bounds.max)));
    }
}

#[test]
fn the_longest_delay_of_decorrelated_v2_comes_of_a_low_draw_and_a_high_one() {
    let backoff = decorrelated_v2(secs(1));
    for number in [1_u32, 2, 3, 10, 30] {
        let bound = backoff.bounds(number).unwrap_or(DelayBounds::ANY).max.as_secs_f64();
        let longest = (0..20_000)
            .map(|seed| backoff.delay(&Attempt::new(number).with_seed(seed)).unwrap_or_default())
            .max()
            .unwrap_or_default()
            .as_secs_f64();
        // Of 20 000 pairs of draws the best is within a fifth of the corner with a probability
        // of 1 - (1 - 0.02 · 0.02)^20000 > 0.999; the seeds are always the same.
        assert!(longest > 0.8 * bound && longest <= bound, "{number}: {longest} of {bound}");
    }
}

// ---- sequences -------------------------------------------------------------------------------

/// A backoff whose delay is the attempt's number in milliseconds, and the delay before in seconds.
fn witness() -> impl Backoff + Clone {
    from_fn(|attempt| {
        let before = attempt.previous_delay().map_or(0, |delay| delay.as_millis() as u64 % 1000);
        Some(secs(before) + ms(attempt.number().into()))
    })
}

#[test]
fn the_second_part_of_a_sequence_counts_from_one_and_sees_its_own_delays() {
    let sequence = constant(ms(900)).first(2).then(witness()).max_attempts(6);
    let call = run(&sequence, None, Duration::ZERO, 9);
    // Number 1 sees no delay before it; number 2 sees that of number 1, and so on.
    let own = [ms(1), ms(1_002), ms(2_003)];
    assert_eq!(call.slept, [[ms(900); 2].as_slice(), &own].concat());
}

#[test]
fn sequences_of_sequences_count_each_for_itself() {
    let inner = || constant(ms(500)).first(1).then(witness());
    let nested = constant(ms(900)).first(2).then(inner());
    assert_eq!(
        run(&nested, None, Duration::ZERO, 6).slept,
        [ms(900), ms(900), ms(500), ms(1), ms(1_002), ms(2_003)]
    );
    let nested = inner().first(3).then(witness());
    assert_eq!(
        run(&nested, None, Duration::ZERO, 6).slept,
        [ms(500), ms(1), ms(1_002), ms(1), ms(1_002), ms(2_003)]
    );
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn the_second_part_of_a_sequence_is_as_it_is_alone(
        first in recipe(), retries in 0..5_u32, next in leaf(), number in number(),
    ) {
        // All that is not drawn: draws are numbered over the whole call.
        let fixed = !matches!(
            next,
            Leaf::Decorrelated(_) | Leaf::DecorrelatedV2(_) | Leaf::Function(..) | Leaf::Declared(..)
        );
        prop_assume!(fixed && number < u32::MAX - 5);
        let taken = first.attempts().map_or(retries, |most| retries.min(most - 1));
        let alone = Recipe::Leaf(next.clone()).build();
        let sequence = Recipe::Then(Box::new(first), retries, Box::new(Recipe::Leaf(next))).build();
        let delay = |backoff: &support::Built, number| {
            backoff.delay(&Attempt::new(number)).map(nanos)
        };
        prop_assert_eq!(delay(&sequence, number + taken), delay(&alone, number));
        prop_assert_eq!(sequence.bounds(number + taken), alone.bounds(number));
    }

    #[test]
    fn the_parts_of_a_sequence_draw_different_numbers(seed in any::<u64>(), first in 1..6_u32) {
        // Three delays of an hour are the same by chance once in 1e37.
        let jittered = constant(secs(3600)).full_jitter();
        let all = asked(&jittered.first(first).then(jittered), seed, first + 3);
        let (before, after) = all.split_at(first as usize);
        prop_assert!(before.iter().zip(after).any(|(a, b)| a != b));
        // And the whole is the stream of the call, cut nowhere.
        prop_assert_eq!(asked(&jittered, seed, first + 3), all);
    }

    #[test]
    fn decorrelated_v2_starts_anew_in_the_second_part(seed in any::<u64>(), n in 1..5_u32) {
        let v2 = decorrelated_v2(secs(1));
        let sequence = constant(secs(9)).first(n).then(v2);
        let in_sequence = asked(&sequence, seed, n + 4).split_off(n as usize);
        let bounds = (1..).map_while(|number| v2.bounds(number));
        for (delay, bounds) in in_sequence.iter().zip(bounds) {
            prop_assert!(bounds.contains(*delay), "{delay:?} is not in {bounds:?}");
        }
        // Its delays sum up to the growth at its own last draw, not at one of the first part.
        let last = Attempt::new(n + 4).with_seed(seed);
        let expected = growth(3.0 + unit(last.random()), 1e9);
        let sum = in_sequence.iter().sum::<Duration>().as_nanos() as f64;
        prop_assert!((sum - expected).abs() <= 5.0, "{sum} {expected}");
    }
}

// ---- growth depends on own draws alone -------------------------------------------------------

/// A server that asks for the same wait after every failure.
struct AsksFor(Duration);

impl Classifier<Option<()>> for AsksFor {
    fn classify(&self, _: &Option<()>, _: &Attempt) -> Option<Verdict> {
        Some(Verdict::RetryAfter(self.0))
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_servers_wait_is_a_floor_and_leaves_the_growth_alone(
        recipe in recipe(), seed in any::<u64>(), floor in (0..300_000_u64).prop_map(ms),
    ) {
        // Without a time limit, which a longer wait reaches sooner.
        prop_assume!(recipe.elapsed().is_none());
        let backoff = recipe.with(Op::MaxAttempts(9)).build();
        prop_assume!(backoff.limits().retry_after.is_none());
        let own = run(&backoff, Some(seed), Duration::ZERO, 9).slept;
        let floors = AsksFor(floor);
        let asked = run_classified(&backoff, &floors, Some(seed), Duration::ZERO, 9).slept;
        let lifted: Vec<_> = own.iter().map(|own| (*own).max(floor)).collect();
        prop_assert_eq!(asked, lifted);
    }

    #[test]
    fn decorrelated_grows_by_three_at_most_with_any_delay_of_a_server(
        base in 1..400_u64, seed in any::<u64>(),
    ) {
        let backoff = decorrelated(ms(base)).max_attempts(20);
        let floor = AsksFor(secs(299));
        let mut own = vec![];
        let policy = Policy::new(&backoff).seed(seed).classifier(&floor);
        let mut engine = Engine::new(policy);
        let Ok(mut attempt) = engine.enter(None);
        let mut previous = ms(base);
        for number in 1..=6_u32 {
            prop_assert_eq!(attempt.number(), number);
            prop_assert_eq!(engine.decide(&None, None), Decision::Wait(secs(299)));
            // The next attempt has the backoff's own delay.
            let Ok(next) = engine.enter(None);
            let delay = next.previous_delay().expect("a delay before a retry");
            prop_assert!(ms(base) <= delay && delay <= 3 * previous, "{delay:?} {previous:?}");
            previous = delay;
            own.push(delay);
            attempt = next;
        }
        prop_assert_eq!(own, asked(&backoff, seed, 6));
    }
}

// ---- formulas against oracles ----------------------------------------------------------------

/// All the nanoseconds of a duration that was computed.
fn whole(delay: Option<Duration>) -> u128 {
    delay.map_or(0, |delay| delay.as_nanos())
}

/// A natural number of any size, little end first.
#[derive(Clone, Debug)]
struct Natural(Vec<u32>);

impl Natural {
    fn new(number: u64) -> Self {
        Natural(vec![number as u32, (number >> 32) as u32])
    }

    fn times(&self, other: u64) -> Natural {
        let mut product = vec![];
        let mut carry = 0_u128;
        for digit in &self.0 {
            carry += u128::from(*digit) * u128::from(other);
            product.push(carry as u32);
            carry >>= 32;
        }
        while carry > 0 {
            product.push(carry as u32);
            carry >>= 32;
        }
        Natural(product)
    }

    fn bit(&self, place: u32) -> bool {
        self.0.get(place as usize / 32).is_some_and(|digit| digit >> (place % 32) & 1 == 1)
    }

    /// Divided by 2^`places` and rounded, halves up; `u64::MAX` if it is more than that.
    fn halved(&self, places: u32) -> u64 {
        let bits = self.0.len() as u32 * 32;
        let mut number = 0_u128;
        for place in (places..bits).rev() {
            number = number << 1 | u128::from(self.bit(place));
            if number > u128::from(u64::MAX) {
                return u64::MAX;
            }
        }
        number += u128::from(places > 0 && self.bit(places - 1));
        u64::try_from(number).unwrap_or(u64::MAX)
    }
}

/// `first · factor^exponent`, exactly, rounded at the end: a double is an integer times a power of
/// 2.
fn exactly_exponential(first: u64, factor: f64, exponent: u32) -> u64 {
    let bits = factor.to_bits();
    let (power, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    let (mantissa, power) =
        if power == 0 { (fraction, -1074) } else { (fraction | 1 << 52, power - 1075) };
    let mut product = Natural::new(first);
    for _ in 0..exponent {
        product = product.times(mantissa);
    }
    let power = power * exponent as i32;
    if power >= 0 {
        for _ in 0..power {
            product = product.times(2);
        }
        product.halved(0)
    } else {
        product.halved(power.unsigned_abs())
    }
}

#[test]
fn the_oracle_of_the_exponential_has_the_known_values() {
    assert_eq!(exactly_exponential(100, 1.5, 2), 225);
    assert_eq!(exactly_exponential(3, 0.5, 1), 2, "a half is rounded up");
    assert_eq!(exactly_exponential(1, 10.0, 19), 10_000_000_000_000_000_000);
    assert_eq!(exactly_exponential(1, 10.0, 20), u64::MAX);
    assert_eq!(exactly_exponential(u64::MAX, 0.0, 1), 0);
    assert_eq!(exactly_exponential(7, 0.0, 0), 7);
    assert_eq!(exactly_exponential(1 << 60, f64::MIN_POSITIVE, 1), 0);
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn exponential_is_first_times_factor_to_the_retries_before(
        first in prop_oneof![1..1_000_000_u64, 1..u64::MAX / 2, time().prop_map(nanos)],
        factor in prop_oneof![
            0.0..1.1_f64, 1.0..4.0_f64, 1.0..1000.0_f64, (1..64_u32).prop_map(|n| f64::from(n) / 16.0)
        ],
        number in 1..24_u32,
    ) {
        let exact = exactly_exponential(first, factor, number - 1);
        let delay = exponential(ns(first)).factor(factor).delay(&Attempt::new(number));
        let delay = delay.expect("no end").as_nanos() as u64;
        // Each multiplication is off by half a unit in the 53rd place, and squaring doubles that;
        // then a nanosecond for the rounding.
        let allowed = 1 + (exact as f64 * f64::from(number + 2) * f64::EPSILON) as u64;
        prop_assert!(exact.abs_diff(delay) <= allowed, "{delay} is not {exact}, ±{allowed}");
    }

    #[test]
    fn exponential_far_out_agrees_with_powf(
        first in 1..1_000_000_000_u64,
        // Growing slowly enough that there is something between nothing and for ever.
        growth in -40.0..40.0_f64,
        number in 2..=u32::MAX,
    ) {
        let factor = (growth / f64::from(number - 1)).exp();
        let delay = exponential(ns(first)).factor(factor).delay(&Attempt::new(number));
        let delay = delay.expect("no end").as_nanos() as f64;
        let expected = (first as f64 * factor.powf(f64::from(number - 1))).min(u64::MAX as f64);
        // Four thousand million multiplications, each off in the 53rd place.
        let allowed = 1.0 + expected * f64::from(number) * f64::EPSILON;
        prop_assert!((delay - expected).abs() <= allowed, "{delay} is not {expected}, ±{allowed}");
    }

    #[test]
    fn doubling_is_exact_and_never_wraps(first in time(), number in number()) {
        let doubled = exponential(first).delay(&Attempt::new(number));
        let exact = exactly_exponential(nanos(first), 2.0, (number - 1).min(70));
        prop_assert_eq!(whole(doubled), exact.into());
        prop_assert_eq!(exponential(first).factor(2.0).delay(&Attempt::new(number)), doubled);
    }

    #[test]
    fn an_exponential_never_turns_round(
        first in time(), factor in 0.0..1e6_f64, number in 1..u32::MAX,
    ) {
        let backoff = exponential(first).factor(factor);
        let [this, next] = [number, number + 1].map(|n| backoff.delay(&Attempt::new(n)).map(nanos));
        let (this, next) = (this.expect("no end"), next.expect("no end"));
        // Up to the rounding of far powers, see above.
        let allowed = 1 + (this as f64 * f64::from(number) * f64::EPSILON) as u64;
        if factor >= 1.0 {
            prop_assert!(next.saturating_add(allowed) >= this, "{this} {next}");
        } else {
            prop_assert!(next <= this.saturating_add(allowed), "{this} {next}");
        }
    }
}

#[test]
fn an_exponential_is_rounded_to_the_nearest_nanosecond() {
    let grown = |first, factor, number| {
        exponential(ns(first)).factor(factor).delay(&Attempt::new(number)).map(nanos)
    };
    for (first, factor, number) in [
        (1, 1.5, 2),
        (1, 1.5, 3),
        (1, 1.5, 4),
        (3, 0.5, 2),
        (3, 0.5, 3),
        (10, 1.25, 2),
        (10, 1.75, 3),
    ] {
        let exact = exactly_exponential(first, factor, number - 1);
        assert_eq!(grown(first, factor, number), Some(exact), "{first} {factor} {number}");
    }
}

#[test]
fn extreme_factors_saturate_or_vanish() {
    let at = |factor: f64, number| exponential(ns(1)).factor(factor).delay(&Attempt::new(number));
    for number in [2, 3, 63, 64, 65, u32::MAX] {
        assert_eq!(at(1e300, number), Some(ns(u64::MAX)), "{number}");
        assert_eq!(at(f64::MAX, number), Some(ns(u64::MAX)), "{number}");
        assert_eq!(at(0.0, number), Some(Duration::ZERO), "{number}");
        assert_eq!(at(1e-300, number), Some(Duration::ZERO), "{number}");
        assert_eq!(at(1.0, number), Some(ns(1)), "{number}");
    }
    for factor in [0.0, 1e-300, 1.0, 1.5, 1e300] {
        assert_eq!(at(factor, 1), Some(ns(1)), "{factor}");
        let nothing = exponential(Duration::ZERO).factor(factor);
        assert_eq!(nothing.delay(&Attempt::new(u32::MAX)), Some(Duration::ZERO), "{factor}");
    }
}

#[test]
fn factors_that_make_no_sense_are_refused_where_they_are_given() {
    for factor in [-1.0, -0.001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let given = std::panic::catch_unwind(|| exponential(ms(1)).factor(factor));
        assert!(given.is_err(), "a growth of {factor}");
        let given = std::panic::catch_unwind(|| exponential(ms(1)).jitter(factor));
        assert!(given.is_err(), "a share of {factor}");
    }
    assert!(std::panic::catch_unwind(|| constant(ms(1)).jitter(1.001)).is_err());
    assert!(std::panic::catch_unwind(|| immediate().max_attempts(0)).is_err());
    let turned = || constant(ms(1)).additive_jitter(ms(2)..=ms(1));
    assert!(std::panic::catch_unwind(turned).is_err());
}

#[test]
fn fibonacci_is_the_sum_of_the_two_before() {
    for first in [1, 3, 1_000_000, u64::MAX / 3, u64::MAX] {
        let (mut this, mut next) = (u128::from(first), u128::from(first));
        for number in 1..=200 {
            let delay = fibonacci(ns(first)).delay(&Attempt::new(number));
            assert_eq!(whole(delay), this.min(u64::MAX.into()), "{first}, {number}");
            (this, next) = (next, this.saturating_add(next));
        }
        let far = fibonacci(ns(first)).delay(&Attempt::new(u32::MAX));
        assert_eq!(far, Some(ns(u64::MAX)));
    }
    assert_eq!(fibonacci(ns(0)).delay(&Attempt::new(u32::MAX)), Some(Duration::ZERO));
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn linear_is_the_first_delay_and_a_step_for_each_retry_before(
        first in time(), step in time(), number in number(),
    ) {
        let exact = u128::from(nanos(first)) + u128::from(nanos(step)) * u128::from(number - 1);
        let delay = linear(first).step(step).delay(&Attempt::new(number));
        prop_assert_eq!(whole(delay), exact.min(u64::MAX.into()));
        let own = linear(first).delay(&Attempt::new(number));
        prop_assert_eq!(own, linear(first).step(first).delay(&Attempt::new(number)));
    }

    #[test]
    fn polynomial_is_a_power_of_the_attempts_number(
        first in time(), degree in prop_oneof![0..7_u32, any::<u32>()], number in number(),
    ) {
        let mut exact = Some(u128::from(nanos(first)));
        for _ in 0..degree.min(130) {
            exact = exact.and_then(|exact| exact.checked_mul(number.into()));
        }
        let exact = if first.is_zero() { Some(0) } else { exact };
        let exact = exact.map_or(u64::MAX.into(), |exact| exact.min(u64::MAX.into()));
        let delay = polynomial(first, degree).delay(&Attempt::new(number));
        prop_assert_eq!(whole(delay), exact);
    }

    #[test]
    fn listed_delays_come_one_by_one_and_then_no_more(
        list in prop::collection::vec(time(), 0..9), far in number(),
    ) {
        let listed = delays(&list[..]);
        prop_assert_eq!(asked(&listed, 0, 20), list.clone());
        prop_assert_eq!(listed.limits().attempts.map(u32::from), Some(list.len() as u32 + 1));
        prop_assert_eq!(listed.delay(&Attempt::new(far)), list.get(far as usize - 1).copied());
        prop_assert_eq!(run(&listed, None, Duration::ZERO, 20).end, Some(Reason::Attempts));
    }
}

/// `2^t · tanh(√(4t))`, scaled.
fn growth(t: f64, median_first: f64) -> f64 {
    t.exp2() * (4.0 * t).sqrt().tanh() * median_first / 1.4
}

/// A draw as a number in `0..1`.
fn unit(random: u64) -> f64 {
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn decorrelated_v2_grows_from_draw_to_draw(
        median in 1..10_000_000_000_u64, seed in any::<u64>(), number in 1..40_u32,
    ) {
        let draw = |number| unit(Attempt::new(number).with_seed(seed).random());
        let after = f64::from(number - 1) + draw(number);
        let before = match number {
            1 => 0.0,
            number => f64::from(number - 2) + draw(number - 1),
        };
        let grown = growth(after, median as f64);
        let exact = (grown - growth(before, median as f64)).min(u64::MAX as f64);
        let attempt = Attempt::new(number).with_seed(seed);
        let delay = decorrelated_v2(ns(median)).delay(&attempt);
        let delay = delay.expect("no end").as_nanos() as f64;
        // Two implementations of `tanh` and `exp2` agree to a few units in the last place.
        let allowed = 1.0 + 16.0 * grown * f64::EPSILON;
        prop_assert!((delay - exact).abs() <= allowed, "{delay} is not {exact}, ±{allowed}");
    }

    #[test]
    fn the_delays_of_decorrelated_v2_sum_up_to_its_growth(seed in any::<u64>(), most in 1..25_u32) {
        // Each delay starts at the draw where the one before ended: otherwise this does not hold.
        let sum = asked(&decorrelated_v2(secs(1)), seed, most).iter().sum::<Duration>();
        let last = Attempt::new(most).with_seed(seed).random();
        let grown = growth(f64::from(most - 1) + unit(last), 1e9);
        let allowed = f64::from(most) + 16.0 * grown * f64::EPSILON;
        let sum = sum.as_nanos() as f64;
        prop_assert!((sum - grown).abs() <= allowed, "{sum} is not {grown}, ±{allowed}");
    }

    #[test]
    fn decorrelated_v2_saturates(median in time(), seed in any::<u64>(), far in 1100..=u32::MAX) {
        let delay = decorrelated_v2(median).delay(&Attempt::new(far).with_seed(seed));
        let expected = if median.is_zero() { 0 } else { u64::MAX };
        prop_assert_eq!(delay.map(nanos), Some(expected));
    }
}

// ---- the same by another way -----------------------------------------------------------------

/// A function that is called where only constants are, so that the twin is the one that is used.
macro_rules! twins {
    ($($name:ident: $type:ty = $built:expr, [$inner:expr] $method:ident($($argument:expr),*);)*) => { $(
        #[test]
        fn $name() {
            static TWIN: $type = $built;
            let by_trait: $type = Backoff::$method($inner, $($argument),*);
            assert_eq!(TWIN, by_trait);
            assert_eq!(TWIN.to_string(), by_trait.to_string());
            assert_eq!(asked(&TWIN, 7, 5), asked(&by_trait, 7, 5));
        }
    )* };
}

mod twins_in_a_static_are_what_the_trait_makes {
    use super::*;

    twins! {
        max_attempts: MaxAttempts<Constant> = constant(ms(3)).max_attempts(4), [constant(ms(3))] max_attempts(4);
        max_retries: MaxAttempts<Linear> = linear(ms(3)).max_retries(4), [linear(ms(3))] max_retries(4);
        max_elapsed: MaxElapsed<Fibonacci> = fibonacci(ms(3)).max_elapsed(secs(4)), [fibonacci(ms(3))] max_elapsed(secs(4));
        max_retry_after: MaxRetryAfter<Polynomial> = polynomial(ms(3), 2).max_retry_after(secs(4)), [polynomial(ms(3), 2)] max_retry_after(secs(4));
        max_delay: MaxDelay<Exponential> = exponential(ms(3)).factor(1.5).max_delay(ms(9)), [exponential(ms(3)).factor(1.5)] max_delay(ms(9));
        min_delay: MinDelay<Decorrelated> = decorrelated(ms(3)).min_delay(ms(5)), [decorrelated(ms(3))] min_delay(ms(5));
        full_jitter: FullJitter<DecorrelatedV2> = decorrelated_v2(ms(3)).full_jitter(), [decorrelated_v2(ms(3))] full_jitter();
        equal_jitter: EqualJitter<FullJitter<Constant>> = constant(ms(3)).full_jitter().equal_jitter(), [constant(ms(3)).full_jitter()] equal_jitter();
        jitter: Jitter<MaxDelay<Exponential>> = exponential(ms(3)).max_delay(ms(9)).jitter(0.25), [exponential(ms(3)).max_delay(ms(9))] jitter(0.25);
        additive_jitter: AdditiveJitter<MinDelay<Constant>> = constant(ms(3)).min_delay(ms(4)).additive_jitter(ms(1)..=ms(2)), [constant(ms(3)).min_delay(ms(4))] additive_jitter(ms(1)..=ms(2));
        first: First<Jitter<Constant>> = constant(ms(3)).jitter(1.0).first(3), [constant(ms(3)).jitter(1.0)] first(3);
        forever: Forever<Sequence<Constant, Linear>> = constant(ms(3)).first(2).then(linear(ms(5))).forever(), [constant(ms(3)).first(2).then(linear(ms(5)))] forever();
    }

    #[test]
    fn map() {
        const fn doubled(delay: Duration) -> Duration {
            delay.saturating_mul(2)
        }
        static TWIN: MaxAttempts<persevere::backoff::Map<Exponential, fn(Duration) -> Duration>> =
            exponential(ms(3)).map(doubled as fn(Duration) -> Duration).max_attempts(4);
        let by_trait = Backoff::map(exponential(ms(3)), doubled).max_attempts(4);
        assert_eq!(asked(&TWIN, 0, 9), [ms(6), ms(12), ms(24)]);
        assert_eq!(asked(&TWIN, 0, 9), asked(&by_trait, 0, 9));
    }
}

#[test]
fn a_composition_by_value_is_the_same_behind_pointers() {
    let by_value = exponential(ms(10))
        .factor(1.7)
        .max_delay(secs(2))
        .equal_jitter()
        .first(4)
        .then(decorrelated(ms(20)).additive_jitter(ms(1)..=ms(9)))
        .jitter(0.3)
        .max_attempts(12);
    let layer = |backoff: support::Built| -> support::Built { backoff };
    let behind = layer(Arc::new(exponential(ms(10)).factor(1.7)));
    let behind = layer(Arc::new(behind.max_delay(secs(2))));
    let behind = layer(Arc::new(behind.equal_jitter()));
    let next =
        layer(Arc::new(layer(Arc::new(decorrelated(ms(20)))).additive_jitter(ms(1)..=ms(9))));
    let behind = layer(Arc::new(behind.first(4).then(next)));
    let behind = layer(Arc::new(behind.jitter(0.3)));
    let behind = behind.max_attempts(12);
    for seed in 0..50 {
        assert_eq!(asked(&by_value, seed, 20), asked(&behind, seed, 20));
    }
    assert_eq!(by_value.to_string(), behind.to_string());
    let finite: Box<dyn Finite> = Box::new(by_value);
    assert_eq!(asked(&finite, 3, 20), asked(&by_value, 3, 20));
}

#[test]
fn no_limit_is_the_same_in_both_spellings() {
    for limited in
        [constant(ms(1)).max_elapsed(Duration::MAX), constant(ms(1)).max_elapsed(ns(u64::MAX))]
    {
        assert_eq!(limited.limits(), Limits::NONE);
        assert_eq!(limited.worst_case(), None);
    }
}

/// Durations near the longest that fit are told apart, up to the last nanosecond.
#[test]
fn delays_that_add_up_to_544_years_keep_to_their_bounds() {
    let backoff = constant(secs(1 << 34) - ns(1)).additive_jitter(ns(1)..=ns(1)).equal_jitter();
    let lowest = Attempt::new(1).with_seed(seed_that_draws(0, 1, 0));
    let (delay, bounds) =
        (backoff.delay(&lowest).expect("a delay"), backoff.bounds(1).expect("a delay"));
    assert!(bounds.contains(delay), "{delay:?} out of {bounds:?}");
}

/// With any factor, and where doubles are coarse.
#[test]
fn the_first_delay_of_an_exponential_is_the_first_delay() {
    for first in [(1 << 52) + 1, (1 << 53) + 1, (1 << 60) + 1] {
        let backoff = exponential(ns(first)).factor(1.5);
        assert_eq!(backoff.delay(&Attempt::new(1)), Some(ns(first)));
    }
}

/// A share is taken in whole numbers: in doubles, more than 104 days lose their order.
#[test]
fn a_share_of_jitter_keeps_to_its_bounds_where_doubles_are_coarse() {
    let low = (1_u64 << 53) + 1;
    let backoff = from_fn(move |_| Some(ns(low + 1)))
        .bounded(move |_| Some(DelayBounds::new(ns(low), ns(low + 1))))
        .jitter(1.0);
    let lowest = Attempt::new(1).with_seed(seed_that_draws(0, 1, 0));
    let (delay, bounds) =
        (backoff.delay(&lowest).expect("a delay"), backoff.bounds(1).expect("a delay"));
    assert!(bounds.contains(delay), "{delay:?} out of {bounds:?}");
}

/// Bounds of any delay do not include the number of delays.
#[test]
fn a_backoff_that_ends_is_not_printed_as_going_on_for_ever() {
    let ends = |last: u32| move |n: u32| (n < last).then_some(DelayBounds::exactly(ms(1)));
    let backoff = from_fn(|_| Some(ms(1))).first(2).then(from_fn(|_| Some(ms(1))).bounded(ends(5)));
    assert_eq!(backoff.worst_case(), Some(Duration::MAX));
}

/// The worst case does not depend on the way to the backoff.
#[test]
fn a_worst_case_is_the_same_by_value_and_behind_a_pointer() {
    let ends = |n: u32| (n < 5).then_some(DelayBounds::exactly(ms(1)));
    let backoff = from_fn(|_| Some(ms(1))).bounded(ends).forever();
    let (borrowed, boxed): (&dyn Backoff, Box<dyn Backoff>) = (&backoff, Box::new(backoff));
    assert_eq!(backoff.worst_case(), Some(ms(4)));
    assert_eq!(Backoff::worst_case(&&backoff), Some(ms(4)));
    assert_eq!((borrowed.worst_case(), boxed.worst_case()), (Some(ms(4)), Some(ms(4))));
    assert_eq!(constant(ms(1)).forever().worst_case(), None);
}
