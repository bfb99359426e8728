//! Policies that change while the program runs: a program calls a server that often fails, by a policy
//! in Consul, and an operator changes the policy there.
//!
//! ```sh
//! cargo run --example live_policies           # with Consul, if it is in CONSUL_BIN or in PATH
//! cargo run --example live_policies -- file   # with a watched file
//! ```

#[path = "../quickstart/picture.rs"]
#[allow(dead_code, reason = "only its colours are used here")]
mod picture;
#[path = "../quickstart/server.rs"]
#[allow(dead_code, reason = "this server is never down")]
mod server;
mod service;
mod store;
mod table;

use std::error::Error;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use persevere::policy::{Policies, UpdateEvent};

use crate::picture::Paint;
use crate::server::{Answer, Server};
use crate::service::FetchError;
use crate::store::{INSTALL, Store};
use crate::table::{Counts, HEAD};

/// The first lines of all settings. The operator writes the rest.
const SETTINGS: &str = r#"
[resilience.retry.default_policy]
wait_min = "20ms"
wait_max = "80ms"
jitter = "equal"
exceptions = ["Busy", "Connection", "Broken"]

[resilience.retry.policies.fetch]
"#;

type Done = Result<(), Box<dyn Error>>;

struct Demo {
    store: Store,
    policies: Policies,
    counts: Arc<Counts>,
    /// The events of updates: whether they were applied, and their text.
    events: Receiver<(bool, String)>,
}

impl Demo {
    /// An operator writes settings, which have to be applied or refused; then calls have to make so many
    /// attempts.
    fn act(&self, title: &str, lines: &str, applied: bool, attempts: RangeInclusive<u32>) -> Done {
        print(Paint::Bold, title);
        print(Paint::Cyan, &format!("   {lines}"));
        self.store.write(&format!("{SETTINGS}{lines}\n"))?;
        self.hear(applied)?;
        self.watch(attempts)
    }

    /// Prints the events of updates, up to the first that was applied, or refused.
    fn hear(&self, awaited: bool) -> Done {
        loop {
            let (applied, text) = self.events.recv_timeout(Duration::from_secs(10))?;
            print(if applied { Paint::Green } else { Paint::Red }, &format!("   {text}"));
            if applied == awaited {
                return Ok(());
            }
        }
    }

    /// Prints the policy, and statistics of calls until the most attempts of a call are as expected.
    fn watch(&self, expected: RangeInclusive<u32>) -> Done {
        println!("   fetch: {}\n\n{HEAD}", self.policies.get("fetch")?);
        self.counts.take();
        for line in 1..=20 {
            thread::sleep(Duration::from_millis(400));
            let tally = self.counts.take();
            println!("{}", tally.line(self.policies.revision()));
            // Calls that began before the update end by the policy with which they began.
            if line >= 2 && expected.contains(&tally.most) {
                println!();
                return Ok(());
            }
        }
        Err(format!("the most attempts of a call should be in {expected:?}").into())
    }
}

/// Prints text in a colour, and indents all lines but the first.
fn print(paint: Paint, text: &str) {
    println!("{}", paint.on(text.replace('\n', "\n   ")));
}

/// A server that fails half of the requests, in the same order in every run.
fn failing_server() -> std::io::Result<Server> {
    let mix = |n: u32| (n ^ (n >> 15)).wrapping_mul(0x2c1b_3c6d);
    let answer = |n| match (mix(mix(n)) >> 16) % 10 {
        0 => Answer::Reset,
        1..5 => Answer::Busy { retry_after: None },
        _ => Answer::Page,
    };
    Server::up("It works.", &Vec::from_iter((0..100_000).map(answer)))
}

fn run(file: bool) -> Done {
    let store = Store::start(file)?;
    if matches!(store, Store::File(_)) && !file {
        println!("{INSTALL}");
    }
    print(Paint::Bold, &format!("1. A program starts, with a policy from {store}"));
    store.write(&format!("{SETTINGS}attempts = 3\n"))?;

    // The setup of a program, once at its start.
    let (settings, updates) = store.settings();
    let (sender, events) = mpsc::channel();
    let policies = Policies::builder()
        .kinds_of::<FetchError>()
        .on_update(move |event| {
            let _ = sender.send((matches!(event, UpdateEvent::Applied(_)), event.to_string()));
        })
        .load(&settings, "resilience.retry")?;
    policies.check_references()?;
    policies.install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.spawn(policies.follow(updates));

    let (server, counts) = (failing_server()?, Arc::new(Counts::default()));
    runtime.spawn(service::load(server.url().parse()?, counts.clone()));
    let mut demo = Demo { store, policies, counts, events };
    demo.watch(3..=3)?;

    let title = format!("2. An operator writes to {}", demo.store);
    demo.act(&title, "attempts = 6\nwait_min = \"5ms\"", true, 4..=6)?;

    let mistakes = "attempts = \"lots\"\nwait_mim = \"5ms\"\nexceptions = [\"busy\"]";
    demo.act(
        "3. Settings with mistakes are refused, and the last valid ones stay",
        mistakes,
        false,
        4..=6,
    )?;

    print(Paint::Bold, &format!("4. Calls go on without {}", demo.store));
    print(Paint::Cyan, demo.store.lose()?);
    demo.hear(false)?;
    demo.watch(4..=6)?;

    demo.store.recover()?;
    let title = format!("5. With {} back, updates are applied again", demo.store);
    demo.act(&title, "attempts = 2\nwait_min = \"40ms\"", true, 2..=2)?;

    demo.act("6. `enabled = false`: one attempt each", "enabled = false", true, 1..=1)?;

    let (revision, refused) = (demo.policies.revision(), demo.policies.refused());
    let tick = Paint::Green.on("✓");
    println!("{tick} {revision} revisions, {refused} refused updates, no restart");
    if revision == 4 { Ok(()) } else { Err("there should be 4 revisions".into()) }
}

fn main() -> ExitCode {
    let file = std::env::args().nth(1).is_some_and(|argument| argument == "file");
    let done = run(file);
    if let Err(error) = &done {
        println!("{} {error}", Paint::Red.on("✗"));
    }
    ExitCode::from(u8::from(done.is_err()))
}
