//! The operations: a download with hyper, and one with ureq. Neither contains a retry.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, RANGE, RETRY_AFTER};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use persevere::classify::{self, find_source};

/// The limit on the time of an attempt.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);

/// The error of a download.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// No connection, or one that broke.
    Connection(io::Error),
    /// No answer within the limit.
    Timeout,
    /// An answer that is not the page, with the delay that the server requests, if any.
    Status { code: StatusCode, retry_after: Option<Duration> },
}

impl FetchError {
    /// Whether another attempt may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            FetchError::Connection(error) => classify::io::is_transient(error),
            FetchError::Timeout => true,
            FetchError::Status { code, .. } => {
                code.is_server_error() || *code == StatusCode::TOO_MANY_REQUESTS
            }
        }
    }

    /// An error of hyper, which wraps that of the system.
    fn from_hyper(error: impl Error + Send + Sync + 'static) -> Self {
        let cause = find_source::<io::Error>(&error);
        let kind = cause.map_or(io::ErrorKind::Other, io::Error::kind);
        FetchError::Connection(io::Error::new(kind, error))
    }

    fn from_ureq(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => FetchError::Timeout,
            error => FetchError::Connection(error.into_io()),
        }
    }

    /// Returns an error for an answer that is not the page.
    fn check(code: StatusCode, headers: &HeaderMap) -> Result<(), Self> {
        if code.is_success() {
            return Ok(());
        }
        let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Err(FetchError::Status { code, retry_after: seconds.map(Duration::from_secs) })
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Connection(error) => error.kind().fmt(f),
            FetchError::Timeout => write!(f, "no answer within {} ms", TIMEOUT.as_millis()),
            FetchError::Status { code, .. } => code.fmt(f),
        }
    }
}

impl Error for FetchError {}

/// The asynchronous client: hyper, on tokio.
pub(crate) type AsyncClient = Client<HttpConnector, Empty<Bytes>>;

pub(crate) fn async_client() -> AsyncClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Downloads a page.
pub(crate) async fn fetch(client: &AsyncClient, url: &str) -> Result<String, FetchError> {
    let mut page = Vec::new();
    download(client, url, &mut page).await?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Downloads the rest of `page`, and appends everything that arrives, also if the download fails.
pub(crate) async fn download(
    client: &AsyncClient,
    url: &str,
    page: &mut Vec<u8>,
) -> Result<(), FetchError> {
    let exchange = async {
        let request = Request::get(url)
            .header(RANGE, format!("bytes={}-", page.len()))
            .body(Empty::new())
            .map_err(FetchError::from_hyper)?;
        let response = client.request(request).await.map_err(FetchError::from_hyper)?;
        FetchError::check(response.status(), response.headers())?;
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(bytes) = frame.map_err(FetchError::from_hyper)?.into_data() {
                page.extend_from_slice(&bytes);
            }
        }
        Ok(())
    };
    tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or(Err(FetchError::Timeout))
}

/// The blocking client: ureq.
pub(crate) fn blocking_client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into()
}

/// Downloads a page, blocking this thread.
pub(crate) fn fetch_blocking(client: &ureq::Agent, url: &str) -> Result<String, FetchError> {
    let mut response = client.get(url).call().map_err(FetchError::from_ureq)?;
    FetchError::check(response.status(), response.headers())?;
    response.body_mut().read_to_string().map_err(FetchError::from_ureq)
}
