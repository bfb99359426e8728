//! Backoffs composed at random, and a second computation of their delays.
//!
//! A [`Recipe`] is a composition as data: it can be printed, shrunk and built. Its delays are
//! computed here a second time, by the formulas of the documentation: in 128 bits, one node at a
//! time, with nothing shared but the draws of the random stream.

// Not every test uses all of it.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::Duration;

use persevere::{
    Attempt, Backoff, DelayBounds, constant, decorrelated, decorrelated_v2, delays, exponential,
    fibonacci, from_fn, from_iter, linear, polynomial,
};
use proptest::prelude::*;

/// Any composition, behind one type.
pub(crate) type Built = Arc<dyn Backoff + Send + Sync>;

#[derive(Clone, Debug)]
pub(crate) enum Recipe {
    Leaf(Leaf),
    With(Box<Recipe>, Op),
    /// `.first(n).then(next)`
    Then(Box<Recipe>, u32, Box<Recipe>),
}

#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    Constant(Duration),
    Linear(Duration, Option<Duration>),
    Exponential(Duration, Option<f64>),
    Fibonacci(Duration),
    Polynomial(Duration, u32),
    Decorrelated(Duration),
    DecorrelatedV2(Duration),
    List(Vec<Duration>),
    /// An iterator that knows its length, one that has none, and one that ends unannounced.
    Iterator(Vec<Duration>),
    Repeat(Duration),
    Halving(Duration),
    /// A closure that declares nothing, and stops where it likes.
    Function(u64, Option<u32>),
    /// A closure that declares bounds up to an attempt; what it returns does not keep to them.
    Declared(u64, Duration, Duration, u32),
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    MaxAttempts(u32),
    MaxRetries(u32),
    MaxElapsed(Duration),
    MaxRetryAfter(Duration),
    MaxDelay(Duration),
    MinDelay(Duration),
    FullJitter,
    EqualJitter,
    Jitter(f64),
    AdditiveJitter(Duration, Duration),
    Map(Function),
    MapDeclared(Function, Duration, Duration),
    First(u32),
    Forever,
}

/// A pure function for `map`. None of them can tell 544 years from more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Add(Duration),
    Double,
    Fixed(Duration),
    /// Longer delays come out shorter.
    TurnRound(Duration),
}

impl Function {
    pub(crate) fn apply(self, delay: Duration) -> Duration {
        match self {
            Function::Add(more) => delay.saturating_add(more),
            Function::Double => delay.saturating_mul(2),
            Function::Fixed(fixed) => fixed,
            Function::TurnRound(from) => from.saturating_sub(delay),
        }
    }
}

/// The delay of a closure of a recipe: any delay, and always the same for the same arguments.
fn closure(salt: u64, number: u32, previous: Option<Duration>, random: u64) -> Duration {
    let previous = previous.map_or(1, nanos);
    let mixed = (salt ^ u64::from(number)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
        ^ previous.rotate_left(17)
        ^ random;
    match salt % 3 {
        0 => Duration::from_nanos(mixed),
        1 => Duration::from_nanos(mixed >> 24),
        _ => Duration::new(mixed, 1),
    }
}

/// From the last whole second of a `u64` of nanoseconds on, 584 years, all durations are the same
/// to a backoff.
const FOR_EVER: Duration = Duration::from_secs(u64::MAX / 1_000_000_000);

/// Whole nanoseconds, as many as make a difference.
pub(crate) fn nanos(duration: Duration) -> u64 {
    if duration >= FOR_EVER { u64::MAX } else { duration.as_nanos() as u64 }
}

// ---- building --------------------------------------------------------------------------------

impl Recipe {
    pub(crate) fn with(self, op: Op) -> Recipe {
        Recipe::With(Box::new(self), op)
    }

    pub(crate) fn build(&self) -> Built {
        match self {
            Recipe::Leaf(leaf) => leaf.build(),
            Recipe::With(inner, op) => op.build(inner.build()),
            Recipe::Then(first, retries, next) => {
                Arc::new(first.build().first(*retries).then(next.build()))
            }
        }
    }

    fn leaves(&self) -> Vec<&Leaf> {
        match self {
            Recipe::Leaf(leaf) => vec![leaf],
            Recipe::With(inner, _) => inner.leaves(),
            Recipe::Then(first, _, next) => [first.leaves(), next.leaves()].concat(),
        }
    }

    /// Whether every stop is one that the bounds can know of: a closure that declares nothing may
    /// stop anywhere.
    pub(crate) fn announces_its_end(&self) -> bool {
        !self.leaves().iter().any(|leaf| matches!(leaf, Leaf::Function(_, Some(_))))
    }

    /// Whether the clock has to be read for it: a closure may look at the time.
    pub(crate) fn reads_clock(&self) -> bool {
        match self {
            Recipe::Leaf(leaf) => matches!(leaf, Leaf::Function(..) | Leaf::Declared(..)),
            Recipe::With(inner, op) => matches!(op, Op::MaxElapsed(_)) || inner.reads_clock(),
            Recipe::Then(first, _, next) => first.reads_clock() || next.reads_clock(),
        }
    }

    /// Whether [`expected`](Recipe::expected) can tell to the nanosecond.
    pub(crate) fn is_exact(&self) -> bool {
        !self.leaves().iter().any(|leaf| matches!(leaf, Leaf::DecorrelatedV2(_)))
    }
}

impl Leaf {
    fn build(&self) -> Built {
        match self.clone() {
            Leaf::Constant(delay) => Arc::new(constant(delay)),
            Leaf::Linear(first, None) => Arc::new(linear(first)),
            Leaf::Linear(first, Some(step)) => Arc::new(linear(first).step(step)),
            Leaf::Exponential(first, None) => Arc::new(exponential(first)),
            Leaf::Exponential(first, Some(factor)) => Arc::new(exponential(first).factor(factor)),
            Leaf::Fibonacci(first) => Arc::new(fibonacci(first)),
            Leaf::Polynomial(first, degree) => Arc::new(polynomial(first, degree)),
            Leaf::Decorrelated(base) => Arc::new(decorrelated(base)),
            Leaf::DecorrelatedV2(median) => Arc::new(decorrelated_v2(median)),
            Leaf::List(list) => Arc::new(delays(list)),
            Leaf::Iterator(list) => Arc::new(from_iter(list)),
            Leaf::Repeat(delay) => Arc::new(from_iter(std::iter::repeat(delay))),
            Leaf::Halving(delay) => Arc::new(from_iter(std::iter::successors(Some(delay), halve))),
            Leaf::Function(salt, end) => Arc::new(from_fn(move |attempt| {
                let (number, random) = (attempt.number(), attempt.random());
                let goes_on = end.is_none_or(|end| number < end);
                goes_on.then(|| closure(salt, number, attempt.previous_delay(), random))
            })),
            Leaf::Declared(salt, min, max, end) => Arc::new(
                from_fn(move |attempt| {
                    let (number, random) = (attempt.number(), attempt.random());
                    Some(closure(salt, number, attempt.previous_delay(), random))
                })
                .bounded(move |number| (number < end).then_some(DelayBounds::new(min, max))),
            ),
        }
    }
}

fn halve(delay: &Duration) -> Option<Duration> {
    (!delay.is_zero()).then(|| *delay / 2)
}

impl Op {
    fn build(&self, inner: Built) -> Built {
        match self.clone() {
            Op::MaxAttempts(attempts) => Arc::new(inner.max_attempts(attempts)),
            Op::MaxRetries(retries) => Arc::new(inner.max_retries(retries)),
            Op::MaxElapsed(limit) => Arc::new(inner.max_elapsed(limit)),
            Op::MaxRetryAfter(limit) => Arc::new(inner.max_retry_after(limit)),
            Op::MaxDelay(cap) => Arc::new(inner.max_delay(cap)),
            Op::MinDelay(floor) => Arc::new(inner.min_delay(floor)),
            Op::FullJitter => Arc::new(inner.full_jitter()),
            Op::EqualJitter => Arc::new(inner.equal_jitter()),
            Op::Jitter(factor) => Arc::new(inner.jitter(factor)),
            Op::AdditiveJitter(least, most) => Arc::new(inner.additive_jitter(least..=most)),
            Op::Map(function) => Arc::new(inner.map(move |delay| function.apply(delay))),
            Op::MapDeclared(function, min, max) => Arc::new(
                inner
                    .map(move |delay| function.apply(delay))
                    .bounded(move |_| Some(DelayBounds::new(min, max))),
            ),
            Op::First(retries) => Arc::new(inner.first(retries)),
            Op::Forever => Arc::new(inner.forever()),
        }
    }
}

// ---- the second opinion ----------------------------------------------------------------------

/// Where a call is, as one node of a composition sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) seed: u64,
    /// The attempt of the call, and the attempt as counted inside a sequence.
    pub(crate) call: u32,
    pub(crate) number: u32,
    pub(crate) lane: u32,
    pub(crate) previous: Duration,
}

impl Moment {
    pub(crate) fn new(seed: u64, number: u32, previous: Duration) -> Self {
        Moment { seed, call: number, number, lane: 0, previous }
    }

    pub(crate) fn attempt(&self) -> Attempt {
        Attempt::new(self.call).with_seed(self.seed).with_previous_delay(self.previous)
    }

    /// The draw of the call's stream for this attempt and lane.
    fn draw(&self) -> u64 {
        let attempt = Attempt::new(self.call).with_seed(self.seed);
        (0..self.lane).fold(attempt, |attempt, _| attempt.inner()).random()
    }

    fn inner(&self) -> Moment {
        Moment { lane: self.lane + 1, ..*self }
    }

    fn previous_delay(&self) -> Option<Duration> {
        (self.number > 1).then(|| Duration::from_nanos(nanos(self.previous)))
    }
}

fn cut(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A draw as a number from 0 to `width`.
fn scaled(random: u64, width: u64) -> u64 {
    ((u128::from(width.saturating_add(1)) * u128::from(random)) >> 64) as u64
}

impl Recipe {
    /// The delay after this moment's attempt, in nanoseconds.
    pub(crate) fn expected(&self, at: &Moment) -> Option<u64> {
        self.computed(at).map(|delay| nanos(Duration::from_nanos(delay)))
    }

    /// The same before those that make no difference are made equal.
    fn computed(&self, at: &Moment) -> Option<u64> {
        match self {
            Recipe::Leaf(leaf) => leaf.expected(at),
            Recipe::With(inner, op) => op.expected(inner, at),
            Recipe::Then(first, retries, next) => {
                let taken = first_part(first, *retries);
                if at.number <= taken {
                    first.computed(at)
                } else {
                    next.computed(&Moment { number: at.number - taken, ..*at })
                }
            }
        }
    }

    /// The limit on attempts.
    pub(crate) fn attempts(&self) -> Option<u32> {
        match self {
            Recipe::Leaf(Leaf::List(list) | Leaf::Iterator(list)) => Some(list.len() as u32 + 1),
            Recipe::Leaf(_) => None,
            Recipe::With(inner, Op::MaxAttempts(most)) => least(inner.attempts(), Some(*most)),
            Recipe::With(inner, Op::MaxRetries(most) | Op::First(most)) => {
                least(inner.attempts(), Some(most.saturating_add(1)))
            }
            Recipe::With(inner, _) => inner.attempts(),
            Recipe::Then(first, retries, next) => {
                Some(next.attempts()?.saturating_add(first_part(first, *retries)))
            }
        }
    }

    /// The limit on time: one that saturates is none.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        match self {
            Recipe::Leaf(_) => None,
            Recipe::With(inner, Op::MaxElapsed(limit)) => {
                let limit = Some(*limit).filter(|limit| nanos(*limit) < u64::MAX);
                least(inner.elapsed(), limit)
            }
            Recipe::With(inner, _) => inner.elapsed(),
            Recipe::Then(first, _, next) => least(first.elapsed(), next.elapsed()),
        }
    }

    /// The ceiling on a server's delay.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Recipe::Leaf(_) => None,
            Recipe::With(inner, Op::MaxRetryAfter(limit)) => {
                least(inner.retry_after(), Some(Duration::from_nanos(nanos(*limit))))
            }
            Recipe::With(inner, _) => inner.retry_after(),
            Recipe::Then(first, _, next) => least(first.retry_after(), next.retry_after()),
        }
    }
}

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    [a, b].into_iter().flatten().min()
}

/// How many delays the first part of a sequence gives.
fn first_part(first: &Recipe, retries: u32) -> u32 {
    least(first.attempts(), Some(retries.saturating_add(1))).map_or(retries, |most| most - 1)
}

impl Leaf {
    fn expected(&self, at: &Moment) -> Option<u64> {
        let steps = u128::from(at.number - 1);
        let wide = |duration: &Duration| u128::from(nanos(*duration));
        Some(match self {
            Leaf::Constant(delay) | Leaf::Repeat(delay) => nanos(*delay),
            Leaf::Linear(first, step) => {
                cut(wide(first) + wide(step.as_ref().unwrap_or(first)) * steps)
            }
            Leaf::Exponential(first, None) => match (wide(first), steps) {
                (0, _) => 0,
                (_, 64..) => u64::MAX,
                (first, steps) => cut(first << steps),
            },
            // Held to exact arithmetic in a test of its own.
            Leaf::Exponential(first, Some(factor)) => {
                nanos(exponential(*first).factor(*factor).delay(&Attempt::new(at.number))?)
            }
            Leaf::Fibonacci(first) => {
                let (mut this, mut next) = (1_u128, 1_u128);
                for _ in 0..steps.min(100) {
                    (this, next) = (next, this + next);
                }
                cut(wide(first).saturating_mul(this))
            }
            Leaf::Polynomial(first, degree) => {
                let power = u128::from(at.number).checked_pow(*degree);
                match (wide(first), power) {
                    (0, _) => 0,
                    (first, Some(power)) => cut(first.saturating_mul(power)),
                    (_, None) => u64::MAX,
                }
            }
            Leaf::Decorrelated(base) => {
                let base = nanos(*base);
                let longest = (1..at.number.min(60)).fold(base, |b, _| b.saturating_mul(3));
                let before = nanos(at.previous).max(base).min(longest);
                base + scaled(at.draw(), before.saturating_mul(3) - base)
            }
            Leaf::DecorrelatedV2(_) => unreachable!("computed with floats; has a test of its own"),
            Leaf::List(list) | Leaf::Iterator(list) => {
                nanos(*list.get(usize::try_from(steps).ok()?)?)
            }
            Leaf::Halving(delay) => {
                let list: Vec<_> = std::iter::successors(Some(*delay), halve).collect();
                nanos(*list.get(usize::try_from(steps).ok()?)?)
            }
            Leaf::Function(_, Some(end)) | Leaf::Declared(.., end) if at.number >= *end => {
                return None;
            }
            Leaf::Function(salt, _) => {
                nanos(closure(*salt, at.number, at.previous_delay(), at.draw()))
            }
            Leaf::Declared(salt, min, max, _) => {
                let delay = closure(*salt, at.number, at.previous_delay(), at.draw());
                nanos(delay.min(*max).max(*min))
            }
        })
    }
}

impl Op {
    fn expected(&self, inner: &Recipe, at: &Moment) -> Option<u64> {
        let same = || inner.computed(at);
        let jittered = || inner.computed(&at.inner());
        Some(match self {
            Op::MaxAttempts(most) if at.number >= *most => return None,
            Op::MaxRetries(most) if at.number >= most.saturating_add(1) => return None,
            Op::First(most) if at.number > *most => return None,
            Op::MaxAttempts(_) | Op::MaxRetries(_) | Op::First(_) => same()?,
            Op::MaxElapsed(_) | Op::MaxRetryAfter(_) | Op::Forever => same()?,
            Op::MaxDelay(cap) => same()?.min(nanos(*cap)),
            Op::MinDelay(floor) => same()?.max(nanos(*floor)),
            Op::FullJitter => scaled(at.draw(), jittered()?),
            Op::EqualJitter => {
                let delay = jittered()?;
                delay - delay / 2 + scaled(at.draw(), delay / 2)
            }
            Op::Jitter(factor) => {
                let delay = jittered()?;
                let share = (factor * 2_f64.powi(64)) as u128;
                let spread = ((u128::from(delay) * share) >> 64) as u64;
                (delay - spread).saturating_add(scaled(at.draw(), spread.saturating_mul(2)))
            }
            Op::AdditiveJitter(least, most) => {
                let (least, most) = (nanos(*least), nanos(*most));
                let delay = jittered()?.saturating_add(least);
                delay.saturating_add(scaled(at.draw(), most - least))
            }
            Op::Map(function) => nanos(function.apply(Duration::from_nanos(same()?))),
            Op::MapDeclared(function, min, max) => {
                let delay = function.apply(Duration::from_nanos(same()?));
                nanos(delay.min(*max).max(*min))
            }
        })
    }
}

// ---- seeds -----------------------------------------------------------------------------------

/// The seed that makes the stream draw `random` at an attempt and lane.
///
/// The generator is a bijection run backwards. Extreme draws, which chance would not bring in the
/// lifetime of a star, are where bounds are attained and off-by-one errors show.
pub(crate) fn seed_that_draws(random: u64, attempt: u32, lane: u32) -> u64 {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let place = (u64::from(attempt) << 32 | u64::from(lane)).wrapping_mul(STEP);
    unmix(unmix(random) ^ place).wrapping_sub(STEP)
}

fn unmix(mut z: u64) -> u64 {
    z ^= (z >> 31) ^ (z >> 62);
    z = z.wrapping_mul(inverse(0x94D0_49BB_1331_11EB));
    z ^= (z >> 27) ^ (z >> 54);
    z = z.wrapping_mul(inverse(0xBF58_476D_1CE4_E5B9));
    z ^ (z >> 30) ^ (z >> 60)
}

/// The number that an odd one is to be multiplied with to make 1: Newton's method doubles the
/// right bits at each step.
fn inverse(odd: u64) -> u64 {
    (0..6).fold(odd, |x, _| x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x))))
}

// ---- the text of a schedule ------------------------------------------------------------------

/// The text of a schedule, parsed: `0ns to 1s, 0ns to 2s (at most 3s in all)`.
pub(crate) struct Claim {
    pub(crate) delays: Vec<DelayBounds>,
    pub(crate) goes_on: bool,
    pub(crate) sum: Sum,
}

pub(crate) enum Sum {
    Exactly(Duration),
    AtMost(Duration),
    NoBound,
    ForEver,
}

impl Claim {
    pub(crate) fn parse(text: &str) -> Claim {
        if text == "no wait" {
            return Claim { delays: vec![], goes_on: false, sum: Sum::Exactly(Duration::ZERO) };
        }
        let (list, sum) = text.split_once(" (").expect("a sum in brackets");
        let sum = sum.strip_suffix(')').expect("a closed bracket");
        let sum = match (sum, sum.strip_suffix(" in all")) {
            ("for ever", _) => Sum::ForEver,
            ("no bound in all", _) => Sum::NoBound,
            (_, Some(sum)) => match sum.strip_prefix("at most ") {
                Some(most) => Sum::AtMost(printed_duration(most)),
                None => Sum::Exactly(printed_duration(sum)),
            },
            _ => panic!("no sum: {text}"),
        };
        let goes_on = list.ends_with('…');
        let delays = list.trim_end_matches(", …").split(", ").map(|delay| {
            match (delay, delay.split_once(" to ")) {
                ("any delay", _) => DelayBounds::ANY,
                (_, Some((min, max))) => {
                    DelayBounds { min: printed_duration(min), max: printed_duration(max) }
                }
                (only, None) => DelayBounds::exactly(printed_duration(only)),
            }
        });
        Claim { delays: delays.collect(), goes_on, sum }
    }
}

/// Parses the `Debug` output of a `Duration`: `1.5s`, `20ms`, `3µs`, `0ns`.
pub(crate) fn printed_duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let places = match &text[digits.len()..] {
        "s" => 9,
        "ms" => 6,
        "µs" => 3,
        "ns" => 0,
        unit => panic!("no unit of time: {unit:?} of {text:?}"),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let nanos = format!("{whole}{fraction:0<places$}").parse::<u128>().expect("digits");
    let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    Duration::new(u64::try_from(whole).expect("seconds of a duration"), rest as u32)
}

// ---- strategies ------------------------------------------------------------------------------

/// Durations of every size, and the ones that people write for "none" and "no limit".
pub(crate) fn time() -> BoxedStrategy<Duration> {
    prop_oneof![
        1 => Just(Duration::ZERO),
        1 => Just(Duration::from_nanos(1)),
        2 => (0..2_000_u64).prop_map(Duration::from_nanos),
        6 => (0..100_000_u64).prop_map(Duration::from_millis),
        2 => (0..100_000_u64).prop_map(Duration::from_secs),
        2 => any::<u64>().prop_map(|nanos| Duration::from_nanos(nanos / 2)),
        1 => (0..64_u32).prop_map(|bits| Duration::from_nanos(1 << bits)),
        1 => (1..3_u32).prop_map(|less| FOR_EVER - Duration::from_nanos(less.into())),
        1 => Just(Duration::from_nanos(u64::MAX)),
        1 => (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(s, n)| Duration::new(s, n)),
        1 => Just(Duration::MAX),
    ]
    .boxed()
}

fn two_times() -> BoxedStrategy<(Duration, Duration)> {
    (time(), time()).prop_map(|(a, b)| (a.min(b), a.max(b))).boxed()
}

/// Numbers of attempts: the first few, and the very last.
pub(crate) fn number() -> BoxedStrategy<u32> {
    prop_oneof![
        6 => 1..12_u32,
        2 => 1..200_u32,
        1 => 1..=u32::MAX,
        1 => (0..4_u32).prop_map(|less| u32::MAX - less),
    ]
    .boxed()
}

/// Limits on attempts, zero for those that may be zero.
fn limit() -> BoxedStrategy<u32> {
    prop_oneof![6 => 1..12_u32, 1 => 1..=u32::MAX, 1 => (0..3_u32).prop_map(|n| u32::MAX - n)]
        .boxed()
}

fn factor() -> BoxedStrategy<f64> {
    prop_oneof![
        Just(0.0),
        Just(1.0),
        Just(1.5),
        Just(f64::MIN_POSITIVE),
        Just(1e300),
        0.0..4.0_f64,
        (0.0..300.0_f64).prop_map(|exponent| 10_f64.powf(exponent)),
        (-300.0..0.0_f64).prop_map(|exponent| 10_f64.powf(exponent)),
    ]
    .boxed()
}

fn share() -> BoxedStrategy<f64> {
    prop_oneof![Just(0.0), Just(1.0), Just(0.5), Just(f64::MIN_POSITIVE), 0.0..=1.0_f64].boxed()
}

pub(crate) fn leaf() -> BoxedStrategy<Leaf> {
    prop_oneof![
        time().prop_map(Leaf::Constant),
        (time(), prop::option::of(time())).prop_map(|(first, step)| Leaf::Linear(first, step)),
        (time(), prop::option::of(factor())).prop_map(|(t, f)| Leaf::Exponential(t, f)),
        time().prop_map(Leaf::Fibonacci),
        (time(), prop_oneof![0..6_u32, any::<u32>(), Just(u32::MAX)])
            .prop_map(|(first, degree)| Leaf::Polynomial(first, degree)),
        time().prop_map(Leaf::Decorrelated),
        time().prop_map(Leaf::DecorrelatedV2),
        prop::collection::vec(time(), 0..6).prop_map(Leaf::List),
        prop::collection::vec(time(), 0..6).prop_map(Leaf::Iterator),
        time().prop_map(Leaf::Repeat),
        time().prop_map(Leaf::Halving),
        (any::<u64>(), prop::option::of(1..9_u32))
            .prop_map(|(salt, end)| Leaf::Function(salt, end)),
        (any::<u64>(), two_times(), limit())
            .prop_map(|(salt, (min, max), end)| Leaf::Declared(salt, min, max, end)),
    ]
    .boxed()
}

fn function() -> BoxedStrategy<Function> {
    prop_oneof![
        time().prop_map(Function::Add),
        Just(Function::Double),
        time().prop_map(Function::Fixed),
        time().prop_map(|from| Function::TurnRound(from.min(FOR_EVER / 2))),
    ]
    .boxed()
}

/// One of the combinators that neither lengthen a delay nor stop.
pub(crate) fn shortening() -> BoxedStrategy<Op> {
    prop_oneof![
        Just(Op::FullJitter),
        Just(Op::EqualJitter),
        time().prop_map(Op::MaxDelay),
        Just(Op::Forever),
    ]
    .boxed()
}

/// One of the combinators whose order does not matter.
pub(crate) fn limiting() -> BoxedStrategy<Op> {
    prop_oneof![
        limit().prop_map(Op::MaxAttempts),
        prop_oneof![0..9_u32, Just(u32::MAX)].prop_map(Op::MaxRetries),
        time().prop_map(Op::MaxElapsed),
        time().prop_map(Op::MaxRetryAfter),
    ]
    .boxed()
}

/// Any combinator.
pub(crate) fn op() -> BoxedStrategy<Op> {
    prop_oneof![
        2 => limiting(),
        2 => shortening(),
        1 => time().prop_map(Op::MinDelay),
        1 => share().prop_map(Op::Jitter),
        1 => two_times().prop_map(|(least, most)| Op::AdditiveJitter(least, most)),
        1 => function().prop_map(Op::Map),
        1 => (function(), two_times()).prop_map(|(f, (a, b))| Op::MapDeclared(f, a, b)),
        1 => prop_oneof![0..6_u32, Just(u32::MAX)].prop_map(Op::First),
    ]
    .boxed()
}

/// Any composition, several deep.
pub(crate) fn recipe() -> BoxedStrategy<Recipe> {
    leaf()
        .prop_map(Recipe::Leaf)
        .prop_recursive(6, 24, 2, |inner| {
            prop_oneof![
                5 => (inner.clone(), op()).prop_map(|(inner, op)| inner.with(op)),
                1 => (inner.clone(), prop_oneof![0..6_u32, Just(u32::MAX)], inner)
                    .prop_map(|(a, n, b)| Recipe::Then(Box::new(a), n, Box::new(b))),
            ]
        })
        .boxed()
}

/// Any composition that ends soon: the text of the others adds up thousands of attempts, which
/// takes time.
pub(crate) fn short_recipe() -> BoxedStrategy<Recipe> {
    (recipe(), 1..60_u32).prop_map(|(recipe, most)| recipe.with(Op::MaxAttempts(most))).boxed()
}

/// Seeds of every kind: any, small, and such as draw an extreme in one of the first lanes.
pub(crate) fn seed_at(attempt: u32) -> BoxedStrategy<u64> {
    let extreme = prop_oneof![0..3_u64, (0..3_u64).prop_map(|less| u64::MAX - less)];
    prop_oneof![
        any::<u64>(),
        0..100_u64,
        (extreme, 0..4_u32).prop_map(move |(random, lane)| seed_that_draws(random, attempt, lane)),
    ]
    .boxed()
}

/// An attempt for which a delay is asked, with the attempt before it.
pub(crate) fn moment() -> BoxedStrategy<Moment> {
    number()
        .prop_flat_map(|number| {
            (seed_at(number), time())
                .prop_map(move |(seed, previous)| Moment::new(seed, number, previous))
        })
        .boxed()
}
