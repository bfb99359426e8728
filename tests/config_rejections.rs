//! Configurations that are refused, with the whole message beside the settings that cause it.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::result_large_err, reason = "figment says how large")]

use std::fs;

use figment::providers::{Env, Format, Json, Serialized, Toml};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use insta::assert_snapshot;
use persevere::classify::Kinded;
use persevere::policy::config::{ConfigError, PolicyConfig, Problem, ProblemKind};
use persevere::policy::{Policies, PolicyError};

/// Loads settings that are to be refused.
fn load(figment: &Figment, path: &str) -> ConfigError {
    Policies::load(figment, path).expect_err("these settings are not valid")
}

/// A section at the root, as TOML.
fn section(settings: &str) -> ConfigError {
    load(&toml(settings), "")
}

fn toml(settings: &str) -> Figment {
    Toml::string(settings).into_figment()
}

trait IntoFigment: Provider + Sized {
    fn into_figment(self) -> Figment {
        Figment::from(self)
    }
}

impl<P: Provider> IntoFigment for P {}

/// The problems of a section at the root, without the frame that all of these messages share.
fn problems(settings: &str) -> String {
    let error = section(settings);
    let whole = error.to_string();
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    let frame = match &*problems {
        [_] => "the retry policies are not valid: ".to_owned(),
        many => format!("the retry policies are not valid, for {} reasons:\n  ", many.len()),
    };
    assert_eq!(whole, frame + &problems.join("\n  "));
    let source = " (TOML source string, profile `default`)";
    let short = |problem: &String| problem.strip_suffix(source).map(str::to_owned);
    let short: Option<Vec<_>> = problems.iter().map(short).collect();
    short.unwrap_or_else(|| panic!("all of these have a source: {whole}")).join("\n")
}

macro_rules! section {
    ($settings:expr, @$message:literal) => {
        assert_snapshot!(problems($settings), @$message)
    };
}

/// The same for one line, or a few, of a policy.
macro_rules! policy {
    ($settings:expr, @$message:literal) => {
        section!(&format!("[default_policy]\n{}", $settings), @$message)
    };
}

// ------------------------------------------------------------------------------------------------
// Types.

#[test]
fn every_key_of_a_policy_names_its_type_when_it_is_given_another() {
    policy!("enabled = 'no'", @r#"`default_policy.enabled` is "no", expected true or false"#);
    policy!("attempts = 'three'", @r#"`default_policy.attempts` is "three", expected a whole number of at least 1"#);
    policy!("attempts = 2.5", @"`default_policy.attempts` is 2.5, expected a whole number of at least 1");
    policy!("max_retries = true", @"`default_policy.max_retries` is true, expected a whole number that is not negative");
    policy!("strategy = 3", @r#"`default_policy.strategy` is 3, expected "exponential", "constant", "linear", "fibonacci", "polynomial", "decorrelated", "decorrelated_v2", "immediate" or "delays""#);
    policy!("wait_min = 1", @r#"`default_policy.wait_min` is 1, expected a duration in text, such as "250ms" or "1m 30s""#);
    policy!("wait_min_seconds = '1s'", @r#"`default_policy.wait_min_seconds` is "1s", expected a number of seconds from 0 to 1.8e19"#);
    policy!("wait_max = ['10s']", @r#"`default_policy.wait_max` is ["10s"], expected a duration in text, such as "250ms" or "1m 30s""#);
    policy!("wait_max_seconds = {}", @"`default_policy.wait_max_seconds` is a table, expected a number of seconds from 0 to 1.8e19");
    policy!("backoff = '2'", @r#"`default_policy.backoff` is "2", expected a finite factor of at least 1"#);
    policy!("strategy = 'linear'\nstep = 1.5", @r#"`default_policy.step` is 1.5, expected a duration in text, such as "250ms" or "1m 30s""#);
    policy!("strategy = 'polynomial'\ndegree = 1.5", @"`default_policy.degree` is 1.5, expected a whole number that is not negative");
    policy!("strategy = 'delays'\ndelays = '1s'", @r#"`default_policy.delays` is "1s", expected a list of durations, such as ["1s", "5s"]"#);
    policy!("strategy = 'delays'\ndelays = ['1s', 2]", @r#"`default_policy.delays` is ["1s", 2], expected a list of durations, such as ["1s", "5s"]"#);
    policy!("jitter = ['full']", @r#"`default_policy.jitter` is ["full"], expected true, false, "none", "full", "equal", a number from 0 to 1 (±), or a duration such as "100ms" (up to as much more)"#);
    policy!("exceptions = 'Timeout'", @r#"`default_policy.exceptions` is "Timeout", expected a list of error kinds in quotes, such as ["Timeout", "503"], or ["any"]"#);
    policy!("exceptions = 'any'", @r#"`default_policy.exceptions` is "any", expected a list of error kinds in quotes, such as ["Timeout", "503"], or ["any"]"#);
    policy!("exceptions = [503]", @r#"`default_policy.exceptions` is [503], expected a list of error kinds in quotes, such as ["Timeout", "503"], or ["any"]"#);
    policy!("max_elapsed = 30", @r#"`default_policy.max_elapsed` is 30, expected a duration in text, such as "30s", or false"#);
    policy!("max_elapsed = true", @r#"`default_policy.max_elapsed` is true, expected a duration in text, such as "30s", or false"#);
    policy!("attempt_timeout = {}", @r#"`default_policy.attempt_timeout` is a table, expected a duration in text, such as "5s", or false"#);
    policy!("retry_after_max = false", @r#"`default_policy.retry_after_max` is false, expected a duration in text, such as "250ms" or "1m 30s""#);
    policy!("budget = true", @"`default_policy.budget` is true, expected a table of settings of a retry budget, or false");
    policy!("budget = 'aws'", @r#"`default_policy.budget` is "aws", expected a table of settings of a retry budget, or false"#);
    policy!("breaker = 5", @"`default_policy.breaker` is 5, expected a table of settings of a circuit breaker, or false");
}

#[test]
fn a_word_that_is_almost_right_is_recognised() {
    policy!("strategy = 'exponental'", @r#"`default_policy.strategy` is "exponental", expected "exponential", "constant", "linear", "fibonacci", "polynomial", "decorrelated", "decorrelated_v2", "immediate" or "delays": did you mean "exponential"?"#);
    policy!("jitter = 'ful'", @r#"`default_policy.jitter` is "ful", expected true, false, "none", "full", "equal", a number from 0 to 1 (±), or a duration such as "100ms" (up to as much more): did you mean "full"?"#);
    policy!("jitter = 'lots'", @r#"`default_policy.jitter` is "lots", expected true, false, "none", "full", "equal", a number from 0 to 1 (±), or a duration such as "100ms" (up to as much more)"#);
    policy!("budget = { model = 'treshold' }", @r#"`default_policy.budget.model` is "treshold", expected "cost_per_retry", "threshold" or "ratio": did you mean "threshold"?"#);
    section!("mode = 'mash'", @r#"`mode` is "mash", expected "application" or "mesh": did you mean "mesh"?"#);
}

#[test]
fn durations_are_text_with_a_unit() {
    policy!("wait_min = '5'", @r#"`default_policy.wait_min` is "5", expected a duration in text, such as "250ms" or "1m 30s""#);
    policy!("wait_min = '-5s'", @r#"`default_policy.wait_min` is "-5s", expected a duration in text, such as "250ms" or "1m 30s""#);
    policy!("wait_min = ''", @r#"`default_policy.wait_min` is "", expected a duration in text, such as "250ms" or "1m 30s""#);
    policy!("wait_min = '5 parsecs'", @r#"`default_policy.wait_min` is "5 parsecs", expected a duration in text, such as "250ms" or "1m 30s""#);
    policy!("wait_min = '99999999999999999999s'", @r#"`default_policy.wait_min` is "99999999999999999999s", expected a duration in text, such as "250ms" or "1m 30s""#);
}

#[test]
fn the_parts_of_a_section_are_tables() {
    section!("default_policy = 3", @"`default_policy` is 3, expected a table of settings of a policy");
    section!("policies = []", @"`policies` is [], expected a table of policies by name");
    section!("policies.fast_retry = 'fast'", @r#"`policies.fast_retry` is "fast", expected a table of settings of a policy"#);
    let empty = Json::string(r#"{"policies": {"fast_retry": null}}"#).into_figment();
    assert_snapshot!(load(&empty, ""), @"the retry policies are not valid: `policies.fast_retry` is empty, expected a table of settings of a policy (JSON source string, profile `default`)");
    section!("enabled = 1", @"`enabled` is 1, expected true or false");
    section!("mode = true", @r#"`mode` is true, expected "application" or "mesh""#);
    assert_snapshot!(load(&toml("retry = 5"), "retry"), @"the retry policies are not valid: `retry` is 5, expected a table of settings of retries (TOML source string, profile `default`)");
}

// ------------------------------------------------------------------------------------------------
// Ranges.

#[test]
fn numbers_have_ranges() {
    policy!("attempts = 0", @"`default_policy.attempts` is 0, expected a whole number of at least 1");
    policy!("attempts = -1", @"`default_policy.attempts` is -1, expected a whole number of at least 1");
    policy!("attempts = 4294967296", @"`default_policy.attempts` is 4294967296, expected a whole number of at most 4294967295");
    policy!("max_retries = -1", @"`default_policy.max_retries` is -1, expected a whole number that is not negative");
    policy!("max_retries = 4294967296", @"`default_policy.max_retries` is 4294967296, expected a whole number of at most 4294967295");
    policy!("backoff = 0.99", @"`default_policy.backoff` is 0.99, expected a finite factor of at least 1");
    policy!("backoff = -2", @"`default_policy.backoff` is -2, expected a finite factor of at least 1");
    policy!("backoff = nan", @"`default_policy.backoff` is NaN, expected a finite factor of at least 1");
    policy!("backoff = inf", @"`default_policy.backoff` is inf, expected a finite factor of at least 1");
    policy!("jitter = 1.01", @r#"`default_policy.jitter` is 1.01, expected true, false, "none", "full", "equal", a number from 0 to 1 (±), or a duration such as "100ms" (up to as much more)"#);
    policy!("jitter = -0.1", @r#"`default_policy.jitter` is -0.1, expected true, false, "none", "full", "equal", a number from 0 to 1 (±), or a duration such as "100ms" (up to as much more)"#);
    policy!("jitter = nan", @r#"`default_policy.jitter` is NaN, expected true, false, "none", "full", "equal", a number from 0 to 1 (±), or a duration such as "100ms" (up to as much more)"#);
    policy!("jitter = 3", @r#"`default_policy.jitter` is 3, expected true, false, "none", "full", "equal", a number from 0 to 1 (±), or a duration such as "100ms" (up to as much more)"#);
    policy!("strategy = 'polynomial'\ndegree = -1", @"`default_policy.degree` is -1, expected a whole number that is not negative");
}

#[test]
fn seconds_are_neither_negative_nor_beyond_all_clocks() {
    for key in ["wait_min_seconds", "wait_max_seconds"] {
        for (number, shown) in
            [("-1", "-1"), ("-0.001", "-0.001"), ("nan", "NaN"), ("inf", "inf"), ("1e300", "1e300")]
        {
            let error = section(&format!("[default_policy]\n{key} = {number}"));
            assert_eq!(
                error.to_string(),
                format!(
                    "the retry policies are not valid: `default_policy.{key}` is {shown}, expected \
                     a number of seconds from 0 to 1.8e19 (TOML source string, profile `default`)"
                )
            );
        }
    }
}

#[test]
fn limits_are_more_than_nothing() {
    policy!("max_elapsed = '0s'", @r#"`default_policy.max_elapsed` is "0s", expected more than nothing, or false"#);
    policy!("attempt_timeout = '0ms'", @r#"`default_policy.attempt_timeout` is "0ms", expected more than nothing, or false"#);
}

#[test]
fn lists_are_not_empty() {
    policy!("exceptions = []", @r#"`default_policy.exceptions` is [], expected a list of error kinds in quotes, such as ["Timeout", "503"], or ["any"]"#);
    policy!("exceptions = ['Timeout', ' ']", @r#"`default_policy.exceptions` is ["Timeout", " "], expected a list of error kinds in quotes, such as ["Timeout", "503"], or ["any"]"#);
    policy!("strategy = 'delays'\ndelays = []", @r#"`default_policy.delays` is [], expected a list of durations, such as ["1s", "5s"]"#);
    policy!("strategy = 'delays'", @r#"`default_policy.strategy` is "delays", expected only with `delays`"#);
}

#[test]
fn the_settings_of_budgets_have_ranges_and_all_violations_are_reported() {
    policy!("budget = { capacity = 0, retry_cost = 0, timeout_cost = 0, first_try_reward = 0 }", @r"
    `default_policy.budget.capacity` is 0, expected a whole number of at least 1
    `default_policy.budget.retry_cost` is 0, expected a whole number from 1 to the capacity
    `default_policy.budget.timeout_cost` is 0, expected a whole number from 1 to the capacity
    `default_policy.budget.first_try_reward` is 0, expected a whole number of at least 1
    ");
    policy!("budget = { capacity = 5, retry_cost = 6 }", @"`default_policy.budget.retry_cost` is 6, expected a whole number from 1 to the capacity");
    policy!("budget = { model = 'threshold', max_tokens = 1001, token_ratio = 0.0 }", @r"
    `default_policy.budget.max_tokens` is 1001, expected a whole number from 1 to 1000
    `default_policy.budget.token_ratio` is 0.0, expected a number from 0.001 to 1000
    ");
    policy!("budget = { model = 'ratio', share = -1, min_per_second = -1, ttl = '61s' }", @r#"
    `default_policy.budget.min_per_second` is -1, expected a whole number that is not negative
    `default_policy.budget.share` is -1, expected 0, or a number from 0.0001 to 1000
    `default_policy.budget.ttl` is "61s", expected a duration in text, from "1s" to "1m"
    "#);
    policy!("budget = { model = 'ratio', share = 0, min_per_second = 0 }", @"`default_policy.budget.min_per_second` is 0, expected not 0 where the share is");
    policy!("budget = { model = 'ratio', share = nan, ttl = '1ms' }", @r#"
    `default_policy.budget.share` is NaN, expected 0, or a number from 0.0001 to 1000
    `default_policy.budget.ttl` is "1ms", expected a duration in text, from "1s" to "1m"
    "#);
}

#[test]
fn the_settings_of_breakers_have_ranges_and_all_violations_are_reported() {
    policy!("breaker = { failures = 0, probes = 0, successes = 65536, open_for = '0s' }", @r#"
    `default_policy.breaker.open_for` is "0s", expected more than nothing
    `default_policy.breaker.failures` is 0, expected a whole number of at least 1
    `default_policy.breaker.probes` is 0, expected a whole number from 1 to 65535
    `default_policy.breaker.successes` is 65536, expected a whole number from 1 to 65535
    "#);
    policy!("breaker = { failure_rate = 1.5, min_calls = 0, window_calls = 10001 }", @r"
    `default_policy.breaker.failure_rate` is 1.5, expected a number over 0 and up to 1
    `default_policy.breaker.min_calls` is 0, expected a whole number from 1 to 10000
    `default_policy.breaker.window_calls` is 10001, expected a whole number from `min_calls` to 10000
    ");
    policy!("breaker = { failure_rate = nan, window = '2h' }", @r#"
    `default_policy.breaker.failure_rate` is NaN, expected a number over 0 and up to 1
    `default_policy.breaker.window` is "2h", expected a duration in text, from "1s" to "1h"
    "#);
    policy!("breaker = { failure_rate = 0.5, min_calls = 50, window_calls = 49 }", @"`default_policy.breaker.window_calls` is 49, expected a whole number from `min_calls` to 10000");
    policy!("breaker = { open_for = '1m', open_for_max = '30s' }", @r#"`default_policy.breaker.open_for_max` is "30s", expected at least `open_for`, which is "1m""#);
    policy!("breaker = { open_for_max = '10s' }", @r#"`default_policy.breaker.open_for_max` is "10s", expected at least `open_for`, which is "30s" by default"#);
}

// ------------------------------------------------------------------------------------------------
// Contradictions.

#[test]
fn two_spellings_of_one_setting_are_refused() {
    policy!("attempts = 3\nmax_retries = 2", @"`default_policy.max_retries` is 2, expected only one of `attempts` and `max_retries`");
    policy!("wait_min = '1s'\nwait_min_seconds = 1", @"`default_policy.wait_min_seconds` is 1, expected only one of `wait_min` and `wait_min_seconds`");
    policy!("wait_max = '1s'\nwait_max_seconds = 1.0", @"`default_policy.wait_max_seconds` is 1.0, expected only one of `wait_max` and `wait_max_seconds`");
    policy!("budget = { model = 'ratio', capacity = 5 }\nattempts = 1\nmax_retries = 0", @r#"
    `default_policy.max_retries` is 0, expected only one of `attempts` and `max_retries`
    `default_policy.budget.capacity` is 5, expected only with `model = "cost_per_retry"`
    "#);
}

#[test]
fn the_shortest_wait_is_not_longer_than_the_longest() {
    policy!("wait_min = '2s'\nwait_max = '1s'", @r#"`default_policy.wait_max` is "1s", expected at least `wait_min`, which is "2s""#);
    policy!("wait_min_seconds = 2.0\nwait_max = '1s'", @r#"`default_policy.wait_max` is "1s", expected at least `wait_min_seconds`, which is 2.0"#);
}

#[test]
fn a_setting_that_contradicts_an_inherited_one_is_to_blame() {
    section!("[default_policy]\nwait_max = '5s'\n[policies.slow]\nwait_min = '6s'", @r#"`policies.slow.wait_min` is "6s", expected at most `wait_max`, which is inherited as "5s""#);
    section!("[default_policy]\nwait_min = '5s'\n[policies.fast]\nwait_max_seconds = 1.0", @r#"`policies.fast.wait_max_seconds` is 1.0, expected at least `wait_min`, which is inherited as "5s""#);
    section!("[default_policy]\nmax_elapsed = '5s'\n[policies.slow]\nattempt_timeout = '6s'", @r#"`policies.slow.attempt_timeout` is "6s", expected at most `max_elapsed`, which is inherited as "5s""#);
    section!("[default_policy]\nattempt_timeout = '5s'\n[policies.fast]\nmax_elapsed = '1s'", @r#"`policies.fast.max_elapsed` is "1s", expected at least `attempt_timeout`, which is inherited as "5s""#);
    section!("[default_policy]\nstrategy = 'constant'\n[policies.fast]\nbackoff = 3.0", @r#"`policies.fast.backoff` is 3.0, expected only with `strategy = "exponential"`"#);
}

#[test]
fn an_attempt_has_no_more_time_than_the_call() {
    policy!("attempt_timeout = '31s'\nmax_elapsed = '30s'", @r#"`default_policy.attempt_timeout` is "31s", expected at most `max_elapsed`, which is "30s""#);
}

#[test]
fn a_list_is_not_cut_in_silence() {
    policy!("strategy = 'delays'\ndelays = ['1s', '1m']\nwait_max = '30s'", @r#"`default_policy.delays` is ["1s", "1m"], expected none over `wait_max`, which is "30s""#);
    section!("default_policy.wait_max = '9s'\npolicies.listed = { strategy = 'delays', delays = ['10s'] }", @r#"`policies.listed.delays` is ["10s"], expected none over `wait_max`, which is inherited as "9s""#);
    section!("default_policy = { strategy = 'delays', delays = ['10s'] }\npolicies.short.wait_max = '9s'", @r#"`policies.short.wait_max` is "9s", expected at least all of `delays`, which is inherited as ["10s"]"#);
}

#[test]
fn keys_of_another_strategy_are_refused() {
    policy!("strategy = 'constant'\nbackoff = 2.0", @r#"`default_policy.backoff` is 2.0, expected only with `strategy = "exponential"`"#);
    policy!("step = '1s'\ndegree = 2\ndelays = ['1s']", @r#"
    `default_policy.step` is "1s", expected only with `strategy = "linear"`
    `default_policy.degree` is 2, expected only with `strategy = "polynomial"`
    `default_policy.delays` is ["1s"], expected only with `strategy = "delays"`
    "#);
}

#[test]
fn keys_of_another_model_are_refused() {
    policy!("budget = { share = 0.5, max_tokens = 5 }", @r#"
    `default_policy.budget.max_tokens` is 5, expected only with `model = "threshold"`
    `default_policy.budget.share` is 0.5, expected only with `model = "ratio"`
    "#);
    policy!("budget = { model = 'threshold', capacity = 5 }", @r#"`default_policy.budget.capacity` is 5, expected only with `model = "cost_per_retry"`"#);
    policy!("breaker = { failures = 5, failure_rate = 0.5 }", @"`default_policy.breaker.failure_rate` is 0.5, expected only one of `failures` and `failure_rate`");
    policy!("breaker = { min_calls = 5, window = '10s' }", @r#"
    `default_policy.breaker.min_calls` is 5, expected only with `failure_rate`
    `default_policy.breaker.window` is "10s", expected only with `failure_rate`
    "#);
    policy!("breaker = { failure_rate = 0.5, window_calls = 50, window = '10s' }", @r#"`default_policy.breaker.window` is "10s", expected only one of `window_calls` and `window`"#);
}

// ------------------------------------------------------------------------------------------------
// Names.

#[test]
fn unknown_keys_are_refused_at_every_level_with_the_nearest_that_is_known() {
    section!("polices = {}", @"`polices` is not a known key: did you mean `policies`? There are `enabled`, `mode`, `default_policy`, `policies`");
    section!("retries = 3", @"`retries` is not a known key. There are `enabled`, `mode`, `default_policy`, `policies`");
    policy!("atempts = 3", @"`default_policy.atempts` is not a known key: did you mean `attempts`? There are `enabled`, `attempts`, `max_retries`, `strategy`, `wait_min`, `wait_min_seconds`, `wait_max`, `wait_max_seconds`, `backoff`, `step`, `degree`, `delays`, `jitter`, `exceptions`, `max_elapsed`, `attempt_timeout`, `retry_after_max`, `budget`, `breaker`");
    policy!("Attempts = 3", @"`default_policy.Attempts` is not a known key: did you mean `attempts`? There are `enabled`, `attempts`, `max_retries`, `strategy`, `wait_min`, `wait_min_seconds`, `wait_max`, `wait_max_seconds`, `backoff`, `step`, `degree`, `delays`, `jitter`, `exceptions`, `max_elapsed`, `attempt_timeout`, `retry_after_max`, `budget`, `breaker`");
    policy!("colour = 'blue'", @"`default_policy.colour` is not a known key. There are `enabled`, `attempts`, `max_retries`, `strategy`, `wait_min`, `wait_min_seconds`, `wait_max`, `wait_max_seconds`, `backoff`, `step`, `degree`, `delays`, `jitter`, `exceptions`, `max_elapsed`, `attempt_timeout`, `retry_after_max`, `budget`, `breaker`");
    section!("policies.fast_retry.wait_min_secs = 3", @"`policies.fast_retry.wait_min_secs` is not a known key: did you mean `wait_min_seconds`? There are `enabled`, `attempts`, `max_retries`, `strategy`, `wait_min`, `wait_min_seconds`, `wait_max`, `wait_max_seconds`, `backoff`, `step`, `degree`, `delays`, `jitter`, `exceptions`, `max_elapsed`, `attempt_timeout`, `retry_after_max`, `budget`, `breaker`");
    policy!("budget = { capcity = 3 }", @"`default_policy.budget.capcity` is not a known key: did you mean `capacity`? There are `model`, `capacity`, `retry_cost`, `timeout_cost`, `first_try_reward`, `max_tokens`, `token_ratio`, `share`, `min_per_second`, `ttl`");
    policy!("breaker = { failure = 3 }", @"`default_policy.breaker.failure` is not a known key: did you mean `failures`? There are `failures`, `failure_rate`, `min_calls`, `window_calls`, `window`, `open_for`, `open_for_max`, `probes`, `successes`");
}

#[test]
fn the_name_of_the_default_policy_is_taken() {
    section!("policies.default_policy.attempts = 3", @"`policies.default_policy`: expected another name: the table `default_policy` stands beside `policies`");
    assert_snapshot!(
        load(&toml("[a.policies.default_policy]"), "a"), @"the retry policies are not valid: `a.policies.default_policy`: expected another name: the table `default_policy` stands beside `policies` (TOML source string, profile `default`)");
}

struct HttpError;

impl Kinded for HttpError {
    const KINDS: &'static [&'static str] = &["HTTPTimeoutError", "HTTPRequestError"];
    fn is_kind(&self, name: &str) -> bool {
        name == "HTTPTimeoutError"
    }
}

struct StoreError;

impl Kinded for StoreError {
    const KINDS: &'static [&'static str] = &["Conflict", "HTTPRequestError"];
    fn is_kind(&self, name: &str) -> bool {
        name == "Conflict"
    }
}

#[test]
fn a_kind_that_no_announced_type_knows_is_refused_with_the_nearest_that_is_known() {
    let load = |settings: &str| {
        Policies::builder()
            .kinds_of::<HttpError>()
            .kinds_of::<StoreError>()
            .load(&toml(settings), "")
            .unwrap_err()
    };
    assert_snapshot!(load("default_policy.exceptions = ['HTTPTimeout']"), @r#"the retry policies are not valid: `default_policy.exceptions` names "HTTPTimeout", which is no error kind that is known: did you mean `HTTPTimeoutError`? There are `any`, `HTTPTimeoutError`, `HTTPRequestError`, `Conflict` (TOML source string, profile `default`)"#);
    assert_snapshot!(load("policies.store.exceptions = ['Conflict', 'conflicts', 'Nonsense']"), @r#"
    the retry policies are not valid, for 2 reasons:
      `policies.store.exceptions` names "conflicts", which is no error kind that is known: did you mean `Conflict`? There are `any`, `HTTPTimeoutError`, `HTTPRequestError`, `Conflict` (TOML source string, profile `default`)
      `policies.store.exceptions` names "Nonsense", which is no error kind that is known. There are `any`, `HTTPTimeoutError`, `HTTPRequestError`, `Conflict` (TOML source string, profile `default`)
    "#);
    assert_snapshot!(load("policies.store.exceptions = ['any', 'Conflicts']"), @r#"the retry policies are not valid: `policies.store.exceptions` names "Conflicts", which is no error kind that is known: did you mean `Conflict`? There are `any`, `HTTPTimeoutError`, `HTTPRequestError`, `Conflict` (TOML source string, profile `default`)"#);
    let error = load("default_policy.exceptions = ['Bogus']\npolicies = { a = {}, b = {} }");
    assert_eq!(error.problems().len(), 1, "what is inherited is told once: {error}");
    assert_eq!(error.problems()[0].kind(), ProblemKind::UnknownKind);
    assert_eq!(error.problems()[0].key(), "default_policy.exceptions");
}

#[test]
fn announced_types_hold_at_every_reload_too() {
    let builder = Policies::builder().kinds_of::<HttpError>();
    let policies = builder.load(&toml("policies.web.exceptions = ['any']"), "").unwrap();
    let update = toml("policies.web.exceptions = ['HttpTimeoutError']");
    assert_snapshot!(policies.reload(&update).unwrap_err(), @r#"the retry policies are not valid: `policies.web.exceptions` names "HttpTimeoutError", which is no error kind that is known: did you mean `HTTPTimeoutError`? There are `any`, `HTTPTimeoutError`, `HTTPRequestError` (TOML source string, profile `default`)"#);
    policies.reload(&toml("policies.web.exceptions = ['HTTPTimeoutError']")).unwrap();
    assert_eq!((policies.revision(), policies.refused()), (2, 1));
}

#[test]
fn a_handle_that_is_checked_for_a_type_refuses_its_unknown_kinds() {
    let policies = Policies::load(&toml("policies.store.exceptions = ['Conflict']"), "").unwrap();
    let store = policies.get("store").unwrap();
    assert_snapshot!(store.check_kinds::<HttpError>().unwrap_err(), @r#"the retry policies are not valid: `policies.store.exceptions` names "Conflict", which is no error kind that is known. There are `any`, `HTTPTimeoutError`, `HTTPRequestError` (TOML source string, profile `default`)"#);
    store.check_kinds::<StoreError>().unwrap();
    let update = toml("policies.store.exceptions = ['Conflicts']");
    assert_snapshot!(policies.reload(&update).unwrap_err(), @r#"the retry policies are not valid: `policies.store.exceptions` names "Conflicts", which is no error kind that is known: did you mean `Conflict`? There are `any`, `Conflict`, `HTTPRequestError` (TOML source string, profile `default`)"#);
    assert_eq!(policies.revision(), 1);
}

#[test]
fn an_unknown_policy_is_refused_with_the_names_that_are_there() {
    let policies = Policies::load(&toml("policies = { fast_retry = {}, slow = {} }"), "").unwrap();
    assert_snapshot!(policies.get("fast_rety").unwrap_err(), @"there is no retry policy `fast_rety`: did you mean `fast_retry`? There are `default_policy`, `fast_retry`, `slow`");
    assert_snapshot!(policies.get_guarded("nightly").unwrap_err(), @"there is no retry policy `nightly`. There are `default_policy`, `fast_retry`, `slow`");
    assert!(matches!(policies.get("nightly"), Err(PolicyError::Unknown { nearest: None, .. })));
}

#[test]
fn a_plain_handle_is_refused_where_a_call_may_end_without_an_outcome() {
    let settings = "[policies.store]\nattempt_timeout = '1s'\nbreaker = {}";
    let policies = Policies::load(&toml(settings), "").unwrap();
    assert_snapshot!(policies.get("store").unwrap_err(), @r#"
    there is no plain handle of this policy, for 2 reasons:
      `policies.store.attempt_timeout` is "1s", expected none, since calls of a plain handle always end with an outcome of their own (`get_guarded` accepts it) (TOML source string, profile `default`)
      `policies.store.breaker` is a table, expected none, since calls of a plain handle always end with an outcome of their own (`get_guarded` accepts it) (TOML source string, profile `default`)
    "#);

    let policies = Policies::load(&toml("[policies.store]"), "").unwrap();
    let _plain = policies.get("store").unwrap();
    assert_snapshot!(policies.reload(&toml(settings)).unwrap_err(), @r#"
    the retry policies are not valid, for 2 reasons:
      `policies.store.attempt_timeout` is "1s", expected none, since code has a plain handle of this policy, whose calls always end with an outcome of their own (`get_guarded` accepts it) (TOML source string, profile `default`)
      `policies.store.breaker` is a table, expected none, since code has a plain handle of this policy, whose calls always end with an outcome of their own (`get_guarded` accepts it) (TOML source string, profile `default`)
    "#);

    let config: PolicyConfig = toml::from_str("attempt_timeout = '1s'").unwrap();
    assert_snapshot!(config.policy().unwrap_err(), @r#"the retry policies are not valid: `attempt_timeout` is "1s", expected none, since calls of a plain policy always end with an outcome of their own (`guarded_policy` accepts it)"#);
}

// ------------------------------------------------------------------------------------------------
// Several at once.

#[test]
fn all_problems_of_a_file_are_reported_at_once() {
    section!(
        r#"
            enabled = "yes"
            [default_policy]
            attempts = 0
            exceptions = []
            [policies.fast_retry]
            wait_min = "2s"
            wait_max = "1s"
            backof = 1.5
            [policies.slow_retry]
            attempts = 4
            max_retries = 3
            budget = { capacity = 0 }
        "#,
        @r#"
    `enabled` is "yes", expected true or false
    `policies.fast_retry.backof` is not a known key: did you mean `backoff`? There are `enabled`, `attempts`, `max_retries`, `strategy`, `wait_min`, `wait_min_seconds`, `wait_max`, `wait_max_seconds`, `backoff`, `step`, `degree`, `delays`, `jitter`, `exceptions`, `max_elapsed`, `attempt_timeout`, `retry_after_max`, `budget`, `breaker`
    `default_policy.attempts` is 0, expected a whole number of at least 1
    `default_policy.exceptions` is [], expected a list of error kinds in quotes, such as ["Timeout", "503"], or ["any"]
    `policies.fast_retry.wait_max` is "1s", expected at least `wait_min`, which is "2s"
    `policies.slow_retry.max_retries` is 3, expected only one of `attempts` and `max_retries`
    `policies.slow_retry.budget.capacity` is 0, expected a whole number of at least 1
    "#
    );
}

#[test]
fn a_problem_that_is_inherited_is_reported_once() {
    section!(
        r#"
            [default_policy]
            attempts = 0
            breaker = { failure_rate = 0.5, min_calls = 0 }
            budget = { capacity = 2, retry_cost = 3 }
            [policies.one]
            [policies.two]
            backoff = 3.0
        "#,
        @r#"
    `default_policy.attempts` is 0, expected a whole number of at least 1
    `default_policy.budget.retry_cost` is 3, expected a whole number from 1 to the capacity
    `default_policy.breaker.min_calls` is 0, expected a whole number from 1 to 10000
    "#
    );
}

#[test]
fn a_value_that_cannot_be_read_is_the_only_problem_reported() {
    policy!("wait_min = '20s'\nwait_max = 'long'", @r#"`default_policy.wait_max` is "long", expected a duration in text, such as "250ms" or "1m 30s""#);
    policy!("wait_min = '20s'\nwait_mx = '30s'", @"`default_policy.wait_mx` is not a known key: did you mean `wait_max`? There are `enabled`, `attempts`, `max_retries`, `strategy`, `wait_min`, `wait_min_seconds`, `wait_max`, `wait_max_seconds`, `backoff`, `step`, `degree`, `delays`, `jitter`, `exceptions`, `max_elapsed`, `attempt_timeout`, `retry_after_max`, `budget`, `breaker`");
    policy!("strategy = 'liner'\nstep = '1s'", @r#"`default_policy.strategy` is "liner", expected "exponential", "constant", "linear", "fibonacci", "polynomial", "decorrelated", "decorrelated_v2", "immediate" or "delays": did you mean "linear"?"#);
    policy!("strategy = 'delays'\ndelays = 'none'", @r#"`default_policy.delays` is "none", expected a list of durations, such as ["1s", "5s"]"#);
    policy!("budget = { model = 'ratoi', share = 0.5 }", @r#"`default_policy.budget.model` is "ratoi", expected "cost_per_retry", "threshold" or "ratio": did you mean "ratio"?"#);
    policy!("breaker = { failure_rat = 0.5, min_calls = 50 }", @"`default_policy.breaker.failure_rat` is not a known key: did you mean `failure_rate`? There are `failures`, `failure_rate`, `min_calls`, `window_calls`, `window`, `open_for`, `open_for_max`, `probes`, `successes`");
    section!("default_policy.wait_max = 'long'\npolicies.slow.wait_min_seconds = 20", @r#"`default_policy.wait_max` is "long", expected a duration in text, such as "250ms" or "1m 30s""#);
}

// ------------------------------------------------------------------------------------------------
// Sources.

#[test]
fn a_missing_section_is_reported_with_all_places_that_were_searched() {
    assert_snapshot!(load(&Figment::new(), "resilience.retry"), @"the retry policies are not valid: `resilience.retry`: there are no settings here in profile `default`, not even an empty table; there are no sources at all");
    let layered = Figment::from(Toml::string("[resilience]")).merge(Json::string("{}"));
    assert_snapshot!(load(&layered.select("production"), "resilience.retry"), @"the retry policies are not valid: `resilience.retry`: there are no settings here in profile `production`, not even an empty table; looked in `TOML source string`, `JSON source string`");
}

#[test]
fn profiles_that_were_read_as_tables_are_reported() {
    let flat = |profile: &str| toml(&format!("[{profile}.resilience.retry]")).select("production");
    assert_snapshot!(load(&flat("default"), "resilience.retry"), @"the retry policies are not valid: `resilience.retry`: there are no settings here in profile `production`, not even an empty table; looked in `TOML source string`; there are some at `default.resilience.retry`: does a source lack `.nested()`?");
    assert_snapshot!(load(&flat("production"), "resilience.retry"), @"the retry policies are not valid: `resilience.retry`: there are no settings here in profile `production`, not even an empty table; looked in `TOML source string`; there are some at `production.resilience.retry`: does a source lack `.nested()`?");
}

#[test]
fn a_text_that_is_not_toml_is_refused() {
    section!("[default_policy\nattempts = 3", @r"
    TOML parse error at line 1, column 16
      |
    1 | [default_policy
      |                ^
    invalid table header
    expected `.`, `]`
    ");
    assert_snapshot!(load(&Json::string("{ 'a': 1 }").into_figment(), "retry"), @"the retry policies are not valid: key must be a string at line 1 column 3 (JSON source string, profile `default`)");
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    section!("[policies.fast]\nattempts = 3\n[policies.fast]\nattempts = 4", @r"
    TOML parse error at line 3, column 1
      |
    3 | [policies.fast]
      | ^
    invalid table header
    duplicate key `fast` in table `policies`
    ");
    policy!("attempts = 3\nattempts = 4", @r"
    TOML parse error at line 3, column 1
      |
    3 | attempts = 4
      | ^
    duplicate key `attempts` in table `default_policy`
    ");
}

#[test]
fn a_file_is_named_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    let in_folder = |error: ConfigError| {
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
        error.to_string().replace(folder.path().to_str().unwrap(), "FOLDER")
    };

    let missing = Figment::from(Toml::file_exact(&path));
    assert_snapshot!(in_folder(load(&missing, "retry")), @"the retry policies are not valid: No such file or directory (os error 2) (FOLDER/settings.toml, profile `default`)");

    fs::write(&path, "[production.retry.policies.fast]\nattempts = 0").unwrap();
    let nested = Figment::from(Toml::file(&path).nested()).select("production");
    let error = load(&nested, "retry");
    assert_eq!(error.problems()[0].source(), path.to_str());
    assert_eq!(error.problems()[0].profile(), Some("production"));
    assert_snapshot!(in_folder(error), @"the retry policies are not valid: `retry.policies.fast.attempts` is 0, expected a whole number of at least 1 (FOLDER/settings.toml, profile `production`)");

    fs::write(&path, "[retry\n").unwrap();
    assert_snapshot!(in_folder(load(&Toml::file(&path).into_figment(), "retry")), @r"
    the retry policies are not valid: TOML parse error at line 1, column 7
      |
    1 | [retry
      |       ^
    invalid table header
    expected `.`, `]` (FOLDER/settings.toml, profile `default`)
    ");
}

#[test]
fn an_optional_file_that_is_missing_is_reported_as_a_missing_section() {
    assert_snapshot!(load(&Toml::file("/nowhere/settings.toml").into_figment(), "retry"), @"the retry policies are not valid: `retry`: there are no settings here in profile `default`, not even an empty table; looked in `TOML file`");
}

#[test]
fn a_variable_of_the_environment_is_named_by_its_provider() {
    figment::Jail::expect_with(|jail| {
        jail.set_env("APP_RETRY__POLICIES__FAST_RETRY__ATTEMPTS", "0");
        jail.set_env("APP_RETRY__DEFAULT_POLICY__WAIT_MIN", "soon");
        jail.set_env("APP_RETRY__DEFAULT_POLICY__EXCEPTIONS", "[Timeout, 503]");
        let figment = Figment::from(Toml::string("[default.retry.policies.fast_retry]").nested())
            .merge(Env::prefixed("APP_").split("__"));
        let error = load(&figment, "retry");
        assert_snapshot!(error, @r#"
        the retry policies are not valid, for 3 reasons:
          `retry.default_policy.exceptions` is ["Timeout", 503], expected a list of error kinds in quotes, such as ["Timeout", "503"], or ["any"] (`APP_` environment variable(s), profile `default`)
          `retry.default_policy.wait_min` is "soon", expected a duration in text, such as "250ms" or "1m 30s" (`APP_` environment variable(s), profile `default`)
          `retry.policies.fast_retry.attempts` is 0, expected a whole number of at least 1 (`APP_` environment variable(s), profile `default`)
        "#);
        Ok(())
    });
}

/// Settings that come from somewhere else.
struct Store;

impl Provider for Store {
    fn metadata(&self) -> Metadata {
        Metadata::named("the store in the cellar")
    }
    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Serialized::global("retry.default_policy.attempts", 0).data()
    }
}

/// One that is not there.
struct Broken;

impl Provider for Broken {
    fn metadata(&self) -> Metadata {
        Metadata::named("the store in the attic")
    }
    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Err("the stairs are gone".to_owned().into())
    }
}

#[test]
fn a_provider_of_ones_own_is_named_by_its_name() {
    assert_snapshot!(load(&Store.into_figment(), "retry"), @"the retry policies are not valid: `retry.default_policy.attempts` is 0, expected a whole number of at least 1 (the store in the cellar, profile `global`)");
    assert_snapshot!(load(&Store.into_figment().merge(Broken), "retry"), @"the retry policies are not valid: the stairs are gone (the store in the attic, profile `default`)");
}

#[test]
fn each_value_is_reported_with_its_source_and_profile() {
    let figment = Figment::from(Toml::string("retry.default_policy.attempts = 0"))
        .merge(
            Json::string(r#"{"retry": {"default_policy": {"backoff": 0.5}}}"#)
                .profile("production"),
        )
        .merge(Serialized::default("retry.policies.fast.wait_min", "soon"))
        .select("production");
    assert_snapshot!(load(&figment, "retry"), @r#"
    the retry policies are not valid, for 3 reasons:
      `retry.policies.fast.wait_min` is "soon", expected a duration in text, such as "250ms" or "1m 30s" (&str, profile `default`)
      `retry.default_policy.attempts` is 0, expected a whole number of at least 1 (TOML source string, profile `default`)
      `retry.default_policy.backoff` is 0.5, expected a finite factor of at least 1 (JSON source string, profile `production`)
    "#);
}

#[test]
fn two_settings_that_contradict_each_other_are_reported_with_both_sources() {
    let file = "[default.default_policy]\nwait_min_seconds = 1.0\nmax_elapsed = '5s'\n\
                [production.default_policy]\nwait_min = '2s'\nattempt_timeout = '6s'";
    let nested = Figment::from(Toml::string(file).nested());
    assert_snapshot!(load(&nested.clone().select("production"), ""), @r#"
    the retry policies are not valid, for 2 reasons:
      `default_policy.wait_min_seconds` is 1.0, expected only one of `wait_min` and `wait_min_seconds`; `wait_min` is from TOML source string, profile `production` (TOML source string, profile `default`)
      `default_policy.attempt_timeout` is "6s", expected at most `max_elapsed`, which is "5s"; `max_elapsed` is from TOML source string, profile `default` (TOML source string, profile `production`)
    "#);
    let layered = nested.merge(Serialized::default("policies.slow.attempt_timeout", "6s"));
    assert_snapshot!(load(&layered, ""), @r#"the retry policies are not valid: `policies.slow.attempt_timeout` is "6s", expected at most `max_elapsed`, which is inherited as "5s"; `max_elapsed` is from TOML source string, profile `default` (&str, profile `default`)"#);
}

#[test]
fn settings_without_a_figment_are_checked_the_same() {
    let config: PolicyConfig =
        toml::from_str("attempts = 0\nmax_retries = 1\nstep = '1s'\nbudget = { capacity = 0 }")
            .unwrap();
    assert_snapshot!(config.policy().unwrap_err(), @r#"
    the retry policies are not valid, for 4 reasons:
      `max_retries` is 1, expected only one of `attempts` and `max_retries`
      `attempts` is 0, expected a whole number of at least 1
      `step` is "1s", expected only with `strategy = "linear"`
      `budget.capacity` is 0, expected a whole number of at least 1
    "#);
    assert_eq!(config.guarded_policy().unwrap_err(), config.policy().unwrap_err());
}

#[test]
fn serde_names_the_key_that_is_wrong_also_within_budgets_and_breakers() {
    let refused = |text: &str| toml::from_str::<PolicyConfig>(text).unwrap_err().to_string();
    assert_snapshot!(refused("budget = { capcity = 3 }"), @r"
    TOML parse error at line 1, column 12
      |
    1 | budget = { capcity = 3 }
      |            ^^^^^^^
    unknown field `capcity`, expected one of `model`, `capacity`, `retry_cost`, `timeout_cost`, `first_try_reward`, `max_tokens`, `token_ratio`, `share`, `min_per_second`, `ttl`
    ");
    assert_snapshot!(refused("breaker = true"), @r"
    TOML parse error at line 1, column 11
      |
    1 | breaker = true
      |           ^^^^
    invalid value: boolean `true`, expected false, or the settings of what is to be on
    ");
    assert_snapshot!(refused("max_elapsed = 'long'"), @r"
    TOML parse error at line 1, column 15
      |
    1 | max_elapsed = 'long'
      |               ^^^^^^
    expected number at 0
    ");
    assert_snapshot!(refused("max_elapsed = 30"), @r#"
    TOML parse error at line 1, column 15
      |
    1 | max_elapsed = 30
      |               ^^
    invalid type: integer `30`, expected a duration in text, such as "250ms" or "1m 30s"
    "#);
    assert_snapshot!(refused("atempts = 30"), @r"
    TOML parse error at line 1, column 1
      |
    1 | atempts = 30
      | ^^^^^^^
    unknown field `atempts`, expected one of `enabled`, `attempts`, `max_retries`, `strategy`, `wait_min`, `wait_min_seconds`, `wait_max`, `wait_max_seconds`, `backoff`, `step`, `degree`, `delays`, `jitter`, `exceptions`, `max_elapsed`, `attempt_timeout`, `retry_after_max`, `budget`, `breaker`
    ");
}

#[test]
fn a_problem_has_its_parts_too() {
    let error = section("[default_policy]\nattempts = 0\natempts = 1");
    let [unknown, value] = error.problems() else { panic!("{error}") };
    assert_eq!((unknown.kind(), value.kind()), (ProblemKind::UnknownKey, ProblemKind::Value));
    assert_eq!((unknown.key(), value.key()), ("default_policy.atempts", "default_policy.attempts"));
    assert_eq!((unknown.found_value(), value.found_value()), (None, Some("0")));
    assert_eq!((unknown.nearest(), value.nearest()), (Some("attempts"), None));
    assert!(unknown.expected().starts_with("`enabled`, `attempts`"));
    assert_eq!(value.expected(), "a whole number of at least 1");
    assert_eq!(
        error.problems().iter().map(Problem::profile).collect::<Vec<_>>(),
        [Some("default"); 2]
    );
    assert_eq!(value.source(), Some("TOML source string"));
}

#[test]
fn text_from_settings_is_quoted_safely_for_a_log() {
    let settings = |text: &str| Figment::from(Toml::string(text));
    let moves_the_cursor = r#"policies."a\u001b[2J\nb" = {"#;
    let error = Policies::load(&settings(&format!("{moves_the_cursor} attempts = 0 }}")), "");
    let expected = "expected a whole number of at least 1 (TOML source string, profile `default`)";
    assert_eq!(
        error.unwrap_err().to_string(),
        format!("the retry policies are not valid: `policies.a [2J b.attempts` is 0, {expected}")
    );
    let policies = Policies::load(&settings(&format!("{moves_the_cursor} }}")), "").unwrap();
    let error = policies.get("c").unwrap_err().to_string();
    assert_eq!(error, "there is no retry policy `c`. There are `default_policy`, `a [2J b`");

    let long = format!("default_policy.attempts = '{}'", "x".repeat(100_000));
    let error = Policies::load(&settings(&long), "").unwrap_err();
    let said = error.to_string();
    assert!(said.contains("xxx…, expected a whole") && said.len() < 1_000, "{said}");
    assert_eq!(error.problems()[0].found_value().map(str::len), Some(100_002));
}

#[test]
fn a_name_with_a_dot_in_it_is_one_name() {
    section!("[policies.'a.b']\nattempts = 0\n[policies.a]\nattempts = 3", @"`policies.'a.b'.attempts` is 0, expected a whole number of at least 1");
}

#[test]
fn a_kind_with_a_space_around_it_is_refused_and_an_empty_name_is_like_no_other() {
    policy!("exceptions = [' TimedOut']", @r#"`default_policy.exceptions` is [" TimedOut"], expected a list of error kinds in quotes, such as ["Timeout", "503"], or ["any"]"#);
    let policies = Policies::load(&Figment::from(Toml::string("policies.a = {}")), "").unwrap();
    assert_snapshot!(policies.get("").unwrap_err(), @"there is no retry policy ``. There are `default_policy`, `a`");
}
