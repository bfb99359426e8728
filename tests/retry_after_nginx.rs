//! The delays that a real nginx requests, and calls that wait for them in virtual time.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod servers;

use std::time::{Duration, SystemTime};

use http::Response;
use httpdate::{fmt_http_date, parse_http_date};
use persevere::classify::retry_after;
use persevere::time::VirtualClock;
use persevere::{Reason, RetryExt, constant};
use servers::nginx::Nginx;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The course of a call.
struct Course {
    /// The status of each response.
    statuses: Vec<u16>,
    /// The time at which each was sent, by the clock of nginx.
    sent: Vec<SystemTime>,
    slept: Vec<Duration>,
    reason: Reason,
}

/// Makes up to three attempts, a second apart unless nginx requests more; `on_retry` is called before
/// each sleep.
fn call(nginx: &Nginx, path: &str, mut on_retry: impl FnMut()) -> Course {
    let (clock, mut reason) = (VirtualClock::new(), None);
    let (mut statuses, mut sent) = (vec![], vec![]);
    let operation = || {
        let response = nginx.get(path)?;
        statuses.push(response.status().as_u16());
        sent.push(parse_http_date(response.headers()["date"].to_str().unwrap()).unwrap());
        Ok::<Response<_>, ureq::Error>(response)
    };
    let outcome = operation
        .retry_with(constant(secs(1)).max_attempts(3))
        .classify(|outcome, _| {
            let response = outcome.as_ref().ok()?;
            retry_after::verdict(response.status(), response.headers(), SystemTime::now())
        })
        .on_retry(|_| on_retry())
        .on_finish(|finish| reason = Some(finish.reason()))
        .timer(clock.clone())
        .call();
    assert_eq!(outcome.unwrap().status().as_u16(), *statuses.last().unwrap());
    Course { statuses, sent, slept: clock.slept(), reason: reason.unwrap() }
}

/// An nginx that is closed for maintenance as long as the file `maintenance` exists.
fn closed(retry_after: &str) -> Option<Nginx> {
    let server = format!(
        r#"error_page 503 @closed;
        location = / {{
            if (-f $document_root/maintenance) {{ return 503; }}
            return 200 open;
        }}
        location @closed {{ add_header Retry-After "{retry_after}" always; return 503; }}"#
    );
    let nginx = Nginx::start("", &server)?;
    nginx.put("maintenance", "");
    Some(nginx)
}

#[test]
fn a_closed_service_is_asked_again_after_the_seconds_of_its_header() {
    let Some(nginx) = closed("120") else { return };
    let course = call(&nginx, "/", || nginx.remove("maintenance"));
    assert_eq!((course.statuses, course.reason), (vec![503, 200], Reason::Succeeded));
    assert_eq!(course.slept, [secs(120)]);
}

#[test]
fn a_closed_service_is_asked_again_at_the_date_of_its_header() {
    let date = fmt_http_date(SystemTime::now() + secs(200));
    let Some(nginx) = closed(&date) else { return };
    let course = call(&nginx, "/", || nginx.remove("maintenance"));
    assert_eq!((course.statuses, course.reason), (vec![503, 200], Reason::Succeeded));
    let left = parse_http_date(&date).unwrap().duration_since(course.sent[0]).unwrap();
    assert!(left <= secs(200), "{left:?}");
    assert_eq!(course.slept, [left]);
}

#[test]
fn a_service_that_is_closed_for_hours_is_not_asked_again() {
    let Some(nginx) = closed("7200") else { return };
    let course = call(&nginx, "/", || panic!("no retry is announced"));
    assert_eq!((course.statuses, course.slept), (vec![503], vec![]));
    assert_eq!(course.reason, Reason::RetryAfterTooLong);
}

#[test]
fn a_request_that_comes_too_often_is_made_again_after_the_delay_of_the_header() {
    let date = fmt_http_date(SystemTime::now() + secs(200));
    let server = format!(
        "location = /seconds {{ add_header Retry-After 7 always; return 429; }}
        location = /date {{ add_header Retry-After '{date}' always; return 429; }}
        location = /passed {{ add_header Retry-After 'Sun, 06 Nov 1994 08:49:37 GMT' always; return 429; }}"
    );
    let Some(nginx) = Nginx::start("", &server) else { return };
    let until = parse_http_date(&date).unwrap();
    for path in ["/seconds", "/date", "/passed"] {
        let course = call(&nginx, path, || {});
        assert_eq!((course.statuses, course.reason), (vec![429; 3], Reason::Attempts));
        let expected = course.sent[..2].iter().map(|sent| match path {
            "/seconds" => secs(7),
            "/date" => until.duration_since(*sent).unwrap(),
            // The delay of the backoff.
            _ => secs(1),
        });
        assert_eq!(course.slept, expected.collect::<Vec<_>>(), "{path}");
    }
}

#[test]
fn a_limit_of_nginx_on_requests_is_waited_for() {
    let zone = "limit_req_zone $arg_client zone=clients:1m rate=1r/m; limit_req_status 429;";
    let server =
        "location = /limited { limit_req zone=clients; add_header Retry-After 60 always; }";
    let Some(nginx) = Nginx::start(zone, server) else { return };
    nginx.put("limited", "one a minute");
    let first = call(&nginx, "/limited?client=1", || panic!("the request is allowed"));
    assert_eq!(first.statuses, [200], "a success, whose `Retry-After` does not count");
    let second = call(&nginx, "/limited?client=1", || {});
    assert_eq!((second.statuses, second.reason), (vec![429; 3], Reason::Attempts));
    assert_eq!(second.slept, [secs(60); 2]);
    let another = call(&nginx, "/limited?client=2", || panic!("the request is allowed"));
    assert_eq!(another.reason, Reason::Succeeded);
}
