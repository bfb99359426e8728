//! The distribution of random delays: even where it is documented to be, and independent of one
//! another.
//!
//! The seeds are fixed, so each test has the same result every time. With random seeds, a correct
//! implementation would fail each of these tests with a probability below 1e-9: a failure after a
//! change of formula or generator means that the new one is biased or correlated, or that the list of
//! seeds is one in a thousand million. In the second case the next list of seeds passes.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashMap;
use std::time::Duration;

use persevere::{Attempt, Backoff, constant, decorrelated, decorrelated_v2, exponential};

/// The size of a sample.
const MANY: usize = 20_000;

const SECOND: Duration = Duration::from_secs(1);

/// The delays after one attempt in as many calls.
fn delays(backoff: &impl Backoff, attempt: Attempt) -> Vec<f64> {
    let seeds = 0..MANY as u64;
    let delays = seeds.map(|seed| backoff.delay(&attempt.with_seed(seed)).expect("no end"));
    delays.map(|delay| delay.as_secs_f64()).collect()
}

// ---- tests of samples ------------------------------------------------------------------------

/// The sample comes from the distribution `below`: Kolmogorov and Smirnov's distance is smaller
/// than chance allows. By Dvoretzky, Kiefer, Wolfowitz and Massart it is exceeded with a probability
/// of at most `2 · exp(-2 · n · distance²)`, for any size of sample.
fn assert_spread(mut sample: Vec<f64>, below: impl Fn(f64) -> f64, name: &str) {
    let count = sample.len() as f64;
    sample.sort_by(f64::total_cmp);
    let steps = sample.iter().enumerate().map(|(place, x)| {
        let expected = below(*x);
        let (before, after) = (place as f64 / count, (place + 1) as f64 / count);
        (expected - before).abs().max((expected - after).abs())
    });
    let distance = steps.fold(0.0, f64::max);
    let allowed = ((2.0_f64 / 1e-9).ln() / (2.0 * count)).sqrt();
    assert!(distance < allowed, "{name}: {distance} from the formula, {allowed} is allowed");
}

/// The even distribution between two values.
fn even(least: f64, most: f64) -> impl Fn(f64) -> f64 {
    move |x| ((x - least) / (most - least)).clamp(0.0, 1.0)
}

/// The two samples are independent: the correlation of their ranks, which for
/// independent ones is near normal with a deviation of `1/√n`, stays within 6.2 deviations
/// (probability of more: 6e-10).
fn assert_unrelated(one: &[f64], other: &[f64], name: &str) {
    let correlation = correlation(&ranks(one), &ranks(other));
    let allowed = 6.2 / (one.len() as f64).sqrt();
    assert!(correlation.abs() < allowed, "{name}: correlation {correlation}, {allowed} is allowed");
    // A function with two symmetric halves has no correlation with its argument; folded, it has.
    let far: Vec<_> = ranks(one).iter().map(|rank| (rank - 0.5).abs()).collect();
    let correlation = self::correlation(&far, &ranks(other));
    assert!(correlation.abs() < allowed, "{name}: folded correlation {correlation}");
}

fn ranks(sample: &[f64]) -> Vec<f64> {
    let mut order: Vec<_> = (0..sample.len()).collect();
    order.sort_by(|a, b| sample[*a].total_cmp(&sample[*b]));
    let mut ranks = vec![0.0; sample.len()];
    for (rank, place) in order.into_iter().enumerate() {
        ranks[place] = rank as f64 / sample.len() as f64;
    }
    ranks
}

fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let count = one.len() as f64;
    let mean = |sample: &[f64]| sample.iter().sum::<f64>() / count;
    let (mean_one, mean_other) = (mean(one), mean(other));
    let product = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>()
    };
    let together = product(one, mean_one, other, mean_other);
    let own = product(one, mean_one, one, mean_one) * product(other, mean_other, other, mean_other);
    together / own.sqrt()
}

#[test]
fn tests_of_samples_find_small_flaws() {
    let numbers: Vec<_> = (0..MANY).map(|n| (n as f64 + 0.5) / MANY as f64).collect();
    let fails =
        |test: &(dyn Fn() + std::panic::RefUnwindSafe)| std::panic::catch_unwind(test).is_err();
    assert!(!fails(&|| assert_spread(numbers.clone(), even(0.0, 1.0), "even")));
    // Four per cent too narrow, or a thirtieth of it heaped on one value.
    assert!(fails(&|| assert_spread(numbers.clone(), even(0.0, 1.04), "narrow")));
    let heaped: Vec<_> = numbers.iter().map(|x| if *x < 0.97 { *x } else { 0.5 }).collect();
    assert!(fails(&|| assert_spread(heaped.clone(), even(0.0, 1.0), "heaped")));
    assert!(fails(&|| assert_unrelated(&numbers, &numbers, "the same")));
    let folded: Vec<_> = numbers.iter().map(|x| (x - 0.5).abs()).collect();
    assert!(fails(&|| assert_unrelated(&numbers, &folded, "folded")));
}

// ---- each jitter by its formula --------------------------------------------------------------

#[test]
fn full_jitter_is_even_from_nothing_to_the_delay() {
    for number in [1, 2, 7] {
        let longest = f64::from(1 << (number - 1));
        let sample = delays(&exponential(SECOND).full_jitter(), Attempt::new(number));
        assert_spread(sample, even(0.0, longest), "full jitter");
    }
}

#[test]
fn equal_jitter_is_even_over_the_upper_half_of_the_delay() {
    let sample = delays(&constant(2 * SECOND).equal_jitter(), Attempt::new(3));
    assert_spread(sample, even(1.0, 2.0), "equal jitter");
}

#[test]
fn a_share_of_jitter_is_even_around_the_delay() {
    for share in [0.01, 0.25, 0.99, 1.0] {
        let sample = delays(&constant(SECOND).jitter(share), Attempt::new(2));
        assert_spread(sample, even(1.0 - share, 1.0 + share), "jitter");
    }
    let none = delays(&constant(SECOND).jitter(0.0), Attempt::new(2));
    assert!(none.iter().all(|delay| *delay == 1.0));
}

#[test]
fn additive_jitter_is_even_over_its_range() {
    let range = Duration::from_millis(250)..=Duration::from_millis(750);
    let sample = delays(&constant(SECOND).additive_jitter(range), Attempt::new(2));
    assert_spread(sample, even(1.25, 1.75), "additive jitter");
}

#[test]
fn a_cap_after_jitter_makes_many_delays_equal_and_a_cap_before_it_does_not() {
    let heaped = delays(&constant(2 * SECOND).full_jitter().max_delay(SECOND), Attempt::new(1));
    // Half of all, ±6.2 deviations.
    let on_the_cap = heaped.iter().filter(|delay| **delay == 1.0).count() as f64 / MANY as f64;
    assert!((on_the_cap - 0.5).abs() < 6.2 * 0.5 / (MANY as f64).sqrt(), "{on_the_cap}");
    let spread = delays(&constant(2 * SECOND).max_delay(SECOND).full_jitter(), Attempt::new(1));
    assert_spread(spread, even(0.0, 1.0), "a cap before jitter");
}

#[test]
fn decorrelated_is_even_from_its_base_to_three_times_the_delay_before() {
    let backoff = decorrelated(SECOND);
    let first = delays(&backoff, Attempt::new(1));
    assert_spread(first, even(1.0, 3.0), "the first delay");
    for previous in [1.0, 2.5, 7.0] {
        let attempt = Attempt::new(4).with_previous_delay(Duration::from_secs_f64(previous));
        let sample = delays(&backoff, attempt);
        assert_spread(sample, even(1.0, 3.0 * previous), "decorrelated");
    }
}

/// The growth of decorrelated V2 at `t`, for a median of one second.
fn growth(t: f64) -> f64 {
    t.exp2() * (4.0 * t).sqrt().tanh() / 1.4
}

/// The `t` at which decorrelated V2 has this growth.
fn grown_at(growth_of_it: f64, mut low: f64, mut high: f64) -> f64 {
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        *(if growth(middle) < growth_of_it { &mut low } else { &mut high }) = middle;
    }
    low
}

#[test]
fn the_first_delay_of_decorrelated_v2_spreads_by_its_formula() {
    let mut sample = delays(&decorrelated_v2(SECOND), Attempt::new(1));
    assert_spread(sample.clone(), |delay| grown_at(delay, 0.0, 1.0), "the first delay");
    // Scaled by 1/1.4, as in its source, half of all first delays are below 0.897 of the parameter
    // that is called the median, and three in five are below the parameter.
    sample.sort_by(f64::total_cmp);
    let share = |most: f64| sample.partition_point(|delay| *delay < most) as f64 / MANY as f64;
    let deviations = 6.2 * 0.5 / (MANY as f64).sqrt();
    assert!((share(growth(0.5)) - 0.5).abs() < deviations, "{}", share(growth(0.5)));
    assert!((growth(0.5) - 0.897).abs() < 0.001);
    assert!((share(1.0) - grown_at(1.0, 0.0, 1.0)).abs() < deviations, "{}", share(1.0));
}

#[test]
fn later_delays_of_decorrelated_v2_are_the_growth_between_two_even_draws() {
    // The delay after attempt n is growth(n - 1 + r) - growth(n - 2 + s), r and s even in 0..1. Its
    // distribution is averaged over s: the share of pairs that give less.
    for number in [2_u32, 5] {
        let (n, points) = (f64::from(number), 100);
        let sample = delays(&decorrelated_v2(SECOND), Attempt::new(number));
        let below = |delay: f64| {
            let shares = (0..points).map(|s| {
                let before = growth(n - 2.0 + (f64::from(s) + 0.5) / f64::from(points));
                grown_at(before + delay, n - 1.0, n) - (n - 1.0)
            });
            shares.sum::<f64>() / f64::from(points)
        };
        // A twentieth of the sample: `below` is slow.
        let sample: Vec<_> = sample.into_iter().step_by(20).collect();
        assert_spread(sample, below, "a later delay");
    }
}

#[test]
fn decorrelated_v2_draws_the_same_number_again_for_the_delay_before() {
    // In the sum of two neighbouring delays the earlier draw cancels out, so that the sum depends on the
    // later draw alone. With any other number in its place, the sum would vary by a second.
    let backoff = decorrelated_v2(SECOND);
    for seed in 0..2_000 {
        let delay = |number: u32| {
            let attempt = Attempt::new(number).with_seed(seed);
            (backoff.delay(&attempt).expect("no end").as_secs_f64(), attempt.random())
        };
        let ((first, _), (second, random)) = (delay(1), delay(2));
        let drawn = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let off = first + second - growth(1.0 + drawn);
        assert!(off.abs() < 3e-9, "seed {seed}: {off}");
    }
}

// ---- independence ----------------------------------------------------------------------------

/// Even numbers in 0..1: the delays of a full jitter over a second.
fn drawn(attempt: Attempt) -> Vec<f64> {
    delays(&constant(SECOND).full_jitter(), attempt)
}

#[test]
fn draws_of_different_attempts_are_unrelated() {
    let attempts = [1, 2, 3, 4, 8, 16, 17, 32, 1 << 16, u32::MAX - 1, u32::MAX];
    let samples = attempts.map(|number| (number, drawn(Attempt::new(number))));
    for (place, (number, sample)) in samples.iter().enumerate() {
        assert_spread(sample.clone(), even(0.0, 1.0), "an attempt");
        for (other, other_sample) in &samples[place + 1..] {
            assert_unrelated(sample, other_sample, &format!("attempts {number} and {other}"));
        }
    }
}

#[test]
fn draws_of_different_lanes_are_unrelated() {
    // The draws of a jitter below one, two and more others, at one attempt and at neighbouring ones.
    let mut lanes = vec![];
    for number in [1, 2] {
        let mut attempt = Attempt::new(number);
        for lane in 0..5 {
            lanes.push((format!("lane {lane} of attempt {number}"), drawn(attempt)));
            attempt = attempt.inner();
        }
    }
    for (place, (name, sample)) in lanes.iter().enumerate() {
        for (other, other_sample) in &lanes[place + 1..] {
            assert_unrelated(sample, other_sample, &format!("{name} and {other}"));
        }
    }
}

#[test]
fn stacked_jitters_multiply_independent_draws() {
    // The product of two even numbers is below x with probability x - x·ln x; of one number with
    // itself, below x with √x, of which this test is 0.4 away.
    let stacked = constant(SECOND).full_jitter().full_jitter();
    let product = |x: f64| if x <= 0.0 { 0.0 } else { x - x * x.ln() };
    assert_spread(delays(&stacked, Attempt::new(1)), product, "two full jitters");

    // Three of them: x·(1 - ln x + ln² x / 2).
    let thrice = constant(SECOND).full_jitter().full_jitter().full_jitter();
    let product = |x: f64| if x <= 0.0 { 0.0 } else { x * (1.0 - x.ln() + x.ln().powi(2) / 2.0) };
    assert_spread(delays(&thrice, Attempt::new(1)), product, "three full jitters");

    // Combinators between them that draw nothing change nothing.
    let apart = constant(SECOND)
        .full_jitter()
        .max_delay(SECOND)
        .max_attempts(9)
        .map(|delay| delay)
        .full_jitter();
    let product = |x: f64| if x <= 0.0 { 0.0 } else { x - x * x.ln() };
    assert_spread(delays(&apart, Attempt::new(1)), product, "two full jitters apart");
}

#[test]
fn every_kind_of_jitter_is_unrelated_to_the_one_inside() {
    // The outer jitter changes a delay that is known from the inner one alone, so the difference of
    // both is the draw of the outer one.
    let range = Duration::ZERO..=SECOND;
    let inner = constant(SECOND).additive_jitter(range.clone());
    let of_inner = delays(&inner, Attempt::new(2).inner());
    let unrelated = |outer: Vec<f64>, name: &str| {
        let drawn: Vec<_> = outer.iter().zip(&of_inner).map(|(o, i)| o / i).collect();
        assert_unrelated(&drawn, &of_inner, name);
    };
    unrelated(delays(&inner.full_jitter(), Attempt::new(2)), "full");
    unrelated(delays(&inner.equal_jitter(), Attempt::new(2)), "equal");
    unrelated(delays(&inner.jitter(0.5), Attempt::new(2)), "factor");
    let outer = delays(&inner.additive_jitter(range), Attempt::new(2));
    let drawn: Vec<_> = outer.iter().zip(&of_inner).map(|(o, i)| o - i).collect();
    assert_spread(drawn.clone(), even(0.0, 1.0), "the outer jitter");
    assert_unrelated(&drawn, &of_inner, "additive");
    // A decorrelated backoff is jittered already.
    let of_inner = delays(&decorrelated(SECOND), Attempt::new(1).inner());
    let outer = delays(&decorrelated(SECOND).full_jitter(), Attempt::new(1));
    let drawn: Vec<_> = outer.iter().zip(&of_inner).map(|(o, i)| o / i).collect();
    assert_spread(drawn.clone(), even(0.0, 1.0), "jitter over decorrelated");
    assert_unrelated(&drawn, &of_inner, "decorrelated");
}

#[test]
fn neighbouring_seeds_are_unrelated_streams() {
    // Seeds are often 0, 1, 2, …, as in the tests above. Here each is compared with its neighbours, with
    // seeds that differ in one bit, and with powers of two.
    let sample = drawn(Attempt::new(1));
    for apart in [1, 2, 3, 4, 16, 256, 1000] {
        let (one, other) = (&sample[..MANY - apart], &sample[apart..]);
        assert_unrelated(one, other, &format!("seeds {apart} apart"));
    }
    let flipped = |bit: u32| -> Vec<f64> {
        let backoff = constant(SECOND).full_jitter();
        let seeds = (0..MANY as u64).map(|seed| seed ^ 1 << bit);
        let delay = |seed| backoff.delay(&Attempt::new(1).with_seed(seed)).expect("no end");
        seeds.map(|seed| delay(seed).as_secs_f64()).collect()
    };
    for bit in [0, 1, 2, 15, 31, 32, 33, 62, 63] {
        assert_unrelated(&sample, &flipped(bit), &format!("seeds that differ in bit {bit}"));
    }
    // A seed and an attempt are not interchangeable: seed 1 at attempt 1 is not seed 0 at attempt 2.
    let (one, other) = (drawn(Attempt::new(1)), drawn(Attempt::new(2)));
    assert_unrelated(&one[1..], &other[..MANY - 1], "the next seed and the next attempt");
}

#[test]
fn every_bit_of_a_draw_is_a_fair_coin_that_every_bit_of_the_seed_flips_half_of_the_time() {
    // 6.5 deviations of a fair coin, for 64 + 64 · 64 of them: probability of any more below 4e-7,
    // and the seeds are always the same.
    let seeds = 1_000_u64;
    let fair = |heads: u32| (f64::from(heads) - 500.0).abs() < 6.5 * 0.5 * 1000_f64.sqrt();
    let draw = |seed| Attempt::new(1).with_seed(seed).random();
    for bit in 0..64 {
        let heads = (0..seeds).filter(|seed| draw(*seed) >> bit & 1 == 1).count();
        assert!(fair(heads as u32), "bit {bit}: {heads}");
    }
    for flipped in 0..64 {
        let mut turned = [0_u32; 64];
        for seed in 0..seeds {
            let difference = draw(seed) ^ draw(seed ^ 1 << flipped);
            for (bit, turned) in turned.iter_mut().enumerate() {
                *turned += (difference >> bit & 1) as u32;
            }
        }
        for (bit, turned) in turned.into_iter().enumerate() {
            assert!(fair(turned), "bit {flipped} of the seed flips bit {bit} {turned} times");
        }
    }
}

#[test]
fn the_stream_of_one_call_is_even_and_never_repeats_a_draw() {
    for seed in [0, 1, 42, u64::MAX] {
        let draw = |number| Attempt::new(number).with_seed(seed).random();
        let numbers: Vec<_> = (1..=MANY as u32).map(draw).collect();
        let mut seen = HashMap::new();
        for (place, number) in numbers.iter().enumerate() {
            assert_eq!(seen.insert(number, place), None, "seed {seed}, draw {place}");
        }
        let sample: Vec<_> = numbers.iter().map(|n| *n as f64 / u64::MAX as f64).collect();
        assert_spread(sample.clone(), even(0.0, 1.0), "one call");
        for apart in [1, 2, 3, 10] {
            let (one, other) = (&sample[..MANY - apart], &sample[apart..]);
            assert_unrelated(one, other, &format!("draws {apart} apart"));
        }
    }
}

/// Bounds include both ends, and both ends are drawn: of delays of a few nanoseconds, each is as
/// frequent as any other.
#[test]
fn both_ends_of_a_jitter_are_drawn_as_often_as_any_delay_between() {
    let counts = |backoff: &dyn Backoff| {
        let bounds = backoff.bounds(1).unwrap();
        let mut counts = vec![0_u32; (bounds.max - bounds.min).as_nanos() as usize + 1];
        for seed in 0..30_000 {
            let delay = backoff.delay(&Attempt::new(1).with_seed(seed)).unwrap();
            counts[(delay - bounds.min).as_nanos() as usize] += 1;
        }
        counts
    };
    let nanos = Duration::from_nanos;
    let backoffs: [(&str, &dyn Backoff, usize); 5] = [
        ("full", &constant(nanos(2)).full_jitter(), 3),
        ("equal", &constant(nanos(4)).equal_jitter(), 3),
        ("a share", &constant(nanos(4)).jitter(0.5), 5),
        ("additive", &constant(nanos(1)).additive_jitter(nanos(0)..=nanos(1)), 2),
        ("decorrelated", &decorrelated(nanos(1)), 3),
    ];
    for (name, backoff, delays) in backoffs {
        let counts = counts(backoff);
        assert_eq!(counts.len(), delays, "{name}");
        let even = 30_000.0 / delays as f64;
        for count in &counts {
            assert!((f64::from(*count) / even - 1.0).abs() < 0.05, "{name}: {counts:?}");
        }
    }
    let drawn = |seed| Attempt::new(1).with_seed(seed).uniform(nanos(5), nanos(6));
    assert!((0..100).any(|seed| drawn(seed) == nanos(5)));
    assert!((0..100).any(|seed| drawn(seed) == nanos(6)));
}
