//! What a server says of a retry: when, or never.
//!
//! [`verdict`] takes the status and the headers of a response, as hyper, reqwest, ureq and
//! everything else built on [`http`](https://docs.rs/http) has them, and says what they mean.
//!
//! ```
//! use persevere::classify::retry_after;
//! use persevere::{Backoff, RetryExt, exponential, time::VirtualClock};
//! use std::time::{Duration, SystemTime};
//!
//! # let mut replies = vec![
//! #     http::Response::new("hello"),
//! #     http::Response::builder().status(503).header("Retry-After", "30").body("").unwrap(),
//! # ];
//! # let mut fetch = || Ok::<_, std::io::Error>(replies.pop().unwrap());
//! let clock = VirtualClock::new();
//! let response = (|| fetch())
//!     .retry_with(exponential(Duration::from_secs(1)).full_jitter().max_attempts(4))
//!     .classify(|outcome, _| {
//!         let response = outcome.as_ref().ok()?;
//!         retry_after::verdict(response.status(), response.headers(), SystemTime::now())
//!     })
//!     .timer(clock.clone())
//!     .call();
//! assert_eq!(response.unwrap().body(), &"hello");
//! assert_eq!(clock.slept(), [Duration::from_secs(30)]);
//! ```
//!
//! | header | what it means here | source |
//! |---|---|---|
//! | `grpc-retry-pushback-ms` | milliseconds; one that is negative, malformed, beyond 32 bits or given twice forbids a retry | [gRPC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback); twice: as grpc-go does |
//! | `Retry-After` | seconds, or a date in any of HTTP's three formats; a date that has passed is no wait | [RFC 9110, 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3) and [5.6.7](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7) |
//! | `x-amz-retry-after` | milliseconds | the AWS SDKs, as described in [aws-sdk-go-v2 #3400](https://github.com/aws/aws-sdk-go-v2/pull/3400) |
//! | `RateLimit` | `t` seconds, of a policy with `r=0` | [draft-ietf-httpapi-ratelimit-headers-11](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-11#section-4) |
//! | `RateLimit-Reset` | seconds, where `RateLimit-Remaining` is 0; from a billion on (the year 2001), Unix time in seconds | the same draft [up to its version 06](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06) |
//! | `X-RateLimit-Reset` | the same, where `X-RateLimit-Remaining` is 0: some send Unix time under this name, others seconds | [GitHub](https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api) |
//!
//! - The first three ask for a wait; the longest of them counts. The others tell how a quota stands,
//!   and are read where none of the three is there, as the draft says of `Retry-After`. A quota that
//!   is not used up is no reason to wait.
//! - A date and a Unix time are compared with the `Date` of the same response, so that it does not
//!   matter whether our clock is right. Without a `Date` they are compared with the time that you give.
//! - What is malformed is ignored, but for gRPC's, which says otherwise. Of several headers of one
//!   name the longest wait counts. Numbers are as large as they like: one that no clock can hold is
//!   the longest [`Duration`], and ends the call at the [ceiling](crate::Backoff::max_retry_after).
//!   Fractions of a second (`1.5`), which no RFC knows, are rounded up.
//! - The AWS SDKs come back five seconds after their own delay at the latest, whatever the header
//!   says. A server's delay is never cut short here.
//!
//! A server that sends a thousand clients away for 30 seconds will see a thousand clients in
//! 30 seconds. [`Verdict::with_jitter`] and [`retry_after_jitter`](super::retry_after_jitter) spread
//! them over the time after it, and never before.

mod headers;

use core::time::Duration;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::Verdict;
use super::kinds::is_transient_status;

/// What the headers of a response say of a retry. Made by [`server_delay`].
///
/// ```
/// use persevere::Verdict;
/// use persevere::classify::retry_after::ServerDelay;
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// assert_eq!(ServerDelay::After(second).verdict(), Verdict::RetryAfter(second));
/// assert_eq!(ServerDelay::Forbidden.verdict(), Verdict::Forbidden);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerDelay {
    /// Not before this has passed; it may be zero.
    After(Duration),
    /// The server forbids a retry.
    Forbidden,
}

impl ServerDelay {
    /// The verdict: [`Verdict::RetryAfter`] or [`Verdict::Forbidden`].
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            ServerDelay::After(delay) => Verdict::RetryAfter(delay),
            ServerDelay::Forbidden => Verdict::Forbidden,
        }
    }
}

/// What `headers` say of a retry, by the table [above](self); `None` if they say nothing. gRPC's
/// metadata are headers too; its pushback comes with the trailers.
///
/// `now` is the time at which the response arrived. It is used where a date or a Unix time has to be
/// compared and the response has no `Date`.
///
/// ```
/// use http::HeaderMap;
/// use persevere::classify::retry_after::{ServerDelay, server_delay};
/// use std::time::{Duration, SystemTime};
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(server_delay(&headers, SystemTime::now()), None);
///
/// // The two dates of the response count, and not our clock.
/// headers.insert("Date", "Fri, 31 Dec 1999 23:57:59 GMT".parse()?);
/// headers.insert("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT".parse()?);
/// let two_minutes = ServerDelay::After(Duration::from_secs(120));
/// assert_eq!(server_delay(&headers, SystemTime::now()), Some(two_minutes));
/// # Ok::<_, http::header::InvalidHeaderValue>(())
/// ```
#[must_use]
pub fn server_delay(headers: &HeaderMap, now: SystemTime) -> Option<ServerDelay> {
    let Ok(pushback) = headers::pushback(headers) else { return Some(ServerDelay::Forbidden) };
    let asked = pushback.max(headers::retry_after(headers, now)).max(headers::amazon(headers));
    asked.or_else(|| headers::rate_limit(headers, now)).map(ServerDelay::After)
}

/// What a response means, by its status and its headers.
///
/// | status | verdict |
/// |---|---|
/// | 408, 425, 429, 500, 502, 503, 504 | the server's `Retry-After`: [`RetryAfter`](Verdict::RetryAfter), or [`Forbidden`](Verdict::Forbidden) if it forbids a retry; [`Retry`](Verdict::Retry) without one |
/// | 403, 413 | the same, but [`Stop`](Verdict::Stop) if it says nothing: GitHub's limits are a 403, and RFC 9110 has a 413 that is temporary |
/// | any other of 4xx and 5xx | [`Stop`](Verdict::Stop) |
/// | the rest | none: a value is accepted unless another classifier asks for more |
///
/// A response that is stopped at comes out as it is, but has failed, even where it is a value:
/// hooks hear so, and a [report](crate::Retry::report) is an error. Where a 404 is an answer like
/// any other, `.filter(|verdict| *verdict != Verdict::Stop)` leaves it to be accepted.
///
/// It does not know the request: retry only what is safe to repeat. `now` is as for
/// [`server_delay`].
///
/// ```
/// use http::{HeaderMap, StatusCode};
/// use persevere::Verdict;
/// use persevere::classify::retry_after::verdict;
/// use std::time::{Duration, SystemTime};
///
/// let mut headers = HeaderMap::new();
/// let now = SystemTime::now();
/// assert_eq!(verdict(StatusCode::TOO_MANY_REQUESTS, &headers, now), Some(Verdict::Retry));
/// assert_eq!(verdict(StatusCode::FORBIDDEN, &headers, now), Some(Verdict::Stop));
/// assert_eq!(verdict(StatusCode::OK, &headers, now), None);
///
/// headers.insert("Retry-After", 120.into());
/// let later = Some(Verdict::RetryAfter(Duration::from_secs(120)));
/// assert_eq!(verdict(StatusCode::TOO_MANY_REQUESTS, &headers, now), later);
/// assert_eq!(verdict(StatusCode::FORBIDDEN, &headers, now), later);
/// ```
#[must_use]
pub fn verdict(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Verdict> {
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let otherwise = match status {
        StatusCode::FORBIDDEN | StatusCode::PAYLOAD_TOO_LARGE => Verdict::Stop,
        _ if is_transient_status(status) => Verdict::Retry,
        _ => return Some(Verdict::Stop),
    };
    Some(server_delay(headers, now).map_or(otherwise, ServerDelay::verdict))
}
