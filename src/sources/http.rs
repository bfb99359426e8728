use std::boxed::Box;
use std::fmt;
use std::string::String;
use std::time::Duration;
use std::vec::Vec;

/// An HTTP client, as far as a source needs one: it sends a GET request, and blocks until the whole
/// answer is there.
///
/// Implemented for [`ureq::Agent`](https://docs.rs/ureq/3), which you can configure to taste, TLS
/// included, and for closures. The agent's redirects are not followed, whatever it says of them.
///
/// ```
/// use figment::{Figment, providers::Json};
/// use persevere::sources::{Consul, HttpRequest, HttpResponse};
///
/// // Any blocking client fits. This one knows the answer by heart.
/// let client = |request: &HttpRequest| {
///     assert_eq!(request.url(), "https://consul.internal:8501/v1/kv/app/settings?raw");
///     assert_eq!(request.headers(), [("X-Consul-Token", "secret")]);
///     Ok(HttpResponse::new(200, r#"{"attempts": 3}"#).header("X-Consul-Index", "1"))
/// };
/// let consul = Consul::<Json>::new("app/settings")
///     .address("https://consul.internal:8501")
///     .token("secret")
///     .client(client);
/// assert_eq!(Figment::from(consul).extract_inner::<u32>("attempts")?, 3);
/// # Ok::<(), figment::Error>(())
/// ```
///
/// **Do** give up after [`HttpRequest::timeout`]: a server that vanished says nothing.
/// **Don't** turn statuses into errors: the source reads them.
/// **Don't** follow redirects to other servers: the token would go along.
pub trait HttpGet: Send + Sync {
    /// Sends the request and gives the answer, whatever its status.
    ///
    /// # Errors
    /// If there is no answer, or not all of it: the source tries again later.
    fn get(
        &self,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Box<dyn std::error::Error + Send + Sync>>;
}

impl<F> HttpGet for F
where
    F: Fn(&HttpRequest) -> Result<HttpResponse, Box<dyn std::error::Error + Send + Sync>>
        + Send
        + Sync,
{
    fn get(
        &self,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Box<dyn std::error::Error + Send + Sync>> {
        self(request)
    }
}

impl HttpGet for ureq::Agent {
    fn get(
        &self,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Box<dyn std::error::Error + Send + Sync>> {
        let mut call = ureq::Agent::get(self, request.url());
        for (name, value) in request.headers() {
            call = call.header(name, value);
        }
        let mut answer = call
            .config()
            .http_status_as_error(false)
            // The token would go along to wherever a redirect leads.
            .max_redirects(0)
            .timeout_global(Some(request.timeout()))
            .build()
            .call()?;
        let body = answer.body_mut().read_to_vec()?;
        let mut response = HttpResponse::new(answer.status().as_u16(), body);
        for (name, value) in answer.headers() {
            if let Ok(value) = value.to_str() {
                response = response.header(name.as_str(), value);
            }
        }
        Ok(response)
    }
}

/// What a source asks a server, for an [`HttpGet`] of your own.
#[derive(Clone)]
pub struct HttpRequest {
    url: String,
    token: Option<String>,
    timeout: Duration,
}

impl HttpRequest {
    /// A request for this address, for the tests of a client of your own: no token, ten seconds.
    ///
    /// ```
    /// use persevere::sources::HttpRequest;
    /// let request = HttpRequest::get("http://127.0.0.1:8500/v1/kv/app");
    /// assert_eq!((request.url(), request.headers()), ("http://127.0.0.1:8500/v1/kv/app", vec![]));
    /// ```
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(url.into(), None, Duration::from_secs(10))
    }

    pub(super) fn new(url: String, token: Option<String>, timeout: Duration) -> Self {
        Self { url, token, timeout }
    }

    /// The absolute address, query included.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Names and values of the headers to send. A token is among them: don't log them.
    #[must_use]
    pub fn headers(&self) -> Vec<(&str, &str)> {
        self.token.iter().map(|token| ("X-Consul-Token", token.as_str())).collect()
    }

    /// How long the answer may take, to the last byte of its body. For most of it the server may
    /// be silent.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the token.
        f.debug_struct("HttpRequest")
            .field("url", &self.url)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What a server answered, for an [`HttpGet`] of your own.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl HttpResponse {
    /// An answer with a status and its whole body, and no headers yet.
    ///
    /// ```
    /// use persevere::sources::HttpResponse;
    ///
    /// let missing = HttpResponse::new(404, "").header("X-Consul-Index", "12");
    /// ```
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header. `X-Consul-Index` is the one that [`Consul`](super::Consul) reads; the case of
    /// its letters does not matter.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The status.
    ///
    /// ```
    /// use persevere::sources::HttpResponse;
    /// let answer = HttpResponse::new(200, "attempts = 3").header("X-Consul-Index", "12");
    /// assert_eq!((answer.status(), answer.body()), (200, &b"attempts = 3"[..]));
    /// assert_eq!(answer.headers().collect::<Vec<_>>(), [("X-Consul-Index", "12")]);
    /// ```
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Names and values of the headers, in the order in which they were added.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| value.as_str())
    }
}
