//! A retry storm in virtual time: what a fleet of clients does to a service that was down, by the
//! policy that they retry with.
//!
//! It prints a table and draws the load over time, for policies from a settings file. They are
//! driven, not modelled: each call borrows a handle as any call does, and uses the library's engine,
//! budgets and breakers. Only the service and the clock are made up.
//!
//! ```sh
//! cargo run -p persevere-storm
//! cargo run --release -p persevere-storm -- --clients 1000000   # half a minute, and 200 MB
//! ```
//!
//! # The model
//!
//! - A client rests for a random time (exponential, a minute on average), calls, and rests again.
//! - The service answers so many requests per second, in the order in which they came. What it cannot
//!   answer yet waits in a queue, and a request that finds the queue full is rejected at once.
//! - A client waits a second for an answer. The service does not know when it has given up, and
//!   answers all the same. The queue holds two seconds of work: once it is full, every answer comes
//!   too late, and a service that is busy all the time helps nobody. So overload keeps itself up.
//! - The outage leaves nothing of the capacity for a minute. Where it begins, it cuts the sessions of
//!   half of the clients: they call within that second. Timeout and latency are the same for all, so
//!   whoever fails in step comes back in step, unless the policy says otherwise.
//! - A thousand clients are the users of one process. They share a budget and a breaker; processes
//!   share nothing, since none of them knows what the others see.
//! - A tick is a millisecond. Every draw follows from the seed, the client and the number of its call,
//!   so that all policies meet the same clients, and the same seed gives the same storm.
//!
//! # What it shows
//!
//! Load that follows from failure can outlast its cause. Retrying at once does; waiting longer each
//! time helps, but calls that failed together come back together, unless jitter spreads them. Both
//! only help while the service has room for the retries: with `capacity = 1.5` in the settings, no
//! backoff recovers. What limits all calls together, a budget or a breaker, does not depend on that,
//! and pays for it with calls that it gives up in the outage.
//!
//! | in the table | is |
//! |---|---|
//! | per call | requests for each call: the amplification of the load. Less than 1 where a breaker refuses calls |
//! | peak load | the most requests in one second |
//! | recovered after | from the end of the outage to the last second in which more than 1 % of the calls that ended were lost |
//! | calls lost | calls that ended without an answer, in the outage too |
//! | answered too late | work for clients that had given up |

mod args;
mod clock;
mod fleet;
mod picture;
mod record;
mod scenario;
mod service;
mod storm;
mod table;
#[cfg(test)]
mod tests;
mod wheel;

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use figment::Figment;
use figment::providers::{Format, Toml};
use indicatif::{ProgressBar, ProgressStyle};

use args::Args;
use scenario::Scenario;
use storm::Storm;

const SETTINGS: &str = include_str!("../settings.toml");

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let args = Args::read(lexopt::Parser::from_env())
        .map_err(|error| format!("{error}\n`--help` lists what there is"))?;
    if args.help {
        print!("{}", args::HELP);
        return Ok(());
    }
    let settings = Figment::from(match &args.settings {
        Some(path) => Toml::file_exact(path),
        None => Toml::string(SETTINGS),
    });
    // Before what takes its time.
    fs::create_dir_all(&args.out).map_err(|error| format!("{}: {error}", args.out.display()))?;

    let compared = Scenario::read(&settings)?.compare.len() as u64;
    let whole = u64::from(args.minutes) * 60;
    let bar = ProgressBar::new(whole * compared)
        .with_style(ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}")?);
    let mut done = (String::new(), 0);
    let storm = Storm::run(&settings, args.clients, args.minutes, args.seed, |policy, second| {
        if done.0 != policy {
            done = (policy.to_owned(), done.1 + u64::from(!done.0.is_empty()));
            bar.set_message(done.0.clone());
        }
        // The last calls end after the last minute.
        bar.set_position(done.1 * whole + second.min(whole));
    })?;
    bar.finish_and_clear();

    println!("{}\n\n{storm}", storm.script.sentence());
    for path in storm.draw(&args.out, 2)? {
        println!("{}", path.display());
    }
    match storm.outcomes.iter().find(|outcome| !outcome.record.is_conserved()) {
        Some(outcome) => Err(format!("{}: calls or attempts got lost", outcome.policy).into()),
        None => Ok(()),
    }
}
