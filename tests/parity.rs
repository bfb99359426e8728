//! One table of calls that come out the same on every surface: the same attempts at the same times,
//! the same sleeps, the same events in the same order, the same end. Each call of the table is then
//! made again with a panic at each of its events, and dropped at each of its waits.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::result_large_err, reason = "an error of the tests is large")]

mod support;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::ops::ControlFlow::{self, Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format as _, Toml};
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt as _;
use persevere::backoff::{Constant, MaxAttempts};
use persevere::classify::when;
use persevere::guard::{BlockingGuards, EndsAs, Guard, GuardEvents, Unguarded};
use persevere::hook::FinishEvent;
use persevere::policy::{Ask, BySettings, Live, Policies, Rules, RulesFor};
use persevere::retry::Loop;
use persevere::time::{BlockingTimer, Clock, Timer, VirtualClock};
use persevere::{
    Attempt, Attempts, Backoff, Classifier, Decision, DynPolicy, Engine, Hook, Interrupted, Kinded,
    Policy, Reason, RetryError, RetryExt, Verdict, Veto, constant, delays, exponential, from_fn,
    immediate, linear, retry,
};

use support::Does::{After, Busy, Done, Fatal, Harmless, NotYet, Useless};
use support::{
    AnyBackoff, Clonable, Fault, Log, Made, Meaning, Recorder, Reply, Spy, Stage, Step, Time, ms,
    secs,
};

// ------------------------------------------------------------------------------------------------
// The table.

/// A call: its policy, its script, and the attempts, sleeps and end that follow from them. Times
/// are in milliseconds.
struct Case {
    backoff: AnyBackoff,
    /// The backoff in the settings of a named policy, where settings can have it.
    settings: Option<String>,
    script: Vec<Step>,
    /// The times at which the attempts begin.
    calls: Vec<u64>,
    /// The sleeps between them.
    slept: Vec<u64>,
    ends: Reason,
    /// The recorder of this name refuses the retry after the last call.
    refuses_retry: Option<(&'static str, Veto)>,
    /// The recorder of this name refuses the attempt after the last call.
    refuses_attempt: Option<(&'static str, Veto)>,
    /// Nothing but a limit reads the clock.
    untimed: bool,
}

/// The settings of a policy without jitter.
fn settings(settings: &str) -> Option<String> {
    Some(format!("policies.parity = {{ jitter = 'none', {settings} }}"))
}

/// The settings of a policy that waits for 100 ms each time.
fn constant_100ms(more: &str) -> Option<String> {
    settings(&format!("strategy = 'constant', wait_min = '100ms', {more}"))
}

macro_rules! table {
    ($(
        $(#[doc = $doc:literal])*
        $name:ident {
            backoff: $backoff:expr,
            script: [$($step:expr),*],
            calls: [$($call:expr),*],
            slept: [$($slept:expr),*],
            ends: $ends:ident
            $(, $field:ident: $value:expr)* $(,)?
        }
    )*) => {
        $(
            $(#[doc = $doc])*
            #[test]
            fn $name() {
                #[allow(unused_mut, reason = "most cases change nothing more")]
                let mut case = Case {
                    backoff: Arc::new($backoff),
                    settings: None,
                    script: vec![$(Step::from($step)),*],
                    calls: vec![$($call),*],
                    slept: vec![$($slept),*],
                    ends: Reason::$ends,
                    refuses_retry: None,
                    refuses_attempt: None,
                    untimed: false,
                };
                $(case.$field = $value;)*
                on_every_surface(stringify!($name), &case);
            }
        )*
    };
}

table! {
    // Attempts.
    a_success_at_the_first_attempt_is_returned_at_once {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Done], calls: [0], slept: [], ends: Succeeded,
        settings: constant_100ms("attempts = 3"),
    }
    a_success_after_two_failures_follows_two_sleeps {
        backoff: exponential(ms(100)).max_attempts(5),
        script: [Busy, Busy, Done], calls: [0, 100, 300], slept: [100, 200], ends: Succeeded,
        settings: settings("wait_min = '100ms', attempts = 5"),
    }
    a_success_at_the_last_attempt_is_a_success {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, Busy, Done], calls: [0, 100, 200], slept: [100, 100], ends: Succeeded,
        settings: constant_100ms("attempts = 3"),
    }
    max_attempts_counts_the_first_execution {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, Busy, Busy], calls: [0, 100, 200], slept: [100, 100], ends: Attempts,
        settings: constant_100ms("attempts = 3"),
    }
    max_retries_does_not_count_the_first_execution {
        backoff: constant(ms(100)).max_retries(3),
        script: [Busy, Busy, Busy, Busy],
        calls: [0, 100, 200, 300], slept: [100, 100, 100], ends: Attempts,
        settings: constant_100ms("max_retries = 3"),
    }
    a_single_attempt_is_not_slept_after {
        backoff: constant(ms(100)).max_attempts(1),
        script: [Busy], calls: [0], slept: [], ends: Attempts,
        settings: constant_100ms("attempts = 1"),
    }
    a_single_attempt_that_succeeds_has_succeeded {
        backoff: constant(ms(100)).max_attempts(1),
        script: [Done.taking(5)], calls: [0], slept: [], ends: Succeeded,
        settings: constant_100ms("attempts = 1"),
    }
    no_retries_is_one_attempt {
        backoff: constant(ms(100)).max_retries(0),
        script: [Busy.taking(5)], calls: [0], slept: [], ends: Attempts,
        settings: constant_100ms("max_retries = 0"),
    }
    a_call_without_a_limit_goes_on_until_it_succeeds {
        backoff: linear(ms(10)).forever(),
        script: [Busy, Busy, Busy, Busy, Done],
        calls: [0, 10, 30, 60, 100], slept: [10, 20, 30, 40], ends: Succeeded,
        settings: settings("strategy = 'linear', wait_min = '10ms', attempts = 99"),
    }
    time_that_attempts_take_comes_on_top_of_the_sleeps {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy.taking(7), Busy.taking(11), Done.taking(13)],
        calls: [0, 107, 218], slept: [100, 100], ends: Succeeded,
        settings: constant_100ms("attempts = 3"),
    }
    events_know_no_time_where_nothing_reads_the_clock {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy.taking(7), Busy, Done.taking(13)],
        calls: [0, 107, 207], slept: [100, 100], ends: Succeeded,
        untimed: true,
        settings: constant_100ms("attempts = 3"),
    }

    // Backoffs.
    an_explicit_list_is_one_attempt_longer_than_its_delays {
        backoff: delays([ms(10), ms(50), ms(20)]),
        script: [Busy, Busy, Busy, Busy],
        calls: [0, 10, 60, 80], slept: [10, 50, 20], ends: Attempts,
        settings: settings("strategy = 'delays', delays = ['10ms', '50ms', '20ms'], attempts = 9"),
    }
    an_empty_list_is_one_attempt {
        backoff: delays([]),
        script: [Busy], calls: [0], slept: [], ends: Attempts,
    }
    a_backoff_that_has_no_further_delay_ends_the_call {
        backoff: from_fn(|attempt| (attempt.number() < 3).then_some(ms(10))).max_attempts(9),
        script: [Busy, Busy, Busy], calls: [0, 10, 20], slept: [10, 10], ends: Attempts,
    }
    a_cap_holds_the_sleep {
        backoff: exponential(ms(100)).max_delay(ms(250)).max_attempts(4),
        script: [Busy, Busy, Busy, Done],
        calls: [0, 100, 300, 550], slept: [100, 200, 250], ends: Succeeded,
        settings: settings("wait_min = '100ms', wait_max = '250ms', attempts = 4"),
    }
    the_second_part_of_a_sequence_counts_from_one_again {
        backoff: constant(ms(10)).first(2).then(exponential(ms(100)).max_attempts(3)),
        script: [Busy, Busy, Busy, Busy, Busy],
        calls: [0, 10, 20, 120, 320], slept: [10, 10, 100, 200], ends: Attempts,
    }
    a_zero_delay_is_not_slept {
        backoff: immediate().max_attempts(4),
        script: [Busy, Busy, Busy.taking(5), Busy],
        calls: [0, 0, 0, 5], slept: [0, 0, 0], ends: Attempts,
        settings: settings("strategy = 'immediate', attempts = 4"),
    }
    zero_delays_mix_with_others {
        backoff: delays([ms(0), ms(10), ms(0)]),
        script: [Busy, Busy.taking(1), Busy, Done],
        calls: [0, 0, 11, 11], slept: [0, 10, 0], ends: Succeeded,
        settings: settings("strategy = 'delays', delays = ['0ms', '10ms', '0ms'], attempts = 9"),
    }

    // Verdicts.
    an_error_that_stays_ends_the_call {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Fatal], calls: [0], slept: [], ends: NotRetryable,
        settings: constant_100ms("attempts = 3"),
    }
    an_error_that_stays_ends_the_call_at_a_later_attempt {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, Fatal.taking(3)], calls: [0, 100], slept: [100], ends: NotRetryable,
        settings: constant_100ms("attempts = 3"),
    }
    an_error_that_stays_at_the_last_attempt_is_the_reason {
        backoff: constant(ms(100)).max_attempts(2),
        script: [Busy, Fatal], calls: [0, 100], slept: [100], ends: NotRetryable,
        settings: constant_100ms("attempts = 2"),
    }
    a_value_is_polled_until_it_is_good {
        backoff: constant(ms(100)).max_attempts(5),
        script: [NotYet, NotYet.taking(4), Done],
        calls: [0, 100, 204], slept: [100, 100], ends: Succeeded,
        settings: constant_100ms("attempts = 5"),
    }
    a_value_that_never_becomes_good_comes_out {
        backoff: constant(ms(100)).max_attempts(3),
        script: [NotYet, NotYet, NotYet], calls: [0, 100, 200], slept: [100, 100], ends: Attempts,
        settings: constant_100ms("attempts = 3"),
    }
    values_and_errors_are_retried_in_one_call {
        backoff: exponential(ms(100)).max_attempts(5),
        script: [NotYet, Busy, NotYet, Done],
        calls: [0, 100, 300, 700], slept: [100, 200, 400], ends: Succeeded,
        settings: settings("wait_min = '100ms', attempts = 5"),
    }
    a_value_that_stays_useless_ends_the_call {
        backoff: constant(ms(100)).max_attempts(3),
        script: [NotYet, Useless], calls: [0, 100], slept: [100], ends: NotRetryable,
        settings: constant_100ms("attempts = 3"),
    }
    an_error_that_is_accepted_is_a_success {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, Harmless], calls: [0, 100], slept: [100], ends: Succeeded,
        settings: constant_100ms("attempts = 3"),
    }

    // The server's delay.
    the_servers_delay_is_a_floor {
        backoff: constant(ms(100)).max_attempts(3),
        script: [After(ms(250)), Busy, Done],
        calls: [0, 250, 350], slept: [250, 100], ends: Succeeded,
        settings: constant_100ms("attempts = 3"),
    }
    a_longer_backoff_wins_over_the_server {
        backoff: constant(ms(100)).max_attempts(3),
        script: [After(ms(40)), After(ms(0)), Done],
        calls: [0, 100, 200], slept: [100, 100], ends: Succeeded,
        settings: constant_100ms("attempts = 3"),
    }
    the_servers_delay_is_not_slept_on_top_of_a_cap {
        backoff: constant(ms(100)).max_delay(ms(50)).max_attempts(3),
        script: [After(ms(250)), Busy, Done],
        calls: [0, 250, 300], slept: [250, 50], ends: Succeeded,
        settings: settings("wait_min = '50ms', wait_max = '50ms', attempts = 3"),
    }
    a_server_that_asks_for_more_than_the_default_ceiling_ends_the_call {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, After(ms(300_001))],
        calls: [0, 100], slept: [100], ends: RetryAfterTooLong,
        settings: constant_100ms("attempts = 3"),
    }
    a_server_is_obeyed_up_to_the_default_ceiling {
        backoff: constant(ms(100)).max_attempts(3),
        script: [After(ms(300_000)), Done], calls: [0, 300_000], slept: [300_000], ends: Succeeded,
        settings: constant_100ms("attempts = 3"),
    }
    a_server_that_asks_for_more_than_the_ceiling_ends_the_call {
        backoff: constant(ms(100)).max_retry_after(secs(1)).max_attempts(3),
        script: [After(ms(1_001))], calls: [0], slept: [], ends: RetryAfterTooLong,
        settings: constant_100ms("retry_after_max = '1s', attempts = 3"),
    }
    a_server_is_obeyed_up_to_the_ceiling {
        backoff: constant(ms(100)).max_retry_after(secs(1)).max_attempts(3),
        script: [After(ms(1_000)), Done], calls: [0, 1_000], slept: [1_000], ends: Succeeded,
        settings: constant_100ms("retry_after_max = '1s', attempts = 3"),
    }
    a_ceiling_may_be_raised_above_the_default {
        backoff: constant(ms(100)).max_attempts(3).max_retry_after(secs(3_600)),
        script: [After(secs(3_600)), Done],
        calls: [0, 3_600_000], slept: [3_600_000], ends: Succeeded,
        settings: constant_100ms("retry_after_max = '1h', attempts = 3"),
    }
    the_last_attempt_ends_the_call_whatever_the_server_asks {
        backoff: constant(ms(100)).max_attempts(2),
        script: [Busy, After(secs(9_000))], calls: [0, 100], slept: [100], ends: Attempts,
        settings: constant_100ms("attempts = 2"),
    }
    the_backoff_does_not_grow_from_the_servers_delay {
        backoff: exponential(ms(100)).max_attempts(5),
        script: [After(secs(60)), Busy, Busy, Done],
        calls: [0, 60_000, 60_200, 60_600], slept: [60_000, 200, 400], ends: Succeeded,
        settings: settings("wait_min = '100ms', attempts = 5"),
    }

    // The limit on time.
    a_retry_that_would_start_at_the_limit_is_not_slept_for {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [Busy, Busy, Busy], calls: [0, 100, 200], slept: [100, 100], ends: Elapsed,
        settings: constant_100ms("max_elapsed = '300ms', attempts = 99"),
    }
    a_retry_that_starts_just_before_the_limit_is_made {
        backoff: constant(ms(100)).max_elapsed(ms(301)),
        script: [Busy, Busy, Busy, Busy],
        calls: [0, 100, 200, 300], slept: [100, 100, 100], ends: Elapsed,
        settings: constant_100ms("max_elapsed = '301ms', attempts = 99"),
    }
    a_retry_that_would_start_past_the_limit_is_not_slept_for {
        backoff: exponential(ms(100)).max_elapsed(ms(600)),
        script: [Busy, Busy, Busy], calls: [0, 100, 300], slept: [100, 200], ends: Elapsed,
        settings: settings("wait_min = '100ms', max_elapsed = '600ms', attempts = 99"),
    }
    slow_attempts_count_towards_the_limit {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [Busy.taking(150), Busy.taking(10)],
        calls: [0, 250], slept: [100], ends: Elapsed,
        settings: constant_100ms("max_elapsed = '300ms', attempts = 99"),
    }
    one_slow_attempt_may_use_up_the_whole_limit {
        backoff: constant(ms(100)).max_elapsed(ms(300)).max_attempts(9),
        script: [Busy.taking(400)], calls: [0], slept: [], ends: Elapsed,
        settings: constant_100ms("max_elapsed = '300ms', attempts = 9"),
    }
    the_limit_holds_where_nothing_is_slept {
        backoff: immediate().max_elapsed(ms(100)),
        script: [Busy.taking(50), Busy.taking(49), Busy.taking(1)],
        calls: [0, 50, 99], slept: [0, 0], ends: Elapsed,
        settings: settings("strategy = 'immediate', max_elapsed = '100ms', attempts = 99"),
    }
    a_success_past_the_limit_is_a_success {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [Busy, Done.taking(1_000)], calls: [0, 100], slept: [100], ends: Succeeded,
        settings: constant_100ms("max_elapsed = '300ms', attempts = 99"),
    }
    a_limit_of_zero_is_one_attempt {
        backoff: constant(ms(100)).max_elapsed(ms(0)),
        script: [Busy], calls: [0], slept: [], ends: Elapsed,
    }
    a_limit_is_read_where_nothing_else_reads_the_clock {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [Busy.taking(50), Busy, Busy],
        calls: [0, 150, 250], slept: [100, 100], ends: Elapsed,
        untimed: true,
        settings: constant_100ms("max_elapsed = '300ms', attempts = 99"),
    }
    the_limit_on_attempts_counts_before_the_one_on_time {
        backoff: constant(ms(100)).max_elapsed(ms(150)).max_attempts(2),
        script: [Busy, Busy], calls: [0, 100], slept: [100], ends: Attempts,
        settings: constant_100ms("max_elapsed = '150ms', attempts = 2"),
    }
    the_tightest_of_several_limits_counts {
        backoff: constant(ms(100)).max_elapsed(ms(150)).max_attempts(9).max_elapsed(secs(10))
            .max_attempts(50),
        script: [Busy, Busy], calls: [0, 100], slept: [100], ends: Elapsed,
        settings: constant_100ms("max_elapsed = '150ms', attempts = 9"),
    }
    the_servers_delay_counts_towards_the_limit {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [After(ms(200)), After(ms(100))], calls: [0, 200], slept: [200], ends: Elapsed,
        settings: constant_100ms("max_elapsed = '300ms', attempts = 99"),
    }
    a_server_does_not_lift_the_limit {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [After(ms(300))], calls: [0], slept: [], ends: Elapsed,
        settings: constant_100ms("max_elapsed = '300ms', attempts = 99"),
    }
    a_polled_value_comes_out_at_the_limit {
        backoff: constant(ms(100)).max_elapsed(ms(150)),
        script: [NotYet, NotYet], calls: [0, 100], slept: [100], ends: Elapsed,
        settings: constant_100ms("max_elapsed = '150ms', attempts = 99"),
    }

    // Vetoes.
    a_refused_retry_returns_the_operations_own_error_at_once {
        backoff: constant(ms(100)).max_attempts(9),
        script: [Busy], calls: [0], slept: [], ends: Budget,
        refuses_retry: Some(("a", Veto::Budget)),
        settings: constant_100ms("attempts = 9"),
    }
    a_retry_is_refused_before_any_hook_hears_of_it {
        backoff: constant(ms(100)).max_attempts(9),
        script: [Busy, Busy.taking(20)], calls: [0, 100], slept: [100], ends: Refused,
        refuses_retry: Some(("b", Veto::Refused)),
        settings: constant_100ms("attempts = 9"),
    }
    a_refused_retry_returns_the_value_that_is_not_good {
        backoff: immediate().max_attempts(9),
        script: [NotYet, NotYet], calls: [0, 0], slept: [0], ends: Deadline,
        refuses_retry: Some(("a", Veto::Deadline)),
        settings: settings("strategy = 'immediate', attempts = 9"),
    }
    a_refused_first_attempt_is_not_made {
        backoff: constant(ms(100)).max_attempts(9),
        script: [], calls: [], slept: [], ends: Circuit,
        refuses_attempt: Some(("b", Veto::Circuit)),
        settings: constant_100ms("attempts = 9"),
    }
    a_refused_later_attempt_is_not_made {
        backoff: constant(ms(100)).max_attempts(9),
        script: [Busy.taking(30), Busy], calls: [0, 130], slept: [100, 100], ends: Circuit,
        refuses_attempt: Some(("a", Veto::Circuit)),
        settings: constant_100ms("attempts = 9"),
    }
    an_attempt_is_refused_where_nothing_was_slept {
        backoff: immediate().max_attempts(9),
        script: [Busy, NotYet], calls: [0, 0], slept: [0, 0], ends: Refused,
        refuses_attempt: Some(("b", Veto::Refused)),
        settings: settings("strategy = 'immediate', attempts = 9"),
    }
}

// ------------------------------------------------------------------------------------------------
// The log that follows from a case.

/// A line of the log, and the facts that hold when it is written.
struct Line {
    text: String,
    attempts: usize,
    waited: Duration,
    now: Duration,
}

impl Case {
    fn recorder(&self, name: &'static str, stage: &Stage) -> Recorder {
        let refuses = |by: Option<(&'static str, Veto)>, number: usize| {
            by.filter(|(recorder, _)| *recorder == name).map(|(_, veto)| (number as u32, veto))
        };
        Recorder {
            name,
            log: stage.log.clone(),
            timed: name == "b" && !self.untimed,
            refuses_retry: refuses(self.refuses_retry, self.calls.len()),
            refuses_attempt: refuses(self.refuses_attempt, self.calls.len() + 1),
        }
    }

    fn policies(&self) -> Option<Policies> {
        let settings = self.settings.as_ref()?;
        Some(Policies::load(&Figment::from(Toml::string(settings)), "").unwrap())
    }

    fn parts(&self, stage: &Stage, policies: Option<&Policies>) -> Parts {
        let [a, b] = ["a", "b"].map(|name| self.recorder(name, stage));
        let (backoff, policies) = (self.backoff.clone(), policies.cloned());
        Parts { backoff, policies, meaning: stage.meaning(), a, b, timer: stage.spy() }
    }

    /// Whether a policy of this kind can have the case.
    fn fits(&self, kind: Kind) -> bool {
        let guarded = match self.refuses_attempt {
            Some((recorder, _)) => kind.guards.contains(&recorder),
            None => true,
        };
        guarded && (self.settings.is_some() || !kind.of_settings)
    }

    /// The outcome of the call.
    fn outcome(&self) -> Made {
        match self.refuses_attempt {
            Some((_, veto)) => Err(Interrupted::Vetoed(veto).into()),
            None => self.script[self.calls.len() - 1].does.made(self.calls.len() as u32),
        }
    }

    /// Whether the times of the finish event are known.
    fn timed(&self) -> bool {
        !self.untimed || self.backoff.reads_clock()
    }

    /// The lines of both recorders at the end of the call.
    fn finish(&self, reason: Reason, at: &Line, outcome: &str) -> [String; 2] {
        self.finish_at(self.timed().then_some(at.now), reason, at, outcome)
    }

    fn finish_at(
        &self,
        elapsed: Option<Duration>,
        reason: Reason,
        at: &Line,
        outcome: &str,
    ) -> [String; 2] {
        let facts = (reason, at.attempts as u32, at.waited, elapsed);
        ["a", "b"].map(|recorder| format!("{recorder} finishes: {facts:?}{outcome}"))
    }

    /// The log of the call, derived from the row of the table by the rules of the events.
    fn log(&self, guards: &[&str], surface: &Surface) -> Vec<Line> {
        let mut lines: Vec<Line> = vec![];
        let (mut now, mut waited) = (Duration::ZERO, Duration::ZERO);
        for (i, at) in self.calls.iter().enumerate() {
            assert_eq!(now, ms(*at), "the row contradicts itself: call {}", i + 1);
            let (n, step) = (i + 1, self.script[i]);
            let last = n == self.calls.len();
            let mut say = |text: String, attempts: usize, waited: Duration, now: Duration| {
                lines.push(Line { text, attempts, waited, now });
            };
            for guard in guards {
                say(format!("{guard} guards {n}"), i, waited, now);
            }
            say(format!("a begins {n}, {waited:?} waited"), n, waited, now);
            say(format!("b begins {n}, {waited:?} waited"), n, waited, now);
            say(format!("call {n} at {now:?}"), n, waited, now);
            now += step.takes;
            let (outcome, verdict) = (step.does.made(n as u32), step.does.verdict());
            if outcome.is_ok() && !surface.sees_values {
                continue;
            }
            let outcome = surface.shown(&outcome);
            say(format!("classify {n}"), n, waited, now);
            say(format!("a hears {n}: {outcome} is {verdict:?}"), n, waited, now);
            say(format!("b hears {n}: {outcome} is {verdict:?}"), n, waited, now);
            if let Some(delay) = self.slept.get(i).map(|delay| ms(*delay)) {
                say(format!("a allows {n}: {delay:?}"), n, waited, now);
                say(format!("b allows {n}: {delay:?}"), n, waited, now);
                say(format!("a retries {n}: {outcome} in {delay:?}"), n, waited, now);
                say(format!("b retries {n}: {outcome} in {delay:?}"), n, waited, now);
                waited += delay;
                if !delay.is_zero() {
                    say(format!("sleep {delay:?}"), n, waited, now);
                }
                now += delay;
            } else if let (Some((recorder, _)), true) = (self.refuses_retry, last) {
                let delay = self.backoff.delay(&Attempt::new(n as u32)).unwrap();
                say(format!("a allows {n}: {delay:?}"), n, waited, now);
                if recorder == "b" {
                    say(format!("b allows {n}: {delay:?}"), n, waited, now);
                }
            }
        }
        let attempts = self.calls.len();
        let say = |lines: &mut Vec<Line>, text| lines.push(Line { text, attempts, waited, now });
        if let Some((refuses, _)) = self.refuses_attempt {
            for guard in guards {
                say(&mut lines, format!("{guard} guards {}", attempts + 1));
                if *guard == refuses {
                    break;
                }
            }
        }
        let outcome = self.outcome();
        let seen = self.refuses_attempt.is_none() && (outcome.is_err() || surface.sees_values);
        let outcome =
            if seen { format!(" with {}", surface.shown(&outcome)) } else { String::new() };
        let end = Line { text: String::new(), attempts, waited, now };
        for text in self.finish(self.ends, &end, &outcome) {
            say(&mut lines, text);
        }
        lines
    }
}

// ------------------------------------------------------------------------------------------------
// The policies.

/// The parts of a policy.
#[derive(Clone)]
struct Parts {
    backoff: AnyBackoff,
    /// A named policy with the same backoff.
    policies: Option<Policies>,
    meaning: Meaning,
    a: Recorder,
    b: Recorder,
    timer: Spy,
}

impl Parts {
    fn handle(self) -> HandlePolicy {
        let handle = self.policies.unwrap().get("parity").unwrap();
        handle.classifier(self.meaning).hook(self.a).hook(self.b).timer(self.timer)
    }

    fn guarded_handle(self) -> GuardedHandlePolicy {
        let handle = self.policies.unwrap().get_guarded("parity").unwrap();
        handle.classifier(self.meaning).guard(self.a).guard(self.b).timer(self.timer)
    }
}

/// A named policy reads the kind of an error, unless a classifier decides before, as it does here.
impl Kinded for Fault {
    const KINDS: &'static [&'static str] = &[];
    fn is_kind(&self, _: &str) -> bool {
        unreachable!("the classifier has an opinion on every error")
    }
}

type Pair = (((), Recorder), Recorder);
type HandlePolicy = Policy<Ask<Live, Meaning>, Pair, (), Spy>;
type GuardedHandlePolicy = Policy<Ask<Live, Meaning>, (), ((BySettings, Recorder), Recorder), Spy>;
type TestPolicy<M> = Policy<<M as Mode>::Rules, <M as Mode>::Hooks, <M as Mode>::Guards, Spy>;

/// Where the recorders of a policy stand, and where its backoff comes from.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// The recorders that are guards.
    guards: &'static [&'static str],
    of_settings: bool,
}

/// A [`Kind`] as a type.
trait Mode: Sized + 'static {
    const KIND: Kind;
    type Rules: Rules<Form: GuardEvents<Made> + GuardEvents<Errors>>
        + RulesFor<Made>
        + RulesFor<Errors>
        + Clone;
    type Hooks: Hook<Made> + Hook<Errors> + Clone;
    type Guards: EndsAs<Made> + EndsAs<Errors> + BlockingGuards + Clone;
    fn policy(parts: Parts) -> TestPolicy<Self>;
    fn erased(parts: Parts) -> DynPolicy<Fault>;
}

/// A mode whose loops can always be started.
trait UnguardedMode: Mode<Guards: Unguarded<Made>> {}
impl<M: Mode<Guards: Unguarded<Made>>> UnguardedMode for M {}

macro_rules! modes {
    ($(
        $(#[doc = $doc:literal])*
        $Mode:ident: $name:literal, guards: $guards:expr, of_settings: $of_settings:literal,
        ($Rules:ty, $Hooks:ty, $Guards:ty) = |$parts:ident| $policy:expr;
    )*) => { $(
        $(#[doc = $doc])*
        struct $Mode;
        impl Mode for $Mode {
            const KIND: Kind = Kind { name: $name, guards: $guards, of_settings: $of_settings };
            type Rules = $Rules;
            type Hooks = $Hooks;
            type Guards = $Guards;
            fn policy($parts: Parts) -> TestPolicy<Self> {
                $policy
            }
            fn erased(parts: Parts) -> DynPolicy<Fault> {
                Self::policy(parts).erase()
            }
        }
    )* };
}

type CodeRules = Ask<AnyBackoff, Meaning>;
type LiveRules = Ask<Live, Meaning>;
modes! {
    /// Both recorders are hooks: a call ends with an outcome of its operation.
    Watched: "a policy with hooks", guards: &[], of_settings: false,
    (CodeRules, Pair, ()) = |parts| {
        let Parts { backoff, meaning, a, b, timer, .. } = parts;
        Policy::with(Ask::new(backoff, meaning), ((), a), (), timer).hook(b)
    };
    /// Both recorders are guards.
    Guarded: "a policy with guards", guards: &["a", "b"], of_settings: false,
    (CodeRules, (), Pair) = |parts| {
        let Parts { backoff, meaning, a, b, timer, .. } = parts;
        Policy::with(Ask::new(backoff, meaning), (), ((), a), timer).guard(b)
    };
    /// Guards receive events before hooks, in whatever order they were added.
    Mixed: "a policy with a guard and a hook", guards: &["a"], of_settings: false,
    (CodeRules, ((), Recorder), ((), Recorder)) = |parts| {
        let Parts { backoff, meaning, a, b, timer, .. } = parts;
        Policy::new(backoff).hook(b).guard(a).classifier(meaning).timer(timer)
    };
    /// The backoff of a named policy.
    Handle: "a handle", guards: &[], of_settings: true,
    (LiveRules, Pair, ()) = |parts| parts.handle();
    /// The backoff of a named policy, whose settings might have guards too.
    Guarding: "a guarded handle", guards: &["a", "b"], of_settings: true,
    (LiveRules, (), ((BySettings, Recorder), Recorder)) = |parts| parts.guarded_handle();
}

/// Classifies values at the call, where the policy is an erased one, which does not see them.
struct OfValues(Log);

impl Classifier<Made> for OfValues {
    fn classify(&self, outcome: &Made, attempt: &Attempt) -> Option<Verdict> {
        let verdict = outcome.as_ref().ok()?.0.verdict();
        self.0.say(format!("classify {}", attempt.number()));
        Some(verdict)
    }
}

// ------------------------------------------------------------------------------------------------
// The surfaces.

/// The outcomes of a loop with `again`: there are no values.
type Errors = Result<Infallible, Fault>;
type Running = Pin<Box<dyn Future<Output = Made>>>;

/// Runs a script by a policy.
enum Plays {
    Blocking(fn(Parts, &Stage) -> Made),
    Async(fn(Parts, Stage) -> Running),
}

struct Surface {
    name: &'static str,
    /// The kinds of policies that the surface takes.
    plays: Vec<(Kind, Plays)>,
    /// `false` where successes are only announced.
    sees_values: bool,
    /// `false` where the recorders see of a value only that it is one.
    shows_values: bool,
    /// Whether the engine calls the operation; `false` where the body of a loop does.
    calls: bool,
}

impl Surface {
    /// Whether the time is given to each method: the drop of the engine has none.
    fn is_driven_by_hand(&self) -> bool {
        self.name.ends_with("driven_by_hand")
    }

    /// The outcome as the recorders print it.
    fn shown(&self, outcome: &Made) -> String {
        match outcome {
            Ok(_) if !self.shows_values => "Ok(())".to_owned(),
            outcome => format!("{outcome:?}"),
        }
    }
}

macro_rules! surfaces {
    ($(
        $(#[$flag:ident])*
        $kind:ident fn $name:ident($policy:ident: $takes:ident, $stage:ident) $body:block
    )*) => {
        $( surfaces!(@define $kind $name $policy $takes $stage $body); )*

        fn surfaces() -> Vec<Surface> {
            vec![$({
                #[allow(unused_mut, reason = "most surfaces have no flag")]
                let mut surface = Surface {
                    name: stringify!($name),
                    plays: surfaces!(@plays $kind $name $takes),
                    sees_values: true,
                    shows_values: true,
                    calls: true,
                };
                $(surface.$flag = false;)*
                surface
            }),*]
        }
    };

    // `policy` is a policy of any mode; of a mode without guards; an erased policy, which has the
    // classifier of values; or the parts of a policy, for a call that has them all itself.
    (@define $kind:ident $name:ident $policy:ident Any $stage:ident $body:block) => {
        surfaces!(@function $kind $name [M: Mode] $stage, |parts| $policy = M::policy(parts), $body);
    };
    (@define $kind:ident $name:ident $policy:ident Unguarded $stage:ident $body:block) => {
        surfaces!(
            @function $kind $name [M: UnguardedMode] $stage, |parts| $policy = M::policy(parts), $body
        );
    };
    (@define $kind:ident $name:ident $policy:ident Erased $stage:ident $body:block) => {
        surfaces!(
            @function $kind $name [M: Mode] $stage, |parts| $policy = M::erased(parts), $body
        );
    };
    (@define $kind:ident $name:ident $parts:ident $Mode:ident $stage:ident $body:block) => {
        surfaces!(@function $kind $name [] $stage, |parts| $parts = parts, $body);
    };

    (@function Blocking $name:ident [$($M:ident: $Bound:ident)?] $stage:ident,
        |$parts:ident| $policy:ident = $value:expr, $body:block
    ) => {
        fn $name$(<$M: $Bound>)?($parts: Parts, $stage: &Stage) -> Made {
            let $policy = $value;
            $body
        }
    };
    (@function Async $name:ident [$($M:ident: $Bound:ident)?] $stage:ident,
        |$parts:ident| $policy:ident = $value:expr, $body:block
    ) => {
        fn $name$(<$M: $Bound>)?($parts: Parts, $stage: Stage) -> Running {
            Box::pin(async move {
                let $policy = $value;
                $body
            })
        }
    };

    (@plays $kind:ident $name:ident Any) => {
        surfaces!(@of $kind $name Watched Guarded Mixed Handle Guarding)
    };
    (@plays $kind:ident $name:ident Erased) => {
        surfaces!(@of $kind $name Watched Guarded Mixed Handle Guarding)
    };
    (@plays $kind:ident $name:ident Unguarded) => { surfaces!(@of $kind $name Watched Handle) };
    (@plays $kind:ident $name:ident $Mode:ident) => {
        vec![($Mode::KIND, Plays::$kind($name))]
    };
    (@of $kind:ident $name:ident $($Mode:ident)+) => {
        vec![$(($Mode::KIND, Plays::$kind($name::<$Mode>))),+]
    };
}

surfaces! {
    // At the call site, blocking.
    Blocking fn closure_called(policy: Any, stage) {
        (|| stage.attempt()).retry_with(&policy).call()
    }
    Blocking fn closure_of_the_attempt_called(policy: Any, stage) {
        (|attempt: Attempt| stage.numbered(attempt)).retry_with(policy).call()
    }
    Blocking fn shared_policy_called(policy: Any, stage) {
        (|| stage.attempt()).retry_with(Arc::new(policy)).call()
    }
    Blocking fn shared_policy_called_by_reference(policy: Any, stage) {
        let policy = Arc::new(policy);
        (|| stage.attempt()).retry_with(&policy).call()
    }
    Blocking fn hooks_at_the_call_site_called(parts: Watched, stage) {
        (|| stage.attempt())
            .retry_with(parts.backoff)
            .classifier(parts.meaning)
            .hook(parts.a)
            .hook(parts.b)
            .timer(parts.timer)
            .call()
    }
    Blocking fn guards_at_the_call_site_called(parts: Guarded, stage) {
        (|| stage.attempt())
            .retry_with(parts.backoff)
            .classifier(parts.meaning)
            .guard(parts.a)
            .guard(parts.b)
            .timer(parts.timer)
            .call()
    }
    Blocking fn recorders_at_the_call_site_called(parts: Mixed, stage) {
        (|| stage.attempt())
            .retry_with(parts.backoff)
            .timer(parts.timer)
            .hook(parts.b)
            .guard(parts.a)
            .classifier(parts.meaning)
            .call()
    }
    Blocking fn handle_with_all_else_at_the_call_site_called(parts: Handle, stage) {
        let handle = parts.policies.unwrap().get("parity").unwrap();
        (|| stage.attempt())
            .retry_with(&handle)
            .classifier(parts.meaning)
            .hook(parts.a)
            .hook(parts.b)
            .timer(parts.timer)
            .call()
    }
    #[shows_values]
    Blocking fn erased_policy_called(policy: Erased, stage) {
        let values = OfValues(stage.log.clone());
        (|| stage.attempt()).retry_with(&policy).classifier(values).call()
    }
    #[shows_values]
    Blocking fn erased_policy_called_by_value(policy: Erased, stage) {
        let values = OfValues(stage.log.clone());
        (|attempt: Attempt| stage.numbered(attempt)).retry_with(policy).classifier(values).call()
    }

    // At the call site, awaited.
    Async fn closure_awaited(policy: Any, stage) {
        (|| stage.clone().attempt_async()).retry_with(&policy).await
    }
    Async fn closure_of_the_attempt_awaited(policy: Any, stage) {
        (|attempt: Attempt| stage.clone().numbered_async(attempt)).retry_with(policy).await
    }
    Async fn async_closure_awaited(policy: Any, stage) {
        (async || stage.clone().attempt_async().await).retry_with(&policy).await
    }
    Async fn shared_policy_awaited(policy: Any, stage) {
        (move || stage.clone().attempt_async()).retry_with(Arc::new(policy)).await
    }
    Async fn shared_policy_awaited_by_reference(policy: Any, stage) {
        let policy = Arc::new(policy);
        (move || stage.clone().attempt_async()).retry_with(&policy).await
    }
    Async fn clonable_future_awaited(policy: Any, stage) {
        Clonable::new(&stage).retry_with(&policy).await
    }
    Async fn hooks_at_the_call_site_awaited(parts: Watched, stage) {
        (|| stage.clone().attempt_async())
            .retry_with(parts.backoff)
            .classifier(parts.meaning)
            .hook(parts.a)
            .hook(parts.b)
            .timer(parts.timer)
            .await
    }
    Async fn guards_at_the_call_site_awaited(parts: Guarded, stage) {
        (|| stage.clone().attempt_async())
            .retry_with(parts.backoff)
            .classifier(parts.meaning)
            .guard(parts.a)
            .guard(parts.b)
            .timer(parts.timer)
            .await
    }
    Async fn guarded_handle_with_all_else_at_the_call_site_awaited(parts: Guarding, stage) {
        let handle = parts.policies.unwrap().get_guarded("parity").unwrap();
        (|| stage.clone().attempt_async())
            .retry_with(&handle)
            .classifier(parts.meaning)
            .guard(parts.a)
            .guard(parts.b)
            .timer(parts.timer)
            .await
    }
    #[shows_values]
    Async fn erased_policy_awaited(policy: Erased, stage) {
        let values = OfValues(stage.log.clone());
        (|| stage.clone().attempt_async()).retry_with(&policy).classifier(values).await
    }
    #[shows_values]
    Async fn erased_policy_awaited_by_value(policy: Erased, stage) {
        let values = OfValues(stage.log.clone());
        (|| stage.clone().attempt_async()).retry_with(policy).classifier(values).await
    }

    // The policy as a value.
    Blocking fn policy_call(policy: Any, stage) {
        policy.call(|attempt| stage.numbered(attempt))
    }
    Blocking fn policy_run_called(policy: Any, stage) {
        policy.run(|attempt| stage.numbered(attempt)).call()
    }
    #[shows_values]
    Blocking fn erased_policy_call(policy: Erased, stage) {
        let policy = policy.classifier(OfValues(stage.log.clone()));
        policy.call(|attempt| stage.numbered(attempt))
    }
    Async fn policy_run(policy: Any, stage) {
        policy.run(|attempt| stage.clone().numbered_async(attempt)).await
    }
    Async fn policy_run_of_an_async_closure(policy: Any, stage) {
        policy.run(async |attempt| stage.clone().numbered_async(attempt).await).await
    }
    Async fn policy_run_lending(policy: Any, stage) {
        let mut calls = 0;
        let run = policy.run_lending(async |attempt| {
            calls += 1;
            stage.clone().numbered_async(attempt).await
        });
        let outcome = run.await;
        assert!(was_made_by(&outcome, calls));
        outcome
    }
    Async fn policy_run_with(policy: Any, stage) {
        let run = policy.run_with(0, |calls, attempt| {
            let stage = stage.clone();
            async move { (calls + 1, stage.numbered_async(attempt).await) }
        });
        let (calls, outcome) = run.await;
        assert!(was_made_by(&outcome, calls));
        outcome
    }
    #[shows_values]
    Async fn erased_policy_run(policy: Erased, stage) {
        let policy = policy.classifier(OfValues(stage.log.clone()));
        policy.run(|attempt| stage.clone().numbered_async(attempt)).await
    }
    #[shows_values]
    Async fn erased_policy_run_lending(policy: Erased, stage) {
        let policy = policy.classifier(OfValues(stage.log.clone()));
        policy.run_lending(async |attempt| stage.clone().numbered_async(attempt).await).await
    }

    // The loop, blocking.
    Blocking fn loop_of_attempts_blocking(policy: Any, stage) {
        let mut attempts = Attempts::try_start(&policy)?;
        loop {
            if let Break(outcome) = attempts.attempt_blocking(|| stage.attempt()) {
                break outcome;
            }
        }
    }
    Blocking fn loop_begun_by_the_policy_blocking(policy: Unguarded, stage) {
        let mut attempts = policy.start();
        loop {
            if let Break(outcome) = attempts.attempt_blocking(|| stage.attempt()) {
                break outcome;
            }
        }
    }
    Blocking fn loop_tried_by_the_policy_blocking(policy: Any, stage) {
        let mut attempts = policy.try_start()?.without_last_outcome();
        loop {
            if let Break(outcome) = attempts.attempt_blocking(|| stage.attempt()) {
                break outcome;
            }
        }
    }
    Blocking fn loop_of_the_call_site_blocking(policy: Any, stage) {
        let mut attempts = match Loop::<Made>::new().retry_with(policy).begin() {
            Continue(attempts) => attempts,
            Break(outcome) => return outcome,
        };
        loop {
            if let Break(outcome) = attempts.attempt_blocking(|| stage.attempt()) {
                break outcome;
            }
        }
    }
    #[calls]
    Blocking fn loop_of_checks_blocking(policy: Any, stage) {
        let mut attempts = Attempts::try_start(policy)?;
        loop {
            let outcome = stage.numbered(attempts.current());
            if let Break(outcome) = attempts.check_blocking(outcome) {
                break outcome;
            }
        }
    }
    #[calls] #[sees_values]
    Blocking fn loop_of_errors_blocking(policy: Any, stage) {
        let mut attempts = policy.try_start::<Errors>()?;
        loop {
            match stage.attempt() {
                Ok(value) => break Ok(attempts.succeed(value)),
                Err(error) => attempts.again_blocking(error)?,
            }
        }
    }
    #[shows_values]
    Blocking fn loop_of_an_erased_policy_blocking(policy: Erased, stage) {
        let policy = policy.classifier(OfValues(stage.log.clone()));
        let mut attempts = Attempts::try_start(&policy)?;
        loop {
            if let Break(outcome) = attempts.attempt_blocking(|| stage.attempt()) {
                break outcome;
            }
        }
    }

    // The decorator, on functions that block and on those that do not.
    Blocking fn decorated_function(policy: Any, stage) {
        #[retry(policy)]
        fn decorated<M: Mode>(policy: &TestPolicy<M>, stage: &Stage) -> Made {
            stage.attempt()
        }
        decorated::<M>(&policy, stage)
    }
    Async fn decorated_async_function(policy: Any, stage) {
        #[retry(policy)]
        async fn decorated<M: Mode>(policy: Arc<TestPolicy<M>>, stage: Stage) -> Made {
            stage.attempt_async().await
        }
        decorated::<M>(Arc::new(policy), stage).await
    }
    Async fn decorated_method(parts: Watched, stage) {
        struct Caller(TestPolicy<Watched>, Stage);
        #[async_trait::async_trait]
        trait Attempting {
            async fn make(&mut self) -> Made;
        }
        #[async_trait::async_trait]
        impl Attempting for Caller {
            #[retry(self.0.clone())]
            async fn make(&mut self) -> Made {
                self.1.clone().attempt_async().await
            }
        }
        Caller(Watched::policy(parts), stage).make().await
    }
    #[shows_values]
    Async fn decorated_function_of_an_erased_policy(policy: Erased, stage) {
        #[retry(policy, classifier = OfValues(stage.log.clone()))]
        async fn decorated(policy: &DynPolicy<Fault>, stage: Stage) -> Made {
            stage.attempt_async().await
        }
        decorated(&policy, stage).await
    }

    // The loop, awaited.
    Async fn loop_of_attempts(policy: Any, stage) {
        let mut attempts = Attempts::try_start(&policy)?;
        loop {
            if let Break(outcome) = attempts.attempt(stage.clone().attempt_async()).await {
                break outcome;
            }
        }
    }
    Async fn loop_begun_by_the_policy(policy: Unguarded, stage) {
        let mut attempts = policy.start();
        loop {
            if let Break(outcome) = attempts.attempt(stage.clone().attempt_async()).await {
                break outcome;
            }
        }
    }
    Async fn loop_tried_by_the_policy(policy: Any, stage) {
        let mut attempts = policy.try_start()?.without_last_outcome();
        loop {
            if let Break(outcome) = attempts.attempt(stage.clone().attempt_async()).await {
                break outcome;
            }
        }
    }
    Async fn loop_of_the_call_site(policy: Any, stage) {
        let mut attempts = match Loop::<Made>::new().retry_with(&policy).begin() {
            Continue(attempts) => attempts,
            Break(outcome) => return outcome,
        };
        loop {
            if let Break(outcome) = attempts.attempt(stage.clone().attempt_async()).await {
                break outcome;
            }
        }
    }
    #[calls]
    Async fn loop_of_checks(policy: Any, stage) {
        let mut attempts = Attempts::try_start(Arc::new(policy))?;
        loop {
            let outcome = stage.clone().numbered_async(attempts.current()).await;
            if let Break(outcome) = attempts.check(outcome).await {
                break outcome;
            }
        }
    }
    #[calls] #[sees_values]
    Async fn loop_of_errors(policy: Any, stage) {
        let mut attempts = policy.try_start::<Errors>()?;
        loop {
            match stage.clone().attempt_async().await {
                Ok(value) => break Ok(attempts.succeed(value)),
                Err(error) => attempts.again(error).await?,
            }
        }
    }
    #[shows_values]
    Async fn loop_of_an_erased_policy(policy: Erased, stage) {
        let policy = policy.classifier(OfValues(stage.log.clone()));
        let mut attempts = policy.try_start()?;
        loop {
            if let Break(outcome) = attempts.attempt(stage.clone().attempt_async()).await {
                break outcome;
            }
        }
    }

    // The engine.
    Blocking fn engine_driven_by_hand(policy: Any, stage) {
        let (mut engine, timer) = (Engine::<Made, _>::new(&policy), stage.spy());
        let reads_clock = engine.reads_clock();
        let now = || reads_clock.then(|| timer.now());
        loop {
            if let Err((interruption, _)) = engine.enter(now()) {
                let interrupted: Interrupted = interruption.into();
                break Err(interrupted.into());
            }
            let outcome = stage.attempt();
            match engine.decide(&outcome, now()) {
                Decision::Return(_) => break outcome,
                Decision::Wait(delay) if delay.is_zero() => {}
                Decision::Wait(delay) => timer.sleep_blocking(delay),
            }
        }
    }
    #[shows_values]
    Blocking fn engine_of_an_erased_policy_driven_by_hand(policy: Erased, stage) {
        let policy = policy.classifier(OfValues(stage.log.clone()));
        let (mut engine, timer) = (Engine::new(policy), stage.spy());
        let reads_clock = engine.reads_clock();
        let now = || reads_clock.then(|| timer.now());
        loop {
            if let Err((interrupted, _)) = engine.enter(now()) {
                break Err(interrupted.into());
            }
            let outcome = stage.attempt();
            match engine.decide(&outcome, now()) {
                Decision::Return(_) => break outcome,
                Decision::Wait(delay) if delay.is_zero() => {}
                Decision::Wait(delay) => timer.sleep_blocking(delay),
            }
        }
    }
}

/// Whether the last of so many calls made the outcome, or a guard, which makes no call.
fn was_made_by(outcome: &Made, calls: u32) -> bool {
    match outcome {
        Ok(Reply(_, made)) | Err(Fault::Made(_, made)) => *made == calls,
        Err(Fault::Interrupted(_)) => true,
    }
}

// ------------------------------------------------------------------------------------------------
// The executors.

/// Runs everything that a future can do without time passing; between that, lets exactly the time
/// pass that it sleeps.
struct Steps {
    clock: VirtualClock,
    flag: Arc<Flag>,
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Flag {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Steps {
    fn new(clock: &VirtualClock) -> Self {
        Steps { clock: clock.clone(), flag: Arc::default() }
    }

    fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        let waker = Waker::from(self.flag.clone());
        future.poll(&mut Context::from_waker(&waker))
    }

    /// Ends the wait of a pending future: a turn of the executor, or a sleep.
    fn pass(&self) {
        if self.flag.take() {
            assert_eq!(self.clock.sleepers(), 0, "woken, and asleep all the same");
            return;
        }
        assert_eq!(self.clock.sleepers(), 1, "a pending call is asleep, or was woken");
        let slept = *self.clock.slept().last().unwrap();
        self.clock.advance(slept - Duration::from_nanos(1));
        assert!(!self.flag.take(), "woken before the sleep was over");
        self.clock.advance(Duration::from_nanos(1));
        assert!(self.flag.take(), "not woken when the sleep was over");
    }
}

/// Where a surface is run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Executor {
    /// On this thread, or under the virtual clock's own executor.
    Virtual,
    /// Poll by poll, each wake-up checked.
    Steps,
    /// In a pool of `futures`, with the virtual clock.
    Pool,
    /// In tokio's runtime, with its paused clock.
    Tokio,
}

/// Runs a future to its end in virtual time.
fn drive(mut future: Running, clock: &VirtualClock, executor: Executor) -> Made {
    match executor {
        Executor::Steps => {
            let steps = Steps::new(clock);
            loop {
                match steps.poll(future.as_mut()) {
                    Poll::Ready(outcome) => return outcome,
                    Poll::Pending => steps.pass(),
                }
            }
        }
        Executor::Pool => {
            let (mut pool, output) = (LocalPool::new(), Rc::new(Cell::new(None)));
            let task = output.clone();
            let task = async move { task.set(Some(future.await)) };
            pool.spawner().spawn_local(task).unwrap();
            loop {
                pool.run_until_stalled();
                match output.take() {
                    Some(outcome) => return outcome,
                    None => clock.advance(*clock.slept().last().unwrap()),
                }
            }
        }
        Executor::Virtual => clock.block_on(future),
        Executor::Tokio => unreachable!("tokio's time is not this clock's"),
    }
}

fn virtual_stage(script: &[Step]) -> Stage {
    Stage::new(Time::Virtual(VirtualClock::new()), script)
}

/// A case on a surface, by a policy of one kind.
struct Scene<'a> {
    name: &'a str,
    case: &'a Case,
    policies: Option<&'a Policies>,
    surface: &'a Surface,
    kind: Kind,
    plays: &'a Plays,
}

impl Scene<'_> {
    fn parts(&self, stage: &Stage) -> Parts {
        self.case.parts(stage, self.policies)
    }

    fn log(&self) -> Vec<Line> {
        self.case.log(self.kind.guards, self.surface)
    }

    fn play(&self, stage: &Stage, executor: Executor) -> Made {
        match self.plays {
            Plays::Blocking(play) => play(self.parts(stage), stage),
            Plays::Async(start) => {
                drive(start(self.parts(stage), stage.clone()), stage.clock(), executor)
            }
        }
    }

    fn start(&self, stage: &Stage) -> Option<Running> {
        match self.plays {
            Plays::Blocking(_) => None,
            Plays::Async(start) => Some(start(self.parts(stage), stage.clone())),
        }
    }

    #[track_caller]
    fn compare(&self, what: &str, log: &[String], expected: &[String]) {
        assert!(
            log == expected,
            "{} on {} with {}, {what}:\n  {}\nbut the table says\n  {}",
            self.name,
            self.surface.name,
            self.kind.name,
            log.join("\n  "),
            expected.join("\n  "),
        );
    }

    fn run(&self, executor: Executor) -> (Stage, Made) {
        if executor != Executor::Tokio {
            let stage = virtual_stage(&self.case.script);
            let outcome = self.play(&stage, executor);
            return (stage, outcome);
        }
        let mut paused = tokio::runtime::Builder::new_current_thread();
        let paused = paused.enable_time().start_paused(true).build().unwrap();
        paused.block_on(async {
            let stage = Stage::new(Time::Tokio, &self.case.script);
            let outcome = self.start(&stage).unwrap().await;
            (stage, outcome)
        })
    }

    /// The call comes out as the table says.
    fn holds(&self, executor: Executor) {
        let (stage, outcome) = self.run(executor);
        let expected = texts(&self.log());
        self.compare(&format!("run by {executor:?}"), &stage.log.read(), &expected);
        let (case, surface, kind) = (self.name, self.surface.name, self.kind.name);
        assert_eq!(outcome, self.case.outcome(), "{case} on {surface} with {kind} ends otherwise");
        if let Time::Virtual(clock) = &stage.time {
            assert_eq!(clock.sleepers(), 0, "{case} on {surface} leaves a sleep behind");
        }
    }

    /// A panic at any place comes out, nothing is retried, and both recorders receive the end once.
    /// The next call is not affected.
    fn survives_panics(&self) {
        let lines = self.log();
        for (place, line) in lines.iter().enumerate() {
            // Those that are no event of the call's own have tests below.
            let body = line.text.starts_with("call") && !self.surface.calls;
            if body || line.text.starts_with("sleep") || line.text.contains(" guards ") {
                continue;
            }
            let mut expected: Vec<_> = texts(&lines[..=place]);
            if line.text.contains("finishes") {
                expected = texts(&lines);
            } else {
                let knows_time = self.case.timed() && !self.surface.is_driven_by_hand();
                let elapsed = knows_time.then_some(line.now);
                expected.extend(self.case.finish_at(elapsed, Reason::Panicked, line, ""));
            }
            let stage = virtual_stage(&self.case.script);
            stage.log.plant(place);
            let outcome = catch_unwind(AssertUnwindSafe(|| self.play(&stage, Executor::Virtual)));
            self.compare(&format!("panicking at {}", line.text), &stage.log.read(), &expected);
            let payload = outcome.expect_err("the panic comes out");
            assert_eq!(payload.downcast_ref(), Some(&"bomb"), "{}: {}", self.name, line.text);
            stage.rewind(&self.case.script);
            assert_eq!(self.play(&stage, Executor::Virtual), self.case.outcome());
            self.compare("after a panic", &stage.log.read(), &texts(&lines));
        }
    }

    /// The future may be dropped anywhere: the recorders receive once that the call was cancelled,
    /// unless it had not begun or had ended; and no sleep stays behind.
    fn can_be_dropped(&self) {
        let lines = self.log();
        for polls in 0.. {
            let stage = virtual_stage(&self.case.script);
            let (steps, mut ended) = (Steps::new(stage.clock()), false);
            let Some(mut future) = self.start(&stage) else { return };
            for poll in 0..polls {
                if poll > 0 {
                    steps.pass();
                }
                ended = steps.poll(future.as_mut()).is_ready();
            }
            let before = stage.log.read();
            self.compare("so far", &before, &texts(&lines[..before.len()]));
            drop(future);
            let mut expected = before.clone();
            if let (Some(last), false) = (before.len().checked_sub(1), ended) {
                // A loop cannot know why its body ended.
                let body = before[last].starts_with("call") && !self.surface.calls;
                let reason = if body { Reason::Abandoned } else { Reason::Cancelled };
                expected.extend(self.case.finish(reason, &lines[last], ""));
            }
            let what = format!("dropped after {polls} polls");
            self.compare(&what, &stage.log.read(), &expected);
            assert_eq!(stage.clock().sleepers(), 0, "{}, {what}: a sleep leaks", self.name);
            assert_eq!(polls == 0, before.is_empty(), "{}: it begins when polled", self.name);
            if ended {
                return;
            }
        }
    }
}

fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| line.text.clone()).collect()
}

fn on_every_surface(name: &str, case: &Case) {
    assert!(
        case.slept.len() + 1 == case.calls.len() || case.refuses_attempt.is_some(),
        "the row contradicts itself: a sleep lies between two attempts"
    );
    assert!(case.script.len() == case.calls.len(), "a call for each step");
    let policies = case.policies();
    let policies = policies.as_ref();
    for surface in &surfaces() {
        let unseen = [NotYet, Useless];
        if !surface.sees_values && case.script.iter().any(|step| unseen.contains(&step.does)) {
            continue;
        }
        for (kind, plays) in &surface.plays {
            if !case.fits(*kind) {
                continue;
            }
            let scene = Scene { name, case, policies, surface, kind: *kind, plays };
            scene.holds(Executor::Virtual);
            if let Plays::Async(_) = plays {
                scene.holds(Executor::Steps);
                scene.holds(Executor::Pool);
                scene.holds(Executor::Tokio);
            }
            scene.survives_panics();
            scene.can_be_dropped();
        }
    }
    Reports { name, case, policies }.hold();
}

/// A report says how the call ended, and keeps the errors that it was asked to keep.
struct Reports<'a> {
    name: &'a str,
    case: &'a Case,
    policies: Option<&'a Policies>,
}

type Reported = Result<Reply, RetryError<Fault>>;
type ReportPlay = fn(Parts, &Stage) -> Reported;

fn reports_called<M: Mode>(parts: Parts, stage: &Stage) -> Reported {
    (|| stage.attempt()).retry_with(M::policy(parts)).report().call()
}

fn reports_called_with_history<M: Mode>(parts: Parts, stage: &Stage) -> Reported {
    (|| stage.attempt()).retry_with(M::policy(parts)).report().history(2).call()
}

fn reports_awaited<M: Mode>(parts: Parts, stage: &Stage) -> Reported {
    let reported = (|| stage.clone().attempt_async()).retry_with(M::policy(parts)).report();
    stage.clock().block_on(reported)
}

fn reports_awaited_with_history<M: Mode>(parts: Parts, stage: &Stage) -> Reported {
    let reported = (|| stage.clone().attempt_async()).retry_with(M::policy(parts)).report();
    stage.clock().block_on(reported.history(2))
}

fn reports_looped_with_history<M: Mode>(parts: Parts, stage: &Stage) -> Reported {
    let retry = Loop::<Made>::new().retry_with(M::policy(parts)).report().history(2);
    let mut attempts = match retry.begin() {
        Continue(attempts) => attempts,
        Break(reported) => return reported,
    };
    loop {
        if let Break(reported) = attempts.attempt_blocking(|| stage.attempt()) {
            return reported;
        }
    }
}

fn reports_erased_with_history<M: Mode>(parts: Parts, stage: &Stage) -> Reported {
    let retry = (|| stage.attempt()).retry_with(M::erased(parts));
    retry.classifier(OfValues(stage.log.clone())).report().history(2).call()
}

impl Reports<'_> {
    fn hold(&self) {
        self.hold_of::<Watched>();
        self.hold_of::<Guarded>();
        self.hold_of::<Mixed>();
        self.hold_of::<Handle>();
        self.hold_of::<Guarding>();
    }

    fn hold_of<M: Mode>(&self) {
        if !self.case.fits(M::KIND) {
            return;
        }
        let surfaces: [(&str, ReportPlay, usize); 6] = [
            ("called", reports_called::<M>, 0),
            ("called with history", reports_called_with_history::<M>, 2),
            ("awaited", reports_awaited::<M>, 0),
            ("awaited with history", reports_awaited_with_history::<M>, 2),
            ("looped with history", reports_looped_with_history::<M>, 2),
            ("erased, called with history", reports_erased_with_history::<M>, 2),
        ];
        for (surface, play, kept) in surfaces {
            let stage = virtual_stage(&self.case.script);
            let result = play(self.case.parts(&stage, self.policies), &stage);
            let what = format!("{}, {surface} by {}", self.name, M::KIND.name);
            self.holds(&what, result, kept);
        }
    }

    fn holds(&self, what: &str, result: Reported, kept: usize) {
        let case = self.case;
        if let (Ok(value), true) = (case.outcome(), case.ends.is_success()) {
            assert_eq!(result, Ok(value), "{what}");
            return;
        }
        let end = case.log(&[], &surfaces()[0]).pop().unwrap();
        let error = result.expect_err(what);
        let facts = (error.reason(), error.attempts() as usize, error.waited(), error.elapsed());
        assert_eq!(facts, (case.ends, end.attempts, end.waited, end.now), "{what}");
        let made = |i: usize| case.script[i].does.made(i as u32 + 1).err();
        let (last, interrupted) = match case.refuses_attempt {
            Some((_, veto)) => {
                let last = case.calls.len().checked_sub(1).and_then(made);
                (last, Some(Interrupted::Vetoed(veto)))
            }
            None => (case.outcome().err(), None),
        };
        assert_eq!(error.interrupted(), interrupted, "{what}");
        assert_eq!(error.error(), last.as_ref(), "{what}");
        let before = case.calls.len().saturating_sub(1);
        let mut history: Vec<_> = (0..before).filter_map(made).collect();
        history.drain(..history.len().saturating_sub(kept));
        assert_eq!(error.history(), history, "{what}");
    }
}

// ------------------------------------------------------------------------------------------------
// Behaviour of single surfaces.

/// The parts of a policy of three attempts, a tenth of a second apart, that logs.
fn three_attempts_parts(stage: &Stage) -> Parts {
    let case = Case {
        backoff: Arc::new(constant(ms(100)).max_attempts(3)),
        settings: None,
        script: vec![],
        calls: vec![],
        slept: vec![],
        ends: Reason::Attempts,
        refuses_retry: None,
        refuses_attempt: None,
        untimed: true,
    };
    case.parts(stage, None)
}

fn three_attempts(stage: &Stage) -> TestPolicy<Watched> {
    Watched::policy(three_attempts_parts(stage))
}

/// Recorder `a` heard of one end, which was this.
#[track_caller]
fn assert_finish(stage: &Stage, reason: Reason, attempts: u32) {
    let log = stage.log.read();
    let ends: Vec<_> = log.iter().filter(|line| line.starts_with("a finishes")).collect();
    assert_eq!(ends.len(), 1, "{log:?}");
    let facts = format!("a finishes: ({reason:?}, {attempts}, ");
    assert!(ends[0].starts_with(&facts), "{} instead of {facts}", ends[0]);
}

/// The lines of the log about calls of the operation and sleeps.
fn calls_and_sleeps(stage: &Stage) -> Vec<String> {
    let mut log = stage.log.read();
    log.retain(|line| line.starts_with("call ") || line.starts_with("sleep "));
    log
}

/// A loop that is left before its call has ended is neither a success nor a failure.
#[test]
fn a_loop_that_is_broken_out_of_is_abandoned() {
    let stage = virtual_stage(&[Busy.into(), Busy.into()]);
    let policy = three_attempts(&stage);
    let mut attempts = policy.start();
    assert_eq!(attempts.check_blocking(stage.attempt()), Continue(()));
    assert_eq!(attempts.number(), 2);
    drop(attempts);
    assert_finish(&stage, Reason::Abandoned, 2);

    let stage = virtual_stage(&[]);
    drop(three_attempts(&stage).start::<Made>());
    assert_finish(&stage, Reason::Abandoned, 1);
}

/// A loop whose attempt or sleep was dropped was cancelled in it.
#[test]
fn a_loop_that_is_dropped_in_a_sleep_is_cancelled() {
    let stage = virtual_stage(&[Busy.into()]);
    let policy = three_attempts(&stage);
    let steps = Steps::new(stage.clock());
    let mut attempts = policy.start();
    assert!(steps.poll(pin!(attempts.attempt(stage.clone().attempt_async()))).is_pending());
    assert_eq!(stage.clock().sleepers(), 0, "the sleep went with its future");
    drop(attempts);
    assert_finish(&stage, Reason::Cancelled, 1);
}

/// The future of an attempt does nothing before it is polled.
#[test]
fn an_attempt_of_a_loop_that_is_never_polled_is_not_made() {
    let stage = virtual_stage(&[Done.into()]);
    let policy = three_attempts(&stage);
    let mut attempts = policy.start();
    drop(attempts.attempt(stage.clone().attempt_async()));
    let outcome = stage.clock().block_on(attempts.attempt(stage.clone().attempt_async()));
    assert_eq!(outcome, Break(Ok(Reply(Done, 1))));
    assert_finish(&stage, Reason::Succeeded, 1);
}

/// A sleep that was cut short goes on at the next attempt, which is made once the sleep is over.
#[test]
fn a_loop_goes_on_after_a_sleep_that_was_cut_short() {
    let stage = virtual_stage(&[Busy.into(), Busy.into(), Busy.into()]);
    let policy = three_attempts(&stage);
    let (clock, steps) = (stage.clock(), Steps::new(stage.clock()));
    let mut attempts = policy.start();
    assert!(steps.poll(pin!(attempts.attempt(stage.clone().attempt_async()))).is_pending());
    clock.advance(ms(30));
    assert!(steps.poll(pin!(attempts.attempt(stage.clone().attempt_async()))).is_pending());
    clock.advance(ms(20));
    let second = clock.block_on(attempts.attempt(stage.clone().attempt_async()));
    assert_eq!(second, Continue(()));
    let last = attempts.attempt_blocking(|| stage.attempt());
    assert_eq!(last, Break(Err(Fault::Made(Busy, 3))));
    assert_finish(&stage, Reason::Attempts, 3);
    assert_eq!(
        calls_and_sleeps(&stage),
        [
            "call 1 at 0ns",
            "sleep 100ms",
            "sleep 70ms",
            "sleep 50ms",
            "call 2 at 100ms",
            "sleep 100ms",
            "call 3 at 200ms",
        ]
    );
}

/// Outcomes in hand: a check whose future is dropped before the sleep is over is not
/// made.
#[test]
fn a_check_after_a_sleep_that_was_cut_short_sleeps_the_rest_of_it() {
    let stage = virtual_stage(&[]);
    let policy = three_attempts(&stage);
    let (clock, steps) = (stage.clock(), Steps::new(stage.clock()));
    let mut attempts = policy.start();
    assert!(steps.poll(pin!(attempts.check(Busy.made(1)))).is_pending());
    assert_eq!(attempts.number(), 2);
    clock.advance(ms(30));
    assert!(steps.poll(pin!(attempts.check(Done.made(0)))).is_pending());
    assert_eq!(attempts.number(), 2);
    assert_eq!(attempts.check_blocking(Busy.made(2)), Continue(()));
    assert_eq!(clock.now(), ms(200));
    let last = attempts.check_blocking(Busy.made(3));
    assert_eq!(last, Break(Err(Fault::Made(Busy, 3))));
    assert_finish(&stage, Reason::Attempts, 3);
    assert_eq!(
        calls_and_sleeps(&stage),
        ["sleep 100ms", "sleep 70ms", "sleep 70ms", "sleep 100ms"]
    );
}

/// Each execution counts, also one that a timeout around it cut short, and is followed by its
/// delay: otherwise a loop of timeouts would never reach its limit.
#[test]
fn an_attempt_that_was_cut_short_counts() {
    let stage = virtual_stage(&[Busy.taking(50), Busy.taking(50), Busy.into()]);
    let policy = three_attempts(&stage);
    let steps = Steps::new(stage.clock());
    let mut attempts = policy.start();
    assert_eq!(attempts.number(), 1);
    assert!(steps.poll(pin!(attempts.attempt(stage.clone().attempt_async()))).is_pending());
    assert_eq!(attempts.number(), 2);
    {
        let mut second = pin!(attempts.attempt(stage.clone().attempt_async()));
        assert!(steps.poll(second.as_mut()).is_pending());
        steps.pass();
        assert!(steps.poll(second.as_mut()).is_pending());
    }
    assert_eq!(attempts.number(), 3);
    let last = stage.clock().block_on(attempts.attempt(stage.clone().attempt_async()));
    assert_eq!(last, Break(Err(Fault::Made(Busy, 3))));
    assert_finish(&stage, Reason::Attempts, 3);
    assert_eq!(
        calls_and_sleeps(&stage),
        ["call 1 at 0ns", "sleep 100ms", "call 2 at 100ms", "sleep 100ms", "call 3 at 200ms"]
    );
}

/// An attempt after the end of the call is made, and its outcome comes out as it is.
#[test]
fn a_loop_that_has_ended_retries_nothing_more() {
    let stage = virtual_stage(&[Fatal.into(), Busy.into(), Busy.into(), Busy.into()]);
    let policy = three_attempts(&stage);
    let mut attempts = policy.start();
    assert_eq!(attempts.check_blocking(stage.attempt()), Break(Err(Fault::Made(Fatal, 1))));
    let ended = stage.log.read();
    let blocking = attempts.attempt_blocking(|| stage.attempt());
    assert_eq!(blocking, Break(Err(Fault::Made(Busy, 2))));
    let awaited = stage.clock().block_on(attempts.attempt(stage.clone().attempt_async()));
    assert_eq!(awaited, Break(Err(Fault::Made(Busy, 3))));
    let checked = stage.clock().block_on(attempts.check(stage.attempt()));
    assert_eq!(checked, Break(Err(Fault::Made(Busy, 4))));
    drop(attempts);
    let after: Vec<_> =
        stage.log.read().split_off(ended.len()).iter().map(|line| line[..4].to_owned()).collect();
    assert_eq!(after, ["call", "call", "call"], "no hook hears of it");
}

/// A second panic while one unwinds would end the process, and so would a panic in its drop.
#[test]
fn hooks_that_panic_one_after_the_other_end_their_call_and_nothing_more() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("in a drop"));
        }
    }
    let mut heard = false;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        (|| Some(1))
            .retry_with(immediate().max_attempts(1))
            .on_finish(|_| std::panic::resume_unwind(Box::new("in the first")))
            .on_finish(|_| std::panic::resume_unwind(Box::new(Bomb)))
            .on_finish(|_| heard = true)
            .call()
    }));
    let thrown = outcome.expect_err("the first panic comes out");
    assert_eq!(thrown.downcast_ref(), Some(&"in the first"));
    assert!(heard);
}

/// A panic in the body of a loop is a panic of its operation, which runs there.
#[test]
fn a_panic_in_the_body_of_a_loop_ends_the_call_as_panicked() {
    let stage = virtual_stage(&[Busy.into(), Busy.into()]);
    let policy = three_attempts(&stage);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut attempts = policy.start();
        loop {
            if attempts.number() == 2 {
                std::panic::resume_unwind(Box::new("in the body"));
            }
            if let Break(outcome) = attempts.check_blocking(stage.attempt()) {
                break outcome;
            }
        }
    }));
    assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"in the body"));
    assert_finish(&stage, Reason::Panicked, 2);
}

/// An operation may panic before it has made its future.
#[test]
fn a_panic_while_the_future_is_made_ends_the_call_as_panicked() {
    type Never = std::future::Ready<Made>;
    fn panics() -> Never {
        std::panic::resume_unwind(Box::new("no future"))
    }
    type Play = fn(&TestPolicy<Watched>, &VirtualClock);
    let surfaces: [(&str, Play); 4] = [
        ("retry_with", |policy, clock| {
            let _ = clock.block_on(panics.retry_with(policy));
        }),
        ("run", |policy, clock| {
            let _ = clock.block_on(policy.run(|_| panics()));
        }),
        ("run_lending", |policy, clock| {
            let _ = clock.block_on(policy.run_lending(|_| panics()));
        }),
        ("run_with", |policy, clock| {
            let run = policy.run_with((), |(), _| {
                let future = panics();
                async { ((), future.await) }
            });
            let _ = clock.block_on(run);
        }),
    ];
    for (name, play) in surfaces {
        let stage = virtual_stage(&[]);
        let policy = three_attempts(&stage);
        let outcome = catch_unwind(AssertUnwindSafe(|| play(&policy, stage.clock())));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"no future"), "{name}");
        let ends = stage.log.read().split_off(2);
        let panicked = ["a", "b"]
            .map(|hook| format!("{hook} finishes: (Panicked, 1, {:?}, None)", Duration::ZERO));
        assert_eq!(ends, panicked, "{name}");
    }
}

/// A hook that panics while a panic unwinds does not abort the process, and the hooks behind it
/// still receive the end.
#[test]
fn a_panic_within_a_panic_aborts_nothing() {
    #[derive(Clone)]
    struct Fragile;
    impl<O> Hook<O> for Fragile {
        fn finish(&mut self, _: &FinishEvent<'_, O>) {
            std::panic::resume_unwind(Box::new("hook"))
        }
    }
    let run = |play: fn(Parts, &Stage, Fragile)| {
        let stage = virtual_stage(&[Busy.into(), Busy.into()]);
        let parts = three_attempts_parts(&stage);
        let outcome = catch_unwind(AssertUnwindSafe(|| play(parts, &stage, Fragile)));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"operation"));
        assert_finish(&stage, Reason::Panicked, 2);
        let ends = stage.log.read().iter().filter(|line| line.contains("finishes")).count();
        assert_eq!(ends, 3, "{:?}", stage.log.read());
    };
    fn panics(attempt: Attempt) -> Made {
        match attempt.number() {
            1 => Busy.made(1),
            _ => std::panic::resume_unwind(Box::new("operation")),
        }
    }
    run(|parts, stage, fragile| {
        let Parts { backoff, a, b, timer, .. } = parts;
        let retry = panics.retry_with(backoff).timer(timer).hook(a).hook(fragile).hook(b);
        let _ = retry.on_finish(|_| stage.log.say("c finishes")).call();
    });
    run(|parts, stage, fragile| {
        let Parts { backoff, a, b, timer, .. } = parts;
        let operation = |attempt| async move { panics(attempt) };
        let retry = operation.retry_with(backoff).timer(timer).hook(a).hook(fragile).hook(b);
        let retry = retry.on_finish(|_| stage.log.say("c finishes"));
        let _ = stage.clock().block_on(retry);
    });
}

/// An operation that has panicked is not run again, also if the panic was caught.
#[test]
fn a_retry_whose_operation_panicked_is_over() {
    /// Panics when it is polled first, and succeeds when it is polled again.
    struct Once(bool);
    impl Future for Once {
        type Output = Made;
        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Made> {
            if std::mem::replace(&mut self.0, false) {
                std::panic::resume_unwind(Box::new("when polled"));
            }
            Poll::Ready(Done.made(1))
        }
    }
    let operations: [(&str, fn() -> Once); 2] = [
        ("when called", || std::panic::resume_unwind(Box::new("when called"))),
        ("when polled", || Once(true)),
    ];
    for (name, operation) in operations {
        let stage = virtual_stage(&[]);
        let (policy, steps) = (three_attempts(&stage), Steps::new(stage.clock()));
        let mut retry = Box::pin(operation.retry_with(&policy));
        let first = catch_unwind(AssertUnwindSafe(|| steps.poll(retry.as_mut())));
        assert_eq!(first.unwrap_err().downcast_ref(), Some(&name));
        let again = catch_unwind(AssertUnwindSafe(|| steps.poll(retry.as_mut())));
        let message = again.expect_err(name);
        let message = match message.downcast::<String>() {
            Ok(message) => *message,
            Err(message) => (*message.downcast::<&str>().unwrap()).to_owned(),
        };
        assert!(message.contains("after it had ended or panicked"), "{name}: {message}");
        drop(retry);
        assert_finish(&stage, Reason::Panicked, 1);
    }
}

/// A timer may panic too: tokio's does outside of tokio.
#[test]
fn a_timer_that_panics_ends_the_call_as_panicked() {
    #[derive(Clone)]
    struct NoRuntime;
    impl Clock for NoRuntime {
        type Sleep = std::future::Ready<()>;
        fn now(&self) -> Duration {
            Duration::ZERO
        }
    }
    impl Timer for NoRuntime {
        fn sleep(&self, _: Duration) -> Self::Sleep {
            std::panic::resume_unwind(Box::new("no runtime"))
        }
    }
    impl BlockingTimer for NoRuntime {
        fn sleep_blocking(&self, _: Duration) {
            std::panic::resume_unwind(Box::new("no runtime"))
        }
    }
    let plays: [fn(TestPolicy<Watched>, &Stage); 2] = [
        |policy, stage| {
            let _ = (|| stage.attempt()).retry_with(policy).timer(NoRuntime).call();
        },
        |policy, stage| {
            let retry = (|| stage.clone().attempt_async()).retry_with(policy).timer(NoRuntime);
            let _ = stage.clock().block_on(retry);
        },
    ];
    for play in plays {
        let stage = virtual_stage(&[Busy.into()]);
        let policy = three_attempts(&stage);
        let outcome = catch_unwind(AssertUnwindSafe(|| play(policy, &stage)));
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"no runtime"));
        assert_finish(&stage, Reason::Panicked, 1);
    }
}

/// An attempt has not begun before its guard has allowed it.
#[test]
fn a_guard_that_panics_has_begun_no_attempt() {
    #[derive(Clone)]
    struct Fragile;
    impl<O> Guard<O> for Fragile {
        fn allow_attempt(&mut self, _: &Attempt) -> ControlFlow<Veto> {
            std::panic::resume_unwind(Box::new("guard"))
        }
    }
    let stage = virtual_stage(&[]);
    let policy = three_attempts(&stage).guard(Fragile);
    let outcome = catch_unwind(AssertUnwindSafe(|| policy.call(|_| stage.attempt())));
    assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"guard"));
    assert_finish(&stage, Reason::Panicked, 0);
}

/// An engine that is dropped before its call has ended reports the end: in a sleep, that is a
/// cancellation, and in an attempt no panic.
#[test]
fn a_call_driven_by_hand_that_is_given_up_has_not_panicked() {
    let stage = virtual_stage(&[]);
    let policy = three_attempts(&stage);
    let mut engine = Engine::new(&policy);
    let Ok(_) = engine.enter(None);
    assert_eq!(engine.decide(&Busy.made(1), None), Decision::Wait(ms(100)));
    drop(engine);
    assert_finish(&stage, Reason::Cancelled, 1);

    let stage = virtual_stage(&[]);
    let mut engine = Engine::<Made, _>::new(three_attempts(&stage));
    let Ok(_) = engine.enter(None);
    drop(engine);
    let ends = stage.log.read().split_off(2);
    assert_eq!(ends.len(), 2, "one for each hook: {ends:?}");
    assert!(ends.iter().all(|end| end.contains("Abandoned")), "{ends:?}");
}

/// The time of an engine is that which its methods are given: its policy's timer may have another
/// epoch, or may not work at all.
#[test]
fn an_engine_that_is_dropped_does_not_ask_the_timer_of_its_policy() {
    #[derive(Clone, Default)]
    struct Asked(Arc<AtomicBool>);
    impl Clock for Asked {
        type Sleep = std::future::Ready<()>;
        fn now(&self) -> Duration {
            self.0.store(true, Ordering::SeqCst);
            secs(1)
        }
    }
    let (stage, timer) = (virtual_stage(&[]), Asked::default());
    let policy = three_attempts(&stage).timed().timer(timer.clone());
    let mut engine = Engine::new(&policy);
    assert!(engine.reads_clock());
    let Ok(_) = engine.enter(secs(1_000));
    assert_eq!(engine.decide(&Busy.made(1), secs(1_002)), Decision::Wait(ms(100)));
    drop(engine);
    assert_finish(&stage, Reason::Cancelled, 1);
    assert!(!timer.0.load(Ordering::SeqCst), "{:?}", stage.log.read());
}

/// A call that never began has no end either.
#[test]
fn an_engine_that_never_began_has_no_end() {
    let stage = virtual_stage(&[]);
    drop(Engine::<Made, _>::new(three_attempts(&stage)));
    assert!(stage.log.read().is_empty());
}

/// The operation is given its number, the limit, the time, and the delays before it.
#[test]
fn an_operation_is_given_its_attempt() {
    let (clock, mut seen) = (VirtualClock::new(), vec![]);
    let outcome = (|attempt: Attempt| {
        seen.push(attempt);
        clock.advance(ms(5));
        None::<()>
    })
    .retry_with(exponential(ms(100)).max_attempts(3).max_elapsed(secs(60)))
    .timer(clock.clone())
    .call();
    assert_eq!(outcome, None);
    let facts: Vec<_> = seen
        .iter()
        .map(|attempt| {
            let first = (attempt.number(), attempt.max_attempts().unwrap().get());
            (first, attempt.elapsed(), attempt.waited(), attempt.previous_delay())
        })
        .collect();
    assert_eq!(
        facts,
        [
            ((1, 3), Ok(ms(0)), ms(0), None),
            ((2, 3), Ok(ms(105)), ms(100), Some(ms(100))),
            ((3, 3), Ok(ms(310)), ms(300), Some(ms(200))),
        ]
    );
    assert!(seen[0].is_first() && !seen[1].is_first());
    assert!(seen[2].is_last() && !seen[1].is_last());
}

/// A rule about errors at the call site is about all errors; about values, the policy is still
/// asked.
#[test]
fn rules_of_the_call_site_come_before_those_of_the_policy() {
    /// Retries every error but 1, and waits for values above 2.
    #[derive(Clone, Copy)]
    struct Rules;
    impl Classifier<Result<u32, u32>> for Rules {
        fn classify(&self, outcome: &Result<u32, u32>, _: &Attempt) -> Option<Verdict> {
            Some(match outcome {
                Ok(0..=2) => Verdict::Retry,
                Ok(_) => Verdict::Accept,
                Err(1) => Verdict::Stop,
                Err(_) => Verdict::Retry,
            })
        }
    }
    type Ruled = Policy<Ask<MaxAttempts<Constant>, Rules>, (), (), VirtualClock>;
    fn next(calls: &Cell<u32>) -> u32 {
        calls.set(calls.get() + 1);
        calls.get()
    }
    let calls = |play: fn(Ruled, &Cell<u32>) -> Result<u32, u32>| {
        let calls = Cell::new(0);
        let rules = Ask::new(immediate().max_attempts(4), Rules);
        let outcome = play(Policy::with(rules, (), (), VirtualClock::new()), &calls);
        (outcome, calls.get())
    };

    // No rule: those of the policy.
    assert_eq!(calls(|policy, n| (|| Ok(next(n))).retry_with(policy).call()), (Ok(3), 3));
    assert_eq!(calls(|policy, n| (|| Err(next(n))).retry_with(policy).call()), (Err(1), 1));
    // `.when` decides about every error, and about no value.
    let outcome = calls(|policy, n| (|| Err(next(n))).retry_with(policy).when(|e| *e < 3).call());
    assert_eq!(outcome, (Err(3), 3));
    let outcome = calls(|policy, n| (|| Ok(next(n))).retry_with(policy).when(|e| *e < 3).call());
    assert_eq!(outcome, (Ok(3), 3));
    // `.until` decides about every value, and about no error.
    let outcome = calls(|policy, n| (|| Ok(next(n))).retry_with(policy).until(|v| *v == 1).call());
    assert_eq!(outcome, (Ok(1), 1));
    let outcome = calls(|policy, n| (|| Err(next(n))).retry_with(policy).until(|v| *v == 1).call());
    assert_eq!(outcome, (Err(1), 1));
    // `.classify` where it has an opinion.
    let outcome = calls(|policy, n| {
        let retry =
            |outcome: &Result<u32, u32>, _: &Attempt| outcome.is_err().then_some(Verdict::Retry);
        (|| Err(next(n))).retry_with(policy).classify(retry).call()
    });
    assert_eq!(outcome, (Err(4), 4));
    let outcome = calls(|policy, n| {
        let silent = |_: &Result<u32, u32>, _: &Attempt| None;
        (|| Ok(next(n))).retry_with(policy).classify(silent).call()
    });
    assert_eq!(outcome, (Ok(3), 3));
}

/// Where no classifier has an opinion, errors are retried and values accepted.
#[test]
fn at_the_end_of_every_chain_errors_are_retried_and_values_accepted() {
    let (clock, backoff) = (VirtualClock::new(), constant(ms(1)).max_attempts(3));
    let silent = Policy::with(Ask::new(backoff, ()), (), (), clock.clone());
    let third = |attempt: Attempt| (attempt.number() == 3).then_some("third");
    assert_eq!(silent.call(third), Some("third"));
    assert_eq!(silent.call(|_| None::<()>), None);
    assert_eq!(clock.block_on(silent.run(async |attempt| third(attempt))), Some("third"));
    assert_eq!(clock.slept().len(), 6);
    // A classifier of errors alone has no opinion on values.
    let errors = Ask::new(backoff, when(|error: &u32| *error < 3));
    let errors = Policy::with(errors, (), (), clock.clone());
    assert_eq!(errors.call(|_| Ok::<_, u32>(1)), Ok(1));
    assert_eq!(errors.call(|attempt| Err::<(), _>(attempt.number() + 1)), Err(3));
}

/// Every type of outcome is retried in the same way.
#[test]
fn options_and_control_flow_are_outcomes() {
    let policy = Policy::new(constant(ms(1)).max_attempts(3)).timer(VirtualClock::new());
    let third = |attempt: Attempt| (attempt.number() == 3).then_some("third");
    assert_eq!(policy.call(third), Some("third"));
    assert_eq!(policy.call(|attempt| (attempt.number() == 4).then_some("fourth")), None);
    let clock = VirtualClock::new();
    let third = clock.block_on(
        (|attempt: Attempt| async move {
            if attempt.number() == 3 { Break("third") } else { Continue(attempt.number()) }
        })
        .retry_with(constant(ms(1)).max_attempts(3))
        .timer(clock.clone()),
    );
    assert_eq!(third, Break("third"));
    let never = policy.call(|attempt| ControlFlow::<(), _>::Continue(attempt.number()));
    assert_eq!(never, Continue(3));
}
