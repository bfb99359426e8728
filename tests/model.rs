//! The engine and its drivers, compared with a plain loop that follows the same rules.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::cell::RefCell;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use persevere::hook::{FinishEvent, RetryEvent};
use persevere::policy::Ask;
use persevere::time::{BlockingTimer, Clock, Timer, VirtualClock};
use persevere::{
    Attempts, Backoff, Decision, Engine, Hook, Policy, Reason, RetryExt, Veto, constant, delays,
    exponential, from_fn, linear,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use support::{AnyBackoff, Does, Log, Made, Meaning, Step};

/// A call, as it is drawn. All times are nanoseconds, most of them a few, so that sums and limits
/// meet often.
#[derive(Clone, Debug)]
struct Call {
    script: Vec<Step>,
    growth: Growth,
    attempts: Option<u32>,
    elapsed: Option<Duration>,
    ceiling: Option<Duration>,
    /// The limits are written in this order.
    order: [u8; 3],
    /// The retry after this attempt is refused.
    veto: Option<u32>,
    /// A hook reads the clock.
    timed: bool,
}

#[derive(Clone, Debug)]
enum Growth {
    Constant(Duration),
    Linear(Duration, Duration),
    Doubling {
        first: Duration,
        floor: Duration,
        cap: Duration,
    },
    Listed(Vec<Duration>),
    /// A function that may stop.
    Table(Vec<Option<Duration>>),
    /// Three times the delay before.
    Tripling(Duration),
    /// A constant for so many retries, and then doubling.
    Parts(Duration, u32, Duration),
}

/// The course of a call.
#[derive(Clone, Debug, PartialEq)]
struct Story {
    calls: Vec<Duration>,
    delays: Vec<Duration>,
    reason: Reason,
    attempts: u32,
    waited: Duration,
    elapsed: Option<Duration>,
    outcome: Made,
}

// ------------------------------------------------------------------------------------------------
// The model.

/// From here on, all durations are the same.
const FOREVER: u128 = u64::MAX as u128;

fn nanos(duration: Duration) -> u128 {
    duration.as_nanos().min(FOREVER)
}

fn duration(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The delay after attempt `n`.
fn delay(growth: &Growth, n: u32) -> Option<u128> {
    let doubled = |first: Duration, n: u32| (nanos(first) << (n - 1)).min(FOREVER);
    Some(match growth {
        Growth::Constant(delay) => nanos(*delay),
        Growth::Linear(first, step) => {
            (nanos(*first) + nanos(*step) * u128::from(n - 1)).min(FOREVER)
        }
        Growth::Doubling { first, floor, cap } => {
            doubled(*first, n).max(nanos(*floor)).min(nanos(*cap))
        }
        Growth::Listed(delays) => nanos(*delays.get(n as usize - 1)?),
        Growth::Table(delays) => nanos(delays[(n as usize - 1) % delays.len()]?),
        Growth::Tripling(first) => (nanos(*first) * 3_u128.pow(n - 1)).min(FOREVER),
        Growth::Parts(first, retries, _) if n <= *retries => nanos(*first),
        Growth::Parts(_, retries, then) => doubled(*then, n - retries),
    })
}

/// The rules, one after the other.
fn model(call: &Call) -> Story {
    let (mut now, mut waited, mut calls, mut delays) = (0, 0_u128, vec![], vec![]);
    let limit = call.elapsed.map(nanos).filter(|limit| *limit < FOREVER);
    let reason = loop {
        let step = call.script[calls.len()];
        calls.push(now);
        now = (now + step.takes.as_nanos()).min(Duration::MAX.as_nanos());
        let n = calls.len() as u32;
        let floor = match step.does {
            Does::Done | Does::Harmless => break Reason::Succeeded,
            Does::Useless | Does::Fatal => break Reason::NotRetryable,
            Does::NotYet | Does::Busy => 0,
            Does::After(delay) => nanos(delay),
        };
        if call.attempts.is_some_and(|most| n >= most) {
            break Reason::Attempts;
        }
        let Some(own) = delay(&call.growth, n) else { break Reason::Attempts };
        if floor > call.ceiling.map_or(300_000_000_000, nanos) {
            break Reason::RetryAfterTooLong;
        }
        let delay = own.max(floor);
        if limit.is_some_and(|limit| now + delay >= limit) {
            break Reason::Elapsed;
        }
        if call.veto == Some(n) {
            break Reason::Budget;
        }
        delays.push(delay);
        waited += delay;
        now = (now + delay).min(Duration::MAX.as_nanos());
    };
    let last = calls.len();
    let timed = call.timed
        || call.elapsed.is_some()
        || matches!(call.growth, Growth::Table(_) | Growth::Tripling(_));
    Story {
        attempts: last as u32,
        reason,
        waited: duration(waited),
        // The longest elapsed time that is known is a nanosecond shorter than the longest duration.
        elapsed: timed.then(|| duration(now.min(FOREVER - 1))),
        outcome: call.script[last - 1].does.made(last as u32),
        calls: calls.into_iter().map(exactly).collect(),
        delays: delays.into_iter().map(duration).collect(),
    }
}

/// A time on the clock, which goes on where nanoseconds in 64 bits end.
fn exactly(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}

// ------------------------------------------------------------------------------------------------
// The crate.

fn backoff(call: &Call) -> AnyBackoff {
    let mut backoff: AnyBackoff = match call.growth.clone() {
        Growth::Constant(delay) => Arc::new(constant(delay).forever()),
        Growth::Linear(first, step) => Arc::new(linear(first).step(step).forever()),
        Growth::Doubling { first, floor, cap } => {
            Arc::new(exponential(first).min_delay(floor).max_delay(cap).forever())
        }
        Growth::Listed(list) => Arc::new(delays(list)),
        Growth::Table(table) => {
            let at = move |n: u32| table[(n as usize - 1) % table.len()];
            Arc::new(from_fn(move |attempt| at(attempt.number())).forever())
        }
        Growth::Tripling(first) => {
            let next =
                move |before: Option<Duration>| before.map_or(first, |d| d.saturating_mul(3));
            Arc::new(from_fn(move |attempt| Some(next(attempt.previous_delay()))).forever())
        }
        Growth::Parts(first, retries, then) => {
            Arc::new(constant(first).first(retries).then(exponential(then)).forever())
        }
    };
    for limit in call.order {
        backoff = match (limit, call.attempts, call.elapsed, call.ceiling) {
            (0, Some(attempts), ..) => Arc::new(backoff.max_attempts(attempts)),
            (1, _, Some(elapsed), _) => Arc::new(backoff.max_elapsed(elapsed)),
            (2, .., Some(ceiling)) => Arc::new(backoff.max_retry_after(ceiling)),
            _ => backoff,
        };
    }
    backoff
}

/// A hook that keeps the events of a call.
#[derive(Clone, Debug)]
struct Watch {
    timed: bool,
    veto: Option<u32>,
    delays: Arc<Mutex<Vec<Duration>>>,
    ends: Arc<Mutex<Vec<persevere::hook::FinishFacts>>>,
}

impl<O> Hook<O> for Watch {
    fn reads_clock(&self) -> bool {
        self.timed
    }
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        if self.veto == Some(event.number()) { Break(Veto::Budget) } else { Continue(()) }
    }
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        self.delays.lock().unwrap().push(event.delay());
    }
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        self.ends.lock().unwrap().push(*event.facts());
    }
}

type Drawn = Policy<Ask<AnyBackoff, Meaning>, Watch, (), VirtualClock>;

/// The clock, the script and the policy of a drawn call.
struct Stage<'a> {
    call: &'a Call,
    clock: VirtualClock,
    policy: Drawn,
    calls: RefCell<Vec<Duration>>,
}

impl Stage<'_> {
    fn enter(&self) -> (Step, u32) {
        let mut calls = self.calls.borrow_mut();
        calls.push(self.clock.now());
        (self.call.script[calls.len() - 1], calls.len() as u32)
    }

    fn attempt(&self) -> Made {
        let (step, number) = self.enter();
        self.clock.advance(step.takes);
        step.does.made(number)
    }

    async fn attempt_async(&self) -> Made {
        let (step, number) = self.enter();
        if !step.takes.is_zero() {
            self.clock.sleep(step.takes).await;
        }
        step.does.made(number)
    }
}

fn by_hand(stage: &Stage<'_>) -> Made {
    let mut engine = Engine::new(&stage.policy);
    let reads_clock = engine.reads_clock();
    let now = || reads_clock.then(|| stage.clock.now());
    loop {
        let Ok(_) = engine.enter(now());
        let outcome = stage.attempt();
        match engine.decide(&outcome, now()) {
            Decision::Wait(delay) if delay.is_zero() => {}
            Decision::Wait(delay) => stage.clock.sleep_blocking(delay),
            Decision::Return(_) => return outcome,
        }
    }
}

fn called(stage: &Stage<'_>) -> Made {
    (|| stage.attempt()).retry_with(&stage.policy).call()
}

fn awaited(stage: &Stage<'_>) -> Made {
    stage.clock.block_on((|| stage.attempt_async()).retry_with(&stage.policy))
}

fn looped(stage: &Stage<'_>) -> Made {
    stage.clock.block_on(async {
        let mut attempts = Attempts::start(&stage.policy);
        loop {
            if let Break(outcome) = attempts.attempt(stage.attempt_async()).await {
                return outcome;
            }
        }
    })
}

fn run(call: &Call, play: fn(&Stage<'_>) -> Made) -> Story {
    let clock = VirtualClock::new();
    let watch =
        Watch { timed: call.timed, veto: call.veto, delays: Arc::default(), ends: Arc::default() };
    let meaning = Meaning(Log::default());
    let rules = Ask::new(backoff(call), meaning);
    let policy = Policy::with(rules, watch.clone(), (), clock.clone());
    let stage = Stage { call, clock, policy, calls: RefCell::default() };
    let outcome = play(&stage);
    let [end] = watch.ends.lock().unwrap()[..] else { panic!("one end for each call") };
    Story {
        calls: stage.calls.take(),
        delays: watch.delays.lock().unwrap().clone(),
        reason: end.reason(),
        attempts: end.attempts(),
        waited: end.waited(),
        elapsed: end.elapsed().ok(),
        outcome,
    }
}

// ------------------------------------------------------------------------------------------------
// The draw.

/// A few nanoseconds, and now and then more than there is.
fn any_time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        20 => (0..8_u64).prop_map(Duration::from_nanos),
        1 => Just(Duration::from_secs(300)),
        1 => Just(Duration::from_nanos(300_000_000_001)),
        1 => Just(Duration::from_nanos(u64::MAX / 2)),
        1 => Just(Duration::from_nanos(u64::MAX)),
        1 => Just(Duration::MAX),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let does = prop_oneof![
        8 => Just(Does::Busy),
        3 => Just(Does::NotYet),
        4 => any_time().prop_map(Does::After),
        1 => Just(Does::Done),
        1 => Just(Does::Harmless),
        1 => Just(Does::Fatal),
        1 => Just(Does::Useless),
    ];
    let takes = prop_oneof![40 => (0..4_u64).prop_map(Duration::from_nanos), 1 => any_time()];
    (does, takes).prop_map(|(does, takes)| Step { does, takes })
}

fn any_growth() -> impl Strategy<Value = Growth> {
    let times = || prop::collection::vec(any_time(), 0..8);
    prop_oneof![
        any_time().prop_map(Growth::Constant),
        (any_time(), any_time()).prop_map(|(first, step)| Growth::Linear(first, step)),
        (any_time(), any_time(), any_time()).prop_map(|(first, floor, cap)| Growth::Doubling {
            first,
            floor,
            cap
        }),
        times().prop_map(Growth::Listed),
        prop::collection::vec(prop::option::weighted(0.9, any_time()), 1..8)
            .prop_map(Growth::Table),
        any_time().prop_map(Growth::Tripling),
        (any_time(), 0..4_u32, any_time())
            .prop_map(|(first, retries, then)| Growth::Parts(first, retries, then)),
    ]
}

fn any_call() -> impl Strategy<Value = Call> {
    let limit = prop_oneof![
        10 => (0..24_u64).prop_map(Duration::from_nanos),
        1 => any_time(),
    ];
    (
        prop::collection::vec(any_step(), 0..10),
        any_growth(),
        prop::option::of(1..9_u32),
        prop::option::of(limit),
        prop::option::of(any_time()),
        Just([0, 1, 2]).prop_shuffle(),
        prop::option::weighted(0.3, 1..6_u32),
        any::<bool>(),
    )
        .prop_map(|(mut script, growth, attempts, elapsed, ceiling, order, veto, timed)| {
            script.push(Does::Done.into());
            Call { script, growth, attempts, elapsed, ceiling, order, veto, timed }
        })
}

/// The same calls in every run; another seed is set with `PROPTEST_RNG_SEED`.
fn config() -> ProptestConfig {
    let set = std::env::var_os("PROPTEST_RNG_SEED").is_some();
    let drawn = ProptestConfig::with_cases(1_000);
    let rng_seed = if set { drawn.rng_seed } else { RngSeed::Fixed(0x1e57) };
    ProptestConfig { rng_seed, failure_persistence: None, ..drawn }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_engine_driven_by_hand_follows_the_rules(call in any_call()) {
        prop_assert_eq!(run(&call, by_hand), model(&call));
    }

    #[test]
    fn a_blocking_call_follows_the_rules(call in any_call()) {
        prop_assert_eq!(run(&call, called), model(&call));
    }

    #[test]
    fn an_awaited_call_follows_the_rules(call in any_call()) {
        prop_assert_eq!(run(&call, awaited), model(&call));
    }

    #[test]
    fn a_loop_follows_the_rules(call in any_call()) {
        prop_assert_eq!(run(&call, looped), model(&call));
    }
}

/// The draw reaches every end, and the limits from both sides.
#[test]
fn the_drawn_calls_end_in_every_way() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(config());
    let stories: Vec<_> = (0..2_000)
        .map(|_| {
            let call = any_call().new_tree(&mut runner).unwrap().current();
            (model(&call), call)
        })
        .collect();
    let count = |holds: &dyn Fn(&Story, &Call) -> bool| {
        stories.iter().filter(|(story, call)| holds(story, call)).count()
    };
    use Reason::{Attempts, Budget, Elapsed, NotRetryable, RetryAfterTooLong, Succeeded};
    for reason in [Succeeded, NotRetryable, Attempts, Elapsed, RetryAfterTooLong, Budget] {
        assert!(count(&|story, _| story.reason == reason) >= 50, "few calls end with {reason:?}");
    }
    let retried = count(&|story, _| story.attempts > 3);
    assert!(retried >= 100, "{retried} calls with more than two retries");
    // A retry that would have started exactly at the limit, and one that did just before it.
    let met = |story: &Story, call: &Call, short: u128| {
        let (Some(limit), Some(elapsed)) = (call.elapsed, story.elapsed) else { return false };
        let next = delay(&call.growth, story.attempts).unwrap_or(FOREVER);
        story.reason == Elapsed && nanos(elapsed) + next + short == nanos(limit)
    };
    assert!(count(&|story, call| met(story, call, 0)) >= 10, "few calls meet their limit");
    let just = |story: &Story, call: &Call| {
        let start = story.calls.last().unwrap().as_nanos();
        story.attempts > 1 && call.elapsed.is_some_and(|limit| start + 1 == limit.as_nanos())
    };
    assert!(count(&just) >= 10, "few retries start just before the limit");
}
