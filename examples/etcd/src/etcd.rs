//! A key of etcd as a stream of figments: what a program of yours would copy.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error, EventType, WatchOptions, WatchStream};
use figment::providers::{Format, Toml};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use futures::{Stream, stream};
use persevere::time::TokioTimer;
use persevere::{RetryExt, exponential};
use tokio::time::timeout;

/// What the key holds: now, and whenever it changes. It never ends.
///
/// A problem is an item too, which names the key and from which nothing can be extracted, so that
/// who follows keeps what was good and says so. After a lost connection the value of that moment
/// comes again.
pub fn updates(endpoint: String, key: &str) -> impl Stream<Item = Figment> + Send + use<> {
    let follower = Follower { endpoint, key: key.to_owned(), watch: None, lost: false };
    stream::unfold(follower, async |mut follower| {
        let document = follower.next().await;
        Some((Figment::from(document), follower))
    })
}

struct Follower {
    endpoint: String,
    key: String,
    /// `None`: there is no connection.
    watch: Option<WatchStream>,
    /// That there is none has been told.
    lost: bool,
}

impl Follower {
    async fn next(&mut self) -> Document {
        let value = match &mut self.watch {
            Some(watch) => changed(watch).await.inspect_err(|_| self.watch = None),
            None => self.connected().await.map(|(value, watch)| {
                self.watch = Some(watch);
                value
            }),
        };
        self.lost = self.watch.is_none();
        let value = value.and_then(|value| value.ok_or("the key does not exist".into()));
        let place = format!("etcd key `{}` at {}", self.key, self.endpoint);
        Document { place, value }
    }

    /// Connects. The first failure is told; after it, this takes as long as the server is away.
    async fn connected(&self) -> Result<(Option<Vec<u8>>, WatchStream), String> {
        let backoff = exponential(Duration::from_millis(100)).max_delay(Duration::from_secs(10));
        let attempt = || async {
            // The client waits for a server that is not there, without a word and without an end.
            let connected = timeout(Duration::from_secs(2), connect(&self.endpoint, &self.key));
            let connected = connected.await.map_err(|_| "no answer within two seconds")?;
            connected.map_err(|error| error.to_string())
        };
        attempt
            .retry_with(backoff.equal_jitter().forever())
            .when(|_| self.lost)
            .timer(TokioTimer)
            .await
    }
}

/// The value of this moment, and a watch on what comes after it.
async fn connect(endpoint: &str, key: &str) -> Result<(Option<Vec<u8>>, WatchStream), Error> {
    let options = ConnectOptions::new()
        // A server that vanished says nothing.
        .with_keep_alive(Duration::from_secs(20), Duration::from_secs(10))
        .with_keep_alive_while_idle(true);
    let mut client = Client::connect([endpoint], Some(options)).await?;
    let found = client.get(key, None).await?;
    let value = found.kvs().first().map(|pair| pair.value().to_vec());
    let after = found.header().map_or(0, |header| header.revision() + 1);
    let watch = client.watch(key, Some(WatchOptions::new().with_start_revision(after))).await?;
    Ok((value, watch))
}

/// The next value; `None`: the key is gone. An error: so is the watch.
async fn changed(watch: &mut WatchStream) -> Result<Option<Vec<u8>>, String> {
    loop {
        let message = watch.message().await.map_err(|error| error.to_string())?;
        let message = message.ok_or("the server ended the watch")?;
        if message.canceled() {
            // Such as: what we asked for has been compacted. Reading again is the way on.
            return Err(format!("the server cancelled the watch: {}", message.cancel_reason()));
        }
        if let Some(event) = message.events().last() {
            let put = event.event_type() == EventType::Put;
            return Ok(event.kv().filter(|_| put).map(|pair| pair.value().to_vec()));
        }
    }
}

/// One value as figment takes it. Its place is in every message about it.
struct Document {
    place: String,
    value: Result<Vec<u8>, String>,
}

impl Provider for Document {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let value = self.value.as_ref().map_err(|problem| problem.clone())?;
        let text = std::str::from_utf8(value).map_err(|error| format!("not UTF-8: {error}"))?;
        Toml::string(text).data()
    }
}
