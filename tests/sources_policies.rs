//! Policies that follow each source, with the environment on top: a good update is in force at
//! once, a bad one leaves the last good policy in force and is reported, and the next good one
//! clears that.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod servers;

use std::fs;
use std::io::{self, ErrorKind};
use std::thread;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Json, Serialized, Toml};
use futures::StreamExt;
use futures::executor::block_on;
use futures::future::abortable;
use persevere::Attempt;
use persevere::policy::{Policies, PolicyHandle};
use persevere::sources::{Consul, Updates, WatchedFile};
use servers::agent::Agent;
use servers::stand_in::StandIn;
use servers::until;

/// How often a call that always fails is tried now.
fn tried(policy: &PolicyHandle) -> u32 {
    let mut attempts = 0;
    let _: io::Result<()> = policy.call(|_: Attempt| {
        attempts += 1;
        Err(ErrorKind::TimedOut.into())
    });
    attempts
}

/// Follows a source through good and bad days. `put` writes a document, `None` deletes it; the
/// document says how many attempts there are.
fn follow(source: Figment, updates: Updates, put: impl Fn(Option<&str>)) {
    // As an environment variable would, whatever the source says.
    let overridden = |figment: Figment| {
        let waits = Serialized::global("retry.policies.call.wait_max_seconds", 0.001);
        figment.merge(waits)
    };
    let policies = Policies::load(&overridden(source), "retry").expect("a good document");
    let call = policies.get("call").expect("it is there");
    assert_eq!(tried(&call), 2);

    let (following, stop) = abortable(policies.follow(updates.map(overridden)));
    let thread = thread::spawn(move || block_on(following));
    let refused = |before: u64| {
        until("the refusal is told", || policies.refused() > before);
        assert!(policies.last_error().is_some());
        policies.refused()
    };

    put(Some("3"));
    until("three attempts", || tried(&call) == 3);
    let mut refusals = policies.refused();

    for bad in [Some("\"many\""), Some("{]"), None] {
        put(bad);
        refusals = refused(refusals);
        assert_eq!(tried(&call), 3, "{bad:?}");
    }
    // The same as before is good again.
    put(Some("3"));
    until("nothing is wrong any more", || policies.last_error().is_none());
    assert_eq!(tried(&call), 3);
    put(Some("4"));
    until("four attempts", || tried(&call) == 4);

    stop.abort();
    assert!(thread.join().expect("it followed to the end").is_err(), "it ended by itself");
}

#[test]
fn policies_follow_a_watched_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    let put = |attempts: Option<&str>| {
        let Some(attempts) = attempts else {
            return fs::remove_file(&path).expect("removed");
        };
        let text =
            format!("[retry.policies.call]\nattempts = {attempts}\nwait_min_seconds = 0.001\n");
        fs::write(&path, text).expect("written");
    };
    put(Some("2"));
    let file = WatchedFile::<Toml>::new(&path).poll_every(Duration::MAX);
    follow(Figment::from(&file), file.updates(), put);
}

fn policies_follow_consul(port: u16) {
    let url = format!("http://127.0.0.1:{port}/v1/kv/app/settings");
    let put = |attempts: Option<&str>| {
        let Some(attempts) = attempts else {
            ureq::delete(&url).call().expect("deleted");
            return;
        };
        let call = format!(r#"{{"attempts": {attempts}, "wait_min_seconds": 0.001}}"#);
        let text = format!(r#"{{"retry": {{"policies": {{"call": {call}}}}}}}"#);
        ureq::put(&url).send(&text).expect("taken");
    };
    put(Some("2"));
    let consul = Consul::<Json>::new("app/settings").address(format!("127.0.0.1:{port}"));
    follow(Figment::from(&consul), consul.updates(), put);
}

#[test]
fn policies_follow_a_real_consul() {
    if let Some(agent) = Agent::start(false) {
        policies_follow_consul(agent.port);
    }
}

#[test]
fn policies_follow_the_stand_in() {
    let server = StandIn::start(false);
    policies_follow_consul(server.port);
}
