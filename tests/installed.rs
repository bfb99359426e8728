//! The policies that a program installs, and calls that name them. There is one set of them in a
//! process, so this is a test binary of its own.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::any::Any;
use std::io::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use figment::Figment;
use figment::providers::{Format, Toml};
use persevere::RetryExt;
use persevere::policy::{NamedPolicy, Policies, referenced_policies};
use persevere::time::VirtualClock;

persevere::policy_reference! { name: "fast", operation: "load" }
persevere::policy_reference! { name: "fast", operation: "load" }
persevere::policy_reference! { name: "fast", operation: "fetch" }
persevere::policy_reference! { name: "default_policy", operation: "store" }
persevere::policy_reference! { name: "guarded", operation: "pay" }
persevere::policy_reference! { name: "fats", operation: "save" }
persevere::policy_reference! { name: "gone", operation: "sweep" }

static FAST: NamedPolicy = NamedPolicy::new("fast", "load");

fn toml(text: &str) -> Figment {
    Figment::from(Toml::string(text))
}

fn settings(attempts: u32) -> Figment {
    let fast = format!("fast = {{ attempts = {attempts}, wait_min = '1s', jitter = 'none' }}");
    toml(&format!("policies = {{ {fast}, guarded.breaker = {{ failures = 2 }}, later = {{}} }}"))
}

/// How many attempts a call makes that always fails.
fn attempts_of(named: &NamedPolicy) -> u32 {
    let busy = || Err::<(), _>(Error::other("busy"));
    busy.retry_with(named).timer(VirtualClock::new()).report().call().unwrap_err().attempts()
}

/// The message of the panic of a call by this policy.
fn panic_of(named: &NamedPolicy) -> String {
    let payload: Box<dyn Any + Send> =
        catch_unwind(AssertUnwindSafe(|| attempts_of(named))).unwrap_err();
    payload.downcast_ref::<String>().unwrap().clone()
}

/// The messages of panics before policies were installed, and then the installed policies.
struct Installed {
    before: [String; 2],
    none: bool,
    policies: Policies,
}

/// Installs once, in any order of the tests.
fn installed() -> &'static Installed {
    static INSTALLED: LazyLock<Installed> = LazyLock::new(|| {
        let none = Policies::installed().is_none();
        let before = [panic_of(&FAST), panic_of(&NamedPolicy::default_policy("store"))];
        let gone = settings(3).merge(toml("policies.gone.attempts = 4"));
        let policies = Policies::load(&gone, "").unwrap();
        policies.install().unwrap();
        // From here on, the references in code are plain handles, before the first call.
        let missing = policies.check_references().unwrap_err();
        let missing: Vec<_> = missing.refusals().iter().map(|(it, _)| it.name).collect();
        assert_eq!(missing, ["fats", "guarded"]);
        policies.reload(&settings(3)).unwrap();
        Installed { before, none, policies }
    });
    &INSTALLED
}

#[test]
fn a_call_before_policies_are_installed_panics_with_instructions() {
    let [fast, default] = &installed().before;
    assert!(installed().none);
    assert_eq!(
        fast,
        "`load` is retried by the policy `fast`, but no policies are installed: at the start of \
         `main`, write `Policies::load(&figment, \"resilience.retry\")?.install()?`"
    );
    assert!(default.starts_with("`store` is retried by the policy `default_policy`, but no"));
}

#[test]
fn a_name_that_panicked_works_once_it_is_installed_and_follows_updates() {
    let policies = &installed().policies;
    assert_eq!(attempts_of(&FAST), 3);
    assert_eq!(attempts_of(&NamedPolicy::default_policy("store")), 3);
    policies.reload(&settings(5)).unwrap();
    assert_eq!(attempts_of(&FAST), 5);
    Policies::installed().unwrap().reload(&settings(3)).unwrap();
    assert_eq!(attempts_of(&FAST), 3);
}

#[test]
fn a_name_whose_policy_is_gone_before_its_first_call_has_the_last_good_settings() {
    assert!(installed().policies.get("gone").is_err());
    assert_eq!(attempts_of(&NamedPolicy::new("gone", "sweep")), 4);
}

#[test]
fn an_unknown_name_is_reported_with_the_known_ones() {
    installed();
    let named = NamedPolicy::new("fats", "save");
    assert_eq!(
        panic_of(&named),
        "`save` is retried by a policy that is not installed: there is no retry policy `fats`: did \
         you mean `fast`? There are `default_policy`, `fast`, `guarded`, `later`. Add it to the \
         settings, and find all such names at the start with `Policies::check_references`"
    );
}

#[test]
fn a_name_of_a_policy_that_may_interrupt_panics() {
    installed();
    let message = panic_of(&NamedPolicy::new("guarded", "pay"));
    assert!(
        message.starts_with(
            "`pay` is retried by the policy `guarded`, but there is no plain handle of this \
             policy: `policies.guarded.breaker` is "
        ),
        "{message}"
    );
}

#[test]
fn policies_are_installed_once() {
    let first = &installed().policies;
    let second = Policies::load(&toml("[policies.a]"), "").unwrap();
    assert_eq!(first.install(), second.install());
    let error = second.install().unwrap_err();
    assert!(error.to_string().contains("install once, at the start of the program"), "{error}");
    assert_eq!(
        Policies::installed().unwrap().names(),
        ["default_policy", "fast", "guarded", "later"]
    );
}

#[test]
fn threads_that_use_a_name_for_the_first_time_at_once_all_get_it() {
    installed();
    static LATER: NamedPolicy = NamedPolicy::new("later", "sweep");
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16).map(|_| scope.spawn(|| attempts_of(&LATER))).collect();
        assert!(calls.into_iter().all(|call| call.join().unwrap() == 3));
    });
}

#[test]
fn references_are_listed_once_each_and_in_order() {
    let mine =
        |operation: &str| ["load", "fetch", "store", "pay", "save", "sweep"].contains(&operation);
    let used: Vec<_> = referenced_policies()
        .into_iter()
        .map(|used| (used.name, used.operation))
        .filter(|(_, operation)| mine(operation))
        .collect();
    assert_eq!(
        used,
        [
            ("default_policy", "store"),
            ("fast", "fetch"),
            ("fast", "load"),
            ("fats", "save"),
            ("gone", "sweep"),
            ("guarded", "pay"),
        ]
    );
}

#[test]
fn all_references_without_a_policy_are_reported_at_once() {
    let error = Policies::load(&settings(3), "").unwrap().check_references().unwrap_err();
    let text = error.to_string();
    let lines: Vec<_> = text.lines().collect();
    let [fats, gone, guarded] = lines[..] else { panic!("{lines:?}") };
    assert_eq!(
        fats,
        "`save` is retried by the policy `fats`, but there is no retry policy `fats`: did you mean \
         `fast`? There are `default_policy`, `fast`, `guarded`, `later`"
    );
    assert_eq!(
        gone,
        "`sweep` is retried by the policy `gone`, but there is no retry policy `gone`. There are \
         `default_policy`, `fast`, `guarded`, `later`"
    );
    assert!(
        guarded.starts_with(
            "`pay` is retried by the policy `guarded`, but there is no plain handle of this policy: \
             `policies.guarded.breaker` is "
        ),
        "{guarded}"
    );
    let good = "policies = { fast = {}, fats = {}, gone = {}, guarded = {} }";
    let good = Policies::load(&toml(good), "").unwrap();
    assert_eq!(good.check_references(), Ok(()));
    // References are plain handles, so from now on no update may take these away.
    assert!(good.reload(&toml("policies.fast.breaker = {}")).is_err());
}
