//! Named policies from configuration: policies behave as their settings file states.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::result_large_err, reason = "figment says how large")]

#[path = "support_compositions/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Json, Serialized, Toml};
use insta::assert_snapshot;
use persevere::budget::{CostPerRetry, Ratio, Threshold};
use persevere::classify::Kinded;
use persevere::hook::{FinishFacts, RetryFacts};
use persevere::policy::config::{
    BudgetConfig, Jitter, Mode, PolicyConfig, RetryConfig, Strategy, Toggle,
};
use persevere::policy::{GuardedHandle, Policies, PolicyHandle};
use persevere::time::VirtualClock;
use persevere::{
    Attempt, Decision, DynPolicy, Engine, Interrupted, Now, Reason, RetryExt, Verdict,
};

use support::seed_that_draws;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn toml(settings: &str) -> Figment {
    Toml::string(settings).into_figment()
}

trait IntoFigment: figment::Provider + Sized {
    fn into_figment(self) -> Figment {
        Figment::from(self)
    }
}

impl<P: figment::Provider> IntoFigment for P {}

/// The policies of a section at the root.
#[track_caller]
fn load(settings: &str) -> Policies {
    Policies::load(&toml(settings), "").unwrap_or_else(|error| panic!("{error}"))
}

/// The text of a named policy.
#[track_caller]
fn shown(settings: &str, name: &str) -> String {
    load(settings).get_guarded(name).unwrap().to_string()
}

/// The same for settings that are those of a policy.
#[track_caller]
fn policy(settings: &str) -> String {
    shown(&format!("[default_policy]\n{settings}"), "default_policy")
}

// ------------------------------------------------------------------------------------------------
// The settings file of the design.

const SETTINGS: &str = r#"
[default.resilience.retry]
enabled = true                        # false, or mode = "mesh": one attempt, the mesh's sidecar retries
  [default.resilience.retry.default_policy]
  attempts = 3
  wait_min_seconds = 1.0              # or wait_min = "1s"
  wait_max_seconds = 10.0
  backoff = 2.0
  exceptions = ["HTTPRequestError", "HTTPTimeoutError"]
  [default.resilience.retry.policies.fast_retry]
  attempts = 3
  wait_min_seconds = 0.1
  wait_max_seconds = 1.0
  backoff = 1.5
  exceptions = ["HTTPException"]
  [default.resilience.retry.policies.long_retry]
  attempts = 10
  wait_min_seconds = 5.0
  wait_max_seconds = 300.0
  backoff = 2.0
  exceptions = ["ConnectionError"]
"#;

fn settings() -> Figment {
    Figment::from(Toml::string(SETTINGS).nested())
}

/// The same under the environment, as a program would write it. Only within a jail: the environment
/// is one for all tests.
fn settings_and_environment(_: &mut figment::Jail) -> Figment {
    settings().merge(Env::prefixed("APP_").split("__"))
}

/// An error that has one of the kinds that the file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failure(&'static str);

impl Kinded for Failure {
    const KINDS: &'static [&'static str] =
        &["HTTPRequestError", "HTTPTimeoutError", "HTTPException", "ConnectionError"];
    fn is_kind(&self, name: &str) -> bool {
        self.0 == name
    }
}

fn settings_of(figment: &Figment) -> Policies {
    Policies::builder().kinds_of::<Failure>().load(figment, "resilience.retry").unwrap()
}

#[test]
fn the_settings_file_loads_verbatim() {
    let policies = settings_of(&settings());
    assert_eq!(policies.names(), ["default_policy", "fast_retry", "long_retry"]);
    let shown = |name| policies.get(name).unwrap().to_string();
    assert_snapshot!(shown("default_policy"), @"exponential 1s ×2, delays up to 10s, full jitter, at most 3 attempts: 0ns to 1s, 0ns to 2s (at most 3s in all)");
    assert_snapshot!(shown("fast_retry"), @"exponential 100ms ×1.5, delays up to 1s, full jitter, at most 3 attempts: 0ns to 100ms, 0ns to 150ms (at most 250ms in all)");
    assert_snapshot!(shown("long_retry"), @"exponential 5s ×2, delays up to 300s, full jitter, at most 10 attempts: 0ns to 5s, 0ns to 10s, 0ns to 20s, 0ns to 40s, 0ns to 80s, 0ns to 160s, 0ns to 300s, 0ns to 300s, … (at most 1215s in all)");
}

/// Attempts, first delay, factor, longest delay, kinds: as the file says.
type Says = (u32, f64, f64, f64, &'static [&'static str]);

const SAYS: [(&str, Says); 3] = [
    ("default_policy", (3, 1.0, 2.0, 10.0, &["HTTPRequestError", "HTTPTimeoutError"])),
    ("fast_retry", (3, 0.1, 1.5, 1.0, &["HTTPException"])),
    ("long_retry", (10, 5.0, 2.0, 300.0, &["ConnectionError"])),
];

/// The delays, in whole milliseconds.
fn delays((attempts, min, factor, max, _): Says) -> Vec<Duration> {
    let nth = |n: u32| f64::min(max, min * factor.powf(n.into()));
    (0..attempts - 1).map(|n| Duration::from_secs_f64(nth(n))).collect()
}

#[test]
fn every_delay_of_the_settings_file_is_spread_up_to_its_bound() {
    let figment = settings();
    for (name, says) in SAYS {
        let config = figment.extract_inner::<RetryConfig>("resilience.retry").unwrap();
        let config = config.named(name).unwrap_or_else(|| config.default_policy());
        let policy = config.policy().unwrap();
        let extreme = |draw| -> Vec<Duration> {
            (1..says.0).map(|number| drawn(&policy, says, number, draw)).collect()
        };
        assert_eq!(extreme(u64::MAX), delays(says), "{name}");
        assert!(extreme(0).iter().all(Duration::is_zero), "{name}");
    }
}

/// The delay after the attempt with this number, where `draw` is drawn for it.
fn drawn(policy: &PolicyHandle, says: Says, number: u32, draw: u64) -> Duration {
    let mut delays = vec![];
    let failed = (|| Err::<(), _>(Failure(says.4[0])))
        .retry_with(policy)
        .seed(seed_that_draws(draw, number, 0))
        .timer(VirtualClock::new())
        .on_retry(|retry| delays.push(retry.delay()))
        .call();
    assert!(failed.is_err());
    assert_eq!(delays.len(), says.0 as usize - 1, "no delay follows the last attempt");
    delays[number as usize - 1]
}

#[test]
fn every_policy_of_the_settings_file_runs_as_written_in_virtual_time() {
    figment::Jail::expect_with(|jail| {
        // Without jitter the delays are known; each of the others inherits it.
        jail.set_env("APP_RESILIENCE__RETRY__DEFAULT_POLICY__JITTER", "false");
        let policies = settings_of(&settings_and_environment(jail));
        for (name, says) in SAYS {
            for kind in Failure::KINDS {
                let clock = VirtualClock::new();
                let handle = policies.get(name).unwrap().timer(clock.clone());
                let mut calls = 0;
                let outcome = handle.call(|attempt| {
                    calls += 1;
                    assert_eq!(attempt.number(), calls);
                    Err::<(), _>(Failure(kind))
                });
                assert_eq!(outcome, Err(Failure(kind)));
                let expected = if says.4.contains(kind) { delays(says) } else { vec![] };
                assert_eq!(clock.slept(), expected, "{name} and {kind}");
                assert_eq!(calls as usize, expected.len() + 1);

                let clock = VirtualClock::new();
                let handle = policies.get(name).unwrap().timer(clock.clone());
                let run = handle.run(async |_| Err::<(), _>(Failure(kind)));
                assert_eq!(clock.block_on(run), Err(Failure(kind)));
                assert_eq!(clock.slept(), expected, "{name} and {kind}");
            }
        }
        Ok(())
    });
}

#[test]
fn jittered_delays_of_the_settings_file_stay_within_their_bounds() {
    let policies = settings_of(&settings());
    for (name, says) in SAYS {
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            let clock = VirtualClock::new();
            let handle = policies.get(name).unwrap().timer(clock.clone()).seed(seed);
            handle.call(|_| Err::<(), _>(Failure(says.4[0]))).unwrap_err();
            let slept = clock.slept();
            assert_eq!(slept.len(), delays(says).len());
            for (slept, most) in slept.iter().zip(delays(says)) {
                assert!(*slept <= most, "{name} slept {slept:?}, at most {most:?}");
            }
            seen.extend(slept);
        }
        assert!(seen.len() > 50, "delays are spread: {seen:?}");
    }
}

#[test]
fn a_variable_of_the_environment_goes_over_the_settings_file() {
    figment::Jail::expect_with(|jail| {
        jail.set_env("APP_RESILIENCE__RETRY__POLICIES__FAST_RETRY__ATTEMPTS", "5");
        jail.set_env(
            "APP_RESILIENCE__RETRY__POLICIES__FAST_RETRY__EXCEPTIONS",
            "[ConnectionError]",
        );
        jail.set_env("APP_RESILIENCE__RETRY__POLICIES__LONG_RETRY__WAIT_MAX_SECONDS", "60");
        jail.set_env("APP_RESILIENCE__RETRY__DEFAULT_POLICY__MAX_ELAPSED", "2m 30s");
        let policies = settings_of(&settings_and_environment(jail));
        let clock = VirtualClock::new();
        let fast = policies.get("fast_retry").unwrap().timer(clock.clone()).jitter(Jitter::None);
        fast.call(|_| Err::<(), _>(Failure("ConnectionError"))).unwrap_err();
        assert_eq!(clock.slept(), [ms(100), ms(150), ms(225), Duration::from_micros(337_500)]);
        assert_snapshot!(policies.get("long_retry").unwrap(), @"exponential 5s ×2, delays up to 60s, full jitter, within 150s, at most 10 attempts: 0ns to 5s, 0ns to 10s, 0ns to 20s, 0ns to 40s, 0ns to 60s, 0ns to 60s, 0ns to 60s, 0ns to 60s, … (at most 150s in all)");
        Ok(())
    });
}

#[test]
fn a_variable_of_the_environment_reads_as_small_letters_and_a_list_of_words() {
    figment::Jail::expect_with(|jail| {
        jail.set_env("APP_RETRY__POLICIES__FASTRETRY__EXCEPTIONS", "[Timeout, \"503\"]");
        let figment = toml("retry.policies.fastRetry.exceptions = ['any']")
            .merge(Env::prefixed("APP_").split("__"));
        let section: RetryConfig = figment.extract_inner("retry").unwrap();
        let exceptions = |name| section.named(name).unwrap().exceptions.unwrap();
        assert_eq!(exceptions("fastRetry"), ["any"]);
        assert_eq!(exceptions("fastretry"), ["Timeout", "503"]);
        Ok(())
    });
}

#[test]
fn variables_of_the_environment_turn_everything_off() {
    for (variable, value) in [
        ("APP_RESILIENCE__RETRY__ENABLED", "false"),
        ("APP_RESILIENCE__RETRY__MODE", "mesh"),
        ("APP_RESILIENCE__RETRY__DEFAULT_POLICY__ENABLED", "false"),
    ] {
        figment::Jail::expect_with(|jail| {
            jail.set_env(variable, value);
            let policies = settings_of(&settings_and_environment(jail));
            for name in policies.names() {
                let mut calls = 0;
                let kind = SAYS.iter().find(|(said, _)| *said == name).unwrap().1.4[0];
                let outcome = policies.get(&name).unwrap().call(|_| {
                    calls += 1;
                    Err::<(), _>(Failure(kind))
                });
                assert_eq!((outcome, calls), (Err(Failure(kind)), 1), "{name}, {variable}");
            }
            Ok(())
        });
    }
}

// ------------------------------------------------------------------------------------------------
// Defaults.

/// The rows of the tables in a source file's documentation: key and default, as they are written.
fn documented(source: &str, heading: &str) -> Vec<(String, String)> {
    let docs: Vec<_> = source
        .lines()
        .map(str::trim_start)
        .skip_while(|line| !line.contains(heading))
        .map(|line| line.trim_start_matches(['/', '!', ' ']))
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .collect();
    let cells = |line: &str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[cells.len() - 2].to_owned())
    };
    // The head and the line under it.
    docs[2..].iter().map(|line| cells(line)).collect()
}

/// The rows that give a default, as TOML.
fn defaults_in(rows: &[(String, String)]) -> String {
    let given = rows.iter().filter(|(_, default)| !default.is_empty());
    given.map(|(key, default)| format!("{key} = {}\n", default.trim_matches('`'))).collect()
}

/// The keys of a table, as its message about another key lists them.
fn keys(table: &str) -> Vec<String> {
    let key = if table.is_empty() { "bogus".to_owned() } else { format!("{table}.bogus") };
    let figment = Serialized::global(&key, 1).into_figment();
    let error = Policies::load(&figment, "").unwrap_err();
    let known = error.problems()[0].expected();
    known.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

const DOCS: &str = include_str!("../src/policy/config/mod.rs");

fn names(rows: &[(String, String)]) -> Vec<String> {
    rows.iter().map(|(key, _)| key.clone()).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn the_table_of_defaults_has_every_key_and_no_other() {
    let policy = documented(DOCS, "# A policy");
    assert_eq!(sorted(names(&policy)), sorted(keys("default_policy")));
    let section = documented(DOCS, "# A section");
    assert_eq!(sorted(names(&section)), sorted(keys("")));
}

#[test]
fn the_table_of_defaults_is_that_of_the_code() {
    let table = defaults_in(&documented(DOCS, "# A policy"));
    let table: PolicyConfig = toml::from_str(&table).unwrap_or_else(|e| panic!("{table}: {e}"));
    assert_eq!(table, PolicyConfig::defaults());
    let section = defaults_in(&documented(DOCS, "# A section"));
    let section: RetryConfig = toml::from_str(&section).unwrap();
    assert_eq!((section.enabled, section.mode), (Some(true), Some(Mode::default())));
    assert_eq!(section.default_policy, Some(PolicyConfig::default()));
    assert!(section.retries() && RetryConfig::default().retries());
}

#[test]
fn defaults_give_way_to_settings() {
    let says = |text: &str| {
        let config: PolicyConfig = toml::from_str(text).unwrap();
        config.policy().unwrap().to_string()
    };
    let short =
        "exponential 500ms ×2, delays up to 500ms, at most 3 attempts: 500ms, 500ms (1s in all)";
    assert_eq!(says("wait_max = '500ms'\njitter = false"), short);
    assert_eq!(says("wait_max_seconds = 0.5\njitter = false"), short);
    assert_eq!(
        says("wait_min = '20s'\njitter = false"),
        "exponential 20s ×2, delays up to 20s, at most 3 attempts: 20s, 20s (40s in all)"
    );
}

#[test]
fn an_empty_table_is_the_table_of_defaults() {
    let empty = PolicyConfig::default();
    let defaults = PolicyConfig::defaults();
    assert_eq!(empty.clone().inherit(&defaults), defaults);
    let says = |config: &PolicyConfig| format!("{:?}", config.guarded_policy().unwrap());
    assert_eq!(says(&empty), says(&defaults));
    assert_snapshot!(empty.policy().unwrap(), @"exponential 1s ×2, delays up to 10s, full jitter, at most 3 attempts: 0ns to 1s, 0ns to 2s (at most 3s in all)");
    assert_snapshot!(policy(""), @"exponential 1s ×2, delays up to 10s, full jitter, at most 3 attempts: 0ns to 1s, 0ns to 2s (at most 3s in all)");

    // The ceiling on a server's delay, and the errors that are retried.
    let policy = empty.policy().unwrap();
    assert_eq!(asks_for(&policy, secs(300)), Decision::Wait(secs(300)));
    let longer = asks_for(&policy, secs(300) + Duration::from_nanos(1));
    assert!(matches!(longer, Decision::Return(end) if end.reason() == Reason::RetryAfterTooLong));
    let says = format!("{:?}", load("").default_policy().unwrap());
    assert!(says.contains("exponential 1s"), "{says}");
}

/// The decision after a first attempt, if a server requests this delay.
fn asks_for(policy: &PolicyHandle, delay: Duration) -> Decision {
    let asks = move |_: &Option<()>, _: &Attempt| Some(Verdict::RetryAfter(delay));
    Engine::new(policy.clone().classify(asks)).decide(&None, None)
}

/// Policies with one called `p`, that tell the time by a clock of the test.
fn with_clock(settings: &str) -> (GuardedHandle, VirtualClock) {
    let clock = VirtualClock::new();
    let builder = Policies::builder().clock(clock.clone());
    let policies = builder.load(&toml(settings), "").unwrap_or_else(|error| panic!("{error}"));
    (policies.get_guarded("p").unwrap(), clock)
}

/// The behaviour of a budget: how many retries it allows at once, and after how many calls that
/// succeed at the first attempt another one.
fn budget(settings: &str) -> (u32, u32) {
    let (policy, _) = with_clock(&format!(
        "[policies.p]\nattempts = 2\nstrategy = 'immediate'\n[policies.p.budget]\n{settings}"
    ));
    let down = || Err::<(), _>(Failure("ConnectionError"));
    let refused = || {
        down.retry_with(&policy).report_without_source().call().unwrap_err().reason()
            == Reason::Budget
    };
    let retries = (0..1000).take_while(|_| !refused()).count() as u32;
    let mut successes = 0;
    while refused() {
        for _ in 0..20 {
            (|| Ok::<_, Failure>(())).retry_with(&policy).report_without_source().call().unwrap();
        }
        successes += 20;
        assert!(successes < 10_000);
    }
    (retries, successes)
}

#[test]
fn the_tables_of_defaults_of_budgets_are_those_of_the_code() {
    let source = include_str!("../src/policy/config/budget.rs");
    let rows = documented(source, "pub enum BudgetModel");
    assert_eq!(sorted(names(&rows)), sorted(keys("default_policy.budget")));
    let of_model = |name: &str| {
        let is_its = |key: &str| {
            let mut lines = source.lines();
            lines.any(|line| line.contains(&format!("/// | `{key}` | `\"{name}\"` |")))
        };
        let its: Vec<_> = rows.iter().filter(|(key, _)| is_its(key)).cloned().collect();
        defaults_in(&its)
    };
    let read = |name| toml::from_str::<BudgetConfig>(&of_model(name)).unwrap();

    let (cost, aws) = (read("cost_per_retry"), CostPerRetry::AWS_STANDARD);
    assert_eq!(cost.capacity, Some(aws.capacity));
    assert_eq!(
        (cost.retry_cost, cost.timeout_cost),
        (Some(aws.retry_cost), Some(aws.timeout_cost))
    );
    assert_eq!(cost.first_try_reward, Some(aws.first_try_reward));
    let (threshold, grpc) = (read("threshold"), Threshold::GRPC_EXAMPLE);
    assert_eq!(threshold.max_tokens, Some(grpc.max_tokens));
    assert_eq!(threshold.token_ratio, Some(grpc.token_ratio));
    let (ratio, finagle) = (read("ratio"), Ratio::FINAGLE);
    assert_eq!(
        (ratio.share, ratio.min_per_second),
        (Some(finagle.share), Some(finagle.min_per_second))
    );
    assert_eq!(ratio.ttl.map(|ttl| *ttl), Some(finagle.ttl));

    // Without settings, each behaves as with its defaults written out, and no two behave alike.
    let mut seen = BTreeSet::new();
    for name in ["cost_per_retry", "threshold", "ratio"] {
        let bare = format!("model = '{name}'\n");
        assert_eq!(budget(&bare), budget(&format!("{bare}{}", of_model(name))), "{name}");
        assert!(seen.insert(budget(&bare)), "{seen:?}");
    }
    assert_eq!(budget(""), budget("model = 'cost_per_retry'"));
    let (_, default) = rows.iter().find(|(key, _)| key == "model").unwrap();
    assert_eq!(default, "`\"cost_per_retry\"`");
}

/// The behaviour of a breaker after so many successes: after how many failures it opens, after how
/// many seconds it lets attempts through again, how many at once, and how many of them close it.
fn breaker(settings: &str, successes: u32) -> [usize; 4] {
    let (policy, clock) =
        with_clock(&format!("[policies.p]\nattempts = 1\n[policies.p.breaker]\n{settings}"));
    let start = || policy.try_start::<Result<(), Cut>>();
    for _ in 0..successes {
        assert_eq!(start().unwrap().check_blocking(Ok(())), Break(Ok(())));
    }
    let fail = |_: &usize| match start() {
        Ok(mut attempts) => attempts.check_blocking(Err(Cut)).is_break(),
        Err(_) => false,
    };
    let failures = (0..1000).take_while(fail).count();
    let mut seconds = 0;
    while start().is_err() {
        clock.advance(secs(1));
        seconds += 1;
        assert!(seconds < 1000);
    }
    let at_once = || (0..50).map_while(|_| start().ok()).collect::<Vec<_>>().len();
    let probes = at_once();
    let mut closing = 0;
    while at_once() < 50 {
        assert_eq!(start().unwrap().check_blocking(Ok(())), Break(Ok(())));
        closing += 1;
        assert!(closing < 100);
    }
    [failures, seconds, probes, closing]
}

#[test]
fn the_table_of_defaults_of_breakers_is_that_of_the_code() {
    let rows = documented(include_str!("../src/policy/config/breaker.rs"), "A circuit breaker, as");
    assert_eq!(sorted(names(&rows)), sorted(keys("default_policy.breaker")));
    let of = |key: &str| {
        let (_, default) = rows.iter().find(|row| row.0 == key).unwrap();
        default.trim_matches('`').to_owned()
    };
    let written = |keys: &[&str]| -> String {
        keys.iter().map(|key| format!("{key} = {}\n", of(key))).collect()
    };
    let always = written(&["open_for", "probes", "successes"]);
    let in_a_row = written(&["failures"]) + &always;
    assert_eq!(breaker(&in_a_row, 0), breaker("", 0));
    assert_eq!(breaker("", 0), [5, 30, 1, 1]);
    // It stays open for as long, the second time in a row as well.
    assert_eq!(of("open_for_max"), "open_for");

    assert!(of("window_calls").starts_with("100,"), "{}", of("window_calls"));
    let rate =
        format!("failure_rate = 0.5\nwindow_calls = 100\n{}{always}", written(&["min_calls"]));
    for successes in [0, 5, 200] {
        assert_eq!(breaker(&rate, successes), breaker("failure_rate = 0.5", successes));
    }
    assert_eq!(breaker("failure_rate = 0.5", 0), [20, 30, 1, 1]);
    assert_eq!(breaker("failure_rate = 0.5", 200), [50, 30, 1, 1]);
    assert_eq!(
        breaker("failures = 2\nopen_for = '7s'\nprobes = 3\nsuccesses = 4", 0),
        [2, 7, 3, 4]
    );
}

// ------------------------------------------------------------------------------------------------
// The effect of each setting.

#[test]
fn every_strategy_has_its_curve() {
    let plain = |settings: &str| policy(&format!("attempts = 5\njitter = 'none'\n{settings}"));
    assert_snapshot!(plain("strategy = 'exponential'\nbackoff = 3"), @"exponential 1s ×3, delays up to 10s, at most 5 attempts: 1s, 3s, 9s, 10s (23s in all)");
    assert_snapshot!(plain("strategy = 'constant'"), @"constant 1s, delays up to 10s, at most 5 attempts: 1s, 1s, 1s, 1s (4s in all)");
    assert_snapshot!(plain("strategy = 'linear'"), @"linear 1s +1s, delays up to 10s, at most 5 attempts: 1s, 2s, 3s, 4s (10s in all)");
    assert_snapshot!(plain("strategy = 'linear'\nstep = '250ms'"), @"linear 1s +250ms, delays up to 10s, at most 5 attempts: 1s, 1.25s, 1.5s, 1.75s (5.5s in all)");
    assert_snapshot!(plain("strategy = 'fibonacci'"), @"fibonacci 1s, delays up to 10s, at most 5 attempts: 1s, 1s, 2s, 3s (7s in all)");
    assert_snapshot!(plain("strategy = 'polynomial'"), @"polynomial 1s ·n^2, delays up to 10s, at most 5 attempts: 1s, 4s, 9s, 10s (24s in all)");
    assert_snapshot!(plain("strategy = 'polynomial'\ndegree = 3"), @"polynomial 1s ·n^3, delays up to 10s, at most 5 attempts: 1s, 8s, 10s, 10s (29s in all)");
    assert_snapshot!(plain("strategy = 'decorrelated'"), @"decorrelated 1s, delays up to 10s, at most 5 attempts: 1s to 3s, 1s to 9s, 1s to 10s, 1s to 10s (at most 32s in all)");
    assert_snapshot!(plain("strategy = 'decorrelated_v2'"), @"decorrelated v2 1s, delays up to 10s, at most 5 attempts: 0ns to 1.377182257s, 0ns to 2.837249558s, 0ns to 4.325917163s, 0ns to 8.583656724s (at most 17.124005702s in all)");
    assert_snapshot!(plain("strategy = 'immediate'"), @"constant 0ns, delays up to 10s, at most 5 attempts: 0ns, 0ns, 0ns, 0ns (0ns in all)");
    assert_snapshot!(plain("strategy = 'delays'\ndelays = ['1s', '2s', '1m']"), @"3 listed delays, at most 5 attempts: 1s, 2s, 60s (63s in all)");
}

#[test]
fn every_jitter_has_its_spread_and_none_exceeds_the_longest_delay() {
    let jittered = |jitter: &str| {
        policy(&format!("attempts = 3\nwait_min = '6s'\nstrategy = 'constant'\njitter = {jitter}"))
    };
    assert_snapshot!(jittered("true"), @"constant 6s, delays up to 10s, full jitter, at most 3 attempts: 0ns to 6s, 0ns to 6s (at most 12s in all)");
    assert_snapshot!(jittered("'full'"), @"constant 6s, delays up to 10s, full jitter, at most 3 attempts: 0ns to 6s, 0ns to 6s (at most 12s in all)");
    assert_snapshot!(jittered("'equal'"), @"constant 6s, delays up to 10s, equal jitter, at most 3 attempts: 3s to 6s, 3s to 6s (at most 12s in all)");
    assert_snapshot!(jittered("0.5"), @"constant 6s, delays up to 10s, jitter ±0.5, delays up to 10s, at most 3 attempts: 3s to 9s, 3s to 9s (at most 18s in all)");
    assert_snapshot!(jittered("1"), @"constant 6s, delays up to 10s, jitter ±1, delays up to 10s, at most 3 attempts: 0ns to 10s, 0ns to 10s (at most 20s in all)");
    assert_snapshot!(jittered("'3s'"), @"constant 6s, delays up to 10s, plus 0ns to 3s, delays up to 10s, at most 3 attempts: 6s to 9s, 6s to 9s (at most 18s in all)");
    assert_snapshot!(jittered("'1h'"), @"constant 6s, delays up to 10s, plus 0ns to 3600s, delays up to 10s, at most 3 attempts: 6s to 10s, 6s to 10s (at most 20s in all)");
    assert_snapshot!(jittered("0"), @"constant 6s, delays up to 10s, jitter ±0, delays up to 10s, at most 3 attempts: 6s, 6s (12s in all)");
    assert_snapshot!(jittered("false"), @"constant 6s, delays up to 10s, at most 3 attempts: 6s, 6s (12s in all)");
    assert_snapshot!(jittered("'none'"), @"constant 6s, delays up to 10s, at most 3 attempts: 6s, 6s (12s in all)");
}

#[test]
fn strategies_that_are_random_already_have_no_jitter_by_default() {
    for strategy in ["decorrelated", "decorrelated_v2"] {
        let without = policy(&format!("strategy = '{strategy}'"));
        assert!(!without.contains("jitter"), "{without}");
        let with = policy(&format!("strategy = '{strategy}'\njitter = true"));
        assert!(with.contains("full jitter"), "{with}");
    }
}

#[test]
fn a_list_ends_with_its_last_delay_unless_attempts_end_it_before() {
    let list = "strategy = 'delays'\ndelays = ['1s', '2s', '1m']\njitter = false";
    assert_snapshot!(policy(list), @"3 listed delays, at most 4 attempts: 1s, 2s, 60s (63s in all)");
    assert_snapshot!(policy(&format!("{list}\nattempts = 3")), @"3 listed delays, at most 3 attempts: 1s, 2s (3s in all)");
    assert_snapshot!(policy(&format!("{list}\nmax_retries = 9")), @"3 listed delays, at most 10 attempts: 1s, 2s, 60s (63s in all)");
    assert_snapshot!(policy(&format!("{list}\nwait_max = '1m'")), @"3 listed delays, delays up to 60s, at most 4 attempts: 1s, 2s, 60s (63s in all)");
}

fn max_attempts(policy: &PolicyHandle) -> Option<u32> {
    let Ok(attempt) = Engine::<Option<()>, _>::new(policy).enter(Now::UNKNOWN);
    attempt.max_attempts().map(u32::from)
}

#[test]
fn retries_are_attempts_without_the_first() {
    for (retries, attempts) in [(0, 1), (1, 2), (u32::MAX - 1, u32::MAX), (u32::MAX, u32::MAX)] {
        let config: PolicyConfig = toml::from_str(&format!("max_retries = {retries}")).unwrap();
        assert_eq!(max_attempts(&config.policy().unwrap()), Some(attempts));
    }
}

#[test]
fn limits_are_those_that_are_set() {
    let config: PolicyConfig =
        toml::from_str("max_elapsed = '1m'\nretry_after_max = '0s'\nattempts = 7").unwrap();
    let policy = config.policy().unwrap();
    assert_eq!(max_attempts(&policy), Some(7));
    let after = |elapsed: Duration| {
        let mut engine = Engine::<Option<()>, _>::new(&policy);
        assert!(engine.reads_clock());
        let Ok(_) = engine.enter(secs(100));
        engine.decide(&None, secs(100) + elapsed)
    };
    // The delay is a second at the most.
    assert!(matches!(after(secs(59) - ms(1)), Decision::Wait(_)));
    assert!(matches!(after(secs(60)), Decision::Return(end) if end.reason() == Reason::Elapsed));
    let asks = asks_for(&policy, Duration::from_nanos(1));
    assert!(matches!(asks, Decision::Return(end) if end.reason() == Reason::RetryAfterTooLong));
}

#[test]
fn durations_are_as_people_write_them() {
    let list = r#"["250ms", "1s 500ms", "1m30s", "2min", "1h", "7us", "0s"]"#;
    let config = format!("strategy = 'delays'\njitter = 'none'\ndelays = {list}");
    let config: PolicyConfig = toml::from_str(&config).unwrap();
    let delays: Vec<_> = config.delays.unwrap().into_iter().map(|delay| *delay).collect();
    let micros = Duration::from_micros;
    assert_eq!(delays, [ms(250), ms(1500), secs(90), secs(120), secs(3600), micros(7), secs(0)]);
}

// ------------------------------------------------------------------------------------------------
// Inheritance.

#[test]
fn a_named_policy_inherits_field_by_field() {
    let settings = r#"
        [default_policy]
        attempts = 4
        wait_min = "100ms"
        wait_max = "2s"
        backoff = 3.0
        jitter = "none"
        max_elapsed = "1m"
        [policies]
        same = {}
        tries = { attempts = 2 }
        waits = { wait_min_seconds = 0.5 }
        grows = { backoff = 1.0 }
        lasts = { max_elapsed = false }
    "#;
    assert_snapshot!(shown(settings, "default_policy"), @"exponential 100ms ×3, delays up to 2s, within 60s, at most 4 attempts: 100ms, 300ms, 900ms (at most 1.3s in all)");
    assert_eq!(shown(settings, "same"), shown(settings, "default_policy"));
    assert_snapshot!(shown(settings, "tries"), @"exponential 100ms ×3, delays up to 2s, within 60s, at most 2 attempts: 100ms (at most 100ms in all)");
    assert_snapshot!(shown(settings, "waits"), @"exponential 500ms ×3, delays up to 2s, within 60s, at most 4 attempts: 500ms, 1.5s, 2s (at most 4s in all)");
    assert_snapshot!(shown(settings, "grows"), @"exponential 100ms ×1, delays up to 2s, within 60s, at most 4 attempts: 100ms, 100ms, 100ms (at most 300ms in all)");
    assert_snapshot!(shown(settings, "lasts"), @"exponential 100ms ×3, delays up to 2s, at most 4 attempts: 100ms, 300ms, 900ms (1.3s in all)");
}

#[test]
fn a_setting_in_another_spelling_replaces_the_inherited_one() {
    let settings = r#"
        default_policy = { attempts = 4, wait_min_seconds = 1, wait_max = "8s", jitter = false }
        policies.retries = { max_retries = 1 }
        policies.text = { wait_min = "2s" }
        policies.seconds = { wait_max_seconds = 3 }
    "#;
    assert_snapshot!(shown(settings, "retries"), @"exponential 1s ×2, delays up to 8s, at most 2 attempts: 1s (1s in all)");
    assert_snapshot!(shown(settings, "text"), @"exponential 2s ×2, delays up to 8s, at most 4 attempts: 2s, 4s, 8s (14s in all)");
    assert_snapshot!(shown(settings, "seconds"), @"exponential 1s ×2, delays up to 3s, at most 4 attempts: 1s, 2s, 3s (6s in all)");

    let settings = r#"
        default_policy = { max_retries = 3, wait_min = "1s", wait_max_seconds = 8, jitter = false }
        policies.attempts = { attempts = 2 }
        policies.seconds = { wait_min_seconds = 2 }
        policies.text = { wait_max = "3s" }
    "#;
    assert_snapshot!(shown(settings, "attempts"), @"exponential 1s ×2, delays up to 8s, at most 2 attempts: 1s (1s in all)");
    assert_snapshot!(shown(settings, "seconds"), @"exponential 2s ×2, delays up to 8s, at most 4 attempts: 2s, 4s, 8s (14s in all)");
    assert_snapshot!(shown(settings, "text"), @"exponential 1s ×2, delays up to 3s, at most 4 attempts: 1s, 2s, 3s (6s in all)");
}

#[test]
fn another_strategy_does_not_inherit_the_keys_of_the_inherited_one() {
    let settings = r#"
        default_policy = { backoff = 3.0, jitter = false }
        policies.constant = { strategy = "constant" }
        policies.said = { strategy = "exponential" }
        policies.linear = { strategy = "linear", step = "2s" }
    "#;
    assert_snapshot!(shown(settings, "constant"), @"constant 1s, delays up to 10s, at most 3 attempts: 1s, 1s (2s in all)");
    assert_snapshot!(shown(settings, "linear"), @"linear 1s +2s, delays up to 10s, at most 3 attempts: 1s, 3s (4s in all)");
    // A setting that holds anyway changes nothing.
    assert_eq!(shown(settings, "said"), shown(settings, "default_policy"));

    let settings = r#"
        default_policy = { strategy = "delays", delays = ["1s", "2s"], jitter = false }
        policies.same = {}
        policies.said = { strategy = "delays" }
        policies.other = { strategy = "exponential" }
    "#;
    assert_eq!(shown(settings, "same"), shown(settings, "default_policy"));
    assert_eq!(shown(settings, "said"), shown(settings, "default_policy"));
    assert_snapshot!(shown(settings, "other"), @"exponential 1s ×2, delays up to 10s, at most 3 attempts: 1s, 2s (3s in all)");
}

#[test]
fn inherited_settings_are_turned_off_with_false() {
    let policies = load(
        r#"
            [default_policy]
            attempts = 3
            strategy = "immediate"
            budget = { capacity = 5, retry_cost = 5 }
            breaker = { failures = 1 }
            attempt_timeout = "1s"
            max_elapsed = "1m"
            [policies.bare]
            budget = false
            breaker = false
            attempt_timeout = false
            max_elapsed = false
            [policies.same]
        "#,
    );
    let bare = policies.get("bare").expect("nothing ends it without an outcome");
    for _ in 0..3 {
        let mut calls = 0;
        let _ = bare.call(|_| {
            calls += 1;
            Err::<(), _>(Failure("ConnectionError"))
        });
        assert_eq!(calls, 3);
    }
    let same = policies.get_guarded("same").unwrap();
    let down = || Err::<(), _>(Failure("ConnectionError"));
    assert_eq!(
        down.retry_with(&same).report_without_source().call().unwrap_err().reason(),
        Reason::Circuit
    );
}

#[test]
fn policies_that_inherit_a_budget_have_one_each() {
    let policies = load(
        r#"
            [default_policy]
            attempts = 3
            strategy = "immediate"
            budget = { capacity = 5, retry_cost = 5 }
            [policies.a]
            [policies.b]
        "#,
    );
    let attempts = |name| {
        let down = || Err::<(), _>(Failure("ConnectionError"));
        let error = down
            .retry_with(&policies.get(name).unwrap())
            .report_without_source()
            .call()
            .unwrap_err();
        (error.attempts(), error.reason())
    };
    assert_eq!(attempts("a"), (2, Reason::Budget));
    assert_eq!(attempts("a"), (1, Reason::Budget));
    assert_eq!(attempts("b"), (2, Reason::Budget));
}

#[test]
fn a_budget_of_ones_own_takes_nothing_from_the_inherited_one() {
    let section: RetryConfig = toml::from_str(
        "default_policy.budget = { model = 'ratio', share = 0.5 }\npolicies.a.budget = { capacity = 9 }",
    )
    .unwrap();
    let Some(Toggle::On(budget)) = section.named("a").unwrap().budget else { panic!("it is on") };
    assert_eq!((budget.model, budget.share, budget.capacity), (None, None, Some(9)));
    assert!(section.named("a").unwrap().policy().is_ok());
}

// ------------------------------------------------------------------------------------------------
// Profiles and providers.

const PROFILES: &str = r#"
    [default.retry.default_policy]
    attempts = 3
    jitter = "none"
    [default.retry.policies.fast]
    wait_min = "100ms"
    [production.retry.policies.fast]
    attempts = 5
    [mesh.retry]
    mode = "mesh"
    [global.retry.default_policy]
    wait_max = "7s"
"#;

#[test]
fn a_profile_goes_over_the_default_one() {
    let figment = Figment::from(Toml::string(PROFILES).nested());
    let fast = |profile: &str| {
        let policies = Policies::load(&figment.clone().select(profile), "retry").unwrap();
        policies.get("fast").unwrap().to_string()
    };
    assert_snapshot!(fast("default"), @"exponential 100ms ×2, delays up to 7s, at most 3 attempts: 100ms, 200ms (300ms in all)");
    assert_snapshot!(fast("production"), @"exponential 100ms ×2, delays up to 7s, at most 5 attempts: 100ms, 200ms, 400ms, 800ms (1.5s in all)");
    assert_snapshot!(fast("mesh"), @"retries are off, one attempt: no wait");
    assert_eq!(fast("staging"), fast("default"), "an unknown profile is the default one");
}

#[test]
fn other_providers_serve_as_well() {
    let json =
        r#"{"retry": {"default_policy": {"attempts": 4, "jitter": false, "backoff": null}}}"#;
    let policies = Policies::load(&Json::string(json).into_figment(), "retry").unwrap();
    assert_snapshot!(policies.default_policy().unwrap(), @"exponential 1s ×2, delays up to 10s, at most 4 attempts: 1s, 2s, 4s (7s in all)");

    let mut config = PolicyConfig::defaults();
    config.jitter = Some(Jitter::None);
    config.strategy = Some(Strategy::Fibonacci);
    config.backoff = None;
    let mut section = RetryConfig::default();
    section.policies = Some([("typed".to_owned(), config)].into());
    let typed = Serialized::default("retry", &section).into_figment();
    assert_snapshot!(Policies::load(&typed, "retry").unwrap().get("typed").unwrap(), @"fibonacci 1s, delays up to 10s, at most 3 attempts: 1s, 1s (2s in all)");

    // A program's own settings, with a hole in them.
    #[derive(serde::Serialize)]
    struct Settings {
        retry: Retry,
    }
    #[derive(serde::Serialize)]
    struct Retry {
        default_policy: Policy,
    }
    #[derive(serde::Serialize)]
    struct Policy {
        attempts: Option<u32>,
        jitter: bool,
    }
    let default_policy = Policy { attempts: None, jitter: false };
    let own = Serialized::defaults(Settings { retry: Retry { default_policy } }).into_figment();
    assert_snapshot!(Policies::load(&own, "retry").unwrap().default_policy().unwrap(), @"exponential 1s ×2, delays up to 10s, at most 3 attempts: 1s, 2s (3s in all)");
    let own = own.join(toml("retry.default_policy.attempts = 9"));
    assert!(Policies::load(&own, "retry").is_ok());
}

#[test]
fn an_empty_table_is_a_section_and_the_root_may_be_one() {
    for (settings, path) in [("", ""), ("[retry]", "retry"), ("[a.b.c]", "a.b.c")] {
        let policies = Policies::load(&toml(settings), path).unwrap();
        assert_eq!(policies.names(), ["default_policy"]);
    }
}

// ------------------------------------------------------------------------------------------------
// Off.

/// Counts of a call on any surface.
#[derive(Debug, Default)]
struct Seen {
    calls: AtomicU32,
    not_last: AtomicU32,
    retries: AtomicU32,
    finishes: AtomicU32,
}

impl Seen {
    fn attempt(&self, attempt: Attempt) -> Result<(), Failure> {
        self.calls.fetch_add(1, Relaxed);
        self.not_last.fetch_add(u32::from(!attempt.is_last()), Relaxed);
        Err(Failure("ConnectionError"))
    }

    fn read(&self) -> [u32; 4] {
        [&self.calls, &self.not_last, &self.retries, &self.finishes]
            .map(|count| count.load(Relaxed))
    }
}

/// Calls that fail, on every surface: the number of attempts, of attempts that were not the last,
/// of retry events and of finish events.
fn on_every_surface(policies: &Policies, name: &str) -> Vec<(&'static str, [u32; 4])> {
    let clock = VirtualClock::new();
    let seen = Arc::new(Seen::default());
    let mut all = vec![];
    let mut take = |surface| {
        all.push((surface, seen.read()));
        let Seen { calls, not_last, retries, finishes } = &*seen;
        for count in [calls, not_last, retries, finishes] {
            count.store(0, Relaxed);
        }
    };
    let handle = policies.get(name).unwrap().timer(clock.clone());
    let handle = {
        let (retries, finishes) = (seen.clone(), seen.clone());
        handle
            .on_retry(move |_: &RetryFacts| {
                retries.retries.fetch_add(1, Relaxed);
            })
            .on_finish(move |_: &FinishFacts| {
                finishes.finishes.fetch_add(1, Relaxed);
            })
    };
    let failed = Err(Failure("ConnectionError"));

    assert_eq!((|attempt: Attempt| seen.attempt(attempt)).retry_with(&handle).call(), failed);
    take("closure, blocking");
    let retry = (|attempt: Attempt| std::future::ready(seen.attempt(attempt))).retry_with(&handle);
    assert_eq!(clock.block_on(retry), failed);
    take("closure, async");
    assert_eq!(handle.call(|attempt| seen.attempt(attempt)), failed);
    take("call");
    assert_eq!(clock.block_on(handle.run(async |attempt| seen.attempt(attempt))), failed);
    take("run");
    let with = handle.run_with((), |(), attempt| std::future::ready(((), seen.attempt(attempt))));
    assert_eq!(clock.block_on(with).1, failed);
    take("run_with");
    let mut attempts = handle.start();
    let outcome = loop {
        let outcome = seen.attempt(attempts.current());
        if let Break(outcome) = attempts.check_blocking(outcome) {
            break outcome;
        }
    };
    assert_eq!(outcome, failed);
    take("loop, blocking");
    let outcome = clock.block_on(async {
        let mut attempts = handle.start();
        loop {
            let current = attempts.current();
            match attempts.attempt(async { seen.attempt(current) }).await {
                Break(outcome) => break outcome,
                Continue(()) => {}
            }
        }
    });
    assert_eq!(outcome, failed);
    take("loop, async");
    let lending = handle.run_lending(async |attempt| seen.attempt(attempt));
    assert_eq!(clock.block_on(lending), failed);
    take("run_lending");
    let erased: DynPolicy<Failure> = handle.clone().erase();
    assert_eq!(erased.call(|attempt| seen.attempt(attempt)), failed);
    take("erased, call");
    all
}

#[track_caller]
fn all_are(surfaces: Vec<(&'static str, [u32; 4])>, expected: [u32; 4]) {
    assert_eq!(surfaces.len(), 9);
    for (surface, seen) in surfaces {
        assert_eq!(seen, expected, "{surface}");
    }
}

const ON: &str = "default_policy = { attempts = 3 }\npolicies.fast = { wait_min_seconds = 0.1 }";
const ONCE: [u32; 4] = [1, 0, 0, 1];
const THRICE: [u32; 4] = [3, 2, 2, 1];

#[test]
fn a_policy_that_is_off_is_one_attempt_that_is_the_last_without_retry_events() {
    for off in ["enabled = false", "mode = 'mesh'", "enabled = true\nmode = 'mesh'"] {
        all_are(on_every_surface(&load(&format!("{off}\n{ON}")), "fast"), ONCE);
    }
    all_are(on_every_surface(&load("policies.fast = { enabled = false }"), "fast"), ONCE);
    all_are(
        on_every_surface(&load("default_policy.enabled = false\npolicies.fast = {}"), "fast"),
        ONCE,
    );
    let again = "default_policy.enabled = false\npolicies.fast = { enabled = true }";
    all_are(on_every_surface(&load(again), "fast"), THRICE);
    all_are(on_every_surface(&load(ON), "fast"), THRICE);
    all_are(on_every_surface(&load(&format!("mode = 'application'\n{ON}")), "fast"), THRICE);
}

#[test]
fn a_reload_switches_off_and_on() {
    let policies = load(ON);
    for off in ["enabled = false\n", "mode = 'mesh'\n"] {
        all_are(on_every_surface(&policies, "fast"), THRICE);
        let update = policies.reload(&toml(&format!("{off}{ON}"))).unwrap();
        assert_eq!(update.changed(), ["default_policy", "fast"]);
        all_are(on_every_surface(&policies, "fast"), ONCE);
        policies.reload(&toml(ON)).unwrap();
    }
    policies.reload(&toml(&format!("{ON}\npolicies.fast.enabled = false"))).unwrap_err();
    let one = "default_policy = { attempts = 3 }\npolicies.fast = { enabled = false }";
    let update = policies.reload(&toml(one)).unwrap();
    assert_eq!(update.changed(), ["fast"]);
    all_are(on_every_surface(&policies, "fast"), ONCE);
    all_are(on_every_surface(&policies, "default_policy"), THRICE);
}

#[test]
fn a_policy_that_is_off_asks_no_guard() {
    let guards = "[policies.store]\nattempts = 3\nstrategy = 'immediate'\n\
                  budget = { capacity = 5, retry_cost = 5 }\nbreaker = { failures = 1 }\n\
                  attempt_timeout = '1s'";
    for off in ["enabled = false\n", "mode = 'mesh'\n"] {
        let policies = load(&format!("{off}{guards}"));
        let store = policies.get_guarded("store").unwrap();
        for _ in 0..3 {
            let down = || Err::<(), _>(Failure("ConnectionError"));
            let error = down.retry_with(&store).report_without_source().call().unwrap_err();
            assert_eq!((error.reason(), error.attempts()), (Reason::Attempts, 1));
        }
        // No attempt is cut short.
        let clock = VirtualClock::new();
        let store = store.timer(clock.clone());
        let slow = || {
            let clock = clock.clone();
            async move {
                persevere::time::Timer::sleep(&clock, secs(60)).await;
                Ok::<_, Cut>(())
            }
        };
        assert_eq!(clock.block_on(slow.retry_with(&store)), Ok(()));
        // On again: the breaker has seen nothing.
        policies.reload(&toml(guards)).unwrap();
        assert!(store.try_start::<Result<(), Failure>>().is_ok());
        assert_eq!(clock.block_on(slow.retry_with(&store)), Err(Cut));
    }
}

/// An error that an interrupted call ends with.
#[derive(Debug, PartialEq, Eq)]
struct Cut;

impl From<Interrupted> for Cut {
    fn from(_: Interrupted) -> Self {
        Cut
    }
}

impl Kinded for Cut {
    const KINDS: &'static [&'static str] = &[];
    fn is_kind(&self, _: &str) -> bool {
        false
    }
}

// ------------------------------------------------------------------------------------------------
// Settings of the program over loaded ones.

fn fast(settings: &str) -> (Policies, GuardedHandle) {
    let policies = load(settings);
    let handle = policies.get_guarded("fast").unwrap();
    (policies, handle)
}

#[test]
fn typed_settings_go_over_loaded_ones_and_chain() {
    let (_, fast) = fast("policies.fast = { attempts = 2, jitter = 'equal', max_elapsed = '9s' }");
    assert_snapshot!(fast.clone().attempts(5), @"exponential 1s ×2, delays up to 10s, equal jitter, within 9s, at most 5 attempts: 500ms to 1s, 1s to 2s, 2s to 4s, 4s to 5.5s (at most 9s in all)");
    assert_snapshot!(fast.clone().wait_min(ms(100)), @"exponential 100ms ×2, delays up to 10s, equal jitter, within 9s, at most 2 attempts: 50ms to 100ms (at most 100ms in all)");
    assert_snapshot!(fast.clone().wait_max(secs(3)), @"exponential 1s ×2, delays up to 3s, equal jitter, within 9s, at most 2 attempts: 500ms to 1s (at most 1s in all)");
    assert_snapshot!(fast.clone().jitter(Jitter::None), @"exponential 1s ×2, delays up to 10s, within 9s, at most 2 attempts: 1s (at most 1s in all)");
    assert_snapshot!(fast.clone().max_elapsed(secs(60)), @"exponential 1s ×2, delays up to 10s, equal jitter, within 60s, at most 2 attempts: 500ms to 1s (at most 1s in all)");
    assert_snapshot!(
        fast.clone().attempts(6).wait_min(ms(50)).wait_max(ms(400)).jitter(Jitter::None).max_elapsed(secs(1)),
        @"exponential 50ms ×2, delays up to 400ms, within 1s, at most 6 attempts: 50ms, 100ms, 200ms, 400ms (at most 750ms in all)"
    );
    assert_snapshot!(fast.clone().attempts(5).attempts(4), @"exponential 1s ×2, delays up to 10s, equal jitter, within 9s, at most 4 attempts: 500ms to 1s, 1s to 2s, 2s to 4s (at most 7s in all)");
    assert_snapshot!(fast, @"exponential 1s ×2, delays up to 10s, equal jitter, within 9s, at most 2 attempts: 500ms to 1s (at most 1s in all)");
}

#[test]
fn loaded_settings_give_way_to_typed_ones() {
    let (_, handle) = fast(
        "policies.fast = { max_retries = 1, wait_min_seconds = 2, wait_max_seconds = 4, jitter = false }",
    );
    assert_snapshot!(handle.clone().attempts(3), @"exponential 2s ×2, delays up to 4s, at most 3 attempts: 2s, 4s (6s in all)");
    assert_snapshot!(handle.clone().wait_min(secs(20)), @"exponential 20s ×2, delays up to 20s, at most 2 attempts: 20s (20s in all)");
    assert_snapshot!(handle.clone().wait_max(ms(100)), @"exponential 100ms ×2, delays up to 100ms, at most 2 attempts: 100ms (100ms in all)");
    assert_snapshot!(handle.clone().wait_min(secs(5)).wait_max(secs(3)), @"exponential 3s ×2, delays up to 3s, at most 2 attempts: 3s (3s in all)");

    let (_, list) =
        fast("policies.fast = { strategy = 'delays', delays = ['1s', '1m'], jitter = false }");
    assert_snapshot!(list.clone().wait_max(secs(5)), @"2 listed delays, delays up to 5s, at most 3 attempts: 1s, 5s (6s in all)");
    assert_snapshot!(list.clone().wait_min(secs(5)), @"2 listed delays, at most 3 attempts: 1s, 60s (61s in all)");
    assert_snapshot!(list.clone().attempts(2), @"2 listed delays, at most 2 attempts: 1s (1s in all)");
    assert_snapshot!(list.clone().attempts(9), @"2 listed delays, at most 9 attempts: 1s, 60s (61s in all)");

    for strategy in [
        "constant",
        "linear",
        "fibonacci",
        "polynomial",
        "decorrelated",
        "decorrelated_v2",
        "immediate",
    ] {
        let (_, handle) = fast(&format!("policies.fast = {{ strategy = '{strategy}' }}"));
        let before = handle.to_string();
        let handle = handle.attempts(4).wait_min(Duration::ZERO).wait_max(Duration::ZERO);
        assert_ne!(handle.to_string(), before, "{strategy}");
        assert_eq!(handle.worst_case(), Some(Duration::ZERO), "{strategy}");
    }
}

#[test]
fn a_limit_on_attempts_gives_way_to_a_typed_limit_on_the_call() {
    let (_, fast) = fast("policies.fast = { attempts = 1, attempt_timeout = '30s' }");
    let clock = VirtualClock::new();
    let fast = fast.max_elapsed(secs(10)).timer(clock.clone());
    let never = || std::future::pending::<Result<(), Cut>>();
    assert_eq!(clock.block_on(never.retry_with(&fast)), Err(Cut));
    assert_eq!(persevere::time::Clock::now(&clock), secs(10));
}

#[test]
fn a_typed_ceiling_limits_the_delay_of_a_server() {
    let (_, fast) = fast("policies.fast = { retry_after_max = '1h' }");
    let asks = |fast: &GuardedHandle<VirtualClock>| {
        (|| Err::<(), _>(Failure("ConnectionError")))
            .retry_with(fast)
            .classify(|_, _| Some(Verdict::RetryAfter(secs(60))))
            .report_without_source()
            .call()
            .unwrap_err()
            .reason()
    };
    assert_eq!(asks(&fast.clone().timer(VirtualClock::new())), Reason::Attempts);
    let strict = fast.retry_after_max(secs(59)).timer(VirtualClock::new());
    assert_eq!(asks(&strict), Reason::RetryAfterTooLong);
}

#[test]
fn typed_settings_survive_reloads() {
    let (policies, loaded) = fast("policies.fast = { attempts = 2, jitter = false }");
    let typed = loaded.clone().attempts(5).wait_min(ms(100));
    let first = "max_retries = 7, jitter = false, wait_max_seconds = 0.3, wait_min = '200ms'";
    policies.reload(&toml(&format!("policies.fast = {{ {first} }}"))).unwrap();
    assert_eq!((loaded.revision(), typed.revision()), (2, 2));
    assert_snapshot!(loaded, @"exponential 200ms ×2, delays up to 300ms, at most 8 attempts: 200ms, 300ms, 300ms, 300ms, 300ms, 300ms, 300ms (2s in all)");
    assert_snapshot!(typed, @"exponential 100ms ×2, delays up to 300ms, at most 5 attempts: 100ms, 200ms, 300ms, 300ms (900ms in all)");
    policies.reload(&toml("policies.fast = { strategy = 'constant', jitter = false }")).unwrap();
    assert_eq!((loaded.revision(), typed.revision()), (3, 3));
    assert_snapshot!(loaded, @"constant 1s, delays up to 10s, at most 3 attempts: 1s, 1s (2s in all)");
    assert_snapshot!(typed, @"constant 100ms, delays up to 10s, at most 5 attempts: 100ms, 100ms, 100ms, 100ms (400ms in all)");
    // A setting that contradicts a typed one gives way too, and is no reason to refuse the update.
    policies
        .reload(&toml("policies.fast = { wait_min = '1ms', wait_max = '2ms', jitter = false }"))
        .unwrap();
    assert_snapshot!(typed, @"exponential 100ms ×2, delays up to 100ms, at most 5 attempts: 100ms, 100ms, 100ms, 100ms (400ms in all)");
    // Gone and back.
    policies.reload(&toml("")).unwrap();
    assert_snapshot!(typed, @"exponential 100ms ×2, delays up to 100ms, at most 5 attempts: 100ms, 100ms, 100ms, 100ms (400ms in all)");
    policies.reload(&toml("policies.fast = { jitter = 'equal' }")).unwrap();
    assert_snapshot!(typed, @"exponential 100ms ×2, delays up to 10s, equal jitter, at most 5 attempts: 50ms to 100ms, 100ms to 200ms, 200ms to 400ms, 400ms to 800ms (at most 1.5s in all)");
    policies.reload(&toml("enabled = false\npolicies.fast = {}")).unwrap();
    assert_snapshot!(typed, @"retries are off, one attempt: no wait");
}

#[test]
fn settings_typed_after_the_policies_are_gone_hold_too() {
    let (policies, fast) = fast("policies.fast = { attempts = 2, jitter = false }");
    drop(policies);
    assert_snapshot!(fast.attempts(4).wait_min(ms(100)), @"exponential 100ms ×2, delays up to 10s, at most 4 attempts: 100ms, 200ms, 400ms (700ms in all)");
}

#[test]
#[should_panic(expected = "`attempts` counts the first attempt, so it must be at least 1")]
fn no_attempts_at_all_cannot_be_typed() {
    let _ = fast("policies.fast = {}").1.attempts(0);
}

#[test]
#[should_panic(expected = "`max_elapsed` must be more than zero")]
fn no_time_at_all_cannot_be_typed() {
    let _ = fast("policies.fast = {}").1.max_elapsed(Duration::ZERO);
}

#[test]
#[should_panic(expected = "the ratio of a jitter is from 0 to 1")]
fn a_jitter_over_all_of_the_delay_cannot_be_typed() {
    let _ = fast("policies.fast = {}").1.jitter(Jitter::Ratio(1.5));
}

#[test]
#[should_panic(expected = "the ratio of a jitter is from 0 to 1")]
fn a_jitter_that_is_no_number_cannot_be_typed() {
    let _ = fast("policies.fast = {}").1.jitter(Jitter::Ratio(f64::NAN));
}
