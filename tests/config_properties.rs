//! Properties of every configuration that is valid, and of every one that is not.
//!
//! The configurations are the same in every run; `PROPTEST_RNG_SEED` gives others, `PROPTEST_CASES`
//! more of them.
#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "support/cases.rs"]
mod cases;
#[path = "support_compositions/mod.rs"]
mod support;

use std::time::Duration;

use figment::Figment;
use figment::providers::Serialized;
use figment::value::{Dict, Empty, Value};
use persevere::policy::config::{
    BreakerConfig, BudgetConfig, BudgetModel, DurationText, Jitter, PolicyConfig, RetryConfig,
    Strategy as Curve, Toggle,
};
use persevere::policy::{GuardedHandle, Policies};
use persevere::time::VirtualClock;
use persevere::{Attempt, Decision, Engine, Reason, RetryExt, Verdict};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use self::cases::cases;
use self::support::{Claim, seed_that_draws};

// ---- valid configurations ----------------------------------------------------------------------

/// The longest delay there is: longer ones are cut to it.
const LONGEST: Duration = Duration::from_nanos(u64::MAX);

/// Mostly everyday durations, and some extreme ones.
fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        1 => Just(Duration::ZERO),
        6 => (1_u64..100_000).prop_map(Duration::from_millis),
        2 => any::<u64>().prop_map(Duration::from_nanos),
        1 => (any::<u64>(), 0_u32..1_000_000_000).prop_map(|(s, n)| Duration::new(s, n)),
        1 => select(vec![Duration::from_nanos(1), LONGEST, Duration::MAX]),
    ]
}

fn more_than_nothing() -> impl Strategy<Value = Duration> {
    duration().prop_map(|duration| duration.max(Duration::from_nanos(1)))
}

/// A wait, under one of its two spellings.
#[derive(Clone, Copy, Debug)]
enum Wait {
    Text(Duration),
    Seconds(f64),
}

impl Wait {
    fn duration(self) -> Duration {
        match self {
            Wait::Text(duration) => duration,
            Wait::Seconds(seconds) => Duration::from_secs_f64(seconds),
        }
    }
}

fn wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        duration().prop_map(Wait::Text),
        // As people write them; a JSON reader is not exact beyond.
        (0_u32..100_000_000).prop_map(|millis| Wait::Seconds(f64::from(millis) / 1000.0)),
        select(vec![0.0, -0.0, 1e-9, 1e12, 1e18, 1.8e19]).prop_map(Wait::Seconds),
    ]
}

/// The shortest and the longest, each perhaps left out.
fn waits() -> impl Strategy<Value = (Option<Wait>, Option<Wait>)> {
    (of(wait()), of(wait())).prop_map(|(one, other)| {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(10));
        match (one, other) {
            (Some(a), Some(b)) if a.duration() > b.duration() => (Some(b), Some(a)),
            (Some(min), None) if min.duration() > most => (None, Some(min)),
            (None, Some(max)) if max.duration() < least => (Some(max), None),
            both => both,
        }
    })
}

/// A strategy, with its own keys.
#[derive(Clone, Debug)]
enum Shape {
    Plain(Option<Curve>),
    Exponential(bool, f64),
    Linear(Option<Duration>),
    Polynomial(Option<u32>),
    Delays(Vec<Duration>),
}

fn factor() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (100_u32..1000).prop_map(|cents| f64::from(cents) / 100.0),
        1 => select(vec![1.0, 2.0, 1e22, 1e300, f64::MAX]),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let plain = [
        None,
        Some(Curve::Exponential),
        Some(Curve::Constant),
        Some(Curve::Fibonacci),
        Some(Curve::Decorrelated),
        Some(Curve::DecorrelatedV2),
        Some(Curve::Immediate),
    ];
    prop_oneof![
        4 => select(plain.to_vec()).prop_map(Shape::Plain),
        2 => (any::<bool>(), factor()).prop_map(|(said, factor)| Shape::Exponential(said, factor)),
        1 => of(duration()).prop_map(Shape::Linear),
        1 => of(prop_oneof![0_u32..5, any::<u32>()]).prop_map(Shape::Polynomial),
        1 => vec(duration(), 1..6).prop_map(Shape::Delays),
    ]
}

fn jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        (0_u32..=1000).prop_map(|parts| Jitter::Ratio(f64::from(parts) / 1000.0)),
        duration().prop_map(|most| Jitter::Additive(most.into())),
    ]
}

/// How often: `Err` counts retries.
fn count() -> impl Strategy<Value = Option<Result<u32, u32>>> {
    let number = || prop_oneof![6 => 1_u32..8, 1 => select(vec![100, u32::MAX - 1, u32::MAX])];
    of(prop_oneof![number().prop_map(Ok), number().prop_map(Err), Just(Err(0))])
}

fn toggle<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<Toggle<T>>> {
    of(prop_oneof![1 => Just(Toggle::Off), 3 => value.prop_map(Toggle::On)])
}

fn budget() -> impl Strategy<Value = BudgetConfig> {
    let cost = (1_u32.., 0.0..1.0_f64, 0.0..1.0_f64, of(1_u32..)).prop_map(
        |(capacity, cost, timeout, reward)| {
            let part = |share: f64| Some(1 + (f64::from(capacity - 1) * share) as u32);
            let mut budget = BudgetConfig::default();
            budget.capacity = Some(capacity);
            (budget.retry_cost, budget.timeout_cost) = (part(cost), part(timeout));
            budget.first_try_reward = reward;
            budget
        },
    );
    let threshold = (of(1_u32..=1000), of(1_u32..=1_000_000)).prop_map(|(most, ratio)| {
        let mut budget = BudgetConfig::default();
        budget.model = Some(BudgetModel::Threshold);
        budget.max_tokens = most;
        budget.token_ratio = ratio.map(|ratio| f64::from(ratio) / 1000.0);
        budget
    });
    let ratio = (of(1_u32..=10_000), of(1_u32..1_000_000), of(1_u64..=60)).prop_map(
        |(share, least, ttl)| {
            let mut budget = BudgetConfig::default();
            budget.model = Some(BudgetModel::Ratio);
            budget.share = share.map(|share| f64::from(share) / 100.0);
            budget.min_per_second = least;
            budget.ttl = ttl.map(|ttl| Duration::from_secs(ttl).into());
            budget
        },
    );
    prop_oneof![Just(BudgetConfig::default()), cost, threshold, ratio]
}

fn breaker() -> impl Strategy<Value = BreakerConfig> {
    let trip = prop_oneof![
        of(1_u32..).prop_map(|failures| {
            let mut breaker = BreakerConfig::default();
            breaker.failures = failures;
            breaker
        }),
        (1_u32..=100, 1_u32..=500, of(0_u32..500), of(1_u64..=3600)).prop_map(
            |(rate, least, more, time)| {
                let mut breaker = BreakerConfig::default();
                breaker.failure_rate = Some(f64::from(rate) / 100.0);
                breaker.min_calls = Some(least);
                match (more, time) {
                    (_, Some(time)) => breaker.window = Some(Duration::from_secs(time).into()),
                    (more, None) => breaker.window_calls = more.map(|more| least + more),
                }
                breaker
            }
        ),
    ];
    let open = (more_than_nothing(), of(duration())).prop_map(|(one, other)| match other {
        Some(other) if other > Duration::ZERO => (one.min(other), Some(one.max(other))),
        _ => (one, None),
    });
    (trip, of(open), of(1_u32..=65_535), of(1_u32..=65_535)).prop_map(
        |(mut breaker, open, probes, successes)| {
            if let Some((open, most)) = open {
                breaker.open_for = Some(open.into());
                breaker.open_for_max = most.map(Into::into);
            }
            (breaker.probes, breaker.successes) = (probes, successes);
            breaker
        },
    )
}

fn text(duration: Duration) -> Option<DurationText> {
    Some(duration.into())
}

/// Any configuration that is valid.
fn config() -> BoxedStrategy<PolicyConfig> {
    let limit = || toggle(more_than_nothing());
    let times = (limit(), limit(), of(duration())).boxed();
    let guards = (toggle(budget().boxed()), toggle(breaker().boxed()));
    let kinds = of(prop_oneof![
        Just(vec!["any".to_owned()]),
        vec("[a-zA-Z0-9]([a-zA-Z0-9 \"'\\\\]{0,8}[a-zA-Z0-9])?", 1..4),
    ]);
    let delays = (shape(), waits(), of(jitter())).boxed();
    (of(any::<bool>()), count(), delays, times, guards, kinds)
        .prop_map(|(enabled, count, (shape, waits, jitter), times, guards, exceptions)| {
            let mut config = PolicyConfig::default();
            (config.enabled, config.jitter, config.exceptions) = (enabled, jitter, exceptions);
            match count {
                Some(Ok(attempts)) => config.attempts = Some(attempts),
                Some(Err(retries)) => config.max_retries = Some(retries),
                None => {}
            }
            match waits.0 {
                Some(Wait::Text(wait)) => config.wait_min = text(wait),
                Some(Wait::Seconds(wait)) => config.wait_min_seconds = Some(wait),
                None => {}
            }
            match waits.1 {
                Some(Wait::Text(wait)) => config.wait_max = text(wait),
                Some(Wait::Seconds(wait)) => config.wait_max_seconds = Some(wait),
                None => {}
            }
            match shape {
                Shape::Plain(curve) => config.strategy = curve,
                Shape::Exponential(said, factor) => {
                    config.strategy = said.then_some(Curve::Exponential);
                    config.backoff = Some(factor);
                }
                Shape::Linear(step) => {
                    (config.strategy, config.step) = (Some(Curve::Linear), step.and_then(text));
                }
                Shape::Polynomial(degree) => {
                    (config.strategy, config.degree) = (Some(Curve::Polynomial), degree);
                }
                Shape::Delays(list) => {
                    let most = waits.1.map_or(LONGEST, Wait::duration).min(LONGEST);
                    let list = list.into_iter().map(|delay| delay.min(most).into()).collect();
                    (config.strategy, config.delays) = (Some(Curve::Delays), Some(list));
                }
            }
            let (total, attempt, ceiling) = times;
            let texts = |toggle: Toggle<Duration>| match toggle {
                Toggle::Off => Toggle::Off,
                Toggle::On(limit) => Toggle::On(DurationText(limit)),
            };
            config.max_elapsed = total.map(texts);
            config.attempt_timeout = match (total, attempt) {
                (Some(Toggle::On(total)), Some(Toggle::On(attempt))) => {
                    Some(texts(Toggle::On(attempt.min(total))))
                }
                (_, attempt) => attempt.map(texts),
            };
            config.retry_after_max = ceiling.and_then(text);
            (config.budget, config.breaker) = guards;
            config
        })
        .boxed()
}

// ---- garbage -----------------------------------------------------------------------------------

/// Any value, with a taste for those that are almost right.
fn anything() -> BoxedStrategy<Value> {
    let words = [
        "",
        "any",
        "full",
        "none",
        "equal",
        "mesh",
        "exponential",
        "delays",
        "linear",
        "constant",
        "ratio",
        "threshold",
        "1s",
        "0s",
        "-1s",
        "250 ms",
        "1y",
        "584y",
        "99999999999999999999s",
        "999999999999999y",
        "false",
        "3",
        "\u{0}",
        "é",
    ];
    let numbers = [0.0, -0.0, 0.5, 1.0, 1.5, -1.0, 1e19, 1e300, f64::NAN, f64::INFINITY];
    let whole = [0, 1, 2, 3, -1, i128::from(u32::MAX), i128::from(u32::MAX) + 1, i128::MAX];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        select(words.to_vec()).prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        select(numbers.to_vec()).prop_map(Value::from),
        select(whole.to_vec()).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<char>().prop_map(Value::from),
        Just(Value::from(Empty::Unit)),
        Just(Value::from(Empty::None)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map("[a-z_.]{0,6}", inner, 0..3).prop_map(Value::from),
        ]
    })
    .boxed()
}

/// A table with known keys, among others.
fn table(
    keys: &'static [&'static str],
    below: impl Strategy<Value = (String, Value)> + 'static,
) -> BoxedStrategy<Value> {
    let known = (select(keys).prop_map(str::to_owned), anything());
    let unknown = ("[a-z_.]{0,8}", anything());
    let entry = prop_oneof![12 => known, 6 => below, 1 => unknown];
    vec(entry, 0..5).prop_map(|entries| Value::from(entries.into_iter().collect::<Dict>())).boxed()
}

fn garbage() -> BoxedStrategy<Value> {
    const POLICY: &[&str] = &[
        "enabled",
        "attempts",
        "max_retries",
        "strategy",
        "wait_min",
        "wait_min_seconds",
        "wait_max",
        "wait_max_seconds",
        "backoff",
        "step",
        "degree",
        "delays",
        "jitter",
        "exceptions",
        "max_elapsed",
        "attempt_timeout",
        "retry_after_max",
        "budget",
        "breaker",
    ];
    const BUDGET: &[&str] = &[
        "model",
        "capacity",
        "retry_cost",
        "timeout_cost",
        "first_try_reward",
        "max_tokens",
        "token_ratio",
        "share",
        "min_per_second",
        "ttl",
    ];
    const BREAKER: &[&str] = &[
        "failures",
        "failure_rate",
        "min_calls",
        "window_calls",
        "window",
        "open_for",
        "open_for_max",
        "probes",
        "successes",
    ];
    let nothing = || ("[a-z]{9}", anything());
    let named = |name: &'static str, value: BoxedStrategy<Value>| {
        value.prop_map(move |value| (name.to_owned(), value))
    };
    let guards = prop_oneof![
        named("budget", table(BUDGET, nothing())),
        named("breaker", table(BREAKER, nothing())),
    ];
    let policy = table(POLICY, guards).boxed();
    let policies = vec(("[a-c.]{0,2}|default_policy", policy.clone()), 0..4)
        .prop_map(|policies| Value::from(policies.into_iter().collect::<Dict>()))
        .boxed();
    let tables = prop_oneof![named("default_policy", policy), named("policies", policies)];
    table(&["enabled", "mode", "default_policy", "policies"], tables)
}

// ---- promises ----------------------------------------------------------------------------------

/// The meaning of a configuration, read apart from the library.
struct Promise {
    attempts: u32,
    min: Duration,
    /// `None`: a list that has no cap.
    max: Option<Duration>,
    jitter: Jitter,
    curve: Curve,
    factor: f64,
}

impl Promise {
    fn of(config: &PolicyConfig) -> Self {
        let wait = |text: Option<DurationText>, seconds: Option<f64>| {
            text.map(|text| text.0).or(seconds.map(Duration::from_secs_f64))
        };
        let curve = config.strategy.unwrap_or_default();
        // A list is a limit of its own.
        let listed = config.delays.as_ref().map_or(u32::MAX, |list| list.len() as u32 + 1);
        let random = matches!(curve, Curve::Decorrelated | Curve::DecorrelatedV2);
        let max = wait(config.wait_max, config.wait_max_seconds);
        Promise {
            attempts: match (config.enabled, config.attempts, config.max_retries) {
                (Some(false), _, _) => 1,
                (_, Some(attempts), _) => attempts.min(listed),
                (_, _, Some(retries)) => retries.saturating_add(1).min(listed),
                _ if curve == Curve::Delays => listed,
                _ => 3,
            },
            min: wait(config.wait_min, config.wait_min_seconds).unwrap_or(Duration::from_secs(1)),
            max: max.or((curve != Curve::Delays).then_some(Duration::from_secs(10))),
            jitter: config.jitter.unwrap_or(if random { Jitter::None } else { Jitter::Full }),
            curve,
            factor: config.backoff.unwrap_or(2.0),
        }
    }

    /// The delay after attempt `number`, without jitter, where that is one number.
    fn delay(&self, config: &PolicyConfig, number: u32) -> Option<f64> {
        let (min, n) = (self.min.min(LONGEST).as_nanos() as f64, f64::from(number));
        let delay = match self.curve {
            Curve::Exponential => min * self.factor.powf(n - 1.0),
            Curve::Constant => min,
            Curve::Linear => {
                let step = config.step.map_or(self.min, |step| step.0).min(LONGEST);
                min + step.as_nanos() as f64 * (n - 1.0)
            }
            Curve::Polynomial => min * n.powf(config.degree.unwrap_or(2).into()),
            Curve::Immediate => 0.0,
            Curve::Fibonacci if number == 1 => min,
            Curve::Delays => {
                let delay = config.delays.as_ref()?.get(number as usize - 1)?;
                delay.0.as_nanos() as f64
            }
            _ => return None,
        };
        // Nothing grows to nothing, however fast.
        let delay = if min == 0.0 && delay.is_nan() { 0.0 } else { delay };
        let most = self.max.unwrap_or(LONGEST).min(LONGEST);
        Some(delay.min(most.as_nanos() as f64))
    }
}

/// The configuration without guards and kinds.
fn bare(mut config: PolicyConfig) -> PolicyConfig {
    (config.budget, config.breaker) = (None, None);
    (config.attempt_timeout, config.exceptions) = (None, None);
    config
}

fn without_max_elapsed(mut config: PolicyConfig) -> PolicyConfig {
    config.max_elapsed = None;
    config
}

/// The first delays of a call, in a random stream of its own if it is given one.
fn drawn(policy: &GuardedHandle, seed: Option<u64>, most: u32) -> Vec<Duration> {
    let policy = seed.map_or_else(|| policy.clone(), |seed| policy.clone().seed(seed));
    let mut engine = Engine::<Option<()>, _>::new(&policy);
    (0..most)
        .map_while(|_| match engine.decide(&None, None) {
            Decision::Wait(delay) => Some(delay),
            Decision::Return(_) => None,
        })
        .collect()
}

/// The decision after a first attempt that ends at this time, if a server requests a delay.
fn decision(policy: &GuardedHandle, at: Duration, asked: Option<Duration>) -> Decision {
    let asks = move |_: &Option<()>, _: &Attempt| asked.map(Verdict::RetryAfter);
    let mut engine = Engine::new(policy.clone().classify(asks));
    engine.enter(Duration::ZERO).unwrap();
    engine.decide(&None, at)
}

fn end_of(decision: Decision) -> Option<Reason> {
    match decision {
        Decision::Wait(_) => None,
        Decision::Return(facts) => Some(facts.reason()),
    }
}

/// Attempts at which a schedule is looked at: the first, the last, and some on the way.
fn numbers(attempts: u32) -> impl Iterator<Item = u32> {
    let some = [1, 2, 3, 4, 5, 7, 31, 32, 33, 64, 65, 1000, 1 << 31, u32::MAX - 1];
    some.into_iter().chain([attempts - 1]).filter(move |number| (1..attempts).contains(number))
}

/// The same, as nearly as doubles and whole nanoseconds say it.
fn is_about(delay: Duration, nanos: f64) -> bool {
    (delay.as_nanos() as f64 - nanos).abs() <= 4.0 + nanos * 1e-9
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn a_valid_configuration_survives_a_round_trip(config in config()) {
        let written = toml::to_string(&config).unwrap();
        prop_assert_eq!(&toml::from_str::<PolicyConfig>(&written).unwrap(), &config, "{}", written);
        let written = serde_json::to_string(&config).unwrap();
        let read: PolicyConfig = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(&read, &config, "{}", written);
    }

    #[test]
    fn a_valid_configuration_is_the_same_through_a_figment(config in config()) {
        let mut section = RetryConfig::default();
        section.policies = Some([("any name".to_owned(), config.clone())].into());
        let figment = Figment::from(Serialized::default("retry", &section));
        prop_assert_eq!(&figment.extract_inner::<RetryConfig>("retry").unwrap(), &section);
        let policies = Policies::load(&figment, "retry").unwrap_or_else(|error| panic!("{error}"));
        let handle = policies.get_guarded("any name").unwrap();
        let policy = config.guarded_policy().unwrap_or_else(|error| panic!("{error}"));
        prop_assert_eq!(handle.to_string(), policy.to_string());
        prop_assert_eq!(handle.worst_case(), policy.worst_case());
        prop_assert!(policies.reload(&figment).unwrap().is_unchanged());
        let interrupts = config.attempt_timeout.is_some_and(|it| it.on().is_some())
            || config.breaker.as_ref().is_some_and(|it| *it != Toggle::Off);
        prop_assert_eq!(policies.get("any name").is_err(), interrupts);
        prop_assert_eq!(config.policy().is_err(), interrupts);
    }

    #[test]
    fn a_policy_keeps_the_limits_of_its_configuration(config in config(), seed: u64) {
        let promise = Promise::of(&config);
        // Guards and kinds end calls too.
        let config = bare(config);
        let policy = config.guarded_policy().unwrap_or_else(|error| panic!("{error}"));
        let policy = policy.seed(seed);
        let first = Engine::<Option<()>, _>::new(&policy).enter(None).unwrap();
        prop_assert_eq!(first.max_attempts().map(u32::from), Some(promise.attempts));
        if promise.attempts == 1 {
            return Ok(());
        }
        let untimed = without_max_elapsed(config.clone()).guarded_policy().unwrap().seed(seed);
        let delay = drawn(&untimed, None, 1)[0];
        // Centuries are written for no limit.
        let total = config.max_elapsed.and_then(Toggle::on).map(|limit| limit.0);
        if let Some(total) = total.filter(|limit| *limit < LONGEST / 2) {
            if let Some(at) = total.checked_sub(delay) {
                let end = end_of(decision(&policy, at, None));
                prop_assert_eq!(end, Some(Reason::Elapsed));
                if let Some(before) = at.checked_sub(Duration::from_nanos(1)) {
                    prop_assert_eq!(decision(&policy, before, None), Decision::Wait(delay));
                }
            }
        }
        let ceiling = config.retry_after_max.map_or(Duration::from_secs(300), |it| it.0);
        let asked = decision(&untimed, Duration::ZERO, Some(ceiling));
        prop_assert_eq!(asked, Decision::Wait(delay.max(ceiling.min(LONGEST))));
        if let Some(more) = ceiling.checked_add(Duration::from_nanos(1)).filter(|it| *it <= LONGEST) {
            let asked = decision(&untimed, Duration::ZERO, Some(more));
            prop_assert_eq!(end_of(asked), Some(Reason::RetryAfterTooLong));
        }
    }

    #[test]
    fn a_policy_stays_within_what_its_configuration_promises(config in config(), seed: u64) {
        let promise = Promise::of(&config);
        // All delays are to come, whatever they sum up to.
        let config = without_max_elapsed(bare(config));
        let policy = config.guarded_policy().unwrap_or_else(|error| panic!("{error}"));
        let text = policy.to_string();
        if config.enabled == Some(false) {
            prop_assert!(text.ends_with("one attempt: no wait"), "{}", text);
            return Ok(());
        }
        let announced = Claim::parse(text.rsplit_once(": ").expect("a schedule").1).delays;
        prop_assert_eq!(announced.len(), promise.attempts.min(9) as usize - 1);
        let most = promise.max.unwrap_or(Duration::MAX).min(LONGEST);
        for number in numbers(promise.attempts).filter(|number| *number <= 100) {
            let nth = number as usize - 1;
            let [low, any, high] =
                [Some(0), None, Some(u64::MAX)].map(|draw| {
                    let seed = draw.map_or(seed, |draw| seed_that_draws(draw, number, 0));
                    drawn(&policy, Some(seed), number)[nth]
                });
            for delay in [low, any, high] {
                prop_assert!(delay <= most, "{:?} after attempt {}", delay, number);
                if let Some(bounds) = announced.get(nth) {
                    prop_assert!(bounds.contains(delay), "{:?} is not in {:?}", delay, bounds);
                }
            }

            let Some(exact) = promise.delay(&config, number) else { continue };
            let most = most.as_nanos() as f64;
            let is_about = |delay, nanos: f64| is_about(delay, nanos.min(most));
            let (least, longest) = match promise.jitter {
                Jitter::None => (exact, exact),
                Jitter::Full => (0.0, exact),
                Jitter::Equal => (exact / 2.0, exact),
                Jitter::Ratio(ratio) => (exact * (1.0 - ratio), exact * (1.0 + ratio)),
                Jitter::Additive(more) => (exact, exact + more.0.as_nanos() as f64),
                _ => unreachable!("all of them are here"),
            };
            prop_assert!(is_about(low, least), "{:?}, expected from {}", low, least);
            prop_assert!(is_about(high, longest), "{:?}, expected to {}", high, longest);
            if let Some(bounds) = announced.get(nth) {
                prop_assert!(is_about(bounds.min, least), "{:?}, expected from {}", bounds, least);
                prop_assert!(is_about(bounds.max, longest), "{:?}, expected to {}", bounds, longest);
            }
            if matches!(promise.jitter, Jitter::None) {
                prop_assert_eq!((low, high), (any, any));
                let curves = [Curve::Immediate, Curve::Delays];
                if number == 1 && !curves.contains(&promise.curve) {
                    prop_assert_eq!(any, promise.min.min(LONGEST));
                }
            }
        }
    }

    #[test]
    fn a_call_makes_as_many_attempts_as_its_configuration_promises(config in config()) {
        let mut config = config;
        (config.budget, config.breaker) = (None, None);
        (config.attempt_timeout, config.max_elapsed) = (None, None);
        config.exceptions = None;
        let promise = Promise::of(&config);
        if promise.attempts > 200 {
            return Ok(());
        }
        let clock = VirtualClock::new();
        let policy = config.policy().unwrap().timer(clock.clone());
        let mut calls = 0;
        let outcome = policy.call(|attempt| {
            calls += 1;
            assert_eq!(attempt.number(), calls);
            assert_eq!(attempt.is_last(), calls == promise.attempts);
            Err::<(), _>(std::io::Error::other("busy"))
        });
        prop_assert!(outcome.is_err());
        prop_assert_eq!(calls, promise.attempts);
        let most = promise.max.unwrap_or(Duration::MAX);
        prop_assert!(clock.slept().iter().all(|slept| *slept <= most));
    }

    #[test]
    fn garbage_under_known_keys_is_reported_and_never_panics(garbage in garbage()) {
        let figment = Figment::from(Serialized::default("retry", &garbage));
        match Policies::load(&figment, "retry") {
            Ok(policies) => {
                for name in policies.names() {
                    let handle = policies.get_guarded(&name).unwrap();
                    prop_assert!(!handle.to_string().is_empty());
                }
            }
            Err(error) => {
                prop_assert!(!error.problems().is_empty());
                for problem in error.problems() {
                    prop_assert!(problem.key().starts_with("retry"), "{}", problem);
                    prop_assert!(!problem.expected().is_empty(), "{}", problem);
                    prop_assert!(problem.to_string().contains(problem.key()), "{}", problem);
                    prop_assert!(problem.source().is_some(), "{}", problem);
                    prop_assert_eq!(problem.profile(), Some("default"), "{}", problem);
                }
                let mut told: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
                told.sort();
                told.dedup();
                prop_assert_eq!(told.len(), error.problems().len(), "each is told once: {}", error);
            }
        }
    }

    #[test]
    fn garbage_in_an_update_changes_nothing(garbage in garbage()) {
        let load = |value: &Value| Figment::from(Serialized::default("retry", value));
        let good = Value::from(Dict::new());
        let policies = Policies::load(&load(&good), "retry").unwrap();
        let handle = policies.default_policy().unwrap();
        let before = handle.to_string();
        let refused = policies.reload(&load(&garbage)).is_err();
        prop_assert_eq!(policies.last_error().is_some(), refused);
        if refused {
            prop_assert_eq!((policies.revision(), handle.to_string()), (1, before.clone()));
        }
        policies.reload(&load(&good)).unwrap();
        prop_assert_eq!(handle.to_string(), before);
    }

    #[test]
    fn typed_settings_hold_over_every_configuration(
        config in config(),
        attempts in of(1_u32..),
        waits in (of(duration()), of(duration())),
        jitter in of(jitter()),
        limits in (of(more_than_nothing()), of(duration())),
    ) {
        let mut section = RetryConfig::default();
        section.default_policy = Some(config.clone());
        let figment = Figment::from(Serialized::defaults(&section));
        let policies = Policies::load(&Figment::from(Serialized::default("default_policy", Dict::new())), "").unwrap();
        let mut handle = policies.get_guarded("default_policy").unwrap();
        if let Some(attempts) = attempts {
            handle = handle.attempts(attempts);
        }
        if let Some(wait) = waits.0 {
            handle = handle.wait_min(wait);
        }
        if let Some(wait) = waits.1 {
            handle = handle.wait_max(wait);
        }
        if let Some(jitter) = jitter {
            handle = handle.jitter(jitter);
        }
        if let Some(limit) = limits.0 {
            handle = handle.max_elapsed(limit);
        }
        if let Some(limit) = limits.1 {
            handle = handle.retry_after_max(limit);
        }
        policies.reload(&figment).unwrap_or_else(|error| panic!("{error}"));

        // The same, typed after the update.
        let mut other = policies.get_guarded("default_policy").unwrap();
        if let Some(attempts) = attempts {
            other = other.attempts(attempts);
        }
        if let Some(jitter) = jitter {
            other = other.jitter(jitter);
        }
        if let Some(limit) = limits.1 {
            other = other.retry_after_max(limit);
        }
        if let Some(limit) = limits.0 {
            other = other.max_elapsed(limit);
        }
        if let Some(wait) = waits.1 {
            other = other.wait_max(wait);
        }
        if let Some(wait) = waits.0 {
            other = other.wait_min(wait);
        }
        let shown = handle.to_string();
        prop_assert_eq!(&shown, &other.to_string());
        if config.enabled == Some(false) {
            return Ok(());
        }
        if let Some(attempts) = attempts {
            let words = if attempts == 1 { "attempt".to_owned() } else { "attempts".to_owned() };
            prop_assert!(shown.contains(&format!("at most {attempts} {words}")), "{}", shown);
        }
        if let Some(most) = waits.1 {
            prop_assert!(shown.contains(&format!("delays up to {:?}", most.min(LONGEST))), "{}", shown);
        }
        if let Some(limit) = limits.0.filter(|limit| *limit < LONGEST / 2) {
            prop_assert!(shown.contains(&format!("within {:?}", limit)), "{}", shown);
        }
        let clock = VirtualClock::new();
        let handle = handle.timer(clock.clone());
        // There may be four billion attempts to go.
        let busy = |attempt: Attempt| if attempt.number() < 50 { Err("busy") } else { Ok(()) };
        let _ = busy.retry_with(&handle).when(|_| true).report().call();
        let most = waits.1.unwrap_or(Duration::MAX);
        prop_assert!(clock.slept().iter().all(|slept| *slept <= most));
    }
}
