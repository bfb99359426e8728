//! A server's delay: what each header means by its specification, what it means with others, and
//! that nothing a server may send does harm. The last part is end to end, in virtual time.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use persevere::classify::retry_after::ServerDelay::{After, Never};
use persevere::classify::retry_after::{ServerDelay, server_delay, verdict};
use persevere::classify::{ClassifierExt, by_mark, transient_after};
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

/// `after(120)` is what a server says that asks for two minutes.
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

/// What the server says, when it is heard in November 1994.
fn said(lines: &[(&str, &str)]) -> Option<ServerDelay> {
    server_delay(&headers(lines), november())
}

// ------------------------------------------------------------------------------------------------
// `Retry-After`: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3

#[test]
fn the_examples_of_rfc_9110_are_understood() {
    assert_eq!(said(&[("Retry-After", "120")]), after(120));

    // The other example, a minute and a half before.
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
fn a_date_is_compared_with_the_date_of_the_response_and_not_with_our_clock() {
    let response = headers(&[
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Retry-After", "Sun, 06 Nov 1994 08:50:00 GMT"),
    ]);
    for ours in [UNIX_EPOCH, november() - secs(1 << 20), november(), november() + secs(1 << 20)] {
        assert_eq!(server_delay(&response, ours), after(23), "{ours:?}");
    }
}

#[test]
fn a_date_is_compared_with_the_given_time_where_the_response_has_none_that_is_one() {
    let date = ("Retry-After", "Sun, 06 Nov 1994 08:50:00 GMT");
    assert_eq!(said(&[date]), after(23));
    assert_eq!(said(&[date, ("Date", "yesterday")]), after(23));
    assert_eq!(
        said(&[date, ("Date", "yesterday"), ("Date", "Sun Nov  6 08:49:57 1994")]),
        after(3)
    );
    // A fraction of ours counts, and a time before 1970 is 1970.
    let almost = server_delay(&headers(&[date]), november() - ms(1));
    assert_eq!(almost, Some(After(ms(23_001))));
    let long_ago = server_delay(&headers(&[date]), UNIX_EPOCH - secs(9));
    assert_eq!(long_ago, after(784_111_800));
}

#[test]
fn a_date_that_has_passed_is_no_wait() {
    assert_eq!(said(&[("Retry-After", "Sun, 06 Nov 1994 08:49:36 GMT")]), after(0));
    assert_eq!(said(&[("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT")]), after(0));
}

#[test]
fn what_is_no_delay_is_ignored() {
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
fn of_several_headers_the_longest_counts() {
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
        assert_eq!(said(&[("grpc-retry-pushback-ms", value)]), Some(Never), "{value:?}");
        // Whatever else was said.
        let also = [("Retry-After", "1"), ("grpc-retry-pushback-ms", value)];
        assert_eq!(said(&also), Some(Never), "{value:?}");
    }
    // As in `shouldRetry` of grpc-go's stream.go.
    let twice = [("grpc-retry-pushback-ms", "10"), ("grpc-retry-pushback-ms", "10")];
    assert_eq!(said(&twice), Some(Never));
}

// ------------------------------------------------------------------------------------------------
// AWS: the cases of `x-amz-retry-after` that its SDKs for Go and JavaScript are tested with,
// https://github.com/aws/aws-sdk-go-v2/pull/3400: 50 ms of exponential backoff without jitter.

#[test]
fn amazons_delay_is_in_milliseconds_above_the_backoffs_own() {
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
    // "x-amz-retry-after maximum is 5+exponential backoff duration": not here, a server's delay is
    // not shortened.
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
fn what_asks_for_a_wait_goes_before_a_rate_limit() {
    // Section 7: "the Retry-After field MUST take precedence".
    let rate_limit = ("RateLimit", r#""default";r=0;t=3600"#);
    assert_eq!(said(&[rate_limit, ("Retry-After", "5")]), after(5));
    assert_eq!(said(&[rate_limit, ("x-amz-retry-after", "5000")]), after(5));
    assert_eq!(said(&[rate_limit, ("grpc-retry-pushback-ms", "5000")]), after(5));
    assert_eq!(said(&[rate_limit, ("Retry-After", "soon")]), after(3600));
}

#[test]
fn the_drafts_earlier_reset_counts_once_nothing_remains() {
    // https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06
    let reset = ("RateLimit-Reset", "50");
    assert_eq!(said(&[("RateLimit-Remaining", "0"), reset]), after(50));
    assert_eq!(said(&[("RateLimit-Remaining", "1"), reset]), None);
    assert_eq!(said(&[("X-RateLimit-Remaining", "0"), reset]), None, "the one of another limit");
    assert_eq!(said(&[reset]), None);
    assert_eq!(said(&[("RateLimit-Remaining", "0")]), None);
    // Some send a point in time under this name too.
    let in_time = [("RateLimit-Remaining", "0"), ("RateLimit-Reset", "1000000000")];
    assert_eq!(said(&in_time), after(1_000_000_000 - 784_111_777));
}

#[test]
fn githubs_reset_is_a_point_in_time() {
    // The example that GitHub's documentation had for years; it resets at 15:41:06.
    let lines = [
        ("Date", "Tue, 20 Aug 2013 14:50:41 GMT"),
        ("X-RateLimit-Limit", "60"),
        ("X-RateLimit-Remaining", "0"),
        ("X-RateLimit-Reset", "1377013266"),
    ];
    assert_eq!(said(&lines), after(50 * 60 + 25));
    assert_eq!(server_delay(&headers(&lines[1..]), UNIX_EPOCH + secs(1_377_013_260)), after(6));
    assert_eq!(server_delay(&headers(&lines[1..]), UNIX_EPOCH + secs(1_377_013_267)), after(0));
    // Others send seconds under this name.
    let seconds = |reset| said(&[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", reset)]);
    assert_eq!(seconds("50"), after(50));
    assert_eq!(seconds("999999999"), after(999_999_999));
    assert_eq!(seconds("1000000000"), after(1_000_000_000 - 784_111_777));
    assert_eq!(said(&[("X-RateLimit-Remaining", "42"), lines[3]]), None);
}

// ------------------------------------------------------------------------------------------------
// With a status.

#[test]
fn a_status_says_whether_and_the_headers_say_when() {
    let lines = |status: u16, lines: &[(&str, &str)]| {
        verdict(StatusCode::from_u16(status).unwrap(), &headers(lines), november())
    };
    let wait = [("Retry-After", "9")];
    let forbid = [("grpc-retry-pushback-ms", "-1")];
    let later = Some(Verdict::RetryAfter(secs(9)));
    for status in 100..1000 {
        let given = (lines(status, &[]), lines(status, &wait), lines(status, &forbid));
        let (stop, never) = (Some(Verdict::Stop), Some(Verdict::Never));
        let expected = match status {
            408 | 425 | 429 | 500 | 502 | 503 | 504 => (Some(Verdict::Retry), later, never),
            403 | 413 => (stop, later, never),
            400..=599 => (stop, stop, stop),
            _ => (None, None, None),
        };
        assert_eq!(given, expected, "{status}");
    }
}

// ------------------------------------------------------------------------------------------------
// Whatever a server sends.

/// Values that are nearly something.
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

/// Up to eight headers; bytes that no header can hold are left out by `http` itself.
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
    fn nothing_that_a_server_may_send_panics(
        headers in any_headers(),
        now in any_time(),
        status in 100_u16..1000,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let said = server_delay(&headers, now);
        let given = verdict(status, &headers, now);
        if said == Some(Never) {
            prop_assert!(headers.contains_key("grpc-retry-pushback-ms"));
            prop_assert!(matches!(given, None | Some(Verdict::Stop | Verdict::Never)));
        }
        if let (Some(After(delay)), Some(Verdict::RetryAfter(given))) = (said, given) {
            prop_assert_eq!(delay, given);
        }
    }

    #[test]
    fn digits_are_exactly_as_many_seconds(number: u64) {
        prop_assert_eq!(said(&[("Retry-After", &number.to_string())]), after(number));
    }

    #[test]
    fn two_dates_are_as_far_apart_as_they_say(
        sent in 0..253_402_300_800_u64,
        until in 0..253_402_300_800_u64,
        now in any_time(),
    ) {
        let date = |at| httpdate::fmt_http_date(UNIX_EPOCH + secs(at));
        let headers = headers(&[("Date", &date(sent)), ("Retry-After", &date(until))]);
        prop_assert_eq!(server_delay(&headers, now), after(until.saturating_sub(sent)));
    }

    #[test]
    fn another_header_never_shortens_a_wait(headers in any_headers(), seconds in 0..1000_u32) {
        let mut more = headers.clone();
        more.append("retry-after", seconds.into());
        match server_delay(&more, november()) {
            Some(After(delay)) => prop_assert!(delay >= secs(seconds.into())),
            other => prop_assert_eq!(other, Some(Never)),
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
        let Verdict::RetryAfter(given) = given else { panic!("it stays a delay") };
        prop_assert!(given >= delay);
        // 584 years are as long as it gets.
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

/// Makes a call that gets these replies, as a program would: the clock after it, and the status of
/// what came out.
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
fn a_call_comes_back_when_the_server_said_and_not_earlier() {
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
    // It is a floor: it goes above the cap, never below the backoff, and does not last.
    assert_eq!(clock.slept(), [secs(120), secs(30), secs(1), secs(1), secs(45)]);
}

#[test]
fn a_server_that_forbids_a_retry_gets_none() {
    let replies = [reply(503, &[("grpc-retry-pushback-ms", "-1"), ("Retry-After", "1")])];
    let (clock, status) = run(replies, constant(secs(1)).max_attempts(9));
    assert_eq!((status, clock.slept()), (503, vec![]));
}

#[test]
fn what_no_retry_helps_comes_out_at_once() {
    let (clock, status) = run([reply(404, &[("Retry-After", "1")])], immediate().max_attempts(9));
    assert_eq!((status, clock.slept()), (404, vec![]));
}

#[test]
fn a_limit_on_attempts_holds_whatever_the_server_says() {
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
fn jitter_spreads_those_who_were_told_the_same() {
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
fn jitter_is_independent_of_the_backoffs_draws() {
    // Were both the same number, each floor of 1 s + x would be a whole second above a backoff of x.
    let second = secs(1);
    let differences: HashSet<_> = (0..100)
        .map(|seed| {
            let attempt = Attempt::new(1).with_seed(seed);
            let own = constant(second).full_jitter().delay(&attempt).unwrap();
            let floor = Verdict::RetryAfter(second).with_jitter(&attempt, Duration::ZERO..=second);
            let Verdict::RetryAfter(floor) = floor else { panic!("it stays a delay") };
            floor - own
        })
        .collect();
    assert_eq!(differences.len(), 100);
}

#[test]
fn the_classifier_of_a_policy_can_have_jitter() {
    let clock = VirtualClock::new();
    let policy = Policy::new(immediate().max_attempts(3))
        .classifier(by_mark().retry_after_jitter(ms(1)..=ms(1)))
        .timer(clock.clone());
    let mut replies = [transient_after("busy", secs(2)), "busy".into()].into_iter();
    let outcome = policy.call(|_| replies.next().map_or(Ok(()), Err));
    assert_eq!((outcome, clock.slept()), (Ok(()), vec![ms(2001)]));
}

#[test]
#[should_panic(expected = "ends before it starts")]
fn a_jitter_that_ends_before_it_starts_is_refused_where_it_is_given() {
    let _ = by_mark().retry_after_jitter(secs(2)..=secs(1));
}
