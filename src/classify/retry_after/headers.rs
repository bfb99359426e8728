//! The headers, one by one. Whoever wrote them is not to be trusted.

use core::convert::Infallible;
use core::fmt;
use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};
use std::vec::Vec;

use http::{HeaderMap, HeaderValue, header};
use sfv::visitor::{
    EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor, ParameterVisitor,
};
use sfv::{BareItemFromInput, KeyRef};

/// From here on a number is a point in time, in the year 2001; as seconds it would be 31 years.
const LEAST_UNIX_TIME: u64 = 1_000_000_000;

/// A pushback that forbids a retry.
pub(super) struct Forbidden;

/// gRPC's pushback, if there is one.
pub(super) fn pushback(headers: &HeaderMap) -> Result<Option<Duration>, Forbidden> {
    let mut values = headers.get_all("grpc-retry-pushback-ms").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| Forbidden)?.trim();
    // "A signed 32-bit integer", whose sign has no use but to forbid; `parse` would take a plus.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i32>().ok().and_then(|millis| u64::try_from(millis).ok()) {
        Some(millis) if digits && values.next().is_none() => {
            Ok(Some(Duration::from_millis(millis)))
        }
        _ => Err(Forbidden),
    }
}

/// `Retry-After`, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let delay = |text| match units(text) {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => Some(date(text)?.saturating_sub(sent(headers, now))),
    };
    texts(headers, "retry-after").filter_map(delay).max()
}

/// `x-amz-retry-after`, in milliseconds.
pub(super) fn amazon(headers: &HeaderMap) -> Option<Duration> {
    texts(headers, "x-amz-retry-after").filter_map(units).max().map(Duration::from_millis)
}

/// The time until a quota that is used up is there again, by any header that tells.
pub(super) fn rate_limit(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let plain = |remaining, reset| {
        if !texts(headers, remaining).any(|text| units(text) == Some(0)) {
            return None;
        }
        let reset = texts(headers, reset).filter_map(units).max()?;
        let seconds = Duration::from_secs(reset);
        Some(if reset < LEAST_UNIX_TIME {
            seconds
        } else {
            seconds.saturating_sub(sent(headers, now))
        })
    };
    effective_window(headers)
        .max(plain("ratelimit-remaining", "ratelimit-reset"))
        .max(plain("x-ratelimit-remaining", "x-ratelimit-reset"))
}

/// The longest `t` in `RateLimit` of a policy that has nothing left.
fn effective_window(headers: &HeaderMap) -> Option<Duration> {
    let lines: Vec<_> = headers.get_all("ratelimit").iter().map(HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return None;
    }
    // A list in several lines is one list: RFC 9651, 4.2.
    let list = lines.join(&b", "[..]);
    let longest = sfv::Parser::new(&list).parse_list_with_visitor(Policies(None)).ok()?;
    longest.map(Duration::from_secs)
}

/// When the response was sent, by its own clock or else by ours, since 1970.
fn sent(headers: &HeaderMap, now: SystemTime) -> Duration {
    let own = texts(headers, header::DATE.as_str()).find_map(date);
    own.unwrap_or_else(|| since_epoch(now))
}

/// A date in any of HTTP's formats, since 1970.
fn date(text: &str) -> Option<Duration> {
    httpdate::parse_http_date(text).ok().map(since_epoch)
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The values of the headers called `name` that are text.
fn texts<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::trim)
}

/// A number of units, rounded up and saturated; without a sign.
fn units(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let more = fraction.bytes().any(|digit| digit != b'0');
    // A number in digits fails to parse only if it is too large.
    Some(whole.parse().unwrap_or(u64::MAX).saturating_add(more.into()))
}

/// Reads the list of policies in `RateLimit`, and keeps the longest window of those used up.
struct Policies(Option<u64>);

impl<'de> ListVisitor<'de> for Policies {
    type Out = Option<u64>;
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok(Policy { longest: &mut self.0, available: None, window: None })
    }

    fn finish(self) -> Result<Option<u64>, Infallible> {
        Ok(self.0)
    }
}

/// One policy: `"default";r=0;t=30`. An error makes the whole header malformed.
struct Policy<'a> {
    longest: &'a mut Option<u64>,
    available: Option<u64>,
    window: Option<u64>,
}

impl<'de> EntryVisitor<'de> for Policy<'_> {
    type Error = fmt::Error;

    fn item(self) -> Result<impl ItemVisitor<'de>, fmt::Error> {
        Ok(move |_: BareItemFromInput<'de>| Ok::<_, Infallible>(self))
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, fmt::Error> {
        Err::<Ignored, _>(fmt::Error)
    }
}

impl<'de> ParameterVisitor<'de> for Policy<'_> {
    type Out = ();
    type Error = fmt::Error;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> fmt::Result {
        let number = match key.as_str() {
            "r" => &mut self.available,
            "t" => &mut self.window,
            _ => return Ok(()),
        };
        let integer = value.as_integer().and_then(|integer| u64::try_from(integer).ok());
        *number = Some(integer.ok_or(fmt::Error)?);
        Ok(())
    }

    fn finish(self) -> fmt::Result {
        if self.available == Some(0) {
            *self.longest = (*self.longest).max(self.window);
        }
        Ok(())
    }
}
