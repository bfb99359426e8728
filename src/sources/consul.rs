use std::string::{String, ToString};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, format};

use figment::providers::Format;
use figment::value::{Dict, Map};
use figment::{Error, Metadata, Profile, Provider};

use super::Updates;
use super::consul_queries::{Answer, Encoded, Follower, MISSING, Problem};
use super::document::Document;
use super::http::{HttpGet, HttpRequest};
use crate::{Finite, exponential};

/// A key of Consul's key/value store whose value is a settings document.
///
/// `F` is the document's format, one of [figment's](figment::providers) or your own. As a [`Provider`]
/// it asks once, and an answer that is not a document is an error. [`updates`](Self::updates) follows
/// the key, by blocking queries of Consul's HTTP API, so that a change arrives at once.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`address`](Self::address) | `http://127.0.0.1:8500` | `https` needs a [`client`](Self::client) with TLS |
/// | [`token`](Self::token) | none: the anonymous one | |
/// | [`datacenter`](Self::datacenter), [`namespace`](Self::namespace) | the agent's own | |
/// | [`profile`](Self::profile) | [`Profile::Default`] | any; [`nested`](Self::nested): the document names them |
/// | [`wait`](Self::wait) | 55 s | 1 s to 10 min |
/// | [`backoff`](Self::backoff) | 250 ms, doubling up to 30 s, equal jitter | any |
/// | [`client`](Self::client) | a `ureq::Agent` without TLS and proxy | any [`HttpGet`] |
///
/// ```no_run
/// use figment::{Figment, providers::Json};
/// use futures::{StreamExt, executor::block_on};
/// use persevere::sources::Consul;
///
/// let consul = Consul::<Json>::new("app/settings").token(std::env::var("CONSUL_HTTP_TOKEN")?);
///
/// let at_start = Figment::from(&consul);
/// println!("{:?}", at_start.extract_inner::<u32>("attempts")?);
///
/// let mut updates = consul.updates();
/// while let Some(figment) = block_on(updates.next()) {
///     println!("{:?}", figment.extract_inner::<u32>("attempts"));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Consul<F> {
    pub(super) endpoint: Endpoint,
    pub(super) document: Document<F>,
    pub(super) backoff: Arc<dyn Finite + Send + Sync>,
}

/// Where the key is, and how it is asked for.
#[derive(Clone)]
pub(super) struct Endpoint {
    address: String,
    key: String,
    token: Option<String>,
    datacenter: Option<String>,
    namespace: Option<String>,
    wait: Duration,
    client: Arc<dyn HttpGet>,
}

impl<F> Clone for Consul<F> {
    fn clone(&self) -> Self {
        Self {
            endpoint: self.endpoint.clone(),
            document: self.document.clone(),
            backoff: Arc::clone(&self.backoff),
        }
    }
}

impl<F> fmt::Debug for Consul<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoint { address, key, token, datacenter, namespace, wait, client: _ } =
            &self.endpoint;
        f.debug_struct("Consul")
            .field("address", address)
            .field("key", key)
            .field("token", &token.as_ref().map(|_| format_args!("..")))
            .field("datacenter", datacenter)
            .field("namespace", namespace)
            .field("profile", &self.document.profile)
            .field("wait", wait)
            .finish_non_exhaustive()
    }
}

/// How long a request may take that does not wait for a change.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

impl<F: Format> Consul<F> {
    /// The key, such as `app/settings`, at the agent of this machine. No key of Consul begins with a
    /// slash. Nothing is asked yet.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        // An agent is a neighbour; what the environment says about the way out is not for it.
        let client = ureq::Agent::config_builder().proxy(None).build().new_agent();
        Self {
            endpoint: Endpoint {
                address: "http://127.0.0.1:8500".into(),
                key: key.into(),
                token: None,
                datacenter: None,
                namespace: None,
                wait: Duration::from_secs(55),
                client: Arc::new(client),
            },
            document: Document::of(Profile::Default),
            backoff: Arc::new(
                exponential(Duration::from_millis(250))
                    .max_delay(Duration::from_secs(30))
                    .equal_jitter()
                    .forever(),
            ),
        }
    }

    /// Where the HTTP API is, such as `http://127.0.0.1:8500`. Without a scheme it is `http`, as in
    /// Consul's own `CONSUL_HTTP_ADDR`.
    #[must_use]
    pub fn address(mut self, address: impl AsRef<str>) -> Self {
        let address = address.as_ref().trim_end_matches('/');
        let scheme = if address.contains("://") { "" } else { "http://" };
        self.endpoint.address = format!("{scheme}{address}");
        self
    }

    /// The ACL token, sent as a header. It must allow to read the key. It is in no message and in no
    /// `Debug` output; but who lets `ureq_proto` log at level trace has all bytes in the log.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.endpoint.token = Some(token.into());
        self
    }

    /// The datacenter that is asked, if not the agent's own.
    #[must_use]
    pub fn datacenter(mut self, datacenter: impl Into<String>) -> Self {
        self.endpoint.datacenter = Some(datacenter.into());
        self
    }

    /// The namespace that the key is in, if not the token's own. Consul Enterprise only.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.endpoint.namespace = Some(namespace.into());
        self
    }

    /// The document's top level names profiles: `[default]`, `[production]`.
    #[must_use]
    pub fn nested(mut self) -> Self {
        self.document.profile = None;
        self
    }

    /// All that the document holds belongs to this profile.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<Profile>) -> Self {
        self.document.profile = Some(profile.into());
        self
    }

    /// How long the server may hold a query while nothing changes, 55 s unless you say otherwise:
    /// shorter than the minute after which many a proxy drops a silent connection. Whole seconds,
    /// from 1 s to Consul's maximum of 10 min.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.endpoint.wait = Duration::from_secs(wait.as_secs().clamp(1, 600));
        self
    }

    /// How long to wait between attempts while the server is not well. A backoff that comes to its
    /// end starts over.
    ///
    /// ```
    /// use figment::providers::Json;
    /// use persevere::{exponential, sources::Consul};
    /// use std::time::Duration;
    ///
    /// let backoff = exponential(Duration::from_secs(1)).max_delay(Duration::from_secs(300));
    /// let consul = Consul::<Json>::new("app/settings").backoff(backoff.full_jitter().forever());
    /// ```
    #[must_use]
    pub fn backoff(mut self, backoff: impl Finite + Send + Sync + 'static) -> Self {
        self.backoff = Arc::new(backoff);
        self
    }

    /// The HTTP client: a `ureq::Agent` with TLS, a closure, or an [`HttpGet`] of your own.
    #[must_use]
    pub fn client(mut self, client: impl HttpGet + 'static) -> Self {
        self.endpoint.client = Arc::new(client);
        self
    }

    /// What the key holds: now, and whenever it holds something else.
    ///
    /// The current value is the first item, so that no change between a read at start and this
    /// moment is lost. The following are items that hold an error, when they begin and not while
    /// they last. After them the value is an item even if it is the same as before:
    ///
    /// - the key does not exist;
    /// - the value is not UTF-8, or not what its format demands;
    /// - the token does not allow to read the key;
    /// - the server does not answer, answers with an error, or is no Consul server. A lost
    ///   connection is not yet news: the first reconnect has to fail too, 250 ms later or less. It is
    ///   given ten seconds.
    ///
    /// Whatever it is, the server is asked on and on, with [`backoff`](Self::backoff) in between, and
    /// never more than ten times a second.
    ///
    /// A thread asks until the stream is dropped. It then ends with the query that is under way,
    /// within [`wait`](Self::wait), a sixteenth of it, and ten seconds if the server has vanished.
    pub fn updates(&self) -> Updates
    where
        F: 'static,
    {
        let consul = self.clone();
        Updates::fed_by("persevere-kv", self.metadata(), move |feed| {
            Follower::new(consul, feed).follow();
        })
    }
}

impl Endpoint {
    /// Asks for the value, once it is something else than what had this index. `None`: right now.
    pub(super) fn ask(&self, index: Option<u64>) -> Result<Answer, Problem> {
        let mut url = format!("{}/v1/kv/{}?raw", self.address, Encoded(&self.key, "/"));
        for (name, value) in [("dc", &self.datacenter), ("ns", &self.namespace)] {
            if let Some(value) = value {
                url += &format!("&{name}={}", Encoded(value, ""));
            }
        }
        let mut timeout = ANSWER_WITHIN;
        if let Some(index) = index {
            url += &format!("&index={index}&wait={}s", self.wait.as_secs());
            // The server adds up to a sixteenth, so that its clients do not come back all at once.
            timeout += self.wait + self.wait / 16;
        }
        let request = HttpRequest::new(url, self.token.clone(), timeout);
        let response = self.client.get(&request).map_err(Problem::unreachable)?;
        let index = response.get("X-Consul-Index").and_then(|index| index.trim().parse().ok());
        match (response.status, index) {
            (200, Some(index)) => Ok(Answer { index, value: Some(response.body) }),
            (404, Some(index)) => Ok(Answer { index, value: None }),
            (200 | 404, None) => Err(Problem::no_index(response.status)),
            (status, _) => Err(Problem::status(status, &response.body)),
        }
    }
}

impl<F: Format> Provider for Consul<F> {
    fn metadata(&self) -> Metadata {
        let Endpoint { address, key, .. } = &self.endpoint;
        Metadata::named(format!("Consul key `{key}` at {address}"))
    }

    /// Asks the server, and blocks for up to ten seconds.
    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let answer = self.endpoint.ask(None).map_err(|problem| Error::from(problem.message))?;
        let value = answer.value.ok_or_else(|| Error::from(MISSING.to_string()))?;
        self.document.read(&value)
    }
}
