//! What budgets and breakers cost a call that they do not stop, beside their peers: as Markdown
//! tables, of nanoseconds on one thread and on two at once, and of instructions.
//!
//! `cargo bench --bench guards` takes all figures. Instructions need valgrind.

mod callgrind;
#[allow(dead_code, reason = "the other benchmarks also await it")]
mod operation;
#[path = "calls/stopped.rs"]
mod stopped;
mod threads;

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use execution_policy::{ExecutionPolicyBuilder, Retry, RetryBudget};
use failsafe::{StateMachine, backoff as waits, failure_policy};
use persevere::breaker::Settings;
use persevere::budget::{CostPerRetry, Model, Ratio, Threshold};
use persevere::guard::Guard;
use persevere::{Budget, CircuitBreaker, Finite, Hook, Interrupted, Policy, RetryExt, immediate};
use recloser::Recloser;
use tokio::sync::Semaphore;
use tower::retry::budget::{Budget as _, TpsBudget};

use crate::operation::{Flaky, Outcome, Refused, drive};
use crate::stopped::Stopped;

/// How this program asks itself, under valgrind, to make the calls of one contender.
const REPEAT: &str = "--repeat";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tables = tables();
    if let [flag, table, row, times] = arguments.as_slice()
        && flag == REPEAT
    {
        let [table, row] = [table, row].map(|number| number.parse::<usize>().expect("a number"));
        (tables[table].rows[row].calls)(times.parse().expect("a number"));
        return Ok(());
    }
    for (position, table) in tables.iter().enumerate() {
        table.print(position)?;
    }
    Ok(())
}

/// What several do in their own ways.
struct Table {
    title: &'static str,
    /// What persevere may need: nanoseconds on one thread and on two, or instructions.
    goal: &'static str,
    rows: Vec<Row>,
}

struct Row {
    contender: &'static str,
    /// The row whose figures are to be taken off.
    less: Option<usize>,
    /// Does it so often.
    calls: Box<dyn Fn(u64) + Sync>,
}

impl Row {
    fn new(contender: &'static str, calls: impl Fn(u64) + Sync + 'static) -> Self {
        Row { contender, less: None, calls: Box::new(calls) }
    }

    fn less(self, row: usize) -> Self {
        Row { less: Some(row), ..self }
    }
}

/// A row of calls that fail so often, made by a policy.
macro_rules! calls {
    ($contender:expr, $flaky:ident, $policy:expr) => {{
        let policy = $policy;
        Row::new($contender, move |times| {
            let policy = black_box(&policy);
            repeat(times, || {
                let flaky = Flaky::$flaky();
                (|| flaky.call()).retry_with(policy).call::<Outcome>()
            });
        })
    }};
}

/// The same by a policy of execution-policy.
macro_rules! theirs {
    ($contender:expr, $flaky:ident, $policy:expr) => {{
        let policy = $policy.build_with(Stopped::new());
        Row::new($contender, move |times| {
            let policy = black_box(&policy);
            repeat(times, || {
                let flaky = Flaky::$flaky();
                drive(policy.run(|| flaky.call_async()))
            });
        })
    }};
}

/// Rows of calls that fail so often: without a budget, with each kind, and what the peers' budgets
/// do in one.
macro_rules! budgets {
    ($flaky:ident, $policy:expr, $tower:expr, $mutex:expr, $semaphore:expr) => {{
        let policy = || $policy;
        let budget = |model: Model| forever(Budget::new(model));
        let aws = budget(CostPerRetry::AWS_STANDARD.into());
        let grpc = budget(Threshold::new(1000, 1.0).into());
        let finagle = budget(Ratio::new(2.0).into());
        let retry = || Retry::fixed(Duration::ZERO).max_attempts(5);
        let (tower, tokens, semaphore) = (tower(), tokens(), semaphore());
        vec![
            calls!("a call without a budget", $flaky, policy()),
            calls!("cost per retry, by reference", $flaky, policy().hook(aws.by_ref())).less(0),
            calls!("cost per retry, by a clone", $flaky, policy().hook(aws.clone())).less(0),
            calls!("threshold, by reference", $flaky, policy().hook(grpc.by_ref())).less(0),
            calls!("ratio, by reference", $flaky, policy().hook(finagle.by_ref())).less(0),
            theirs!("a call of execution-policy", $flaky, builder().retry(retry())),
            theirs!(
                "execution-policy's `RetryBudget`",
                $flaky,
                builder().retry(retry().budget(RetryBudget::new(1.0, 1000)))
            )
            .less(5),
            Row::new("tower's `TpsBudget`", move |times| repeat(times, || $tower(&tower))),
            Row::new("tokens in a mutex, as google-cloud-gax", move |times| {
                repeat(times, || $mutex(&tokens))
            }),
            Row::new("a semaphore, as AWS", move |times| repeat(times, || $semaphore(&semaphore))),
        ]
    }};
}

fn tables() -> Vec<Table> {
    vec![
        Table {
            title: "budget full, a success",
            goal: "2 / 2",
            rows: budgets!(succeeds_at_first, policy(), TpsBudget::deposit, succeed, put_back),
        },
        Table {
            title: "budget, a withdrawal and a deposit",
            goal: "30 / 150",
            rows: budgets!(
                fails_once,
                // The drawing of a seed is not what is measured.
                policy().seed(1),
                |tower: &TpsBudget| {
                    tower.deposit();
                    tower.withdraw()
                },
                |tokens: &Throttler| {
                    fail(tokens);
                    succeed(tokens);
                },
                |semaphore: &Arc<Semaphore>| {
                    if let Ok(taken) = semaphore.clone().try_acquire_many_owned(5) {
                        taken.forget();
                    }
                    put_back(semaphore);
                }
            ),
        },
        Table {
            title: "breaker closed, a success",
            goal: "5 / 10, and what a window must record",
            rows: breakers(),
        },
        Table { title: "a success at the first try, with", goal: "100 instructions", rows: both() },
    ]
}

fn breakers() -> Vec<Row> {
    let breaker = |settings| forever(CircuitBreaker::new(settings));
    let consecutive = breaker(Settings::consecutive(5));
    let rate = Settings::failure_rate(0.5, 20);
    let (by_calls, by_time) = (breaker(rate), breaker(rate.over_time(Duration::from_secs(10))));
    let waits = || waits::constant(Duration::from_secs(30));
    let five = StateMachine::new(failure_policy::consecutive_failures(5, waits()), ());
    let window = Duration::from_secs(10);
    let share = failure_policy::success_rate_over_time_window(0.5, 20, window, waits());
    let share = StateMachine::new(share, ());
    let recloser = Recloser::custom().error_rate(0.5).closed_len(100).build();
    let count = AtomicU64::new(0);
    let retry = || Retry::fixed(Duration::ZERO).max_attempts(5);
    let breaker = || execution_policy::CircuitBreaker::consecutive_failures(5);
    let ratio = || execution_policy::CircuitBreaker::failure_ratio().ratio(0.5);
    vec![
        calls!("a call without a breaker", succeeds_at_first, policy()),
        calls!(
            "consecutive failures, by reference",
            succeeds_at_first,
            policy().guard(consecutive.by_ref())
        )
        .less(0),
        calls!(
            "consecutive failures, by a clone",
            succeeds_at_first,
            policy().guard(consecutive.clone())
        )
        .less(0),
        calls!(
            "rate over 100 calls, by reference",
            succeeds_at_first,
            policy().guard(by_calls.by_ref())
        )
        .less(0),
        calls!("rate over 10 s, by reference", succeeds_at_first, policy().guard(by_time.by_ref()))
            .less(0),
        Row::new("one atomic addition", move |times| {
            repeat(times, || black_box(&count).fetch_add(1, Relaxed))
        }),
        theirs!("a call of execution-policy", succeeds_at_first, builder().retry(retry())),
        theirs!(
            "execution-policy's breaker, consecutive",
            succeeds_at_first,
            builder().retry(retry()).circuit_breaker(breaker())
        )
        .less(6),
        theirs!(
            "execution-policy's breaker, rate over 30 s",
            succeeds_at_first,
            builder().retry(retry()).circuit_breaker(ratio())
        )
        .less(6),
        Row::new("failsafe, consecutive", move |times| repeat(times, || guarded(&five))),
        Row::new("failsafe, rate over 10 s", move |times| repeat(times, || guarded(&share))),
        Row::new("recloser, rate over 100 calls", move |times| {
            repeat(times, || recloser.call(|| Flaky::succeeds_at_first().call()).is_ok())
        }),
    ]
}

fn both() -> Vec<Row> {
    let (budget, breaker) = (forever(Budget::default()), forever(CircuitBreaker::default()));
    vec![
        calls!("nothing", succeeds_at_first, policy()),
        calls!("two hooks that do nothing", succeeds_at_first, policy().hook(Idle).guard(Idle)),
        calls!("a budget, by reference", succeeds_at_first, policy().hook(budget.by_ref())),
        calls!("a breaker, by reference", succeeds_at_first, policy().guard(breaker.by_ref())),
        calls!(
            "budget and breaker, by reference",
            succeeds_at_first,
            policy().hook(budget.by_ref()).guard(breaker.by_ref())
        ),
        calls!(
            "budget and breaker, by clones",
            succeeds_at_first,
            policy().hook(budget.clone()).guard(breaker.clone())
        ),
    ]
}

/// A hook and a guard that do nothing when they are called.
#[derive(Clone, Copy)]
struct Idle;

impl<O> Hook<O> for Idle {
    fn reads_clock(&self) -> bool {
        false
    }
}

impl<O> Guard<O> for Idle {
    fn reads_clock(&self) -> bool {
        false
    }
}

impl From<Interrupted> for Refused {
    fn from(_: Interrupted) -> Self {
        Refused(0)
    }
}

/// Retries at once, so that no sleep is in the figures.
fn policy() -> Policy<impl Finite + Clone + Send + Sync> {
    Policy::new(immediate().max_attempts(5))
}

/// For who borrows it.
fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

#[inline(always)]
fn repeat<T>(times: u64, mut call: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(call());
    }
}

fn builder() -> ExecutionPolicyBuilder<u32, Refused> {
    ExecutionPolicyBuilder::new()
}

/// Each deposit pays for two withdrawals, so that none is refused.
fn tower() -> TpsBudget {
    TpsBudget::new(Duration::from_secs(10), 10, 2.0)
}

/// What google-cloud-gax has: a trait object behind a mutex, and a number in it.
type Throttler = Mutex<Box<dyn Throttle>>;

trait Throttle: Send {
    fn add(&mut self);
    fn subtract(&mut self) -> bool;
}

struct Tokens(u64);

impl Throttle for Tokens {
    fn add(&mut self) {
        self.0 = self.0.saturating_add(1).min(1000);
    }

    fn subtract(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 > 500
    }
}

fn tokens() -> Throttler {
    Mutex::new(Box::new(Tokens(1000)))
}

fn succeed(tokens: &Throttler) {
    tokens.lock().expect("nobody panics").add();
}

fn fail(tokens: &Throttler) -> bool {
    tokens.lock().expect("nobody panics").subtract()
}

/// What the SDK of AWS has: a semaphore of tokio, which gets permits up to a number.
fn semaphore() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(500))
}

fn put_back(semaphore: &Arc<Semaphore>) {
    let there = black_box(semaphore).available_permits();
    if there < 500 {
        semaphore.add_permits(5.min(500 - there));
    }
}

fn guarded<P: failsafe::FailurePolicy>(breaker: &StateMachine<P, ()>) -> Outcome {
    if !black_box(breaker).is_call_permitted() {
        return Err(Refused(0));
    }
    let outcome = Flaky::succeeds_at_first().call();
    match outcome {
        Ok(_) => breaker.on_success(),
        Err(_) => breaker.on_error(),
    }
    outcome
}

impl Table {
    fn print(&self, position: usize) -> io::Result<()> {
        let Table { title, goal, rows } = self;
        println!(
            "| {title} | instructions | one thread | two at once |\n| --- | ---: | ---: | ---: |"
        );
        println!("| *goal* | | {goal} | |");
        let counts = callgrind::is_installed();
        let mut figures: Vec<[f64; 3]> = Vec::new();
        for (row, Row { contender, less, calls }) in rows.iter().enumerate() {
            let arguments = |times: u64| {
                vec![REPEAT.into(), position.to_string(), row.to_string(), times.to_string()]
            };
            let instructions =
                if counts { callgrind::per_iteration(arguments)? as f64 } else { f64::NAN };
            let [one, two] = [1, 2].map(|threads| threads::nanoseconds(calls, threads));
            let whole = [instructions, one, two];
            let [instructions, one, two] = match *less {
                None => whole,
                Some(less) => std::array::from_fn(|n| whole[n] - figures[less][n]),
            };
            figures.push(whole);
            let [one, two] = [one, two].map(|time| match time {
                _ if time.is_nan() => "–".to_owned(),
                _ => format!("{time:.1} ns"),
            });
            println!("| {contender} | {instructions:.0} | {one} | {two} |");
        }
        println!();
        Ok(())
    }
}
