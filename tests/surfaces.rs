//! One table of calls that come out the same on every surface: the same attempts at the same
//! times, the same sleeps, the same events in the same order, the same end. Then each call of the
//! table once more with a panic at each of its events, and dropped at each of its waits.
#![allow(clippy::unwrap_used, reason = "a test may")]

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

use futures::executor::LocalPool;
use futures::task::LocalSpawnExt as _;
use persevere::backoff::{Constant, MaxAttempts};
use persevere::classify::when;
use persevere::hook::FinishEvent;
use persevere::policy::{IntoPolicy, PolicyParts, Source};
use persevere::retry::{Ends, Finish, Plain};
use persevere::time::{BlockingTimer, Clock, Timer, VirtualClock};
use persevere::{
    Attempt, Attempts, Backoff, Classifier, Decision, Engine, Hook, Interrupted, MayInterrupt, Own,
    Policy, Reason, RetryError, RetryExt, Verdict, Veto, constant, delays, exponential, from_fn,
    immediate, linear, retry,
};

use support::Does::{After, Busy, Done, Fatal, Harmless, NotYet, Useless};
use support::{
    AnyBackoff, Clonable, Fault, Made, Meaning, Recorder, Reply, Spy, Stage, Step, Time, ms, secs,
};

// ------------------------------------------------------------------------------------------------
// The table.

/// A call: what happens to it, and what has to come of that. Times are in milliseconds.
struct Case {
    backoff: AnyBackoff,
    script: Vec<Step>,
    /// When the attempts begin.
    calls: Vec<u64>,
    /// What is slept between them.
    slept: Vec<u64>,
    ends: Reason,
    /// The hook of this name refuses the retry after the last call.
    refuses_retry: Option<(&'static str, Veto)>,
    /// The hook of this name refuses the attempt after the last call.
    refuses_attempt: Option<(&'static str, Veto)>,
    /// Nothing but a limit reads the clock.
    untimed: bool,
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
    }
    a_success_after_two_failures_follows_two_sleeps {
        backoff: exponential(ms(100)).max_attempts(5),
        script: [Busy, Busy, Done], calls: [0, 100, 300], slept: [100, 200], ends: Succeeded,
    }
    a_success_at_the_last_attempt_is_a_success {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, Busy, Done], calls: [0, 100, 200], slept: [100, 100], ends: Succeeded,
    }
    max_attempts_counts_the_first_execution {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, Busy, Busy], calls: [0, 100, 200], slept: [100, 100], ends: Attempts,
    }
    max_retries_does_not_count_the_first_execution {
        backoff: constant(ms(100)).max_retries(3),
        script: [Busy, Busy, Busy, Busy],
        calls: [0, 100, 200, 300], slept: [100, 100, 100], ends: Attempts,
    }
    a_single_attempt_is_not_slept_after {
        backoff: constant(ms(100)).max_attempts(1),
        script: [Busy], calls: [0], slept: [], ends: Attempts,
    }
    a_single_attempt_that_succeeds_has_succeeded {
        backoff: constant(ms(100)).max_attempts(1),
        script: [Done.taking(5)], calls: [0], slept: [], ends: Succeeded,
    }
    no_retries_is_one_attempt {
        backoff: constant(ms(100)).max_retries(0),
        script: [Busy.taking(5)], calls: [0], slept: [], ends: Attempts,
    }
    a_call_without_a_limit_goes_on_until_it_succeeds {
        backoff: linear(ms(10)).forever(),
        script: [Busy, Busy, Busy, Busy, Done],
        calls: [0, 10, 30, 60, 100], slept: [10, 20, 30, 40], ends: Succeeded,
    }
    time_that_attempts_take_comes_on_top_of_the_sleeps {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy.taking(7), Busy.taking(11), Done.taking(13)],
        calls: [0, 107, 218], slept: [100, 100], ends: Succeeded,
    }
    events_know_no_time_where_nothing_reads_the_clock {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy.taking(7), Busy, Done.taking(13)],
        calls: [0, 107, 207], slept: [100, 100], ends: Succeeded,
        untimed: true,
    }

    // Backoffs.
    an_explicit_list_is_one_attempt_longer_than_its_delays {
        backoff: delays([ms(10), ms(50), ms(20)]),
        script: [Busy, Busy, Busy, Busy],
        calls: [0, 10, 60, 80], slept: [10, 50, 20], ends: Attempts,
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
    }
    zero_delays_mix_with_others {
        backoff: delays([ms(0), ms(10), ms(0)]),
        script: [Busy, Busy.taking(1), Busy, Done],
        calls: [0, 0, 11, 11], slept: [0, 10, 0], ends: Succeeded,
    }

    // Verdicts.
    an_error_that_stays_ends_the_call {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Fatal], calls: [0], slept: [], ends: NotRetryable,
    }
    an_error_that_stays_ends_the_call_at_a_later_attempt {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, Fatal.taking(3)], calls: [0, 100], slept: [100], ends: NotRetryable,
    }
    an_error_that_stays_is_not_blamed_on_the_last_attempt {
        backoff: constant(ms(100)).max_attempts(2),
        script: [Busy, Fatal], calls: [0, 100], slept: [100], ends: NotRetryable,
    }
    a_value_is_polled_until_it_is_good {
        backoff: constant(ms(100)).max_attempts(5),
        script: [NotYet, NotYet.taking(4), Done],
        calls: [0, 100, 204], slept: [100, 100], ends: Succeeded,
    }
    a_value_that_never_becomes_good_comes_out {
        backoff: constant(ms(100)).max_attempts(3),
        script: [NotYet, NotYet, NotYet], calls: [0, 100, 200], slept: [100, 100], ends: Attempts,
    }
    values_and_errors_are_retried_in_one_call {
        backoff: exponential(ms(100)).max_attempts(5),
        script: [NotYet, Busy, NotYet, Done],
        calls: [0, 100, 300, 700], slept: [100, 200, 400], ends: Succeeded,
    }
    a_value_that_stays_useless_ends_the_call {
        backoff: constant(ms(100)).max_attempts(3),
        script: [NotYet, Useless], calls: [0, 100], slept: [100], ends: NotRetryable,
    }
    an_error_that_is_accepted_is_a_success {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, Harmless], calls: [0, 100], slept: [100], ends: Succeeded,
    }

    // The server's delay.
    the_servers_delay_is_a_floor {
        backoff: constant(ms(100)).max_attempts(3),
        script: [After(ms(250)), Busy, Done],
        calls: [0, 250, 350], slept: [250, 100], ends: Succeeded,
    }
    a_longer_backoff_wins_over_the_server {
        backoff: constant(ms(100)).max_attempts(3),
        script: [After(ms(40)), After(ms(0)), Done],
        calls: [0, 100, 200], slept: [100, 100], ends: Succeeded,
    }
    the_servers_delay_is_not_slept_on_top_of_a_cap {
        backoff: constant(ms(100)).max_delay(ms(50)).max_attempts(3),
        script: [After(ms(250)), Busy, Done],
        calls: [0, 250, 300], slept: [250, 50], ends: Succeeded,
    }
    a_server_that_asks_for_more_than_the_default_ceiling_ends_the_call {
        backoff: constant(ms(100)).max_attempts(3),
        script: [Busy, After(ms(300_001))],
        calls: [0, 100], slept: [100], ends: RetryAfterTooLong,
    }
    a_server_is_obeyed_up_to_the_default_ceiling {
        backoff: constant(ms(100)).max_attempts(3),
        script: [After(ms(300_000)), Done], calls: [0, 300_000], slept: [300_000], ends: Succeeded,
    }
    a_server_that_asks_for_more_than_the_ceiling_ends_the_call {
        backoff: constant(ms(100)).max_retry_after(secs(1)).max_attempts(3),
        script: [After(ms(1_001))], calls: [0], slept: [], ends: RetryAfterTooLong,
    }
    a_server_is_obeyed_up_to_the_ceiling {
        backoff: constant(ms(100)).max_retry_after(secs(1)).max_attempts(3),
        script: [After(ms(1_000)), Done], calls: [0, 1_000], slept: [1_000], ends: Succeeded,
    }
    a_ceiling_may_be_raised_above_the_default {
        backoff: constant(ms(100)).max_attempts(3).max_retry_after(secs(3_600)),
        script: [After(secs(3_600)), Done],
        calls: [0, 3_600_000], slept: [3_600_000], ends: Succeeded,
    }
    the_last_attempt_ends_the_call_whatever_the_server_asks {
        backoff: constant(ms(100)).max_attempts(2),
        script: [Busy, After(secs(9_000))], calls: [0, 100], slept: [100], ends: Attempts,
    }
    the_backoff_does_not_grow_from_the_servers_delay {
        backoff: exponential(ms(100)).max_attempts(5),
        script: [After(secs(60)), Busy, Busy, Done],
        calls: [0, 60_000, 60_200, 60_600], slept: [60_000, 200, 400], ends: Succeeded,
    }

    // The limit on time.
    a_retry_that_would_start_at_the_limit_is_not_slept_for {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [Busy, Busy, Busy], calls: [0, 100, 200], slept: [100, 100], ends: Elapsed,
    }
    a_retry_that_starts_just_before_the_limit_is_made {
        backoff: constant(ms(100)).max_elapsed(ms(301)),
        script: [Busy, Busy, Busy, Busy],
        calls: [0, 100, 200, 300], slept: [100, 100, 100], ends: Elapsed,
    }
    a_retry_that_would_start_past_the_limit_is_not_slept_for {
        backoff: exponential(ms(100)).max_elapsed(ms(600)),
        script: [Busy, Busy, Busy], calls: [0, 100, 300], slept: [100, 200], ends: Elapsed,
    }
    slow_attempts_eat_the_limit {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [Busy.taking(150), Busy.taking(10)],
        calls: [0, 250], slept: [100], ends: Elapsed,
    }
    one_slow_attempt_eats_the_whole_limit {
        backoff: constant(ms(100)).max_elapsed(ms(300)).max_attempts(9),
        script: [Busy.taking(400)], calls: [0], slept: [], ends: Elapsed,
    }
    the_limit_holds_where_nothing_is_slept {
        backoff: immediate().max_elapsed(ms(100)),
        script: [Busy.taking(50), Busy.taking(49), Busy.taking(1)],
        calls: [0, 50, 99], slept: [0, 0], ends: Elapsed,
    }
    a_success_past_the_limit_is_a_success {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [Busy, Done.taking(1_000)], calls: [0, 100], slept: [100], ends: Succeeded,
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
    }
    the_limit_on_attempts_counts_before_the_one_on_time {
        backoff: constant(ms(100)).max_elapsed(ms(150)).max_attempts(2),
        script: [Busy, Busy], calls: [0, 100], slept: [100], ends: Attempts,
    }
    the_tightest_of_several_limits_counts {
        backoff: constant(ms(100)).max_elapsed(ms(150)).max_attempts(9).max_elapsed(secs(10))
            .max_attempts(50),
        script: [Busy, Busy], calls: [0, 100], slept: [100], ends: Elapsed,
    }
    the_servers_delay_counts_towards_the_limit {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [After(ms(200)), After(ms(100))], calls: [0, 200], slept: [200], ends: Elapsed,
    }
    a_server_does_not_lift_the_limit {
        backoff: constant(ms(100)).max_elapsed(ms(300)),
        script: [After(ms(300))], calls: [0], slept: [], ends: Elapsed,
    }
    a_polled_value_comes_out_at_the_limit {
        backoff: constant(ms(100)).max_elapsed(ms(150)),
        script: [NotYet, NotYet], calls: [0, 100], slept: [100], ends: Elapsed,
    }

    // Vetoes.
    a_refused_retry_returns_the_operations_own_error_at_once {
        backoff: constant(ms(100)).max_attempts(9),
        script: [Busy], calls: [0], slept: [], ends: Budget,
        refuses_retry: Some(("a", Veto::Budget)),
    }
    a_retry_is_refused_by_any_hook_before_one_is_told {
        backoff: constant(ms(100)).max_attempts(9),
        script: [Busy, Busy.taking(20)], calls: [0, 100], slept: [100], ends: Refused,
        refuses_retry: Some(("b", Veto::Refused)),
    }
    a_refused_retry_returns_the_value_that_is_not_good {
        backoff: immediate().max_attempts(9),
        script: [NotYet, NotYet], calls: [0, 0], slept: [0], ends: Deadline,
        refuses_retry: Some(("a", Veto::Deadline)),
    }
    a_refused_first_attempt_is_not_made {
        backoff: constant(ms(100)).max_attempts(9),
        script: [], calls: [], slept: [], ends: Circuit,
        refuses_attempt: Some(("b", Veto::Circuit)),
    }
    a_refused_later_attempt_is_not_made {
        backoff: constant(ms(100)).max_attempts(9),
        script: [Busy.taking(30), Busy], calls: [0, 130], slept: [100, 100], ends: Circuit,
        refuses_attempt: Some(("a", Veto::Circuit)),
    }
    an_attempt_is_refused_where_nothing_was_slept {
        backoff: immediate().max_attempts(9),
        script: [Busy, NotYet], calls: [0, 0], slept: [0, 0], ends: Refused,
        refuses_attempt: Some(("b", Veto::Refused)),
    }
}

// ------------------------------------------------------------------------------------------------
// What the log of a case has to be.

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
            by.filter(|(hook, _)| *hook == name).map(|(_, veto)| (number as u32, veto))
        };
        Recorder {
            name,
            log: stage.log.clone(),
            timed: name == "b" && !self.untimed,
            refuses_retry: refuses(self.refuses_retry, self.calls.len()),
            refuses_attempt: refuses(self.refuses_attempt, self.calls.len() + 1),
        }
    }

    fn own(&self, stage: &Stage) -> TestPolicy<Own> {
        let (a, b) = (self.recorder("a", stage), self.recorder("b", stage));
        Policy::with(self.backoff.clone(), stage.meaning(), ((), a), stage.spy()).hook(b)
    }

    fn guarded(&self, stage: &Stage) -> TestPolicy<MayInterrupt> {
        let (a, b) = (self.recorder("a", stage), self.recorder("b", stage));
        Policy::with(self.backoff.clone(), stage.meaning(), ((), a), stage.spy()).guard(b)
    }

    /// What comes out.
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

    /// Both hooks hear that the call ended.
    fn finish(&self, reason: Reason, at: &Line, outcome: &str) -> [String; 2] {
        let facts = (reason, at.attempts as u32, at.waited, self.timed().then_some(at.now));
        ["a", "b"].map(|hook| format!("{hook} finishes: {facts:?}{outcome}"))
    }

    /// The log of the call, derived from the row of the table by the rules of the events.
    fn log(&self, guarded: bool, surface: &Surface) -> Vec<Line> {
        let mut lines: Vec<Line> = vec![];
        let (mut now, mut waited) = (Duration::ZERO, Duration::ZERO);
        for (i, at) in self.calls.iter().enumerate() {
            assert_eq!(now, ms(*at), "the row contradicts itself: call {}", i + 1);
            let (n, step) = (i + 1, self.script[i]);
            let last = n == self.calls.len();
            let mut say = |text: String, attempts: usize, waited: Duration, now: Duration| {
                lines.push(Line { text, attempts, waited, now });
            };
            if guarded {
                say(format!("a guards {n}"), i, waited, now);
                say(format!("b guards {n}"), i, waited, now);
            }
            say(format!("a begins {n}, {waited:?} waited"), n, waited, now);
            say(format!("b begins {n}, {waited:?} waited"), n, waited, now);
            say(format!("call {n} at {now:?}"), n, waited, now);
            now += step.takes;
            let (outcome, verdict) = (step.does.made(n as u32), step.does.verdict());
            if outcome.is_ok() && !surface.sees_values {
                continue;
            }
            say(format!("classify {n}"), n, waited, now);
            say(format!("a hears {n}: {outcome:?} is {verdict:?}"), n, waited, now);
            say(format!("b hears {n}: {outcome:?} is {verdict:?}"), n, waited, now);
            if let Some(delay) = self.slept.get(i).map(|delay| ms(*delay)) {
                say(format!("a allows {n}: {delay:?}"), n, waited, now);
                say(format!("b allows {n}: {delay:?}"), n, waited, now);
                say(format!("a retries {n}: {outcome:?} in {delay:?}"), n, waited, now);
                say(format!("b retries {n}: {outcome:?} in {delay:?}"), n, waited, now);
                waited += delay;
                if !delay.is_zero() {
                    say(format!("sleep {delay:?}"), n, waited, now);
                }
                now += delay;
            } else if let (Some((hook, _)), true) = (self.refuses_retry, last) {
                let delay = self.backoff.delay(&Attempt::new(n as u32)).unwrap();
                say(format!("a allows {n}: {delay:?}"), n, waited, now);
                if hook == "b" {
                    say(format!("b allows {n}: {delay:?}"), n, waited, now);
                }
            }
        }
        let attempts = self.calls.len();
        let say = |lines: &mut Vec<Line>, text| lines.push(Line { text, attempts, waited, now });
        if let Some((hook, _)) = self.refuses_attempt {
            say(&mut lines, format!("a guards {}", attempts + 1));
            if hook == "b" {
                say(&mut lines, format!("b guards {}", attempts + 1));
            }
        }
        let outcome = self.outcome();
        let seen = self.refuses_attempt.is_none() && (outcome.is_err() || surface.sees_values);
        let outcome = if seen { format!(" with {outcome:?}") } else { String::new() };
        let end = Line { text: String::new(), attempts, waited, now };
        for text in self.finish(self.ends, &end, &outcome) {
            say(&mut lines, text);
        }
        lines
    }
}

// ------------------------------------------------------------------------------------------------
// The surfaces.

type Hooks = (((), Recorder), Recorder);
type TestPolicy<X> = Policy<AnyBackoff, Meaning, Hooks, X, Spy>;
/// What a loop with `again` is about: there are no values.
type Errors = Result<Infallible, Fault>;
type Running = Pin<Box<dyn Future<Output = Made>>>;

/// How a surface runs a script by a policy.
enum Plays<X> {
    Blocking(fn(&TestPolicy<X>, &Stage) -> Made),
    Async(fn(TestPolicy<X>, Stage) -> Running),
}

struct Surface {
    name: &'static str,
    own: Plays<Own>,
    /// The same by a policy with a guard, where the surface takes one.
    guarded: Option<Plays<MayInterrupt>>,
    /// Not so where successes are only announced.
    sees_values: bool,
    /// Whether the engine calls the operation; not so where the body of a loop does.
    calls: bool,
}

macro_rules! surfaces {
    ($(
        $(#[$flag:ident])*
        $kind:ident fn $name:ident($policy:ident: $ends:ident, $stage:ident) $body:block
    )*) => {
        $( surfaces!(@define $kind $name $policy $ends $stage $body); )*

        fn surfaces() -> Vec<Surface> {
            vec![$({
                #[allow(unused_mut, reason = "most surfaces have no flag")]
                let mut surface = surfaces!(@list $kind $name $ends);
                $(surface.$flag = false;)*
                surface
            }),*]
        }
    };
    (@define Blocking $name:ident $policy:ident Any $stage:ident $body:block) => {
        fn $name<X: Ends + Clone>($policy: &TestPolicy<X>, $stage: &Stage) -> Made
        where
            Plain: Finish<Made, X, Output = Made> + Finish<Errors, X, Output = Errors>,
        $body
    };
    (@define Blocking $name:ident $policy:ident Own $stage:ident $body:block) => {
        fn $name($policy: &TestPolicy<Own>, $stage: &Stage) -> Made $body
    };
    (@define Async $name:ident $policy:ident Any $stage:ident $body:block) => {
        fn $name<X: Ends + Clone + 'static>($policy: TestPolicy<X>, $stage: Stage) -> Running
        where
            Plain: Finish<Made, X, Output = Made> + Finish<Errors, X, Output = Errors>,
        {
            Box::pin(async move $body)
        }
    };
    (@define Async $name:ident $policy:ident Own $stage:ident $body:block) => {
        fn $name($policy: TestPolicy<Own>, $stage: Stage) -> Running {
            Box::pin(async move $body)
        }
    };
    (@list $kind:ident $name:ident Any) => {
        Surface {
            name: stringify!($name),
            own: Plays::$kind($name::<Own>),
            guarded: Some(Plays::$kind($name::<MayInterrupt>)),
            sees_values: true,
            calls: true,
        }
    };
    (@list $kind:ident $name:ident Own) => {
        Surface {
            name: stringify!($name),
            own: Plays::$kind($name),
            guarded: None,
            sees_values: true,
            calls: true,
        }
    };
}

surfaces! {
    // At the call site, blocking.
    Blocking fn closure_called(policy: Any, stage) {
        (|| stage.attempt()).retry_with(policy).call()
    }
    Blocking fn closure_of_the_attempt_called(policy: Any, stage) {
        (|attempt: Attempt| stage.numbered(attempt)).retry_with(policy.clone()).call()
    }
    Blocking fn shared_policy_called(policy: Any, stage) {
        (|| stage.attempt()).retry_with(Arc::new(policy.clone())).call()
    }
    Blocking fn parts_at_the_call_site_called(policy: Own, stage) {
        let PolicyParts { hooks: (((), a), b), timer, .. } = policy.into_parts();
        (|| stage.attempt())
            .retry_with(policy.backoff())
            .classifier(stage.meaning())
            .hook(a)
            .hook(b)
            .timer(timer)
            .call()
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
    Async fn clonable_future_awaited(policy: Any, stage) {
        Clonable::new(&stage).retry_with(&policy).await
    }
    Async fn parts_at_the_call_site_awaited(policy: Own, stage) {
        let PolicyParts { hooks: (((), a), b), timer, .. } = (&policy).into_parts();
        (|| stage.clone().attempt_async())
            .retry_with(policy.backoff())
            .classifier(stage.meaning())
            .hook(a)
            .hook(b)
            .timer(timer)
            .await
    }

    // The policy as a value.
    Blocking fn policy_call(policy: Any, stage) {
        policy.call(|attempt| stage.numbered(attempt))
    }
    Async fn policy_run(policy: Own, stage) {
        let mut calls = 0;
        let outcome = policy
            .run(async |attempt| {
                calls += 1;
                stage.clone().numbered_async(attempt).await
            })
            .await;
        assert!(matches!(outcome, Ok(Reply(_, made)) | Err(Fault::Made(_, made)) if made == calls));
        outcome
    }
    Async fn policy_run_with(policy: Own, stage) {
        let run = policy.run_with(0, |calls, attempt| {
            let stage = stage.clone();
            async move { (calls + 1, stage.numbered_async(attempt).await) }
        });
        let (calls, outcome) = run.await;
        assert!(matches!(outcome, Ok(Reply(_, made)) | Err(Fault::Made(_, made)) if made == calls));
        outcome
    }

    // The loop, blocking.
    Blocking fn loop_of_attempts_blocking(policy: Any, stage) {
        let mut attempts = Attempts::try_start(policy)?;
        loop {
            if let Break(outcome) = attempts.attempt_blocking(|| stage.attempt()) {
                break outcome;
            }
        }
    }
    Blocking fn loop_begun_by_the_policy_blocking(policy: Own, stage) {
        let mut attempts = policy.start();
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
        let mut attempts = Attempts::<Errors, _, _, _, _>::try_start(policy)?;
        loop {
            match stage.attempt() {
                Ok(value) => break Ok(attempts.succeed(value)),
                Err(error) => attempts.again_blocking(error)?,
            }
        }
    }

    // The decorator, on functions that block and on those that do not.
    Blocking fn decorated_function(policy: Any, stage) {
        #[retry(policy)]
        fn decorated<X>(policy: &TestPolicy<X>, stage: &Stage) -> Made
        where
            X: Ends,
            Plain: Finish<Made, X, Output = Made>,
        {
            stage.attempt()
        }
        decorated(policy, stage)
    }
    Async fn decorated_async_function(policy: Any, stage) {
        #[retry(policy)]
        async fn decorated<X>(policy: Arc<TestPolicy<X>>, stage: Stage) -> Made
        where
            X: Ends,
            Plain: Finish<Made, X, Output = Made>,
        {
            stage.attempt_async().await
        }
        decorated(Arc::new(policy), stage).await
    }
    Async fn decorated_method(policy: Own, stage) {
        struct Caller(TestPolicy<Own>, Stage);
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
        Caller(policy, stage).make().await
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
    Async fn loop_begun_by_the_policy(policy: Own, stage) {
        let mut attempts = policy.start();
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
        let mut attempts = Attempts::<Errors, _, _, _, _>::try_start(policy)?;
        loop {
            match stage.clone().attempt_async().await {
                Ok(value) => break Ok(attempts.succeed(value)),
                Err(error) => attempts.again(error).await?,
            }
        }
    }

    // The engine.
    Blocking fn engine_driven_by_hand(policy: Any, stage) {
        let PolicyParts { source, hooks, timer, .. } = policy.into_parts();
        let reads = source.backoff().reads_clock() || Hook::<Made>::reads_clock(&hooks);
        let now = || reads.then(|| timer.now());
        let mut call = ByHand { engine: Engine::new(), hooks, now };
        call.engine.begin(now());
        loop {
            let entered = call.engine.enter::<Made, X, _, _>(source.backoff(), &mut call.hooks, now());
            if let Err((interruption, _)) = entered {
                let interrupted: Interrupted = interruption.into();
                break Err(interrupted.into());
            }
            let outcome = stage.attempt();
            let (backoff, classifier) = (source.backoff(), source.classifier());
            match call.engine.decide(backoff, classifier, &mut call.hooks, &outcome, now()) {
                Decision::Return(_) => break outcome,
                Decision::Wait(delay) if delay.is_zero() => {}
                Decision::Wait(delay) => timer.sleep_blocking(delay),
            }
        }
    }
}

/// An engine whose call is given up when this is dropped.
struct ByHand<N: Fn() -> Option<Duration>> {
    engine: Engine,
    hooks: Hooks,
    now: N,
}

impl<N: Fn() -> Option<Duration>> Drop for ByHand<N> {
    fn drop(&mut self) {
        let now = (self.now)();
        self.engine.abandon::<Made, _>(&mut self.hooks, now);
    }
}

// ------------------------------------------------------------------------------------------------
// The executors.

/// Runs everything that a future can do without time passing; between that, lets pass what it
/// sleeps, and not a nanosecond less.
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

    /// What a pending future waits for comes: another turn, or the end of its sleep.
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
    /// Poll by poll, with an eye on the waker.
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

impl<X: Clone> Plays<X> {
    fn play(&self, policy: &TestPolicy<X>, stage: &Stage, executor: Executor) -> Made {
        match self {
            Plays::Blocking(play) => play(policy, stage),
            Plays::Async(start) => {
                drive(start(policy.clone(), stage.clone()), stage.clock(), executor)
            }
        }
    }
}

fn virtual_stage(script: &[Step]) -> Stage {
    Stage::new(Time::Virtual(VirtualClock::new()), script)
}

/// A case on a surface, by a policy with a guard or without.
struct Scene<'a> {
    name: &'a str,
    case: &'a Case,
    surface: &'a Surface,
    guarded: bool,
}

impl Scene<'_> {
    fn play(&self, stage: &Stage, executor: Executor) -> Made {
        match &self.surface.guarded {
            Some(plays) if self.guarded => plays.play(&self.case.guarded(stage), stage, executor),
            _ => self.surface.own.play(&self.case.own(stage), stage, executor),
        }
    }

    fn is_async(&self) -> bool {
        matches!(self.surface.own, Plays::Async(_))
    }

    fn start(&self, stage: &Stage) -> Option<Running> {
        match (&self.surface.own, &self.surface.guarded) {
            (_, Some(Plays::Async(start))) if self.guarded => {
                Some(start(self.case.guarded(stage), stage.clone()))
            }
            (Plays::Async(start), _) => Some(start(self.case.own(stage), stage.clone())),
            (Plays::Blocking(_), _) => None,
        }
    }

    #[track_caller]
    fn compare(&self, what: &str, log: &[String], expected: &[String]) {
        assert!(
            log == expected,
            "{} on {}{}, {what}:\n  {}\nbut the table says\n  {}",
            self.name,
            self.surface.name,
            if self.guarded { " with a guard" } else { "" },
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
        let expected = texts(&self.case.log(self.guarded, self.surface));
        self.compare(&format!("run by {executor:?}"), &stage.log.read(), &expected);
        let (case, surface) = (self.name, self.surface.name);
        assert_eq!(outcome, self.case.outcome(), "{case} on {surface} ends otherwise");
        if let Time::Virtual(clock) = &stage.time {
            assert_eq!(clock.sleepers(), 0, "{case} on {surface} leaves a sleep behind");
        }
    }

    /// Whoever panics, and whenever: the panic comes out, nothing is retried, and both hooks hear
    /// once of the end. The policy stays fit for use.
    fn survives_panics(&self) {
        let lines = self.case.log(self.guarded, self.surface);
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
                expected.extend(self.case.finish(Reason::Panicked, line, ""));
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

    /// Wherever the future is dropped: the hooks hear once that the call was cancelled, unless it
    /// had not begun or had ended; and no sleep stays behind.
    fn can_be_dropped(&self) {
        let lines = self.case.log(self.guarded, self.surface);
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
                let reason = if body { Reason::Left } else { Reason::Cancelled };
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
    for surface in &surfaces() {
        let unseen = [NotYet, Useless];
        if !surface.sees_values && case.script.iter().any(|step| unseen.contains(&step.does)) {
            continue;
        }
        for guarded in [false, true] {
            let impossible = guarded && surface.guarded.is_none();
            if impossible || !guarded && case.refuses_attempt.is_some() {
                continue;
            }
            let scene = Scene { name, case, surface, guarded };
            scene.holds(Executor::Virtual);
            if scene.is_async() {
                scene.holds(Executor::Steps);
                scene.holds(Executor::Pool);
                scene.holds(Executor::Tokio);
            }
            scene.survives_panics();
            scene.can_be_dropped();
        }
    }
    reports(name, case);
}

/// A report says how the call ended, and keeps the errors that it was asked to keep.
fn reports(name: &str, case: &Case) {
    type Reported = Result<Reply, RetryError<Fault>>;

    fn called<X: Ends>(policy: &TestPolicy<X>, stage: &Stage) -> Reported {
        (|| stage.attempt()).retry_with(policy).report().call()
    }
    fn called_with_history<X: Ends>(policy: &TestPolicy<X>, stage: &Stage) -> Reported {
        (|| stage.attempt()).retry_with(policy).report().history(2).call()
    }
    fn awaited<X: Ends>(policy: &TestPolicy<X>, stage: &Stage) -> Reported {
        let reported = (|| stage.clone().attempt_async()).retry_with(policy).report();
        stage.clock().block_on(reported)
    }
    fn awaited_with_history<X: Ends>(policy: &TestPolicy<X>, stage: &Stage) -> Reported {
        let reported = (|| stage.clone().attempt_async()).retry_with(policy).report();
        stage.clock().block_on(reported.history(2))
    }

    let check = |surface: &str, result: Reported, kept: usize| {
        if let (Ok(value), true) = (case.outcome(), case.ends.is_success()) {
            assert_eq!(result, Ok(value), "{name}, {surface}");
            return;
        }
        let end = case.log(false, &surfaces()[0]).pop().unwrap();
        let error = result.expect_err(surface);
        let facts = (error.reason(), error.attempts() as usize, error.waited(), error.elapsed());
        assert_eq!(
            facts,
            (case.ends, end.attempts, end.waited, Some(end.now)),
            "{name}, {surface}"
        );
        let made = |i: usize| case.script[i].does.made(i as u32 + 1).err();
        let (last, interrupted) = match case.refuses_attempt {
            Some((_, veto)) => {
                let last = case.calls.len().checked_sub(1).and_then(made);
                (last, Some(Interrupted::Vetoed(veto)))
            }
            None => (case.outcome().err(), None),
        };
        assert_eq!(error.interrupted(), interrupted, "{name}, {surface}");
        assert_eq!(error.error(), last.as_ref(), "{name}, {surface}");
        let before = case.calls.len().saturating_sub(1);
        let mut history: Vec<_> = (0..before).filter_map(made).collect();
        history.drain(..history.len().saturating_sub(kept));
        assert_eq!(error.history(), history, "{name}, {surface}");
    };
    let run = |play: fn(&TestPolicy<Own>, &Stage) -> Reported| {
        let stage = virtual_stage(&case.script);
        play(&case.own(&stage), &stage)
    };
    let run_guarded = |play: fn(&TestPolicy<MayInterrupt>, &Stage) -> Reported| {
        let stage = virtual_stage(&case.script);
        play(&case.guarded(&stage), &stage)
    };
    if case.refuses_attempt.is_none() {
        check("called", run(called), 0);
        check("called with history", run(called_with_history), 2);
        check("awaited", run(awaited), 0);
        check("awaited with history", run(awaited_with_history), 2);
    }
    check("called with a guard", run_guarded(called), 0);
    check("called with a guard and history", run_guarded(called_with_history), 2);
    check("awaited with a guard", run_guarded(awaited), 0);
    check("awaited with a guard and history", run_guarded(awaited_with_history), 2);
}

// ------------------------------------------------------------------------------------------------
// What only some surfaces have.

/// A policy of three attempts, a tenth of a second apart, that logs.
fn three_attempts(stage: &Stage) -> TestPolicy<Own> {
    let case = Case {
        backoff: Arc::new(constant(ms(100)).max_attempts(3)),
        script: vec![],
        calls: vec![],
        slept: vec![],
        ends: Reason::Attempts,
        refuses_retry: None,
        refuses_attempt: None,
        untimed: true,
    };
    case.own(stage)
}

/// What hook `a` heard of the end.
#[track_caller]
fn assert_finish(stage: &Stage, reason: Reason, attempts: u32) {
    let log = stage.log.read();
    let ends: Vec<_> = log.iter().filter(|line| line.starts_with("a finishes")).collect();
    assert_eq!(ends.len(), 1, "{log:?}");
    let facts = format!("a finishes: ({reason:?}, {attempts}, ");
    assert!(ends[0].starts_with(&facts), "{} instead of {facts}", ends[0]);
}

/// A loop that nobody told how it went was left: neither a success nor a failure.
#[test]
fn a_loop_that_is_broken_out_of_is_left() {
    let stage = virtual_stage(&[Busy.into(), Busy.into()]);
    let policy = three_attempts(&stage);
    let mut attempts = policy.start();
    assert_eq!(attempts.check_blocking(stage.attempt()), Continue(()));
    assert_eq!(attempts.number(), 2);
    drop(attempts);
    assert_finish(&stage, Reason::Left, 2);

    let stage = virtual_stage(&[]);
    drop(three_attempts(&stage).start::<Made>());
    assert_finish(&stage, Reason::Left, 1);
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

/// A sleep that was cut short is over, and the next attempt is the next one.
#[test]
fn a_loop_goes_on_after_a_sleep_that_was_cut_short() {
    let stage = virtual_stage(&[Busy.into(), Busy.into(), Busy.into()]);
    let policy = three_attempts(&stage);
    let steps = Steps::new(stage.clock());
    let mut attempts = policy.start();
    assert!(steps.poll(pin!(attempts.check(stage.attempt()))).is_pending());
    assert!(steps.poll(pin!(attempts.check(stage.attempt()))).is_pending());
    let last = attempts.check_blocking(stage.attempt());
    assert_eq!(last, Break(Err(Fault::Made(Busy, 3))));
    assert_finish(&stage, Reason::Attempts, 3);
}

/// Every execution counts, one that a timeout around it cut short too: else a loop of timeouts
/// would never come to its limit.
#[test]
fn an_attempt_that_was_cut_short_counts() {
    let stage = virtual_stage(&[Busy.taking(50), Busy.taking(50), Busy.into()]);
    let policy = three_attempts(&stage);
    let steps = Steps::new(stage.clock());
    let mut attempts = policy.start();
    for number in [1, 2] {
        assert_eq!(attempts.number(), number);
        assert!(steps.poll(pin!(attempts.attempt(stage.clone().attempt_async()))).is_pending());
    }
    let last = stage.clock().block_on(attempts.attempt(stage.clone().attempt_async()));
    assert_eq!(last, Break(Err(Fault::Made(Busy, 3))));
    assert_finish(&stage, Reason::Attempts, 3);
}

/// What is tried after the end is nobody's retry: it runs, and comes out as it is.
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

/// What a hook throws while a panic unwinds would end the process, and so would what its drop throws.
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

/// A panic in the body of a loop is a panic of its operation: it runs there.
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
    type Play = fn(&TestPolicy<Own>, &VirtualClock);
    let surfaces: [(&str, Play); 3] = [
        ("retry_with", |policy, clock| {
            let _ = clock.block_on(panics.retry_with(policy));
        }),
        ("run", |policy, clock| {
            let _ = clock.block_on(policy.run(|_| panics()));
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

/// A hook that panics while a panic unwinds does not take the process down, and the hooks behind
/// it still hear of the end.
#[test]
fn a_panic_within_a_panic_aborts_nothing() {
    #[derive(Clone)]
    struct Fragile;
    impl<O> Hook<O> for Fragile {
        fn finish(&mut self, _: &FinishEvent<'_, O>) {
            std::panic::resume_unwind(Box::new("hook"))
        }
    }
    let run = |play: fn(&TestPolicy<Own>, &Stage, Fragile)| {
        let stage = virtual_stage(&[Busy.into(), Busy.into()]);
        let policy = three_attempts(&stage);
        let outcome = catch_unwind(AssertUnwindSafe(|| play(&policy, &stage, Fragile)));
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
    run(|policy, stage, fragile| {
        let PolicyParts { hooks: (((), a), b), timer, .. } = policy.into_parts();
        let retry = panics.retry_with(policy.backoff()).timer(timer).hook(a).hook(fragile).hook(b);
        let _ = retry.on_finish(|_| stage.log.say("c finishes")).call();
    });
    run(|policy, stage, fragile| {
        let PolicyParts { hooks: (((), a), b), timer, .. } = policy.into_parts();
        let operation = |attempt| async move { panics(attempt) };
        let retry =
            operation.retry_with(policy.backoff()).timer(timer).hook(a).hook(fragile).hook(b);
        let retry = retry.on_finish(|_| stage.log.say("c finishes"));
        let _ = stage.clock().block_on(retry);
    });
}

/// What has panicked is not run again, whoever caught the panic.
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
    let plays: [fn(TestPolicy<Own>, &Stage); 2] = [
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

/// An attempt has not begun before its guard has let it pass.
#[test]
fn a_guard_that_panics_has_begun_no_attempt() {
    #[derive(Clone)]
    struct Fragile;
    impl<O> Hook<O> for Fragile {
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

/// An engine that is driven by hand is told that its call was given up: in a sleep, that is a
/// cancellation, and in an attempt no panic.
#[test]
fn a_call_driven_by_hand_that_is_given_up_has_not_panicked() {
    let backoff = constant(ms(100)).max_attempts(3);
    let begun = |stage: &Stage| {
        let (mut engine, mut hooks) = (Engine::new(), three_attempts(stage).into_parts().hooks);
        engine.begin(None);
        engine.enter::<Made, Own, _, _>(&backoff, &mut hooks, None).unwrap();
        (engine, hooks)
    };

    let stage = virtual_stage(&[]);
    let (mut engine, mut hooks) = begun(&stage);
    let decision = engine.decide(&backoff, &stage.meaning(), &mut hooks, &Busy.made(1), None);
    assert_eq!(decision, Decision::Wait(ms(100)));
    engine.abandon::<Made, _>(&mut hooks, None);
    engine.abandon::<Made, _>(&mut hooks, None);
    assert_finish(&stage, Reason::Cancelled, 1);

    let stage = virtual_stage(&[]);
    let (mut engine, mut hooks) = begun(&stage);
    engine.abandon::<Made, _>(&mut hooks, None);
    engine.abandon::<Made, _>(&mut hooks, None);
    let ends = stage.log.read().split_off(2);
    assert_eq!(ends.len(), 2, "one for each hook: {ends:?}");
    assert!(ends.iter().all(|end| end.contains("Cancelled") || end.contains("Left")), "{ends:?}");
}

/// A call that never began has no end either.
#[test]
fn an_engine_that_never_began_has_nothing_to_abandon() {
    let stage = virtual_stage(&[]);
    let mut hooks = three_attempts(&stage).into_parts().hooks;
    Engine::new().abandon::<Made, _>(&mut hooks, None);
    assert!(stage.log.read().is_empty());
}

/// The operation sees where it is: number, limit, time, and what was slept.
#[test]
fn an_operation_is_told_its_attempt() {
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
            ((1, 3), Some(ms(0)), ms(0), None),
            ((2, 3), Some(ms(105)), ms(100), Some(ms(100))),
            ((3, 3), Some(ms(310)), ms(300), Some(ms(200))),
        ]
    );
    assert!(seen[0].is_first() && !seen[1].is_first());
    assert!(seen[2].is_last() && !seen[1].is_last());
}

/// What the call site says about errors is said for all of them; about values, the policy is
/// still asked.
#[test]
fn the_call_site_speaks_before_the_policy_and_falls_through_to_it() {
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
    type Ruled = Policy<MaxAttempts<Constant>, Rules, (), Own, VirtualClock>;
    fn next(calls: &Cell<u32>) -> u32 {
        calls.set(calls.get() + 1);
        calls.get()
    }
    let calls = |play: fn(Ruled, &Cell<u32>) -> Result<u32, u32>| {
        let calls = Cell::new(0);
        let outcome =
            play(Policy::with(immediate().max_attempts(4), Rules, (), VirtualClock::new()), &calls);
        (outcome, calls.get())
    };

    // Said nothing: the policy's rules.
    assert_eq!(calls(|policy, n| (|| Ok(next(n))).retry_with(policy).call()), (Ok(3), 3));
    assert_eq!(calls(|policy, n| (|| Err(next(n))).retry_with(policy).call()), (Err(1), 1));
    // `.when` speaks for every error, and for no value.
    let outcome = calls(|policy, n| (|| Err(next(n))).retry_with(policy).when(|e| *e < 3).call());
    assert_eq!(outcome, (Err(3), 3));
    let outcome = calls(|policy, n| (|| Ok(next(n))).retry_with(policy).when(|e| *e < 3).call());
    assert_eq!(outcome, (Ok(3), 3));
    // `.until` speaks for every value, and for no error.
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

/// Where nobody has an opinion, errors are retried and values accepted.
#[test]
fn at_the_end_of_every_chain_errors_are_retried_and_values_accepted() {
    let (clock, backoff) = (VirtualClock::new(), constant(ms(1)).max_attempts(3));
    let silent = Policy::with(backoff, (), (), clock.clone());
    let third = |attempt: Attempt| (attempt.number() == 3).then_some("third");
    assert_eq!(silent.call(third), Some("third"));
    assert_eq!(silent.call(|_| None::<()>), None);
    assert_eq!(clock.block_on(silent.run(async |attempt| third(attempt))), Some("third"));
    assert_eq!(clock.slept().len(), 6);
    // A policy that speaks of errors alone has none on values.
    let errors = Policy::with(backoff, when(|error: &u32| *error < 3), (), clock.clone());
    assert_eq!(errors.call(|_| Ok::<_, u32>(1)), Ok(1));
    assert_eq!(errors.call(|attempt| Err::<(), _>(attempt.number() + 1)), Err(3));
}

/// Every outcome is retried the same way.
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
