//! Policies that are updated while the program runs: what handles follow and keep, which updates
//! are refused, and the events of updates.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::io::{Error, ErrorKind};
use std::ops::ControlFlow::Break;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;

use figment::Figment;
use figment::providers::{Format, Toml};
use futures::FutureExt;
use futures::channel::mpsc as channel;
use futures::executor::block_on;
use futures::stream;
use persevere::classify::Kinded;
use persevere::guard::{BlockingGuards, Guards};
use persevere::policy::config::{ConfigError, Jitter, Problem};
use persevere::policy::{
    GuardedHandle, Live, Policies, PoliciesBuilder, PolicyError, PolicyHandle, UpdateEvent,
};
use persevere::time::{BlockingTimer, Clock, Timer, VirtualClock};
use persevere::{Decision, DynPolicy, Engine, Policy, Reason, RetryExt};

use crate::support::{ms, secs};

fn toml(text: &str) -> Figment {
    Figment::from(Toml::string(text))
}

fn load(text: &str) -> Policies {
    Policies::load(&toml(text), "").unwrap()
}

fn busy() -> Result<(), Error> {
    Err(Error::other("busy"))
}

type Timed = PolicyHandle<VirtualClock>;

/// The handle of policy `a`, in virtual time.
fn timed(policies: &Policies) -> (Timed, VirtualClock) {
    let clock = VirtualClock::new();
    (policies.get("a").unwrap().timer(clock.clone()), clock)
}

/// The times of the attempts of a call that fails, in seconds since it began.
fn attempts_at(handle: &Timed, clock: &VirtualClock) -> Vec<u64> {
    let (begin, mut times) = (clock.now(), Vec::new());
    let outcome = handle.call(|_| {
        times.push((clock.now() - begin).as_secs());
        busy()
    });
    assert!(outcome.is_err());
    times
}

/// How many attempts a call makes that always fails.
fn attempts_of<G>(handle: &Policy<Live, (), G>) -> u32
where
    G: Guards<Result<(), Error>> + BlockingGuards + Clone,
{
    let retry = busy.retry_with(handle).timer(VirtualClock::new());
    retry.report().call().unwrap_err().attempts()
}

const EVERY_SECOND: &str = "strategy = 'constant', jitter = 'none'";

fn constant(wait: u64, attempts: u32) -> Figment {
    let wait = format!("wait_min = '{wait}s', wait_max = '{wait}s'");
    toml(&format!("policies.a = {{ {EVERY_SECOND}, {wait}, attempts = {attempts} }}"))
}

/// The events of updates.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    fn listen(&self) -> PoliciesBuilder {
        let events = self.clone();
        Policies::builder().on_update(move |event| events.push(event))
    }

    fn push(&self, event: &UpdateEvent<'_>) {
        self.0.lock().unwrap().push(event.to_string());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

mod following {
    use super::*;

    #[test]
    fn handles_follow_reloads() {
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let (handle, clock) = timed(&policies);
        assert_eq!(attempts_at(&handle, &clock), [0, 1, 2]);
        let update = policies.reload(&constant(5, 2)).unwrap();
        assert_eq!((update.revision(), update.changed()), (2, &["a".to_owned()][..]));
        assert_eq!(attempts_at(&handle, &clock), [0, 5]);
        assert_eq!((handle.revision(), policies.revision()), (2, 2));
        assert_eq!(handle.worst_case(), Some(secs(5)));
        assert_eq!(
            handle.to_string(),
            "constant 5s, delays up to 5s, at most 2 attempts: 5s (5s in all)"
        );
    }

    #[test]
    fn a_clone_follows_as_its_original_does() {
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let (handle, clock) = timed(&policies);
        let copy = handle.clone();
        drop(handle);
        policies.reload(&constant(5, 2)).unwrap();
        assert_eq!(attempts_at(&copy, &clock), [0, 5]);
    }

    #[test]
    fn a_new_policy_is_found_and_the_names_follow() {
        let policies = load("policies.a = {}");
        assert!(policies.get("b").is_err());
        let update = policies.reload(&toml("policies = { a = {}, b.attempts = 7 }")).unwrap();
        assert_eq!(update.added(), ["b"]);
        assert_eq!(policies.names(), ["default_policy", "a", "b"]);
        assert_eq!(attempts_of(&policies.get("b").unwrap()), 7);
        assert_eq!(policies.get("b").unwrap().revision(), 2);
    }

    #[test]
    fn inherited_settings_are_followed_too() {
        let policies = load("default_policy.attempts = 4\npolicies.a.jitter = false");
        let handle = policies.get("a").unwrap();
        let update = policies
            .reload(&toml("default_policy.attempts = 6\npolicies.a.jitter = false"))
            .unwrap();
        assert_eq!(update.changed(), ["default_policy", "a"]);
        assert_eq!(attempts_of(&handle), 6);
    }

    #[test]
    fn a_blocking_call_in_flight_finishes_on_the_form_it_began_with() {
        let policies = Policies::load(&constant(1, 4), "").unwrap();
        let (handle, clock) = timed(&policies);
        let mut times = Vec::new();
        let outcome = handle.call(|attempt| {
            times.push(clock.now());
            if attempt.number() == 2 {
                policies.reload(&constant(5, 2)).unwrap();
            }
            busy()
        });
        assert!(outcome.is_err());
        assert_eq!(times, [0, 1, 2, 3].map(secs));
        assert_eq!(attempts_at(&handle, &clock), [0, 5]);
    }

    #[test]
    fn a_future_in_flight_finishes_on_the_form_it_began_with() {
        let policies = Policies::load(&constant(1, 4), "").unwrap();
        let (handle, clock) = timed(&policies);
        let at = |times: &Mutex<Vec<_>>| times.lock().unwrap().push(clock.now());
        let (slow, quick) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let call = async |times: &Mutex<Vec<_>>| {
            let operation = || async { busy().inspect_err(|_| at(times)) };
            operation.retry_with(&handle).await
        };
        // The first call is in its second sleep when the update comes, and the second begins then.
        let update = async {
            clock.sleep(ms(1500)).await;
            policies.reload(&constant(5, 2)).unwrap();
            call(&quick).await
        };
        let (first, second) = clock.block_on(async { tokio::join!(call(&slow), update) });
        assert!(first.is_err() && second.is_err());
        assert_eq!(slow.into_inner().unwrap(), [0, 1, 2, 3].map(secs));
        assert_eq!(quick.into_inner().unwrap(), [ms(1500), ms(6500)]);
    }

    #[test]
    fn a_loop_in_flight_finishes_on_the_form_it_began_with() {
        let policies = Policies::load(&constant(1, 4), "").unwrap();
        let (handle, clock) = timed(&policies);
        let mut attempts = handle.start();
        policies.reload(&constant(5, 2)).unwrap();
        let mut times = Vec::new();
        loop {
            times.push(clock.now());
            if let Break(outcome) = attempts.check_blocking(busy()) {
                break assert!(outcome.is_err());
            }
        }
        assert_eq!(times, [0, 1, 2, 3].map(secs));
    }

    #[test]
    fn a_retry_takes_its_settings_when_its_call_begins() {
        let policies = Policies::load(&constant(1, 2), "").unwrap();
        let (handle, clock) = timed(&policies);
        let retry = busy.retry_with(&handle);
        policies.reload(&constant(5, 3)).unwrap();
        assert!(retry.call().is_err());
        assert_eq!(clock.slept(), [secs(5); 2]);

        let (handle, clock) = timed(&policies);
        let retry = (async || busy()).retry_with(&handle);
        policies.reload(&constant(7, 2)).unwrap();
        assert!(clock.block_on(retry).is_err());
        assert_eq!(clock.slept(), [secs(7)]);
    }

    #[test]
    fn an_erased_handle_follows_reloads() {
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let (handle, clock) = timed(&policies);
        let erased: DynPolicy<Error> = handle.erase();
        let waits = || {
            let before = clock.slept().len();
            assert!(erased.call(|_| busy()).is_err());
            clock.slept().split_off(before)
        };
        assert_eq!(waits(), [secs(1); 2]);
        policies.reload(&constant(5, 2)).unwrap();
        assert_eq!(waits(), [secs(5)]);
        assert_eq!(erased.worst_case(), Some(secs(5)));
        policies.reload(&constant(6, 5)).unwrap();
        policies.reload(&constant(7, 2)).unwrap();
        assert_eq!(waits(), [secs(7)]);
        drop(policies);
        assert_eq!(waits(), [secs(7)]);
    }

    #[test]
    fn derived_handles_follow_and_keep_their_settings() {
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let (handle, clock) = timed(&policies);
        let more = handle.clone().attempts(4);
        let shorter = more.clone().wait_max(secs(2));
        assert_eq!(attempts_at(&more, &clock), [0, 1, 2, 3]);
        policies.reload(&constant(5, 2)).unwrap();
        assert_eq!(attempts_at(&handle, &clock), [0, 5]);
        assert_eq!(attempts_at(&more, &clock), [0, 5, 10, 15]);
        assert_eq!(attempts_at(&shorter, &clock), [0, 2, 4, 6]);
        assert_eq!(shorter.revision(), 2);
    }

    #[test]
    fn a_handle_derived_later_is_as_one_derived_before() {
        // The longer first delay lifts the cap; the shorter one after it finds the cap as it was.
        let policies = load("policies.a = { jitter = 'none', wait_max = '5s', attempts = 9 }");
        let twice = |handle: PolicyHandle| handle.wait_min(secs(8)).wait_min(secs(1));
        let before = twice(policies.get("a").unwrap());
        let said = before.to_string();
        assert_eq!(said, policies.get("a").unwrap().wait_min(secs(1)).to_string());
        let changed = "policies.a = { jitter = 'none', wait_max = '5s', attempts = 8 }";
        policies.reload(&toml(changed)).unwrap();
        assert_eq!(before.to_string(), twice(policies.get("a").unwrap()).to_string());
    }

    #[test]
    fn settings_in_code_contradict_nothing_that_may_be_loaded() {
        let loaded = [
            "attempts = 2",
            "max_retries = 0",
            "wait_min_seconds = 3.0, wait_max_seconds = 4.0",
            "attempt_timeout = '20s', max_elapsed = '30s'",
            "strategy = 'delays', delays = ['1s', '2s']",
            "strategy = 'immediate'",
            "strategy = 'decorrelated'",
            "strategy = 'linear', step = '2s'",
            "enabled = false",
        ];
        let changes: [fn(GuardedHandle) -> GuardedHandle; 8] = [
            |handle| handle.attempts(1),
            |handle| handle.wait_min(secs(100)),
            |handle| handle.wait_max(ms(1)),
            |handle| handle.wait_min(secs(100)).wait_max(ms(1)),
            |handle| handle.wait_max(ms(1)).wait_min(secs(100)),
            |handle| handle.jitter(Jitter::Ratio(0.5)),
            |handle| handle.max_elapsed(ms(1)),
            |handle| handle.retry_after_max(secs(0)),
        ];
        for first in loaded {
            for next in loaded {
                let settings = |text: &str| toml(&format!("policies.a = {{ {text} }}"));
                let policies = Policies::load(&settings(first), "").unwrap();
                let handle = || policies.get_guarded("a").unwrap();
                let derived = changes.map(|change| change(handle()));
                policies.reload(&settings(next)).unwrap();
                for (old, change) in derived.iter().zip(changes) {
                    assert_eq!(old.to_string(), change(handle()).to_string(), "{first}, {next}");
                }
            }
        }
    }

    #[test]
    fn handles_outlive_their_policies() {
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let (handle, clock) = timed(&policies);
        drop(policies);
        assert_eq!(attempts_at(&handle, &clock), [0, 1, 2]);
        assert_eq!(attempts_at(&handle.clone().attempts(2), &clock), [0, 1]);
        assert_eq!(attempts_at(&handle.attempts(4).wait_min(secs(3)), &clock), [0, 3, 6, 9]);
    }
}

mod disappearing {
    use super::*;

    #[test]
    fn a_policy_that_disappears_keeps_its_last_good_form_until_it_comes_back() {
        let events = Events::default();
        let policies = events.listen().load(&constant(1, 3), "").unwrap();
        let (handle, clock) = timed(&policies);
        let derived = handle.clone().attempts(4);

        let update = policies.reload(&toml("policies.b = {}")).unwrap();
        assert_eq!(
            (update.removed(), update.added()),
            (&["a".to_owned()][..], &["b".to_owned()][..])
        );
        assert_eq!(
            events.take(),
            [
                "revision 2 of the retry policies: added `b`, removed `a` (handles keep the last good form)"
            ]
        );
        assert!(matches!(policies.get("a"), Err(PolicyError::Unknown { .. })));
        assert_eq!(attempts_at(&handle, &clock), [0, 1, 2]);
        assert_eq!(attempts_at(&derived, &clock), [0, 1, 2, 3]);
        assert_eq!((handle.revision(), policies.revision()), (1, 2));

        policies.reload(&toml("policies.b.attempts = 2")).unwrap();
        assert_eq!(attempts_at(&handle, &clock), [0, 1, 2]);

        assert_eq!(policies.reload(&constant(5, 2)).unwrap().added(), ["a"]);
        assert_eq!(attempts_at(&handle, &clock), [0, 5]);
        assert_eq!(attempts_at(&derived, &clock), [0, 5, 10, 15]);
        assert_eq!(handle.revision(), 4);
    }

    #[test]
    fn a_policy_that_is_gone_is_turned_off_with_all_others() {
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let (handle, clock) = timed(&policies);
        let derived = handle.clone().attempts(4);
        let attempts = || [&handle, &derived].map(|handle| attempts_at(handle, &clock).len());
        for off in ["enabled = false", "mode = 'mesh'"] {
            policies.reload(&toml(off)).unwrap();
            assert_eq!(attempts(), [1, 1], "{off}");
            assert_eq!(handle.revision(), policies.revision());
            policies.reload(&toml("")).unwrap();
            assert_eq!(attempts(), [3, 4]);
        }
    }

    #[test]
    fn a_handle_derived_while_a_policy_is_gone_follows_when_it_comes_back() {
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let (handle, clock) = timed(&policies);
        policies.reload(&toml("policies = {}")).unwrap();
        let derived = handle.attempts(4);
        assert_eq!(attempts_at(&derived, &clock), [0, 1, 2, 3]);
        policies.reload(&constant(5, 2)).unwrap();
        assert_eq!(attempts_at(&derived, &clock), [0, 5, 10, 15]);
    }

    #[test]
    fn a_policy_that_comes_back_meets_the_requirements_of_its_handles() {
        let policies = load("policies.a.exceptions = ['TimedOut']");
        let handle = policies.get("a").unwrap();
        handle.check_kinds::<Error>().unwrap();
        policies.reload(&toml("policies = {}")).unwrap();
        assert!(policies.reload(&toml("policies.a.breaker = {}")).is_err());
        assert!(policies.reload(&toml("policies.a.exceptions = ['Timeout']")).is_err());
        policies.reload(&toml("policies.a.exceptions = ['NotFound']")).unwrap();
    }

    #[test]
    fn a_guard_survives_its_policy() {
        let settings = "policies.a = { attempts = 9, budget = { capacity = 10, retry_cost = 5 } }";
        let policies = load(settings);
        let handle = policies.get("a").unwrap();
        assert_eq!(attempts_of(&handle), 3);
        for gone in ["policies = {}", "enabled = false", "policies = {}", settings] {
            policies.reload(&toml(gone)).unwrap();
            assert_eq!(attempts_of(&handle), 1, "{gone}");
        }
    }
}

mod refusing {
    use super::*;

    #[test]
    fn an_update_with_one_bad_policy_of_many_is_refused_as_a_whole() {
        let events = Events::default();
        let policies =
            events.listen().load(&toml("policies = { a = {}, b = {}, c = {} }"), "").unwrap();
        let handles = ["a", "b", "c"].map(|name| policies.get(name).unwrap());
        let text = "policies = { a.attempts = 7, b.attempts = 8, c.attempts = 0, d = {} }";
        let error = policies.reload(&toml(text)).unwrap_err();

        assert_eq!(
            error.to_string(),
            "the retry policies are not valid: `policies.c.attempts` is 0, expected a whole number \
             of at least 1 (TOML source string, profile `default`)"
        );
        assert_eq!(policies.last_error().as_deref(), Some(&error));
        assert_eq!((policies.revision(), policies.refused()), (1, 1));
        assert_eq!(policies.names(), ["default_policy", "a", "b", "c"]);
        assert_eq!(handles.each_ref().map(attempts_of), [3; 3]);
        assert_eq!(handles.map(|handle| handle.revision()), [1; 3]);
        let told = format!(
            "an update of the retry policies was refused, revision 1 stays in force: {error}"
        );
        assert_eq!(events.take(), [told]);
    }

    #[test]
    fn a_refusal_of_one_handle_leaves_the_others_as_they_are() {
        let policies = load("policies = { a = {}, b = {} }");
        let (first, second) = (policies.get_guarded("a").unwrap(), policies.get("b").unwrap());
        let text = "policies = { a.attempts = 7, b = { attempts = 8, breaker = {} } }";
        assert!(policies.reload(&toml(text)).is_err());
        assert_eq!((attempts_of(&first), attempts_of(&second)), (3, 3));
    }

    #[test]
    fn a_good_update_clears_the_error_and_keeps_the_count() {
        let policies = load("policies.a = {}");
        assert_eq!((policies.last_error(), policies.refused()), (None, 0));
        assert!(policies.reload(&toml("policies.a.attempts = 'many'")).is_err());
        assert!(policies.reload(&toml("%")).is_err());
        assert!(policies.last_error().is_some());
        policies.reload(&toml("policies.a.attempts = 4")).unwrap();
        assert_eq!(policies.last_error(), None);
        assert_eq!((policies.revision(), policies.refused()), (2, 2));
    }

    #[test]
    fn an_identical_update_changes_nothing_and_reports_that_the_refusal_is_over() {
        let events = Events::default();
        let policies = events.listen().load(&constant(1, 3), "").unwrap();
        let handle = policies.get("a").unwrap();
        assert!(policies.reload(&toml("%")).is_err());
        events.take();
        let update = policies.reload(&constant(1, 3)).unwrap();
        assert!(update.is_unchanged());
        assert_eq!((update.revision(), update.to_string().as_str()), (1, "changed nothing"));
        assert_eq!((policies.revision(), handle.revision()), (1, 1));
        assert_eq!((policies.last_error(), policies.refused()), (None, 1));
        assert_eq!(
            events.take(),
            ["an update of the retry policies is good again, revision 1 stays in force"]
        );
        assert!(policies.reload(&constant(1, 3)).unwrap().is_unchanged());
        assert_eq!(events.take(), [""; 0]);
    }

    #[test]
    fn the_source_of_settings_is_that_of_the_last_update_also_of_an_identical_one() {
        let policies = load("policies.a.attempt_timeout = '5s'");
        let same =
            figment::providers::Json::string(r#"{"policies":{"a":{"attempt_timeout":"5s"}}}"#);
        assert!(policies.reload(&Figment::from(same)).unwrap().is_unchanged());
        let message = policies.get("a").unwrap_err().to_string();
        assert!(message.ends_with("(JSON source string, profile `default`)"), "{message}");
    }

    #[test]
    fn an_update_without_the_section_is_refused() {
        let policies = Policies::load(&toml("retry.policies.a = {}"), "retry").unwrap();
        assert!(policies.reload(&toml("other = 1")).is_err());
        assert_eq!(policies.names(), ["default_policy", "a"]);
    }

    const ASKED: &str = "expected none, since calls of a plain handle always end with an outcome of \
                         their own (`get_guarded` accepts it) (TOML source string, profile \
                         `default`)";
    const HELD: &str = "expected none, since code has a plain handle of this policy, whose calls \
                        always end with an outcome of their own (`get_guarded` accepts it) (TOML \
                        source string, profile `default`)";

    #[test]
    fn a_plain_handle_of_a_policy_that_may_interrupt_is_refused() {
        let policies =
            load("policies = { a.attempt_timeout = '5s', b.breaker.failures = 3, c = {} }");
        let message = |name| policies.get(name).unwrap_err().to_string();
        assert_eq!(
            message("a"),
            format!(
                "there is no plain handle of this policy: `policies.a.attempt_timeout` is \"5s\", \
                 {ASKED}"
            )
        );
        assert!(
            message("b")
                .starts_with("there is no plain handle of this policy: `policies.b.breaker` is ")
        );
        assert!(message("b").ends_with(ASKED));
        assert!(policies.get("c").is_ok());
        assert!(["a", "b", "c"].iter().all(|name| policies.get_guarded(name).is_ok()));
        // A refused policy has no plain handle, so updates of it are free.
        policies.reload(&toml("policies.a.attempt_timeout = '6s'")).unwrap();
    }

    #[test]
    fn a_plain_handle_refuses_updates_that_may_interrupt() {
        let policies = load("policies.a = {}");
        let handle = policies.get("a").unwrap();
        let both = "policies.a = { attempt_timeout = '5s', breaker = {} }";
        let error = policies.reload(&toml(both)).unwrap_err();
        assert_eq!(
            error.problems().iter().map(Problem::key).collect::<Vec<_>>(),
            ["policies.a.attempt_timeout", "policies.a.breaker"]
        );
        assert_eq!(
            error.problems()[0].to_string(),
            format!("`policies.a.attempt_timeout` is \"5s\", {HELD}")
        );
        assert_eq!(handle.revision(), 1);
        // An inherited setting is refused too, and reported at its place.
        let inherited = "policies.a = {}\ndefault_policy.attempt_timeout = '5s'";
        let error = policies.reload(&toml(inherited)).unwrap_err();
        assert_eq!(error.problems()[0].key(), "default_policy.attempt_timeout");
    }

    #[test]
    fn a_derived_handle_refuses_the_same_updates_as_its_base() {
        let policies = load("policies.a = {}");
        let derived = policies.get("a").unwrap().attempts(5);
        let error = policies.reload(&toml("policies.a.breaker = {}")).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        assert_eq!(attempts_of(&derived), 5);
    }

    #[test]
    fn a_guarded_handle_takes_updates_that_may_interrupt() {
        let policies = load("policies = { a = {}, b = {} }");
        let (_plain, handle) = (policies.get("b").unwrap(), policies.get_guarded("a").unwrap());
        let derived = handle.clone().attempts(9);
        let settings =
            "policies = { a = { attempt_timeout = '5s', breaker.failures = 2 }, b = {} }";
        policies.reload(&toml(settings)).unwrap();
        let error = busy.retry_with(&derived).timer(VirtualClock::new()).report().call();
        assert_eq!(error.unwrap_err().reason(), Reason::Circuit);
        let error = busy.retry_with(&handle).report().call().unwrap_err();
        assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 0));
    }

    #[test]
    fn a_plain_handle_refuses_updates_that_may_interrupt_while_it_is_alive() {
        let policies = load("policies.a = {}");
        let guarded = policies.get_guarded("a").unwrap();
        policies.reload(&toml("policies.a.breaker = {}")).unwrap();
        policies.reload(&toml("policies.a = {}")).unwrap();
        let plain = policies.get("a").unwrap();
        assert!(policies.reload(&toml("policies.a.breaker = {}")).is_err());
        let copy = plain.clone();
        drop(plain);
        assert!(policies.reload(&toml("policies.a.breaker = {}")).is_err());
        let derived = copy.attempts(7);
        assert!(policies.reload(&toml("policies.a.breaker = {}")).is_err());
        drop(derived);
        policies.reload(&toml("policies.a.breaker = {}")).unwrap();
        assert_eq!(guarded.revision(), 4);
    }

    /// A call borrows its handle, or owns it.
    #[test]
    fn a_call_of_a_plain_handle_keeps_it_alive() {
        let policies = load("policies.a = {}");
        let retry = busy.retry_with(policies.get("a").unwrap());
        assert!(policies.reload(&toml("policies.a.breaker = {}")).is_err());
        let erased: DynPolicy<Error> = policies.get("a").unwrap().erase();
        drop(retry);
        assert!(policies.reload(&toml("policies.a.breaker = {}")).is_err());
        drop(erased);
        policies.reload(&toml("policies.a.breaker = {}")).unwrap();
    }
}

mod kinds {
    use super::*;

    #[test]
    fn a_type_that_a_handle_was_checked_for_counts_beside_the_announced_ones() {
        let policies = Policies::builder()
            .kinds_of::<Error>()
            .load(&toml("policies.a.exceptions = ['TimedOut']"), "")
            .unwrap();
        let both = toml("policies.a.exceptions = ['TimedOut', '5xx']");
        assert!(policies.reload(&both).is_err());
        policies.get("a").unwrap().check_kinds::<HttpError>().unwrap();
        policies.reload(&both).unwrap();
    }

    struct HttpError;

    impl Kinded for HttpError {
        const KINDS: &'static [&'static str] = &["Timeout", "5xx"];
        fn is_kind(&self, name: &str) -> bool {
            Self::KINDS.contains(&name)
        }
    }

    #[test]
    fn unknown_kinds_are_refused_at_once() {
        let policies = load("policies.a.exceptions = ['Refused', 'Timeot']");
        let handle = policies.get("a").unwrap();
        let error = handle.check_kinds::<HttpError>().unwrap_err();
        let problems: Vec<_> =
            error.problems().iter().map(|problem| (problem.key(), problem.nearest())).collect();
        assert_eq!(
            problems,
            [("policies.a.exceptions", None), ("policies.a.exceptions", Some("Timeout"))]
        );
        // The check is not kept.
        policies.reload(&toml("policies.a.exceptions = ['Whatever']")).unwrap();
        policies.reload(&toml("policies.a.exceptions = ['any']")).unwrap();
        handle.check_kinds::<HttpError>().unwrap();
    }

    #[test]
    fn unknown_kinds_are_refused_at_reload() {
        let policies = load("policies = { a.exceptions = ['Timeout'], b = {} }");
        let handle = policies.get("a").unwrap();
        handle.check_kinds::<HttpError>().unwrap();
        let error = policies.reload(&toml("policies.a.exceptions = ['4xx']")).unwrap_err();
        assert!(error.to_string().contains("`any`, `Timeout`, `5xx`"), "{error}");
        assert_eq!(error.problems()[0].key(), "policies.a.exceptions");
        // Of other policies, nothing was said.
        policies
            .reload(&toml("policies = { a.exceptions = ['5xx'], b.exceptions = ['4xx'] }"))
            .unwrap();
        // A second type adds its kinds.
        handle.check_kinds::<Error>().unwrap();
        policies.reload(&toml("policies.a.exceptions = ['TimedOut', 'Timeout']")).unwrap();
    }

    #[test]
    fn announced_kinds_hold_for_all_policies() {
        let settings = |a, b| {
            toml(&format!("policies = {{ a.exceptions = ['{a}'], b.exceptions = ['{b}'] }}"))
        };
        let builder = || Policies::builder().kinds_of::<HttpError>().kinds_of::<Error>();
        assert!(builder().load(&settings("Timeout", "4xx"), "").is_err());
        let policies = builder().load(&settings("Timeout", "TimedOut"), "").unwrap();
        assert!(policies.reload(&settings("4xx", "TimedOut")).is_err());
        policies.reload(&settings("5xx", "transient")).unwrap();
        // A handle may be checked for one that was announced, whatever the other knows.
        policies.get("a").unwrap().check_kinds::<Error>().unwrap();
    }

    #[test]
    fn a_derived_handle_is_checked_as_its_base_was() {
        let policies = load("policies.a.exceptions = ['Timeout']");
        let base = policies.get("a").unwrap();
        base.check_kinds::<HttpError>().unwrap();
        let derived = base.attempts(5);
        let error = policies.reload(&toml("policies.a.exceptions = ['4xx']")).unwrap_err();
        assert_eq!((error.problems().len(), derived.revision()), (1, 1));
    }

    #[test]
    fn a_check_of_one_handle_holds_for_all_of_the_policy() {
        type Check = fn(PolicyHandle, PolicyHandle) -> Result<(), ConfigError>;
        let checks: [Check; 2] = [
            |base, _| base.check_kinds::<HttpError>(),
            |_, derived| derived.check_kinds::<HttpError>(),
        ];
        for check in checks {
            let policies =
                Policies::builder().kinds_of::<Error>().load(&toml("policies.a = {}"), "").unwrap();
            let base = policies.get("a").unwrap();
            let derived = base.clone().attempts(5);
            let seen = derived.clone();
            check(base, derived).unwrap();
            policies.reload(&toml("policies.a.exceptions = ['5xx']")).unwrap();
            assert!(policies.reload(&toml("policies.a.exceptions = ['4xx']")).is_err());
            assert_eq!(seen.revision(), 2);
        }
    }

    #[test]
    fn kinds_are_checked_in_the_form_that_a_handle_keeps() {
        let policies = Policies::builder()
            .kinds_of::<Error>()
            .load(&toml("policies.a.exceptions = ['TimedOut']"), "")
            .unwrap();
        let announced = policies.get("a").unwrap();
        policies.reload(&toml("policies = {}")).unwrap();
        assert!(announced.check_kinds::<HttpError>().is_ok());
        drop(policies);
        assert!(announced.check_kinds::<HttpError>().is_ok());

        let policies = load("policies.a.exceptions = ['TimedOut']");
        let handle = policies.get("a").unwrap();
        policies.reload(&toml("policies = {}")).unwrap();
        let gone = handle.check_kinds::<HttpError>().unwrap_err();
        assert_eq!(gone.problems()[0].key(), "policies.a.exceptions");
        drop(policies);
        assert!(handle.check_kinds::<HttpError>().is_err());
        assert!(handle.check_kinds::<Error>().is_ok());
    }
}

mod guards {
    use super::*;

    #[test]
    fn a_setting_that_is_only_spelled_out_starts_nothing_anew() {
        let policies = load("policies.a = { budget = {}, breaker = {} }");
        let handle = policies.get_guarded("a").unwrap();
        let spelled = "policies.a = { budget = { capacity = 500, retry_cost = 5 }, \
                       breaker = { failures = 5, open_for = '30s' }, wait_min = '0s' }";
        let retry = (|| Err::<(), _>(Error::from(ErrorKind::TimedOut))).retry_with(&handle);
        let _ = retry.timer(VirtualClock::new()).report().call();
        policies.reload(&toml(spelled)).unwrap();
        // Three failures so far, and two more open the circuit only if they are still counted.
        let retry = (|| Err::<(), _>(Error::from(ErrorKind::TimedOut))).retry_with(&handle);
        let error = retry.timer(VirtualClock::new()).report().call().unwrap_err();
        assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 2));
    }

    fn policy(rest: &str) -> Figment {
        toml(&format!("policies.a = {{ attempts = 9, wait_min = '0s', {rest} }}"))
    }

    const BUDGET: &str = "budget = { capacity = 10, retry_cost = 5 }";

    #[test]
    fn a_spent_budget_stays_spent_over_updates_that_do_not_concern_it() {
        let policies = Policies::load(&policy(BUDGET), "").unwrap();
        let handle = policies.get("a").unwrap();
        assert_eq!(attempts_of(&handle), 3);
        for other in
            ["jitter = false", "max_elapsed = '1h'", "enabled = false", "retry_after_max = '1s'"]
        {
            policies.reload(&policy(&format!("{BUDGET}, {other}"))).unwrap();
            assert_eq!(attempts_of(&handle), 1, "{other}");
        }
        policies.reload(&policy(BUDGET)).unwrap();
        assert_eq!(attempts_of(&handle), 1);
        let off = toml("enabled = false\npolicies.a = { attempts = 9, wait_min = '0s' }");
        let mesh = policy(BUDGET).merge(toml("mode = 'mesh'"));
        assert_eq!(policies.reload(&mesh).unwrap().revision(), 7);
        policies.reload(&policy(BUDGET)).unwrap();
        assert_eq!(attempts_of(&handle), 1);
        // Without one, there is no limit, and a budget that comes back is a new one.
        policies.reload(&off.merge(toml("enabled = true"))).unwrap();
        assert_eq!(attempts_of(&handle), 9);
        policies.reload(&policy(BUDGET)).unwrap();
        assert_eq!(attempts_of(&handle), 3);
    }

    #[test]
    fn a_budget_starts_anew_when_its_settings_change() {
        let policies = Policies::load(&policy(BUDGET), "").unwrap();
        let handle = policies.get("a").unwrap();
        let derived = handle.clone().max_elapsed(secs(60));
        assert_eq!((attempts_of(&handle), attempts_of(&derived)), (3, 1));
        policies.reload(&policy("budget = { capacity = 15, retry_cost = 5 }")).unwrap();
        // One new budget for both.
        assert_eq!((attempts_of(&derived), attempts_of(&handle)), (4, 1));
        policies.reload(&policy("budget = false")).unwrap();
        assert_eq!((attempts_of(&derived), attempts_of(&handle)), (9, 9));
    }

    #[test]
    fn a_refused_update_leaves_the_budget_alone() {
        let policies = Policies::load(&policy(BUDGET), "").unwrap();
        let handle = policies.get("a").unwrap();
        assert_eq!(attempts_of(&handle), 3);
        let bad = policy("budget = { capacity = 15, retry_cost = 5 }")
            .merge(toml("policies.b.attempts = 0"));
        assert!(policies.reload(&bad).is_err());
        assert_eq!(attempts_of(&handle), 1);
    }

    #[test]
    fn handles_of_a_policy_share_its_budget() {
        let policies = Policies::load(&policy(BUDGET), "").unwrap();
        let base = policies.get("a").unwrap();
        let derived = base.clone().attempts(2);
        let further = derived.clone().jitter(Jitter::None);
        assert_eq!((attempts_of(&derived), attempts_of(&further), attempts_of(&base)), (2, 2, 1));
        assert_eq!(attempts_of(&policies.get_guarded("a").unwrap()), 1);
    }

    #[test]
    fn a_budget_reads_the_clock_that_was_given_also_after_an_update() {
        let clock = VirtualClock::new();
        let ratio = |share| {
            let model = "model = 'ratio', min_per_second = 1, ttl = '2s'";
            policy(&format!("budget = {{ {model}, share = {share} }}"))
        };
        let policies = Policies::builder().clock(clock.clone()).load(&ratio(0.0), "").unwrap();
        let handle = policies.get("a").unwrap();
        let refills = || {
            let first = attempts_of(&handle);
            assert!(first > 1 && attempts_of(&handle) == 1);
            clock.advance(secs(10));
            assert_eq!(attempts_of(&handle), first);
        };
        refills();
        policies.reload(&ratio(0.1)).unwrap();
        refills();
    }

    #[test]
    fn policies_that_inherit_a_budget_have_one_each() {
        let policies = load(&format!(
            "default_policy = {{ attempts = 9, {BUDGET} }}\npolicies = {{ a = {{}}, b = {{}} }}"
        ));
        let each = ["a", "b", "default_policy"].map(|name| policies.get(name).unwrap());
        assert_eq!(each.each_ref().map(attempts_of), [3; 3]);
    }

    const BREAKER: &str = "breaker = { failures = 2, open_for = '30s' }";

    fn broken() -> (Policies, GuardedHandle<VirtualClock>, VirtualClock) {
        let clock = VirtualClock::new();
        let policies = Policies::builder().clock(clock.clone()).load(&policy(BREAKER), "").unwrap();
        let handle = policies.get_guarded("a").unwrap().timer(clock.clone());
        let error = busy.retry_with(&handle).report().call().unwrap_err();
        assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 2));
        (policies, handle, clock)
    }

    fn is_open(handle: &GuardedHandle<VirtualClock>) -> bool {
        let outcome = (|| Ok::<_, Error>(())).retry_with(handle).report().call();
        outcome.is_err_and(|error| (error.reason(), error.attempts()) == (Reason::Circuit, 0))
    }

    #[test]
    fn an_open_circuit_stays_open_over_updates_that_do_not_concern_it() {
        let (policies, handle, clock) = broken();
        for other in ["jitter = false", "attempt_timeout = '1s'", "budget = {}"] {
            policies.reload(&policy(&format!("{BREAKER}, {other}"))).unwrap();
            assert!(is_open(&handle), "{other}");
        }
        policies.reload(&policy(&format!("{BREAKER}, enabled = false"))).unwrap();
        assert!(!is_open(&handle), "nothing is guarded where nothing is retried");
        clock.advance(secs(29));
        policies.reload(&policy(BREAKER)).unwrap();
        assert!(is_open(&handle));
        clock.advance(secs(1));
        assert!(!is_open(&handle), "the probe of the breaker whose time has come");
    }

    #[test]
    fn a_call_that_is_not_brought_to_its_end_returns_its_withdrawal_and_its_probe() {
        let policies = Policies::load(&policy(BUDGET), "").unwrap();
        let handle = policies.get("a").unwrap();
        let mut engine = Engine::new(&handle);
        let Ok(_) = engine.enter(None);
        assert_eq!(engine.decide(&busy(), None), Decision::Wait(secs(0)));
        assert_eq!(attempts_of(&handle), 2, "it holds what one retry costs");
        assert_eq!(attempts_of(&handle), 1);
        drop(engine);
        assert_eq!(attempts_of(&handle), 2, "that is there again");

        let (_policies, handle, clock) = broken();
        clock.advance(secs(30));
        let mut probe = Engine::<Result<(), Error>, _>::new(&handle);
        let entered = probe.enter(None);
        assert!(entered.is_ok() && is_open(&handle), "it holds the only probe");
        drop(probe);
        assert!(!is_open(&handle));
    }

    #[test]
    fn a_circuit_is_closed_again_when_its_settings_change() {
        let (policies, handle, clock) = broken();
        let derived = handle.clone().attempts(7);
        assert!(is_open(&derived));
        policies.reload(&policy("breaker = { failures = 3, open_for = '30s' }")).unwrap();
        assert!(!is_open(&handle) && !is_open(&derived));
        let error = busy.retry_with(&derived).report().call().unwrap_err();
        assert_eq!((error.reason(), error.attempts()), (Reason::Circuit, 3));
        assert!(is_open(&handle), "one new breaker for both");
        // It reads the same clock.
        clock.advance(secs(30));
        assert!(!is_open(&handle));
    }

    #[test]
    fn a_call_in_flight_answers_to_the_breaker_it_began_with() {
        let clock = VirtualClock::new();
        let policies = Policies::builder().clock(clock.clone()).load(&policy(BREAKER), "").unwrap();
        let handle = policies.get_guarded("a").unwrap().timer(clock);
        let mut attempts = handle.try_start().unwrap();
        policies.reload(&policy("breaker = { failures = 1 }")).unwrap();
        assert!(attempts.check_blocking(None::<()>).is_continue());
        assert!(attempts.check_blocking(None).is_break());
        assert!(!is_open(&handle));
    }

    #[test]
    fn dropping_a_derived_handle_leaves_its_breaker_to_the_others() {
        let (policies, handle, _) = broken();
        let derived = handle.clone().attempts(7);
        drop(handle);
        policies.reload(&policy(&format!("{BREAKER}, jitter = false"))).unwrap();
        assert!(is_open(&derived));
        drop(derived);
        policies.reload(&policy(BREAKER)).unwrap();
        assert!(is_open(&policies.get_guarded("a").unwrap().timer(VirtualClock::new())));
    }
}

mod events {
    use super::*;

    #[test]
    fn a_listener_that_panics_does_not_affect_other_listeners() {
        let events = Events::default();
        let later = events.clone();
        let policies = Policies::builder()
            .on_update(|_| std::panic::resume_unwind(Box::new("bomb")))
            .on_update(move |event| later.push(event))
            .load(&constant(1, 3), "")
            .unwrap();
        let handle = policies.get("a").unwrap();
        policies.reload(&constant(1, 4)).unwrap();
        assert!(policies.reload(&toml("%")).is_err());
        policies.reload(&constant(1, 5)).unwrap();
        assert_eq!((events.take().len(), policies.revision()), (3, 3));
        assert_eq!(attempts_of(&handle), 5);
    }

    /// A panic that panics again when it is caught and dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("bomb"));
        }
    }

    #[test]
    fn a_listener_whose_panic_panics_does_not_end_the_events() {
        let events = Events::default();
        let later = events.clone();
        let policies = Policies::builder()
            .on_update(|_| std::panic::resume_unwind(Box::new(Bomb)))
            .on_update(move |event| later.push(event))
            .load(&constant(1, 3), "")
            .unwrap();
        policies.reload(&constant(1, 4)).unwrap();
        policies.reload(&constant(1, 5)).unwrap();
        assert_eq!(events.take().len(), 2);
    }

    #[test]
    fn a_limit_on_attempts_without_effect_is_reported_once() {
        let events = Events::default();
        let limited = |attempts: u32| {
            let wait = "wait_min = '0s', attempt_timeout = '5s'";
            toml(&format!("policies.a = {{ {wait}, attempts = {attempts} }}"))
        };
        let policies = events.listen().load(&limited(3), "").unwrap();
        let handle = policies.get_guarded("a").unwrap();
        let awaited = (async || busy()).retry_with(&handle);
        assert!(VirtualClock::new().block_on(awaited).is_err());
        assert_eq!(events.take(), [""; 0]);
        assert!(handle.call(|_| busy()).is_err());
        assert_eq!(
            events.take(),
            [
                "`attempt_timeout` of the retry policy `a` has no effect on a blocking call or `run_with`: give \
              the operation a timeout of its own"
            ]
        );
        assert!(handle.call(|_| busy()).is_err());
        assert!(handle.clone().attempts(2).call(|_| busy()).is_err());
        let mut attempts = handle.try_start().unwrap();
        assert!(attempts.check_blocking(busy()).is_continue());
        policies.reload(&limited(4)).unwrap();
        let erased: DynPolicy<Error> = handle.clone().erase();
        assert!(erased.call(|_| busy()).is_err());
        assert_eq!(events.take().len(), 1, "the update alone");
    }

    /// Each such use reports it.
    #[test]
    fn a_loop_an_erased_policy_and_run_with_report_a_limit_without_effect() {
        let plays: [fn(GuardedHandle); 3] = [
            |handle| {
                let mut attempts = handle.try_start().unwrap();
                assert!(attempts.attempt_blocking(|| Some(())).is_break());
            },
            |handle| {
                let erased: DynPolicy<Error> = handle.erase();
                assert!(erased.call(|_| Ok(())).is_ok());
            },
            |handle| {
                let run = handle.run_with((), |(), _| async { ((), Ok::<_, Error>(())) });
                assert!(VirtualClock::new().block_on(run).1.is_ok());
            },
        ];
        for play in plays {
            let events = Events::default();
            let settings = toml("policies.a.attempt_timeout = '5s'");
            let policies = events.listen().load(&settings, "").unwrap();
            play(policies.get_guarded("a").unwrap());
            assert_eq!(events.take().len(), 1);
        }
    }

    /// Policies that their own listener knows.
    type Itself = Arc<OnceLock<Policies>>;

    #[test]
    fn a_listener_may_take_handles() {
        let (itself, seen) = (Itself::default(), Arc::new(AtomicU64::new(0)));
        let (known, saw) = (itself.clone(), seen.clone());
        let policies = Policies::builder()
            .on_update(move |_| {
                let policies = known.get().unwrap();
                let handle = policies.get("a").unwrap().attempts(2);
                handle.check_kinds::<Error>().unwrap();
                assert_eq!((handle.revision(), policies.last_error()), (policies.revision(), None));
                saw.store(handle.revision(), Ordering::Relaxed);
            })
            .load(&constant(1, 3), "")
            .unwrap();
        itself.set(policies.clone()).unwrap();
        policies.reload(&constant(1, 4)).unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn an_update_by_a_listener_is_reported_after_the_one_it_reacts_to() {
        let (itself, events) = (Itself::default(), Events::default());
        let (known, later) = (itself.clone(), events.clone());
        let policies = Policies::builder()
            .on_update(move |event| {
                let policies = known.get().unwrap();
                match event {
                    UpdateEvent::Applied(update) if update.revision() < 4 => {
                        let attempts = update.revision() as u32 + 3;
                        assert!(policies.reload(&constant(1, attempts)).is_ok());
                    }
                    UpdateEvent::Applied(_) => assert!(policies.reload(&toml("%")).is_err()),
                    _ => {}
                }
            })
            .on_update(move |event| later.push(event))
            .load(&constant(1, 3), "")
            .unwrap();
        itself.set(policies.clone()).unwrap();
        policies.reload(&constant(1, 4)).unwrap();
        let events = events.take();
        let heads: Vec<_> = events.iter().map(|event| &event[..10]).collect();
        assert_eq!(heads, ["revision 2", "revision 3", "revision 4", "an update "]);
        assert_eq!((policies.revision(), policies.refused()), (4, 1));
    }

    #[test]
    fn updates_of_many_threads_are_reported_in_the_order_in_which_they_came_into_force() {
        const THREADS: u32 = 8;
        const EACH: u32 = 25;
        let revisions = Arc::new(Mutex::new(Vec::new()));
        let heard = revisions.clone();
        let policies = Policies::builder()
            .on_update(move |event| match event {
                UpdateEvent::Applied(update) => heard.lock().unwrap().push(update.revision()),
                other => panic!("{other}"),
            })
            .load(&constant(1, 1), "")
            .unwrap();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let policies = &policies;
                scope.spawn(move || {
                    for n in 0..EACH {
                        policies.reload(&constant(1, 2 + n * THREADS + thread)).unwrap();
                    }
                });
            }
        });
        let all = u64::from(THREADS * EACH);
        assert_eq!(*revisions.lock().unwrap(), (2..=all + 1).collect::<Vec<_>>());
    }

    #[test]
    fn updates_are_counted_and_the_revision_is_a_gauge() {
        use metrics_util::debugging::DebuggingRecorder;
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let shown = || {
            let mut all: Vec<_> = snapshotter
                .snapshot()
                .into_vec()
                .into_iter()
                .map(|(key, _, _, value)| format!("{} {value:?}", key.key()))
                .collect();
            all.sort();
            all
        };
        metrics::with_local_recorder(&recorder, || {
            let policies = Policies::load(&constant(1, 3), "").unwrap();
            assert_eq!(shown(), ["Key(persevere_policy_revision, [section = ]) Gauge(1.0)"]);
            policies.reload(&constant(1, 4)).unwrap();
            policies.reload(&constant(1, 4)).unwrap();
            policies.reload(&constant(1, 5)).unwrap();
            assert!(policies.reload(&toml("%")).is_err());
        });
        assert_eq!(
            shown(),
            [
                "Key(persevere_policy_revision, [section = ]) Gauge(3.0)",
                "Key(persevere_policy_updates_total, [section = , result = applied]) Counter(2)",
                "Key(persevere_policy_updates_total, [section = , result = refused]) Counter(1)",
            ]
        );
    }
}

mod streams {
    use super::*;

    #[test]
    fn following_goes_on_after_garbage_and_panicking_listeners() {
        let policies = Policies::builder()
            .on_update(|_| std::panic::resume_unwind(Box::new("bomb")))
            .load(&constant(1, 3), "")
            .unwrap();
        let handle = policies.get("a").unwrap();
        let updates = [
            toml("%"),
            toml("policies.a.atempts = 4"),
            constant(1, 4),
            toml("policies.a = 5"),
            toml("policies.a.breaker = {}"),
            toml("policies = 3"),
            constant(1, 6),
        ];
        block_on(policies.follow(stream::iter(updates)));
        assert_eq!((policies.revision(), policies.refused(), policies.last_error()), (3, 5, None));
        assert_eq!(attempts_of(&handle), 6);
    }

    fn is_send_and_static<T: Send + 'static>(value: T) -> T {
        value
    }

    #[test]
    fn a_program_may_spawn_the_future_on_any_runtime() {
        let (sender, receiver) = channel::unbounded();
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let handle = policies.get("a").unwrap();
        let follow = is_send_and_static(policies.follow(receiver));
        // It holds the policies, and follows for the handles alone.
        drop(policies);
        let following = thread::spawn(move || block_on(follow));
        sender.unbounded_send(constant(1, 7)).unwrap();
        drop(sender);
        following.join().unwrap();
        assert_eq!(attempts_of(&handle), 7);
    }

    #[test]
    fn a_stream_that_stays_where_it_is_can_be_followed_too() {
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let tag = std::rc::Rc::new(1);
        let updates = stream::once(async {
            let attempts = 4 * *tag;
            constant(1, attempts)
        });
        block_on(policies.follow(updates));
        assert_eq!(policies.revision(), 2);
    }

    #[test]
    fn nothing_is_followed_before_the_first_poll_and_after_the_drop() {
        let (sender, receiver) = channel::unbounded();
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let mut follow = Box::pin(policies.follow(receiver));
        sender.unbounded_send(constant(1, 4)).unwrap();
        assert_eq!(policies.revision(), 1);
        // It yields between updates, so a few polls come to where it waits.
        for _ in 0..4 {
            assert!(follow.as_mut().now_or_never().is_none());
        }
        assert_eq!(policies.revision(), 2);
        sender.unbounded_send(constant(1, 5)).unwrap();
        drop(follow);
        assert_eq!(policies.revision(), 2);
        assert!(sender.unbounded_send(constant(1, 6)).is_err(), "the stream is dropped too");
    }

    #[test]
    fn a_stream_that_is_always_ready_starves_no_other_task() {
        let policies = Policies::load(&constant(1, 3), "").unwrap();
        let updates = stream::iter((1..=5).map(|n| constant(1, n)).cycle());
        let others_turn = async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                () = policies.follow(updates) => unreachable!("the stream does not end"),
                () = others_turn => {}
            }
        });
        assert!(policies.revision() > 1);
    }
}

mod callers {
    use super::*;
    use std::cell::RefCell;
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    /// Attempts, delays and kinds all say which revision this is.
    fn revision(r: u64) -> Figment {
        toml(&format!(
            "policies.a = {{ {EVERY_SECOND}, wait_min = '{r}ms', wait_max = '{r}ms', \
             attempts = {}, exceptions = ['R{r}'] }}",
            attempts(r)
        ))
    }

    fn attempts(r: u64) -> u32 {
        2 + (r % 5) as u32
    }

    /// An error that notes by which kind it is asked for.
    struct Asked<'a>(&'a RefCell<Vec<String>>);

    impl Kinded for Asked<'_> {
        const KINDS: &'static [&'static str] = &[];
        fn is_kind(&self, name: &str) -> bool {
            self.0.borrow_mut().push(name.to_owned());
            true
        }
        fn knows(name: &str) -> bool {
            name.starts_with('R')
        }
    }

    /// Gives way to others instead of sleeping, and notes for how long it should have slept.
    #[derive(Clone, Default)]
    struct GivesWay(Arc<Mutex<Vec<Duration>>>);

    struct Yield(bool);

    impl Future for Yield {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    impl Clock for GivesWay {
        type Sleep = Yield;
        fn now(&self) -> Duration {
            Duration::ZERO
        }
    }
    impl Timer for GivesWay {
        fn sleep(&self, duration: Duration) -> Yield {
            self.0.lock().unwrap().push(duration);
            Yield(false)
        }
    }
    impl BlockingTimer for GivesWay {
        fn sleep_blocking(&self, duration: Duration) {
            self.0.lock().unwrap().push(duration);
            thread::yield_now();
        }
    }

    /// The observations of one call, all of one revision.
    fn check(
        executions: u32,
        announced: Option<u32>,
        delays: &[Duration],
        kinds: &[String],
    ) -> u64 {
        let r = delays[0].as_millis() as u64;
        assert_eq!(executions, attempts(r));
        assert_eq!(announced, Some(attempts(r)));
        assert_eq!(delays, vec![ms(r); executions as usize - 1]);
        assert_eq!(kinds, vec![format!("R{r}"); executions as usize]);
        r
    }

    fn call(handle: &PolicyHandle) -> u64 {
        let (timer, kinds) = (GivesWay::default(), RefCell::new(Vec::new()));
        let (mut executions, mut announced) = (0, None);
        let operation = |attempt: persevere::Attempt| {
            executions += 1;
            announced = attempt.max_attempts().map(Into::into);
            Err::<(), _>(Asked(&kinds))
        };
        assert!(operation.retry_with(handle).timer(timer.clone()).call().is_err());
        check(executions, announced, &timer.0.lock().unwrap(), &kinds.take())
    }

    struct AskedAsync(Arc<Mutex<Vec<String>>>);

    impl Kinded for AskedAsync {
        const KINDS: &'static [&'static str] = &[];
        fn is_kind(&self, name: &str) -> bool {
            self.0.lock().unwrap().push(name.to_owned());
            true
        }
        fn knows(name: &str) -> bool {
            name.starts_with('R')
        }
    }

    async fn call_async(handle: &PolicyHandle) -> u64 {
        let (timer, kinds) = (GivesWay::default(), Arc::new(Mutex::new(Vec::new())));
        let (mut executions, mut announced) = (0, None);
        let operation = |attempt: persevere::Attempt| {
            executions += 1;
            announced = attempt.max_attempts().map(Into::into);
            let kinds = kinds.clone();
            async move {
                Yield(false).await;
                Err::<(), _>(AskedAsync(kinds))
            }
        };
        assert!(operation.retry_with(handle).timer(timer.clone()).await.is_err());
        check(executions, announced, &timer.0.lock().unwrap(), &kinds.lock().unwrap())
    }

    fn call_erased(handle: &PolicyHandle) -> u64 {
        let (timer, kinds) = (GivesWay::default(), Arc::new(Mutex::new(Vec::new())));
        let erased: DynPolicy<AskedAsync> = handle.clone().timer(timer.clone()).erase();
        let mut last = 0;
        for _ in 0..3 {
            let (mut executions, mut announced) = (0, None);
            let outcome = erased.call(|attempt| {
                executions += 1;
                announced = attempt.max_attempts().map(Into::into);
                Err::<(), _>(AskedAsync(kinds.clone()))
            });
            assert!(outcome.is_err());
            let delays = std::mem::take(&mut *timer.0.lock().unwrap());
            let kinds = std::mem::take(&mut *kinds.lock().unwrap());
            let seen = check(executions, announced, &delays, &kinds);
            assert!(seen >= last, "an older revision after a newer one");
            last = seen;
        }
        last
    }

    const UPDATES: u64 = 300;
    const TASKS: usize = 1000;
    const THREADS: usize = 8;

    /// Calls without end, each handle's revisions in order, until the updates are over.
    #[derive(Default)]
    struct Progress {
        calls: AtomicU64,
        over: AtomicBool,
    }

    impl Progress {
        fn note(&self, last: &mut u64, seen: u64) -> bool {
            assert!(seen >= *last, "an older revision after a newer one");
            *last = seen;
            self.calls.fetch_add(1, Ordering::Relaxed);
            !self.over.load(Ordering::Relaxed)
        }
    }

    fn a_thousand_callers() -> (Policies, u64) {
        let policies = Policies::load(&revision(1), "").unwrap();
        let handle = policies.get("a").unwrap();
        handle.check_kinds::<AskedAsync>().unwrap();
        // A typed setting that is not among the checked ones.
        let derived = handle.clone().retry_after_max(secs(1));
        let progress = Arc::new(Progress::default());

        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                let handle = [&handle, &derived][n % 2].clone();
                let (progress, policies) = (progress.clone(), policies.clone());
                thread::spawn(move || {
                    let mut last = 0;
                    while progress.note(&mut last, call(&handle)) {
                        progress.note(&mut last, call_erased(&handle));
                        let fresh = policies.get("a").unwrap().retry_after_max(secs(2));
                        progress.note(&mut last, call(&fresh));
                    }
                })
            })
            .collect();

        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|n| {
                    let handle = [&handle, &derived][n % 2].clone();
                    let progress = progress.clone();
                    tokio::spawn(async move {
                        let mut last = 0;
                        while progress.note(&mut last, call_async(&handle).await) {}
                    })
                })
                .collect();
            let pace = progress.clone();
            let updates = stream::unfold(2, move |r| {
                let pace = pace.clone();
                async move {
                    let before = pace.calls.load(Ordering::Relaxed);
                    while pace.calls.load(Ordering::Relaxed) < before + 5 {
                        tokio::task::yield_now().await;
                    }
                    let next = match r {
                        r if r > UPDATES => return None,
                        r if r % 10 == 0 => toml("policies.a.attempts = 0"),
                        r => revision(r),
                    };
                    Some((next, r + 1))
                }
            });
            tokio::spawn(policies.follow(updates)).await.unwrap();
            progress.over.store(true, Ordering::Relaxed);
            for task in tasks {
                task.await.unwrap();
            }
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        (policies, call(&handle))
    }

    #[test]
    fn each_of_a_thousand_concurrent_calls_is_of_exactly_one_revision() {
        let (sender, receiver) = mpsc::channel();
        let run = thread::spawn(move || {
            let result = a_thousand_callers();
            drop(sender);
            result
        });
        // A deadlock would wait for ever.
        let timeout =
            receiver.recv_timeout(secs(120)) == Err::<(), _>(mpsc::RecvTimeoutError::Timeout);
        assert!(!timeout, "the callers or the updates are stuck");
        let (policies, last) = run.join().unwrap();
        assert_eq!(
            (policies.revision(), policies.refused()),
            (UPDATES - UPDATES / 10, UPDATES / 10)
        );
        assert_eq!(last, UPDATES - 1);
    }
}

/// Errors of the standard library are of kinds by their names, so a policy tells them apart.
#[test]
fn an_update_changes_which_errors_are_retried() {
    let policies = load("policies.a.exceptions = ['TimedOut']");
    let (handle, _) = timed(&policies);
    let attempts = |kind: ErrorKind| {
        let mut count = 0;
        let _ = handle.call(|_| {
            count += 1;
            Err::<(), _>(Error::from(kind))
        });
        count
    };
    assert_eq!((attempts(ErrorKind::TimedOut), attempts(ErrorKind::NotFound)), (3, 1));
    policies.reload(&toml("policies.a.exceptions = ['NotFound']")).unwrap();
    assert_eq!((attempts(ErrorKind::TimedOut), attempts(ErrorKind::NotFound)), (1, 3));
}
