//! The kinds of HTTP statuses.

use http::StatusCode;

use super::Kinded;

/// Whether a status may be another one the next time.
pub(in crate::classify) const fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// The status that three digits stand for.
fn number(name: &str) -> Option<StatusCode> {
    // `from_bytes` takes exactly three digits, of which the first is not 0.
    StatusCode::from_bytes(name.as_bytes()).ok()
}

/// The first digit that a class such as "5xx" stands for.
fn class(name: &str) -> Option<u16> {
    Some(match name {
        "1xx" => 1,
        "2xx" => 2,
        "3xx" => 3,
        "4xx" => 4,
        "5xx" => 5,
        _ => return None,
    })
}

/// Every status from "100" to "999" is a kind by its number, whether it has a meaning or not; the
/// five classes are "1xx" to "5xx". The group "transient" is
///
/// | status | why |
/// |---|---|
/// | 408 Request Timeout | RFC 9110 allows to repeat the request |
/// | 425 Too Early | RFC 8470 asks to repeat it, when the handshake is over |
/// | 429 Too Many Requests | later; obey its `Retry-After` |
/// | 500 Internal Server Error | an accident of one server or one moment as often as not; the SDKs of the large clouds retry it |
/// | 502 Bad Gateway, 504 Gateway Timeout | the server behind restarts, or is replaced |
/// | 503 Service Unavailable | "temporarily", says RFC 9110; obey its `Retry-After` |
///
/// and no other: 501 and 505 stay as they are, 507 and 508 need somebody to change something, and
/// the rest of "4xx" is the request's own fault. List the classes and the numbers that you mean
/// where this is too little.
///
/// ```
/// use http::StatusCode;
/// use persevere::classify::Kinded;
///
/// let unavailable = StatusCode::SERVICE_UNAVAILABLE;
/// assert!(["503", "5xx", "transient"].iter().all(|name| unavailable.is_kind(name)));
/// assert!(!unavailable.is_kind("4xx") && !StatusCode::NOT_IMPLEMENTED.is_kind("transient"));
/// assert!(StatusCode::knows("599") && !StatusCode::knows("50x") && !StatusCode::knows("1000"));
/// ```
impl Kinded for StatusCode {
    const KINDS: &'static [&'static str] = &[
        "transient",
        "1xx",
        "2xx",
        "3xx",
        "4xx",
        "5xx",
        "408",
        "425",
        "429",
        "500",
        "502",
        "503",
        "504",
    ];

    fn is_kind(&self, name: &str) -> bool {
        if name == "transient" {
            return is_transient(*self);
        }
        number(name) == Some(*self) || class(name) == Some(self.as_u16() / 100)
    }

    fn knows(name: &str) -> bool {
        name == "transient" || number(name).is_some() || class(name).is_some()
    }
}
