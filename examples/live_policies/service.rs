//! The program: a function with a named policy, and its load.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{StatusCode, Uri};
use hyper_util::client::legacy::{Client, Error as ClientError, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use persevere::classify::Kinded;
use persevere::retry;

use crate::table::Counts;

/// The error of a download. Its variants are the kinds that `exceptions` in the settings may name.
#[derive(Debug, thiserror::Error, Kinded)]
pub(crate) enum FetchError {
    #[error("the server is busy")]
    Busy,
    #[error(transparent)]
    Connection(#[from] ClientError),
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    #[error("status {0}")]
    Status(StatusCode),
}

type Pages = Client<HttpConnector, Empty<Bytes>>;

/// Downloads a page, with the retries of the policy "fetch".
#[retry("fetch", on_finish = |call| counts.add(call))]
async fn fetch(client: &Pages, url: &Uri, counts: &Counts) -> Result<Bytes, FetchError> {
    let response = client.get(url.clone()).await?;
    match response.status() {
        StatusCode::OK => Ok(response.into_body().collect().await?.to_bytes()),
        StatusCode::SERVICE_UNAVAILABLE => Err(FetchError::Busy),
        other => Err(FetchError::Status(other)),
    }
}

/// Makes a call every 4 ms, without waiting for earlier ones. It ends when it is dropped.
pub(crate) async fn load(url: Uri, counts: Arc<Counts>) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut tick = tokio::time::interval(Duration::from_millis(4));
    loop {
        tick.tick().await;
        let (client, url, counts) = (client.clone(), url.clone(), counts.clone());
        // `counts` receives the end of the call; the page itself is not used.
        tokio::spawn(async move { fetch(&client, &url, &counts).await.is_ok() });
    }
}
