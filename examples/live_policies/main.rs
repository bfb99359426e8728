//! Retries that are tuned while they run: a program calls a flaky server by a policy that is kept in
//! Consul, and an operator changes it there.
//!
//! ```sh
//! cargo run --example live_policies           # with Consul, if it is in CONSUL_BIN or in PATH
//! cargo run --example live_policies -- file   # with a watched file
//! ```

#[path = "../quickstart/picture.rs"]
#[allow(dead_code, reason = "only its colours are wanted here")]
mod picture;
#[path = "../quickstart/server.rs"]
#[allow(dead_code, reason = "this one is never down")]
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

/// What all settings begin with. An operator says the rest.
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
    /// What is told of updates, and whether they were taken.
    news: Receiver<(bool, String)>,
}

impl Demo {
    /// An operator writes settings. They shall be taken or refused, and calls make so many attempts.
    fn act(&self, title: &str, lines: &str, taken: bool, attempts: RangeInclusive<u32>) -> Done {
        say(Paint::Bold, title);
        say(Paint::Cyan, &format!("   {lines}"));
        self.store.write(&format!("{SETTINGS}{lines}\n"))?;
        self.hear(taken)?;
        self.watch(attempts)
    }

    /// Prints what is told of updates, up to the first that is taken, or refused.
    fn hear(&self, awaited: bool) -> Done {
        loop {
            let (taken, text) = self.news.recv_timeout(Duration::from_secs(10))?;
            say(if taken { Paint::Green } else { Paint::Red }, &format!("   {text}"));
            if taken == awaited {
                return Ok(());
            }
        }
    }

    /// Prints the policy, and what becomes of calls, until the most attempts of one are as expected.
    fn watch(&self, expected: RangeInclusive<u32>) -> Done {
        println!("   fetch: {}\n\n{HEAD}", self.policies.get("fetch")?);
        self.counts.take();
        for line in 1..=20 {
            thread::sleep(Duration::from_millis(400));
            let tally = self.counts.take();
            println!("{}", tally.line(self.policies.revision()));
            // Those that began before the update end by the policy with which they began.
            if line >= 2 && expected.contains(&tally.most) {
                println!();
                return Ok(());
            }
        }
        Err(format!("the most attempts of a call should be in {expected:?}").into())
    }
}

/// Prints text in a colour, its further lines below the first.
fn say(paint: Paint, text: &str) {
    println!("{}", paint.on(text.replace('\n', "\n   ")));
}

/// A server of whose answers half are no page, in an order that is the same in every run.
fn flaky() -> std::io::Result<Server> {
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
    say(Paint::Bold, &format!("1. A program starts, with a policy from {store}"));
    store.write(&format!("{SETTINGS}attempts = 3\n"))?;

    // What a program does for it, once, at its start.
    let (settings, updates) = store.settings();
    let (tell, news) = mpsc::channel();
    let policies = Policies::builder()
        .kinds_of::<FetchError>()
        .on_update(move |event| {
            let _ = tell.send((matches!(event, UpdateEvent::Applied(_)), event.to_string()));
        })
        .load(&settings, "resilience.retry")?;
    policies.check_names_in_use()?;
    policies.install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.spawn(policies.follow(updates));

    let (server, counts) = (flaky()?, Arc::new(Counts::default()));
    runtime.spawn(service::load(server.url().parse()?, counts.clone()));
    let mut demo = Demo { store, policies, counts, news };
    demo.watch(3..=3)?;

    let title = format!("2. An operator writes to {}", demo.store);
    demo.act(&title, "attempts = 6\nwait_min = \"5ms\"", true, 4..=6)?;

    let mistakes = "attempts = \"lots\"\nwait_mim = \"5ms\"\nexceptions = [\"busy\"]";
    demo.act("3. And makes mistakes: the last good settings stay", mistakes, false, 4..=6)?;

    say(Paint::Bold, &format!("4. Calls go on without {}", demo.store));
    say(Paint::Cyan, demo.store.lose()?);
    demo.hear(false)?;
    demo.watch(4..=6)?;

    demo.store.recover()?;
    let title = format!("5. With {} back, updates are taken again", demo.store);
    demo.act(&title, "attempts = 2\nwait_min = \"40ms\"", true, 2..=2)?;

    demo.act("6. The kill switch: one attempt each", "enabled = false", true, 1..=1)?;

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
