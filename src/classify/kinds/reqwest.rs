//! The kinds of reqwest's errors.

use ::http::StatusCode;
use reqwest::Error;

use super::{Kinded, http};
use crate::classify::source_is_kind;

/// Named after reqwest's questions: "Timeout" is `is_timeout()`, and so on. Several may hold: a
/// connection that timed out is "Connect", "Timeout" and "Request". An error with a status, as
/// `error_for_status()` makes it, is "Status", and has the status' own kinds: "503", "5xx". The
/// group "transient" is
///
/// | kind | transient | why |
/// |---|---|---|
/// | Timeout, Connect | yes | slow or away for now; a wrong host name or certificate looks the same |
/// | Request | yes | the connection died before the answer; whether the request took effect is not known |
/// | Body | yes | the connection died in the middle of a body |
/// | Status | as the status is | see `http::StatusCode` |
/// | Decode, Upgrade, Redirect | no, unless a [transient I/O error](crate::classify::io::is_transient) is behind it | the server answers the same again |
/// | Builder | no | the request is wrong |
///
/// ```
/// use persevere::classify::Kinded;
/// let error = reqwest::Client::new().get("no address").build().unwrap_err();
/// assert!(error.is_kind("Builder") && !error.is_kind("transient"));
/// assert!(reqwest::Error::knows("Timeout") && reqwest::Error::knows("5xx"));
/// ```
impl Kinded for Error {
    const KINDS: &'static [&'static str] = &[
        "transient",
        "Timeout",
        "Connect",
        "Request",
        "Body",
        "Status",
        "Decode",
        "Upgrade",
        "Redirect",
        "Builder",
    ];

    fn is_kind(&self, name: &str) -> bool {
        match name {
            "transient" => is_transient(self),
            "Timeout" => self.is_timeout(),
            "Connect" => self.is_connect(),
            "Request" => self.is_request(),
            "Body" => self.is_body(),
            "Status" => self.is_status(),
            "Decode" => self.is_decode(),
            "Upgrade" => self.is_upgrade(),
            "Redirect" => self.is_redirect(),
            "Builder" => self.is_builder(),
            _ => self.status().is_some_and(|status| status.is_kind(name)),
        }
    }

    fn knows(name: &str) -> bool {
        Self::KINDS.contains(&name) || StatusCode::knows(name)
    }

    fn each_kind(visit: &mut dyn FnMut(&'static str)) {
        Self::KINDS.iter().copied().for_each(&mut *visit);
        StatusCode::each_kind(visit);
    }
}

fn is_transient(error: &Error) -> bool {
    error.is_timeout()
        || error.is_connect()
        || error.is_request()
        || error.is_body()
        || error.status().is_some_and(http::is_transient)
        || source_is_kind::<std::io::Error>(error, "transient")
}
