//! Any composition of backoffs stays within its own bounds and limits, ends where it says so, gives
//! the same answer twice, and never panics: up to attempt `u32::MAX` and `Duration::MAX`.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use persevere::Attempt;
use persevere::backoff::{
    Backoff, DelayBounds, constant, decorrelated, decorrelated_v2, delays, exponential, fibonacci,
    from_fn, immediate, linear, polynomial,
};

/// A composition, written as a program for a stack: a backoff is put on top, a combinator takes one
/// from the top (`Then` takes two) and puts back what it made. What is on top at the end counts.
type Program = Vec<Op>;

#[derive(Arbitrary, Debug)]
enum Op {
    Immediate,
    Constant(Time),
    Delays(Vec<Time>),
    Linear(Time, Time),
    Polynomial(Time, u32),
    Fibonacci(Time),
    Exponential(Time),
    Factor(Time, f64),
    Decorrelated(Time),
    DecorrelatedV2(Time),
    Closure(Time, Time),

    MaxAttempts(u32),
    MaxRetries(u32),
    MaxElapsed(Time),
    MaxRetryAfter(Time),
    MaxDelay(Time),
    MinDelay(Time),
    FullJitter,
    EqualJitter,
    Jitter(f64),
    AdditiveJitter(Time, Time),
    Undeclared(Time),
    Declared(Time),
    Then(u32),
    Forever,
}

/// Durations of every magnitude, and the ones that people write for "no limit".
#[derive(Arbitrary, Debug, Clone, Copy)]
enum Time {
    Nanos(u64),
    Millis(u16),
    Seconds(u64),
    Max,
}

impl Time {
    fn duration(self) -> Duration {
        match self {
            Time::Nanos(nanos) => Duration::from_nanos(nanos),
            Time::Millis(millis) => Duration::from_millis(millis.into()),
            Time::Seconds(seconds) => Duration::from_secs(seconds),
            Time::Max => Duration::MAX,
        }
    }
}

/// Deeper ones are only slower.
const LONGEST_PROGRAM: usize = 24;

type Boxed = Box<dyn Backoff>;

fn compose(program: &Program) -> Boxed {
    let mut stack: Vec<Boxed> = Vec::new();
    for op in program.iter().take(LONGEST_PROGRAM) {
        let mut top =
            || stack.pop().unwrap_or_else(|| Box::new(constant(Duration::from_millis(1))));
        let made: Boxed = match op {
            Op::Immediate => Box::new(immediate()),
            Op::Constant(d) => Box::new(constant(d.duration())),
            Op::Delays(list) => {
                Box::new(delays(list.iter().map(|d| d.duration()).collect::<Vec<_>>()))
            }
            Op::Linear(first, step) => Box::new(linear(first.duration()).step(step.duration())),
            Op::Polynomial(first, degree) => Box::new(polynomial(first.duration(), *degree)),
            Op::Fibonacci(first) => Box::new(fibonacci(first.duration())),
            Op::Exponential(first) => Box::new(exponential(first.duration())),
            Op::Factor(first, factor) => {
                Box::new(exponential(first.duration()).factor(legal_factor(*factor)))
            }
            Op::Decorrelated(base) => Box::new(decorrelated(base.duration())),
            Op::DecorrelatedV2(median) => Box::new(decorrelated_v2(median.duration())),
            Op::Closure(a, b) => {
                let (least, most) = ordered(a.duration(), b.duration());
                Box::new(
                    from_fn(move |attempt| Some(attempt.uniform(least, most)))
                        .bounded(move |_| Some(DelayBounds::new(least, most))),
                )
            }

            Op::MaxAttempts(n) => Box::new(top().max_attempts((*n).max(1))),
            Op::MaxRetries(n) => Box::new(top().max_retries(*n)),
            Op::MaxElapsed(d) => Box::new(top().max_elapsed(d.duration())),
            Op::MaxRetryAfter(d) => Box::new(top().max_retry_after(d.duration())),
            Op::MaxDelay(d) => Box::new(top().max_delay(d.duration())),
            Op::MinDelay(d) => Box::new(top().min_delay(d.duration())),
            Op::FullJitter => Box::new(top().full_jitter()),
            Op::EqualJitter => Box::new(top().equal_jitter()),
            Op::Jitter(factor) => Box::new(top().jitter(legal_share(*factor))),
            Op::AdditiveJitter(a, b) => {
                let (least, most) = ordered(a.duration(), b.duration());
                Box::new(top().additive_jitter(least..=most))
            }
            Op::Undeclared(d) => {
                let more = d.duration();
                Box::new(top().map(move |delay| delay.saturating_add(more)))
            }
            Op::Declared(d) => {
                let only = d.duration();
                Box::new(
                    top().map(move |_| only).bounded(move |_| Some(DelayBounds::exactly(only))),
                )
            }
            Op::Then(retries) => {
                let next = top();
                let first = top();
                Box::new(first.first(*retries).then(next))
            }
            Op::Forever => Box::new(top().forever()),
        };
        stack.push(made);
    }
    stack.pop().unwrap_or_else(|| Box::new(immediate()))
}

/// What would be refused where it is given is not what is tried here.
fn legal_factor(factor: f64) -> f64 {
    if factor.is_finite() { factor.abs() } else { 1.5 }
}

fn legal_share(share: f64) -> f64 {
    if (0.0..=1.0).contains(&share) { share } else { 0.5 }
}

fn ordered(a: Duration, b: Duration) -> (Duration, Duration) {
    (a.min(b), a.max(b))
}

/// From 544 years on, all delays are the same to a backoff.
const FOR_EVER: Duration = Duration::from_secs(1 << 34);

fn within(delay: Duration, bounds: &DelayBounds) -> bool {
    let bounds = DelayBounds::new(bounds.min.min(FOR_EVER), bounds.max.min(FOR_EVER));
    bounds.contains(delay.min(FOR_EVER))
}

/// The delay at one attempt, held to everything that a backoff promises about it.
fn checked(backoff: &dyn Backoff, attempt: &Attempt) -> Option<Duration> {
    let bounds = backoff.bounds(attempt.number());
    let delay = backoff.delay(attempt);
    assert_eq!(delay, backoff.delay(attempt), "a backoff is pure: {attempt:?}");
    assert_eq!(bounds, backoff.bounds(attempt.number()), "bounds are pure: {attempt:?}");
    match (delay, bounds) {
        (Some(delay), Some(bounds)) => {
            assert!(bounds.min <= bounds.max, "{bounds:?} are the wrong way round: {attempt:?}");
            assert!(within(delay, &bounds), "{delay:?} is not within {bounds:?}: {attempt:?}");
        }
        (Some(delay), None) => panic!("{delay:?} where the bounds say stop: {attempt:?}"),
        (None, Some(bounds)) => panic!("stops where the bounds say {bounds:?}: {attempt:?}"),
        (None, None) => {}
    }
    // More attempts than can be counted are as good as no limit.
    if let Some(most) = backoff.limits().attempts.filter(|most| most.get() < u32::MAX) {
        assert!(
            attempt.number() < most.get() || delay.is_none(),
            "goes on after {attempt:?} of {most}",
        );
    }
    delay
}

#[derive(Arbitrary, Debug)]
struct Input {
    program: Program,
    seed: u64,
    far: u32,
    previous: Time,
    waited: Time,
    elapsed: Option<Time>,
}

fuzz_target!(|input: Input| {
    let backoff = compose(&input.program);

    // A call as the engine makes it, from the first attempt on.
    let mut previous = Duration::ZERO;
    let mut waited = Duration::ZERO;
    let mut steps = backoff.schedule();
    for number in 1..=40 {
        let attempt = Attempt::new(number)
            .with_seed(input.seed)
            .with_previous_delay(previous)
            .with_waited(waited)
            .with_elapsed(waited);
        let step = steps.next();
        let Some(delay) = checked(&*backoff, &attempt) else {
            assert_eq!(step, None, "the schedule ends with the backoff");
            break;
        };
        waited = waited.saturating_add(delay);
        previous = delay;
        if backoff.limits().elapsed.is_some_and(|limit| waited >= limit) {
            break;
        }
        let step = step.expect("the schedule goes on as long as the backoff");
        assert_eq!(step.attempt, number);
        assert!(within(delay, &step.delay), "{delay:?} is not within {step:?}");
        assert!(within(waited, &step.waited), "{waited:?} is not within {step:?}");
    }

    // Any attempt at all, near and far, whatever came before it.
    for number in [input.far, u32::MAX - input.far, u32::MAX] {
        let mut attempt = Attempt::new(number)
            .with_seed(input.seed)
            .with_previous_delay(input.previous.duration())
            .with_waited(input.waited.duration())
            .with_max_attempts(input.far);
        if let Some(elapsed) = input.elapsed {
            attempt = attempt.with_elapsed(elapsed.duration());
        }
        checked(&*backoff, &attempt);
    }
});
