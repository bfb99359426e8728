//! What following updates costs a call that succeeds at its first try: a plain policy, the live
//! handles, and two ways to do without them, on one thread and on two at once, as a Markdown table.
//!
//! `cargo bench --bench live` takes all figures. Instructions need valgrind.

mod callgrind;
#[allow(dead_code, reason = "the other benchmarks also await it, and let it fail")]
mod operation;
mod threads;

use std::hint::black_box;
use std::io;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Toml};
use persevere::classify::Kinded;
use persevere::policy::config::RetryConfig;
use persevere::policy::{Policies, PolicyHandle};
use persevere::{Finite, Policy, RetryExt, exponential};
use tokio::sync::watch;

use crate::operation::{Flaky, Outcome, Refused};

/// How this program asks itself, under valgrind, to make the calls of one contender.
const REPEAT: &str = "--repeat";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let world = World::new(policy());
    if let [flag, position, times] = arguments.as_slice()
        && flag == REPEAT
    {
        let [position, times] =
            [position, times].map(|number| number.parse::<u64>().expect("a number"));
        (contenders()[position as usize].calls)(&world, times);
        return Ok(());
    }
    print_table(&world)
}

/// The same schedule twice: in code, and as loaded.
fn policy() -> Policy<impl Finite + Clone + Send + Sync> {
    let ms = Duration::from_millis;
    Policy::new(exponential(ms(100)).max_delay(ms(5_000)).full_jitter().max_attempts(5))
}

const SETTINGS: &str = r#"default_policy = { wait_min = "100ms", wait_max = "5s", attempts = 5 }"#;

/// What calls take their policy from.
struct World<B> {
    plain: Policy<B>,
    loaded: PolicyHandle,
    handle: PolicyHandle,
    lock: RwLock<Arc<Policy<B>>>,
    watch: watch::Receiver<Arc<Policy<B>>>,
    /// The sources of updates.
    _sources: (Policies, watch::Sender<Arc<Policy<B>>>),
}

impl<B: Finite + Clone> World<B> {
    fn new(plain: Policy<B>) -> Self {
        let figment = Figment::from(Toml::string(SETTINGS));
        let policies = Policies::load(&figment, "").expect("the settings are valid");
        let handle = policies.default_policy().expect("nothing interrupts");
        let shared = Arc::new(plain.clone());
        let (sender, watch) = watch::channel(shared.clone());
        let _sources = (policies, sender);
        let config: RetryConfig = figment.extract().expect("the settings are valid");
        let loaded = config.default_policy().policy().expect("the settings are valid");
        World { plain, loaded, handle, lock: RwLock::new(shared), watch, _sources }
    }
}

impl Kinded for Refused {
    const KINDS: &'static [&'static str] = &["Refused"];
    fn is_kind(&self, name: &str) -> bool {
        name == "Refused"
    }
}

struct Contender<B> {
    title: &'static str,
    /// The most that it may cost over the plain policy, in nanoseconds.
    goal: Option<u64>,
    /// Makes so many calls.
    calls: fn(&World<B>, u64),
}

fn contenders<B: Finite + Send + Sync>() -> [Contender<B>; 6] {
    [
        Contender {
            title: "`&Policy`, which follows no updates",
            goal: None,
            calls: |world, times| {
                let policy = black_box(&world.plain);
                repeat(times, |flaky| (|| flaky.call()).retry_with(policy).call());
            },
        },
        Contender {
            title: "`&PolicyHandle` of a `PolicyConfig`",
            goal: None,
            calls: |world, times| {
                let policy = black_box(&world.loaded);
                repeat(times, |flaky| (|| flaky.call()).retry_with(policy).call());
            },
        },
        Contender {
            title: "`&PolicyHandle` of `Policies`",
            goal: Some(20),
            calls: |world, times| by_handle(&world.handle, times),
        },
        Contender {
            title: "with ten calls of its thread in flight",
            goal: None,
            calls: |world, times| {
                let in_flight: [_; 10] = std::array::from_fn(|_| world.handle.start::<Outcome>());
                by_handle(&world.handle, times);
                drop(black_box(in_flight));
            },
        },
        Contender {
            title: "a clone out of `RwLock<Arc<Policy>>`",
            goal: None,
            calls: |world, times| {
                let lock = black_box(&world.lock);
                repeat(times, |flaky| {
                    let policy = Arc::clone(&lock.read().expect("nobody panics"));
                    (|| flaky.call()).retry_with(policy).call()
                });
            },
        },
        Contender {
            title: "a clone out of `tokio::sync::watch`",
            goal: None,
            calls: |world, times| {
                let watch = black_box(&world.watch);
                repeat(times, |flaky| {
                    let policy = Arc::clone(&watch.borrow());
                    (|| flaky.call()).retry_with(policy).call()
                });
            },
        },
    ]
}

/// One place for two contenders, so that both run the same code.
#[inline(never)]
fn by_handle(handle: &PolicyHandle, times: u64) {
    let handle = black_box(handle);
    repeat(times, |flaky| (|| flaky.call()).retry_with(handle).call());
}

#[inline(always)]
fn repeat(times: u64, mut call: impl FnMut(&Flaky) -> Outcome) {
    for _ in 0..times {
        let flaky = Flaky::succeeds_at_first();
        let _ = black_box(call(&flaky));
    }
}

fn print_table<B: Finite + Send + Sync>(world: &World<B>) -> io::Result<()> {
    let counts = callgrind::is_installed();
    println!(
        "| sync, success at the first try, by | instructions | one thread | two at once | over the plain policy | goal |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let mut plain = None;
    for (position, Contender { title, goal, calls }) in contenders().into_iter().enumerate() {
        let calls = |times: u64| calls(world, times);
        let [one, two] = [1, 2].map(|threads| threads::nanoseconds(&calls, threads));
        let [base_one, base_two] = *plain.get_or_insert([one, two]);
        let over = format!("{:.1} / {:.1}", one - base_one, two - base_two);
        let (over, goal) = match goal {
            Some(goal) => (over, format!("{goal} / {goal}")),
            None if position == 0 => (String::new(), String::new()),
            None => (over, String::new()),
        };
        let arguments = |times: u64| vec![REPEAT.into(), position.to_string(), times.to_string()];
        let instructions =
            if counts { callgrind::per_iteration(arguments)?.to_string() } else { "–".into() };
        println!("| {title} | {instructions} | {one:.1} ns | {two:.1} ns | {over} | {goal} |");
    }
    Ok(())
}
