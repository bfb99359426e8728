//! Three ways to retry, with real HTTP clients and a real server that fails:
//!
//! ```sh
//! cargo run --example quickstart
//! ```

mod client;
mod journal;
mod picture;
mod server;

use std::error::Error;
use std::ops::ControlFlow::Break;
use std::process::ExitCode;
use std::time::Duration;

use persevere::classify::Classifier;
use persevere::policy::Ask;
use persevere::{
    Attempt, DefaultTimer, Finite, Policy, RetryExt, Verdict, constant, exponential, fibonacci,
    linear,
};

use crate::client::{AsyncClient, FetchError};
use crate::journal::Journal;
use crate::server::{Answer, Server};

/// The page that is served and fetched: this file.
const PAGE: &str = include_str!("main.rs");

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// 1. **At the call site.** The operation is a closure, and the retry follows it. The output is the
///    `Result` of the operation.
async fn at_the_call_site(client: &AsyncClient) -> Result<bool, Box<dyn Error>> {
    let backoff = exponential(ms(50)).max_delay(ms(400)).equal_jitter().max_attempts(6);
    picture::draw("1. At the call site", &backoff);

    let server = Server::down(PAGE, &[Answer::Reset, Answer::Silence])?;
    let (url, journal, mut started) = (server.url(), Journal::new(), Ok(()));

    let page = (|| client::fetch(client, &url))
        .retry_with(backoff)
        .when(FetchError::is_transient)
        .on_attempt(|attempt| journal.attempt(attempt))
        .on_retry(|retry| {
            journal.retry(retry);
            if retry.number() == 1 {
                started = server.start(); // The first connection was refused; the next will not be.
            }
        })
        .await;

    started?;
    journal.finish(page.as_ref().map(String::len));
    Ok(journal::all(&[
        ("the page is complete", page.is_ok_and(|page| page == PAGE)),
        ("every request but the refused one arrived", server.calls() == journal.attempts() - 1),
        ("no delay was cut short", journal.punctual()),
    ]))
}

/// 2. **As a loop.** There is no closure, so the body may borrow anything: here the bytes that arrived
///    before a download was interrupted. The next attempt requests only the rest.
async fn as_a_loop(client: &AsyncClient) -> Result<bool, Box<dyn Error>> {
    let backoff = linear(ms(40)).jitter(0.25).max_attempts(6);
    picture::draw("2. As a loop", &backoff);

    let journal = Journal::new();
    let server = Server::up(
        PAGE,
        &[Answer::Reset, Answer::Busy { retry_after: None }, Answer::Reset, Answer::Page],
    )?;
    let (url, mut page) = (server.url(), Vec::new());

    let policy = Policy::new(backoff).when(FetchError::is_transient).hook(&journal);
    let mut attempts = policy.start();
    let outcome = loop {
        let download = client::download(client, &url, &mut page);
        if let Break(outcome) = attempts.attempt(download).await {
            break outcome;
        }
    };

    journal.finish(outcome.as_ref().map(|()| page.len()));
    Ok(journal::all(&[
        ("the parts make the complete page", outcome.is_ok() && page == PAGE.as_bytes()),
        ("every request arrived", server.calls() == journal.attempts()),
        ("no delay was cut short", journal.punctual()),
    ]))
}

/// 3. **As a value.** A policy is built once, here at compile time, and serves every call and every
///    client, since it has no state.
static POLICY: Policy<Ask<&(dyn Finite + Sync), ObeyServer>, &Journal> =
    Policy::with(Ask::new(BACKOFF, ObeyServer), &JOURNAL, (), DefaultTimer);

const BACKOFF: &(dyn Finite + Sync) =
    &constant(ms(30)).first(2).then(fibonacci(ms(100)).full_jitter()).max_attempts(6);

static JOURNAL: Journal = Journal::new();

/// Decides what an outcome means. The delay that a server requests is a floor: it makes the delay of
/// the backoff longer, never shorter.
struct ObeyServer;

impl<T> Classifier<Result<T, FetchError>> for ObeyServer {
    fn classify(&self, outcome: &Result<T, FetchError>, _: &Attempt) -> Option<Verdict> {
        Some(match outcome {
            Ok(_) => Verdict::Accept,
            Err(FetchError::Status { retry_after: Some(wait), .. }) => Verdict::RetryAfter(*wait),
            Err(error) if error.is_transient() => Verdict::Retry,
            Err(_) => Verdict::Stop,
        })
    }
}

async fn as_a_value(client: &AsyncClient) -> Result<bool, Box<dyn Error>> {
    picture::draw("3. As a value", &BACKOFF);

    let server = Server::up(PAGE, &[Answer::Busy { retry_after: Some(1) }, Answer::Silence])?;
    let (url, mut tried) = (server.url(), Vec::new());

    let page = POLICY
        .run_lending(async |attempt| {
            tried.push(attempt.number()); // The closure borrows `&mut`.
            client::fetch(client, &url).await
        })
        .await;

    JOURNAL.finish(page.as_ref().map(String::len));
    Ok(journal::all(&[
        ("the page is complete", page.is_ok_and(|page| page == PAGE)),
        ("every request arrived", tried == Vec::from_iter(1..=server.calls())),
        (
            "the delay of the server was waited for",
            JOURNAL.punctual() && JOURNAL.longest_wait() >= ms(1000),
        ),
    ]))
}

/// Uses the policy in blocking code.
fn as_a_value_blocking() -> Result<bool, Box<dyn Error>> {
    println!("   The same policy with a client that blocks:\n");

    let server = Server::up(PAGE, &[Answer::Reset, Answer::Busy { retry_after: Some(1) }])?;
    let (client, url) = (client::blocking_client(), server.url());

    let page = POLICY.call(|_attempt| client::fetch_blocking(&client, &url));

    JOURNAL.finish(page.as_ref().map(String::len));
    Ok(journal::all(&[
        ("the page is complete", page.is_ok_and(|page| page == PAGE)),
        ("every request arrived", server.calls() == JOURNAL.attempts()),
        (
            "the delay of the server was waited for",
            JOURNAL.punctual() && JOURNAL.longest_wait() >= ms(1000),
        ),
    ]))
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = client::async_client();

    let surfaces = [
        ("call site", runtime.block_on(at_the_call_site(&client))?),
        ("loop", runtime.block_on(as_a_loop(&client))?),
        ("policy", runtime.block_on(as_a_value(&client))?),
        ("policy, blocking", as_a_value_blocking()?),
    ];
    println!("Summary\n");
    let held = journal::all(&surfaces);
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
