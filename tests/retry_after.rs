//! The delay of a server: the meaning of each header by its specification, of several headers
//! together, and of malformed ones. The last part is end to end, in virtual time.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use persevere::classify::retry_after::ServerDelay::{After, Forbidden};
use persevere::classify::retry_after::{ServerDelay, server_delay, verdict};
use persevere::classify::{
    Marked, by_mark, classify_fn, permanent, retry_after_jitter, transient, transient_after,
};
use persevere::time::VirtualClock;
use persevere::{
    Attempt, Backoff, Limits, Policy, Reason, RetryExt, Verdict, constant, exponential, immediate,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `after(120)` is the delay of a server that requests two minutes.
const fn after(seconds: u64) -> Option<ServerDelay> {
    Some(After(secs(seconds)))
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&str, &str)| -> (HeaderName, HeaderValue) {
        (name.parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().map(line) {
        headers.append(name, value);
    }
    headers
}

/// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
fn november() -> SystemTime {
    UNIX_EPOCH + secs(784_111_777)
}

/// The delay of a server by these headers, in November 1994.
fn said(lines: &[(&str, &str)]) -> Option<ServerDelay> {
    server_delay(&headers(lines), november())
}

// ------------------------------------------------------------------------------------------------
// `Retry-After`: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3

#[test]
fn the_examples_of_rfc_9110_are_read() {
    assert_eq!(said(&[("Retry-After", "120")]), after(120));

    // The other example, a minute and a half before the date.
    let lines = [
        ("Date", "Fri, 31 Dec 1999 23:58:29 GMT"),
        ("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"),
    ];
    assert_eq!(said(&lines), after(90));
}

#[test]
fn a_date_may_have_any_of_the_three_formats() {
    // https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
    let formats = [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ];
    for format in formats {
        let headers = headers(&[("retry-after", format)]);
        assert_eq!(server_delay(&headers, november() - secs(11)), after(11), "{format}");
        for other in formats {
            let one_second_late = [("Date", other), ("Retry-After", format)];
            assert_eq!(said(&one_second_late), after(0), "{format} after {other}");
        }
    }
}

#[test]
fn a_date_is_compared_with_the_date_of_the_response_and_not_with_the_local_clock() {
    let response = headers(&[
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Retry-After", "Sun, 06 Nov 1994 08:50:00 GMT"),
    ]);
    for now in [UNIX_EPOCH, november() - secs(1 << 20), november(), november() + secs(1 << 20)] {
        assert_eq!(server_delay(&response, now), after(23), "{now:?}");
    }
}

#[test]
fn a_date_is_compared_with_the_given_time_where_the_response_has_no_valid_date() {
    let date = ("Retry-After", "Sun, 06 Nov 1994 08:50:00 GMT");
    assert_eq!(said(&[date]), after(23));
    assert_eq!(said(&[date, ("Date", "yesterday")]), after(23));
    assert_eq!(
        said(&[date, ("Date", "yesterday"), ("Date", "Sun Nov  6 08:49:57 1994")]),
        after(3)
    );
    // A fraction of the given time counts, and a time before 1970 is 1970.
    let almost = server_delay(&headers(&[date]), november() - ms(1));
    assert_eq!(almost, Some(After(ms(23_001))));
    let long_ago = server_delay(&headers(&[date]), UNIX_EPOCH - secs(9));
    assert_eq!(long_ago, after(784_111_800));
}

#[test]
fn a_date_that_has_passed_is_a_delay_of_zero() {
    assert_eq!(said(&[("Retry-After", "Sun, 06 Nov 1994 08:49:36 GMT")]), after(0));
    assert_eq!(said(&[("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT")]), after(0));
}

#[test]
fn a_malformed_retry_after_is_ignored() {
    let malformed = [
        "",
        " ",
        "-1",
        "+1",
        "1,2",
        "10, 20",
        "soon",
        "0x10",
        "1e3",
        "1.",
        ".5",
        "1.2.3",
        "१२",
        "12 s",
        "Sun, 06 Nov 1994 08:49:37",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Nov 1994 25:00:00 GMT",
    ];
    for value in malformed {
        assert_eq!(said(&[("Retry-After", value)]), None, "{value:?}");
        assert_eq!(said(&[("Retry-After", value), ("Retry-After", "7")]), after(7), "{value:?}");
    }
    assert_eq!(said(&[]), None);
}

#[test]
fn a_number_may_have_spaces_around_it_leading_zeros_and_a_fraction_that_is_rounded_up() {
    for (value, seconds) in [("\t 30 ", 30), ("0030", 30), ("0", 0), ("29.01", 30), ("30.000", 30)]
    {
        assert_eq!(said(&[("Retry-After", value)]), after(seconds), "{value:?}");
    }
}

#[test]
fn a_number_may_be_too_large_for_any_clock() {
    let digits = "9".repeat(4000);
    for value in ["18446744073709551615", "18446744073709551615.5", "18446744073709551616", &digits]
    {
        assert_eq!(said(&[("Retry-After", value)]), after(u64::MAX), "{value}");
        let milliseconds = said(&[("x-amz-retry-after", value)]);
        assert_eq!(milliseconds, Some(After(ms(u64::MAX))), "{value}");
        let reset = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", value)];
        assert_eq!(said(&reset), after(u64::MAX - 784_111_777), "{value}");
    }
    let last = said(&[("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")]);
    assert_eq!(last, after(253_402_300_799 - 784_111_777));
}

#[test]
fn the_longest_delay_of_several_headers_counts() {
    let lines = [
        ("Retry-After", "30"),
        ("Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT"),
        ("Retry-After", "soon"),
        ("x-amz-retry-after", "59999"),
        ("grpc-retry-pushback-ms", "1"),
    ];
    assert_eq!(said(&lines), after(60));
    assert_eq!(said(&lines[..1]), after(30));
    assert_eq!(said(&lines[3..]), Some(After(ms(59_999))));
}

// ------------------------------------------------------------------------------------------------
// gRPC: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback

#[test]
fn a_pushback_is_in_milliseconds() {
    for (value, millis) in [("0", 0), ("100", 100), (" 100 ", 100), ("2147483647", 2_147_483_647)] {
        assert_eq!(
            said(&[("grpc-retry-pushback-ms", value)]),
            Some(After(ms(millis))),
            "{value:?}"
        );
    }
}

#[test]
fn a_pushback_that_is_negative_or_cannot_be_read_forbids_a_retry() {
    let forbidding = [
        "-1",
        "-0",
        "-2147483648",
        "2147483648",
        "+5",
        "",
        "1.5",
        "1s",
        "0x1",
        "never",
        "\u{e9}",
        "1 2",
    ];
    for value in forbidding {
        assert_eq!(said(&[("grpc-retry-pushback-ms", value)]), Some(Forbidden), "{value:?}");
        // Also beside another header.
        let also = [("Retry-After", "1"), ("grpc-retry-pushback-ms", value)];
        assert_eq!(said(&also), Some(Forbidden), "{value:?}");
    }
    // As in `shouldRetry` of grpc-go's stream.go.
    let twice = [("grpc-retry-pushback-ms", "10"), ("grpc-retry-pushback-ms", "10")];
    assert_eq!(said(&twice), Some(Forbidden));
}

// ------------------------------------------------------------------------------------------------
// AWS: the test cases of `x-amz-retry-after` in its SDKs for Go and JavaScript,
// https://github.com/aws/aws-sdk-go-v2/pull/3400: 50 ms of exponential backoff without jitter.

#[test]
fn amazons_delay_is_in_milliseconds_and_a_floor_under_the_backoff() {
    let slept = |value: &str| {
        let replies = [reply(500, &[("x-amz-retry-after", value)]), reply(200, &[])];
        let (clock, status) = run(replies, exponential(ms(50)).max_attempts(3));
        assert_eq!(status, 200);
        clock.slept()
    };
    // "honor x-amz-retry-after header"
    assert_eq!(slept("1500"), [ms(1500)]);
    // "x-amz-retry-after minimum is exponential backoff duration"
    assert_eq!(slept("0"), [ms(50)]);
    // "invalid x-amz-retry-after falls back to exponential backoff"
    assert_eq!(slept("invalid"), [ms(50)]);
    // "x-amz-retry-after maximum is 5+exponential backoff duration": not in this crate, which does not
    // shorten the delay of a server.
    assert_eq!(slept("10000"), [ms(10_000)]);
}

// ------------------------------------------------------------------------------------------------
// Rate limits: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-11

#[test]
fn a_policy_that_is_used_up_asks_for_its_window() {
    let rate_limit = |value| said(&[("RateLimit", value)]);
    // The draft's examples.
    assert_eq!(rate_limit(r#""problemPolicy";r=0;t=10"#), after(10));
    assert_eq!(rate_limit(r#""default";r=50;t=30"#), None);
    assert_eq!(rate_limit(r#""default";r=999;pk=:dHJpYWwxMjEzMjM=:"#), None);
    assert_eq!(rate_limit(r#""default";r=300000000;t=60;pk=:QXBwLTk5OQ==:"#), None);
    // Others.
    assert_eq!(
        rate_limit(r#""default";r=0;t=60;pk=:QXBwLTk5OQ==:;acme-note="r=1, t=9""#),
        after(60)
    );
    assert_eq!(rate_limit(r#""default";t=60;r=0"#), after(60));
    assert_eq!(rate_limit(r#""default";r=0"#), None, "without a window");
    assert_eq!(rate_limit(r#""default";r=5;t=60;r=0;t=3"#), after(3), "the last one counts");
    assert_eq!(rate_limit(r#""day";r=90;t=86400, "burst";r=0;t=7, "hour";r=0;t=60"#), after(60));
    assert_eq!(rate_limit(r#""default";r=0;t=999999999999999"#), after(999_999_999_999_999));
    let lines = [("RateLimit", r#""burst";r=0;t=7"#), ("RateLimit", r#""hour";r=0;t=60"#)];
    assert_eq!(said(&lines), after(60), "a list in two lines is one");
}

#[test]
fn a_malformed_rate_limit_is_ignored_as_a_whole() {
    // Section 7: "Malformed RateLimit header fields MUST be ignored."
    let malformed = [
        r#""default";r=0;t=-1"#,
        r#""default";r=0;t=1.5"#,
        r#""default";r=0;t="10""#,
        r#""default";r=0;t"#,
        r#""default";r=-1;t=10"#,
        r#""default";r=0;t=1000000000000000"#,
        r#""default";r=0;t=10,"#,
        r#""default;r=0;t=10"#,
        r#"("default");r=0;t=10"#,
        "limit=100, remaining=0, reset=50",
        "0",
        "",
    ];
    for value in malformed {
        assert_eq!(said(&[("RateLimit", value)]), None, "{value:?}");
    }
    let lines = [("RateLimit", r#""burst";r=0;t=7"#), ("RateLimit", r#""hour";r=0;t="60""#)];
    assert_eq!(said(&lines), None, "in one of two lines");
}

#[test]
fn headers_that_ask_for_a_delay_go_before_a_rate_limit() {
    // Section 7: "the Retry-After field MUST take precedence".
    let rate_limit = ("RateLimit", r#""default";r=0;t=3600"#);
    assert_eq!(said(&[rate_limit, ("Retry-After", "5")]), after(5));
    assert_eq!(said(&[rate_limit, ("x-amz-retry-after", "5000")]), after(5));
    assert_eq!(said(&[rate_limit, ("grpc-retry-pushback-ms", "5000")]), after(5));
    assert_eq!(said(&[rate_limit, ("Retry-After", "soon")]), after(3600));
}

#[test]
fn the_reset_of_the_earlier_draft_counts_when_nothing_remains() {
    // https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06
    let reset = ("RateLimit-Reset", "50");
    assert_eq!(said(&[("RateLimit-Remaining", "0"), reset]), after(50));
    assert_eq!(said(&[("RateLimit-Remaining", "1"), reset]), None);
    assert_eq!(said(&[("X-RateLimit-Remaining", "0"), reset]), None, "the header of another limit");
    assert_eq!(said(&[reset]), None);
    assert_eq!(said(&[("RateLimit-Remaining", "0")]), None);
    // Some servers send a point in time in this header.
    let in_time = [("RateLimit-Remaining", "0"), ("RateLimit-Reset", "1000000000")];
    assert_eq!(said(&in_time), after(1_000_000_000 - 784_111_777));
}

#[test]
fn githubs_reset_is_a_point_in_time() {
    // The example of earlier versions of GitHub's documentation; the limit resets at 15:41:06.
    let lines = [
        ("Date", "Tue, 20 Aug 2013 14:50:41 GMT"),
        ("X-RateLimit-Limit", "60"),
        ("X-RateLimit-Remaining", "0"),
        ("X-RateLimit-Reset", "1377013266"),
    ];
    assert_eq!(said(&lines), after(50 * 60 + 25));
    assert_eq!(server_delay(&headers(&lines[1..]), UNIX_EPOCH + secs(1_377_013_260)), after(6));
    assert_eq!(server_delay(&headers(&lines[1..]), UNIX_EPOCH + secs(1_377_013_267)), after(0));
    // Other servers send seconds in this header.
    let seconds = |reset| said(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", reset)]);
    assert_eq!(seconds("50"), after(50));
    assert_eq!(seconds("999999999"), after(999_999_999));
    assert_eq!(seconds("1000000000"), after(1_000_000_000 - 784_111_777));
    assert_eq!(said(&[("X-RateLimit-Remaining", "42"), lines[3]]), None);
}

// ------------------------------------------------------------------------------------------------
// With a status.

#[test]
fn a_status_decides_whether_there_is_a_retry_and_the_headers_when() {
    let lines = |status: u16, lines: &[(&str, &str)]| {
        verdict(StatusCode::from_u16(status).unwrap(), &headers(lines), november())
    };
    let wait = [("Retry-After", "9")];
    let forbid = [("grpc-retry-pushback-ms", "-1")];
    let later = Some(Verdict::RetryAfter(secs(9)));
    for status in 100..1000 {
        let given = (lines(status, &[]), lines(status, &wait), lines(status, &forbid));
        let (stop, forbidden) = (Some(Verdict::Stop), Some(Verdict::Forbidden));
        let expected = match status {
            408 | 425 | 429 | 500 | 502 | 503 | 504 => (Some(Verdict::Retry), later, forbidden),
            403 | 413 => (stop, later, forbidden),
            400..=599 => (stop, stop, stop),
            _ => (None, None, None),
        };
        assert_eq!(given, expected, "{status}");
    }
}

// ------------------------------------------------------------------------------------------------
// Any header of a server.

/// Values that are nearly valid.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let date =
        (0..253_402_300_800_u64).prop_map(|at| httpdate::fmt_http_date(UNIX_EPOCH + secs(at)));
    let mangled =
        (date.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(date, at, byte)| {
            let mut bytes = date.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[0-9]{0,30}".prop_map(String::into_bytes),
        "[-+ .0-9]{0,24}".prop_map(String::into_bytes),
        r#"("[a-z]{0,3}"|[a-z]+|\()(;[rt](=-?[0-9]{1,16})?){0,3}(, ?"b";r=0;t=[0-9]+)?"#
            .prop_map(String::into_bytes),
        "(Sun|Sunday|Wednesday),? [ 0-9A-Za-z:-]{15,25}".prop_map(String::into_bytes),
        date.prop_map(String::into_bytes),
        mangled,
    ]
}

const NAMES: [&str; 9] = [
    "date",
    "retry-after",
    "x-amz-retry-after",
    "grpc-retry-pushback-ms",
    "ratelimit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

/// Up to eight headers; `http` itself leaves out bytes that a header cannot have.
fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let line = (prop::sample::select(&NAMES[..]), value());
    prop::collection::vec(line, 0..8).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(name, value);
            }
        }
        headers
    })
}

/// A time before or after 1970, as far as the system's type goes without overflow.
fn any_time() -> impl Strategy<Value = SystemTime> {
    let far = any::<Duration>();
    (far, any::<bool>()).prop_map(|(far, later)| {
        let time = if later { UNIX_EPOCH.checked_add(far) } else { UNIX_EPOCH.checked_sub(far) };
        time.unwrap_or(UNIX_EPOCH)
    })
}

proptest! {
    #![proptest_config(Config {
        cases: 2000,
        rng_seed: RngSeed::Fixed(0),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn headers_of_any_bytes_do_not_panic(
        headers in any_headers(),
        now in any_time(),
        status in 100_u16..1000,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let said = server_delay(&headers, now);
        let given = verdict(status, &headers, now);
        if said == Some(Forbidden) {
            prop_assert!(headers.contains_key("grpc-retry-pushback-ms"));
            prop_assert!(matches!(given, None | Some(Verdict::Stop | Verdict::Forbidden)));
        }
        if let (Some(After(delay)), Some(Verdict::RetryAfter(given))) = (said, given) {
            prop_assert_eq!(delay, given);
        }
    }

    #[test]
    fn digits_are_exact_seconds(number: u64) {
        prop_assert_eq!(said(&[("Retry-After", &number.to_string())]), after(number));
    }

    #[test]
    fn two_dates_give_their_difference(
        sent in 0..253_402_300_800_u64,
        until in 0..253_402_300_800_u64,
        now in any_time(),
    ) {
        let date = |at| httpdate::fmt_http_date(UNIX_EPOCH + secs(at));
        let headers = headers(&[("Date", &date(sent)), ("Retry-After", &date(until))]);
        prop_assert_eq!(server_delay(&headers, now), after(until.saturating_sub(sent)));
    }

    #[test]
    fn another_header_never_shortens_a_delay(headers in any_headers(), seconds in 0..1000_u32) {
        let mut more = headers.clone();
        more.append("retry-after", seconds.into());
        match server_delay(&more, november()) {
            Some(After(delay)) => prop_assert!(delay >= secs(seconds.into())),
            other => prop_assert_eq!(other, Some(Forbidden)),
        }
    }

    #[test]
    fn jitter_only_lengthens(
        delay: Duration,
        least: Duration,
        most: Duration,
        seed: u64,
        number in 1..u32::MAX,
    ) {
        let attempt = Attempt::new(number).with_seed(seed);
        let given = Verdict::RetryAfter(delay).with_jitter(&attempt, least..=most);
        let Verdict::RetryAfter(given) = given else { panic!("a delay stays a delay") };
        prop_assert!(given >= delay);
        // The longest duration is 584 years.
        let most = least.max(most).min(Duration::from_nanos(u64::MAX));
        prop_assert!(given <= delay.saturating_add(most));
        for other in [Verdict::Accept, Verdict::Retry, Verdict::Stop] {
            prop_assert_eq!(other.with_jitter(&attempt, least..=most), other);
        }
    }
}

// ------------------------------------------------------------------------------------------------
// End to end.

fn reply(status: u16, lines: &[(&str, &str)]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = headers(lines);
    response
}

/// Makes a call that gets these replies: the clock after the call, and the status of its outcome.
fn run<B: Backoff + persevere::Finite, const N: usize>(
    replies: [Response<()>; N],
    backoff: B,
) -> (VirtualClock, u16) {
    let clock = VirtualClock::new();
    let mut replies = replies.into_iter();
    let outcome = (|| Ok::<_, std::io::Error>(replies.next().unwrap()))
        .retry_with(backoff)
        .classify(|outcome, _| {
            let response = outcome.as_ref().ok()?;
            verdict(response.status(), response.headers(), november())
        })
        .timer(clock.clone())
        .call();
    (clock, outcome.unwrap().status().as_u16())
}

#[test]
fn a_retry_begins_after_the_delay_of_the_server_and_not_earlier() {
    let replies = [
        reply(503, &[("Retry-After", "120")]),
        reply(429, &[("Retry-After", "Sun, 06 Nov 1994 08:50:07 GMT")]),
        reply(502, &[]),
        reply(429, &[("Retry-After", "0")]),
        reply(403, &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "45")]),
        reply(200, &[("Retry-After", "60")]),
    ];
    let (clock, status) = run(replies, constant(secs(1)).max_delay(secs(2)).max_attempts(9));
    assert_eq!(status, 200);
    // The delay is a floor: it may exceed the cap, it is never below the backoff, and counts once.
    assert_eq!(clock.slept(), [secs(120), secs(30), secs(1), secs(1), secs(45)]);
}

#[test]
fn a_server_that_forbids_a_retry_is_not_asked_again() {
    let replies = [reply(503, &[("grpc-retry-pushback-ms", "-1"), ("Retry-After", "1")])];
    let (clock, status) = run(replies, constant(secs(1)).max_attempts(9));
    assert_eq!((status, clock.slept()), (503, vec![]));
}

#[test]
fn a_status_that_is_not_transient_is_returned_at_once() {
    let (clock, status) = run([reply(404, &[("Retry-After", "1")])], immediate().max_attempts(9));
    assert_eq!((status, clock.slept()), (404, vec![]));
}

#[test]
fn a_limit_on_attempts_holds_where_the_server_asks_for_a_retry() {
    let replies = [503, 503].map(|status| reply(status, &[("Retry-After", "1")]));
    let (clock, status) = run(replies, immediate().max_attempts(2));
    assert_eq!((status, clock.slept()), (503, vec![secs(1)]));
}

#[test]
fn a_delay_above_the_ceiling_ends_the_call_with_its_own_reason() {
    let finish = |lines: &[(&str, &str)], ceiling: Option<Duration>| {
        let (clock, response) = (VirtualClock::new(), reply(503, lines));
        let mut reason = None;
        let backoff = immediate().max_attempts(2);
        let backoff = backoff.max_retry_after(ceiling.unwrap_or(Limits::RETRY_AFTER));
        let _ = (|| Err::<(), _>(&response))
            .retry_with(backoff)
            .classify(|outcome, _| {
                let response = outcome.as_ref().err()?;
                verdict(response.status(), response.headers(), november())
            })
            .on_finish(|finish| reason = Some(finish.reason()))
            .timer(clock.clone())
            .call();
        (reason.unwrap(), clock.slept())
    };
    let five_minutes = [("Retry-After", "300")];
    assert_eq!(finish(&five_minutes, None), (Reason::Attempts, vec![secs(300)]));
    let huge = "9".repeat(99);
    for value in ["301", "300.001", "18446744073709551615", &huge, "Fri, 31 Dec 9999 23:59:59 GMT"]
    {
        let given = finish(&[("Retry-After", value)], None);
        assert_eq!(given, (Reason::RetryAfterTooLong, vec![]), "{value}");
    }
    let short = finish(&[("x-amz-retry-after", "1001")], Some(secs(1)));
    assert_eq!(short, (Reason::RetryAfterTooLong, vec![]));
}

#[test]
fn jitter_spreads_calls_that_were_given_the_same_delay() {
    let call = |seed: u64| {
        let clock = VirtualClock::new();
        let _ = (|| Err::<(), _>(reply(503, &[("Retry-After", "30")])))
            .retry_with(immediate().max_attempts(2))
            .classify(|outcome, attempt| {
                let response = outcome.as_ref().err()?;
                let verdict = verdict(response.status(), response.headers(), november())?;
                Some(verdict.with_jitter(attempt, secs(1)..=secs(5)))
            })
            .seed(seed)
            .timer(clock.clone())
            .call();
        clock.slept()[0]
    };
    let slept: Vec<_> = (0..1000).map(call).collect();
    assert!(slept.iter().all(|delay| (secs(31)..=secs(35)).contains(delay)));
    let (different, average): (HashSet<_>, _) =
        (slept.iter().collect(), slept.iter().sum::<Duration>() / 1000);
    assert_eq!(different.len(), 1000);
    assert!((ms(32_900)..ms(33_100)).contains(&average), "{average:?}");
    // A seeded call repeats exactly.
    assert_eq!(slept[7], call(7));
}

#[test]
fn jitter_of_a_delay_is_independent_of_the_draws_of_the_backoff() {
    // With equal draws, each floor of 1 s + x would be a whole second above a backoff of x.
    let second = secs(1);
    let differences: HashSet<_> = (0..100)
        .map(|seed| {
            let attempt = Attempt::new(1).with_seed(seed);
            let own = constant(second).full_jitter().delay(&attempt).unwrap();
            let floor = Verdict::RetryAfter(second).with_jitter(&attempt, Duration::ZERO..=second);
            let Verdict::RetryAfter(floor) = floor else { panic!("a delay stays a delay") };
            floor - own
        })
        .collect();
    assert_eq!(differences.len(), 100);
}

#[test]
fn the_classifier_of_a_policy_can_have_jitter() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(3))
        .classifier(retry_after_jitter(by_mark(), ms(1)..=ms(1)))
        .timer(clock.clone());
    let mut replies = [transient_after("busy", secs(2)), "busy".into()].into_iter();
    let outcome = policy.call(|_| replies.next().map_or(Ok(()), Err));
    assert_eq!((outcome, clock.slept()), (Ok(()), vec![ms(2001)]));
}

#[test]
#[should_panic(expected = "ends before it starts")]
fn a_jitter_whose_range_ends_before_it_starts_is_refused() {
    let _ = retry_after_jitter(by_mark(), secs(2)..=secs(1));
}

/// `.until` decides whether a value is retried, and not when.
#[test]
fn a_delay_of_a_value_stays_under_until() {
    let clock = VirtualClock::new();
    let policy = || Policy::new(constant(secs(1)).max_attempts(2)).timer(clock.clone());
    let verdict = |value: u16| match value {
        202 => Some(Verdict::RetryAfter(secs(9))),
        503 => Some(Verdict::Forbidden),
        404 => Some(Verdict::Stop),
        _ => None,
    };
    let classify = |outcome: &Result<u16, ()>, _: &Attempt| outcome.ok().and_then(verdict);
    let is_ok = |value: &u16| *value == 200;
    let slept = |value: u16| {
        let before = clock.slept().len();
        for retry in [
            (|| Ok(value)).retry_with(policy()).classify(classify).until(is_ok).call(),
            (|| Ok(value)).retry_with(policy()).until(is_ok).classify(classify).call(),
            (|| Ok(value)).retry_with(policy().classify(classify)).until(is_ok).call(),
            policy().classify(classify).until(is_ok).call(|_| Ok(value)),
        ] {
            assert_eq!(retry, Ok(value));
        }
        clock.slept().split_off(before)
    };
    assert_eq!(slept(202), [secs(9); 4], "a delay");
    assert_eq!(slept(503), [], "a prohibition");
    assert_eq!(slept(100), [secs(1); 4], "no opinion");
    assert_eq!(slept(200), [], "a value that is accepted");
}

/// A prohibition holds in any order of classifiers.
#[test]
fn a_permanent_error_is_not_retried_whatever_delay_another_classifier_gives() {
    let clock = VirtualClock::new();
    let policy = || Policy::new(constant(secs(1)).max_attempts(3)).timer(clock.clone());
    let late = |outcome: &Result<(), Marked<u16>>, _: &Attempt| {
        outcome.as_ref().err().map(|_| Verdict::RetryAfter(secs(5)))
    };
    let gone = || Err::<(), _>(permanent(410_u16));
    for retry in [
        gone.retry_with(policy()).classifier(by_mark()).classify(late).when(|_| true).call(),
        gone.retry_with(policy()).classify(late).classifier(by_mark()).when(|_| true).call(),
        gone.retry_with(policy()).classifier((classify_fn(late), by_mark())).when(|_| true).call(),
        gone.retry_with(policy().classifier(by_mark())).classify(late).when(|_| true).call(),
    ] {
        assert!(retry.is_err());
    }
    assert_eq!(clock.slept(), []);
    // An error without a mark has the delay.
    let busy = || Err::<(), _>(transient(503_u16));
    let _ = busy.retry_with(policy()).classifier(by_mark()).classify(late).when(|_| true).call();
    assert_eq!(clock.slept(), [secs(5); 2]);
}
