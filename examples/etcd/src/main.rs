//! Retry policies that live in etcd, and a program that follows them while it runs.
//!
//! The library knows nothing of etcd. Any stream of figments will do, and [`etcd`] makes one of the
//! watch of etcd's own client. This file starts a real etcd on loopback, for the sake of the example,
//! changes the settings in it, breaks them, and takes the server away.
//!
//! ```sh
//! sudo apt-get install etcd-server protobuf-compiler libprotobuf-dev
//! cargo run --manifest-path examples/etcd/Cargo.toml
//! ```

mod etcd;
mod server;

use std::error::Error;
use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::time::Duration;

use etcd_client::Client;
use futures::StreamExt;
use persevere::policy::{Policies, PolicyHandle};
use tokio::sync::mpsc;

use crate::server::Server;

const KEY: &str = "services/checkout/settings.toml";

/// The settings of a program, of which the section `resilience.retry` is ours.
fn settings(attempts: &str) -> String {
    format!(
        "[resilience.retry.policies.payment]\nattempts = {attempts}\nwait_min = '5ms'\nwait_max = '20ms'\n"
    )
}

/// Something that always fails, under the policy of this moment. Gives how often it was tried.
async fn pay(policy: &PolicyHandle) -> u32 {
    let mut attempts = 0;
    let outcome = policy
        .run_lending(async |_| -> io::Result<()> {
            attempts += 1;
            Err(ErrorKind::TimedOut.into())
        })
        .await;
    println!("   a payment: {attempts} attempts, {outcome:?}");
    attempts
}

/// Waits for the next update to be told.
async fn told(news: &mut mpsc::UnboundedReceiver<String>) -> Result<String, Box<dyn Error>> {
    let said = tokio::time::timeout(Duration::from_secs(30), news.recv()).await?;
    let said = said.ok_or("nobody follows any more")?;
    println!("   {said}");
    Ok(said)
}

fn expect(holds: bool, what: &str) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(what.into()) }
}

async fn run(server: &mut Server) -> Result<(), Box<dyn Error>> {
    let mut client = Client::connect([server.endpoint()], None).await?;
    client.put(KEY, settings("3"), None).await?;

    println!("1. At start: the first item of the stream");
    let mut updates = Box::pin(etcd::updates(server.endpoint(), KEY));
    let first = updates.next().await.ok_or("the stream goes on for ever")?;
    let (tell, mut news) = mpsc::unbounded_channel();
    let policies = Policies::builder()
        .on_update(move |event| drop(tell.send(event.to_string())))
        .load(&first, "resilience.retry")?;
    let payment = policies.get("payment")?;
    expect(pay(&payment).await == 3, "three attempts")?;

    // A plain future, for any runtime.
    let following = tokio::spawn(policies.follow(updates));

    println!("2. An operator allows five attempts");
    client.put(KEY, settings("5"), None).await?;
    told(&mut news).await?;
    expect(pay(&payment).await == 5, "five attempts")?;

    println!("3. An operator slips, and is refused");
    client.put(KEY, settings("'a few'"), None).await?;
    expect(told(&mut news).await?.contains("refused"), "a refusal")?;
    expect(pay(&payment).await == 5, "the last good ones")?;

    println!("4. The key is deleted, and put back");
    client.delete(KEY, None).await?;
    expect(told(&mut news).await?.contains("does not exist"), "a refusal")?;
    expect(pay(&payment).await == 5, "the last good ones")?;
    client.put(KEY, settings("2"), None).await?;
    told(&mut news).await?;
    expect(pay(&payment).await == 2, "two attempts")?;

    println!("5. The server dies and comes back, and settings are taken again");
    server.kill().await?;
    expect(told(&mut news).await?.contains("refused"), "the loss is told")?;
    expect(pay(&payment).await == 2, "the last good ones")?;
    server.start().await?;
    // Waited for, since a put of this moment would be told with it or after it, as it happens.
    expect(told(&mut news).await?.contains("good again"), "the return is told")?;
    client.put(KEY, settings("4"), None).await?;
    told(&mut news).await?;
    expect(pay(&payment).await == 4, "four attempts")?;

    following.abort();
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(program) = server::program() else {
        println!("There is no etcd here. On Debian and Ubuntu: sudo apt-get install etcd-server");
        println!("Or say where it is: ETCD_BIN=/path/to/etcd");
        return if server::required() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    };
    let outcome = async { run(&mut Server::new(program).await?).await };
    match outcome.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
