//! `Consul` against a real agent and against the stand-in, which can also be made to misbehave.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod servers;

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use figment::Figment;
use figment::providers::{Json, Toml};
use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use persevere::constant;
use persevere::sources::{Consul, HttpRequest, HttpResponse};
use servers::agent::{Agent, MASTER};
use servers::stand_in::{Misbehave, StandIn};
use servers::{n, next, next_good, until};

/// Both answer to the same requests.
enum Server {
    Real(Agent),
    StandIn(StandIn),
}

impl Server {
    fn address(&self) -> String {
        let port = match self {
            Self::Real(agent) => agent.port,
            Self::StandIn(server) => server.port,
        };
        format!("127.0.0.1:{port}")
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/v1/{path}", self.address())
    }

    fn put(&self, key: &str, value: impl AsRef<[u8]>) {
        let url = self.url(&format!("kv/{key}"));
        let sent = ureq::put(url).header("X-Consul-Token", MASTER).send(value.as_ref());
        sent.expect("the value is taken");
    }

    fn delete(&self, key: &str) {
        ureq::delete(self.url(&format!("kv/{key}"))).call().expect("the key is deleted");
    }

    /// From now on this token may read `app/settings`.
    fn allow(&self, token: &str) {
        let agent = match self {
            Self::StandIn(server) => return server.allow(token),
            Self::Real(agent) => agent,
        };
        let put = |path: &str, body: String| {
            let url = format!("http://127.0.0.1:{}/v1/acl/{path}", agent.port);
            let sent = ureq::put(url).header("X-Consul-Token", MASTER).send(body);
            sent.expect("the ACL system answers");
        };
        let rules = r#"key \"app/settings\" { policy = \"read\" }"#;
        put("policy", format!(r#"{{"Name": "reader", "Rules": "{rules}"}}"#));
        put("token", format!(r#"{{"SecretID": "{token}", "Policies": [{{"Name": "reader"}}]}}"#));
    }

    fn kill(&mut self) {
        match self {
            Self::Real(agent) => agent.kill(),
            Self::StandIn(server) => server.kill(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Real(agent) => agent.restart(),
            Self::StandIn(server) => server.restart(),
        }
    }

    fn source(&self) -> Consul<Json> {
        source(&self.address())
    }
}

fn source(address: &str) -> Consul<Json> {
    Consul::new("app/settings").address(address).backoff(constant(ms(50)).forever())
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[track_caller]
fn problem(figment: &Figment) -> String {
    n(figment).expect_err("a problem")
}

fn json(n: i64) -> String {
    format!(r#"{{"n": {n}}}"#)
}

/// The same test against both servers.
macro_rules! against_both {
    ($(fn $name:ident($server:ident, $acl:literal) $body:block)*) => { $(
        mod $name {
            use super::*;

            fn check(mut $server: Server) {
                // Not all need it to be mutable.
                let $server = &mut $server;
                $body
            }

            #[test]
            fn with_a_real_agent() {
                if let Some(agent) = Agent::start($acl) {
                    check(Server::Real(agent));
                }
            }

            #[test]
            fn with_the_stand_in() {
                check(Server::StandIn(StandIn::start($acl)));
            }
        }
    )* };
}

against_both! {
    fn the_current_value_comes_first_and_changes_follow(server, false) {
        server.put("app/settings", json(1));
        let mut updates = server.source().updates();
        assert_eq!(n(&next(&mut updates)), Ok(1));
        for number in 2..5 {
            server.put("app/settings", json(number));
            assert_eq!(n(&next(&mut updates)), Ok(number));
        }
    }

    fn a_missing_key_is_a_problem_once_and_is_followed(server, false) {
        let mut updates = server.source().wait(ms(1000)).updates();
        let address = server.address();
        assert_eq!(
            problem(&next(&mut updates)),
            format!("the key does not exist in Consul key `app/settings` at http://{address}"),
        );
        // Other keys change the index that a missing key is waited for with.
        for key in ["app", "app/settings/more", "other"] {
            server.put(key, json(0));
        }
        server.put("app/settings", json(1));
        assert_eq!(n(&next(&mut updates)), Ok(1));
    }

    fn a_deleted_key_is_a_problem_and_its_return_is_news(server, false) {
        server.put("app/settings", json(1));
        let mut updates = server.source().updates();
        assert_eq!(n(&next(&mut updates)), Ok(1));
        server.delete("app/settings");
        assert!(problem(&next(&mut updates)).starts_with("the key does not exist"));
        server.put("app/settings", json(1));
        assert_eq!(n(&next(&mut updates)), Ok(1), "the same value as before");
    }

    fn garbage_is_a_problem_and_the_next_good_value_follows(server, false) {
        server.put("app/settings", json(1));
        let mut updates = server.source().updates();
        assert_eq!(n(&next(&mut updates)), Ok(1));
        for (garbage, said) in [
            (&b"{\"n\": \xff}"[..], "not UTF-8: invalid utf-8 sequence of 1 bytes from index 6"),
            (b"\x00\x01", "expected value at line 1 column 1"),
            (b"{\"n\": 2", "EOF while parsing an object at line 1 column 7"),
            (b"", "EOF while parsing a value at line 1 column 0"),
        ] {
            server.put("app/settings", garbage);
            let problem = problem(&next(&mut updates));
            assert!(problem.starts_with(said), "{problem}");
            assert!(problem.contains("in Consul key `app/settings` at http://127.0.0.1:"), "{problem}");
        }
        server.put("app/settings", json(1));
        assert_eq!(n(&next(&mut updates)), Ok(1), "the last good value again");
    }

    fn a_killed_server_is_a_problem_once_and_a_restarted_one_is_found_again(server, false) {
        for number in 0..20 {
            server.put("app/settings", json(number));
        }
        let mut updates = server.source().updates();
        assert_eq!(n(&next(&mut updates)), Ok(19));
        server.kill();
        let refused = problem(&next(&mut updates));
        assert!(refused.starts_with("no answer: "), "{refused}");

        // It comes back without its memory, and with an index that is lower than ours.
        server.restart();
        assert!(problem(&next(&mut updates)).starts_with("the key does not exist"));
        server.put("app/settings", json(19));
        assert_eq!(n(&next(&mut updates)), Ok(19));
        server.put("app/settings", json(20));
        assert_eq!(n(&next(&mut updates)), Ok(20));
    }

    fn a_server_that_starts_later_is_found(server, false) {
        server.kill();
        let mut updates = server.source().updates();
        assert!(problem(&next(&mut updates)).starts_with("no answer: "));
        server.restart();
        server.put("app/settings", json(1));
        assert_eq!(next_good(&mut updates), 1);
    }

    fn a_token_that_may_not_read_is_a_problem_until_it_may(server, true) {
        let token = "99999999-8888-7777-6666-555555555555";
        server.put("app/settings", json(1));
        let source = server.source().token(token);
        let mut updates = source.updates();
        let refused = problem(&next(&mut updates));
        assert!(refused.starts_with("the token does not allow to read it: status 403 ("), "{refused}");
        assert!(!refused.contains(token), "{refused}");
        assert_eq!(problem(&Figment::from(&source)), refused);

        server.allow(token);
        assert_eq!(n(&next(&mut updates)), Ok(1));
        assert_eq!(n(&Figment::from(&source)), Ok(1));
    }

    fn at_start_it_gives_the_value_or_the_reason(server, false) {
        let source = server.source();
        let address = server.address();
        let place = format!("in Consul key `app/settings` at http://{address}");
        assert_eq!(problem(&Figment::from(&source)), format!("the key does not exist {place}"));

        server.put("app/settings", json(3));
        let figment = Figment::from(&source);
        assert_eq!(n(&figment), Ok(3));
        let wrong = figment.extract_inner::<bool>("n").expect_err("a number").to_string();
        assert!(wrong.ends_with(&format!("for key \"default.n\" {place}")), "{wrong}");

        server.kill();
        let refused = problem(&Figment::from(&source));
        assert!(refused.starts_with("no answer: ") && refused.ends_with(&place), "{refused}");
    }

    fn keys_are_any_text_and_documents_may_name_profiles(server, false) {
        let nested = "[default]\nn = 1\n[production]\nn = 2\n";
        server.put("%E2%82%AC/a%20b%3Fc%23d%25", nested);
        let source = Consul::<Toml>::new("€/a b?c#d%").address(server.address() + "/").nested();
        let figment = Figment::from(&source);
        assert_eq!((n(&figment), n(&figment.clone().select("production"))), (Ok(1), Ok(2)));

        let staging = Consul::<Toml>::new("€/a b?c#d%").address(server.address()).profile("staging");
        let figment = Figment::from(staging).select("staging");
        assert_eq!(figment.extract_inner::<i64>("production.n").expect("a number"), 2);
    }

    fn a_query_that_ends_without_a_change_is_no_news(server, false) {
        server.put("app/settings", json(1));
        let answers = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&answers);
        let agent = ureq::Agent::new_with_defaults();
        let client = move |request: &HttpRequest| {
            let answer = persevere::sources::HttpGet::get(&agent, request);
            counted.fetch_add(1, Ordering::Relaxed);
            answer
        };
        let mut updates = server.source().wait(ms(1000)).client(client).updates();
        assert_eq!(n(&next(&mut updates)), Ok(1));
        until("two queries have waited in vain", || answers.load(Ordering::Relaxed) >= 3);
        server.put("app/settings", json(2));
        assert_eq!(n(&next(&mut updates)), Ok(2));
    }
}

/// The stand-in with a value, and a stream that has seen it.
fn well() -> (StandIn, persevere::sources::Updates) {
    let server = StandIn::start(false);
    server.set_index("app/settings", &json(1), 100);
    let mut updates = source(&format!("127.0.0.1:{}", server.port)).wait(ms(1000)).updates();
    assert_eq!(n(&next(&mut updates)), Ok(1));
    (server, updates)
}

#[test]
fn an_index_that_goes_backwards_is_taken_for_another_history() {
    let (server, mut updates) = well();
    until("it waits with the index", || {
        server.asked().last().is_some_and(|q| q.contains("index=100&"))
    });
    server.set_index("app/settings", &json(2), 5);
    assert_eq!(n(&next(&mut updates)), Ok(2));
    until("it waits with the new index", || {
        server.asked().last().is_some_and(|q| q.contains("index=5&"))
    });
    let asked = server.asked();
    let back = asked.iter().rposition(|q| q.contains("index=100&")).expect("it was asked for");
    assert_eq!(asked[back..][..3], ["raw&index=100&wait=1s", "raw", "raw&index=5&wait=1s"]);
}

#[test]
fn an_index_of_zero_is_not_asked_for_again() {
    let indexes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&indexes);
    let client = move |request: &HttpRequest| {
        seen.lock().unwrap().push(request.url().split("index=").nth(1).map(str::to_string));
        Ok(HttpResponse::new(200, json(1)).header("x-consul-index", "0"))
    };
    let mut updates = source("stand-in").client(client).updates();
    assert_eq!(n(&next(&mut updates)), Ok(1));
    until("it is asked twice", || indexes.lock().unwrap().len() >= 2);
    let indexes = indexes.lock().unwrap();
    assert_eq!(indexes[..2], [None, Some("1&wait=55s".into())]);
}

#[test]
fn a_wake_up_that_changes_nothing_is_no_news() {
    let (server, mut updates) = well();
    for index in 101..104 {
        server.wake("app/settings");
        let query = format!("index={index}&");
        until("it waits again", || {
            server.asked().last().is_some_and(|asked| asked.contains(&query))
        });
    }
    server.set_index("app/settings", &json(2), 200);
    assert_eq!(n(&next(&mut updates)), Ok(2));
}

#[test]
fn a_single_lost_connection_is_no_news() {
    let (server, mut updates) = well();
    for (how, value) in [
        Misbehave::Close,
        Misbehave::Say(
            b"HTTP/1.1 200 OK\r\nX-Consul-Index: 101\r\nContent-Length: 8\r\n\r\n{\"n\"",
        ),
        Misbehave::Say(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
    ]
    .into_iter()
    .zip(2..)
    {
        server.misbehave([how]);
        until("it happened", || server.behaves());
        server.set_index("app/settings", &json(value), 200);
        assert_eq!(n(&next(&mut updates)), Ok(value));
    }
}

#[test]
fn an_outage_is_a_problem_once_and_the_value_is_news_again() {
    let (server, mut updates) = well();
    let unavailable =
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 17\r\n\r\nNo cluster leader";
    let half = b"HTTP/1.1 200 OK\r\nX-Consul-Index: 101\r\nContent-Length: 8\r\n\r\n{\"n\"";
    server.misbehave([
        Misbehave::Say(unavailable),
        Misbehave::Say(unavailable),
        Misbehave::Close,
        Misbehave::Say(half),
        Misbehave::Say(b"HTTP/1.1 200 OK\r\nX-Consul-In"),
        Misbehave::Say(b"\x15\x03\x01\x00\x02"),
    ]);
    let first = problem(&next(&mut updates));
    assert!(first.starts_with("status 500 (No cluster leader) in Consul key"), "{first}");
    assert_eq!(n(&next(&mut updates)), Ok(1), "the same value as before");
}

#[test]
fn half_an_answer_is_no_answer() {
    let (server, mut updates) = well();
    let half = b"HTTP/1.1 200 OK\r\nX-Consul-Index: 101\r\nContent-Length: 30\r\n\r\n{\"n\": 2}";
    server.misbehave([Misbehave::Say(half), Misbehave::Say(half)]);
    let problem = problem(&next(&mut updates));
    assert!(problem.starts_with("no answer: "), "{problem}");
    assert_eq!(n(&next(&mut updates)), Ok(1));
}

#[test]
fn an_answer_that_is_too_long_for_settings_is_no_answer() {
    let (server, mut updates) = well();
    server.set_index("app/settings", &" ".repeat((10 << 20) + 1), 200);
    let problem = problem(&next(&mut updates));
    assert!(problem.starts_with("no answer: the response body is larger"), "{problem}");
    server.set_index("app/settings", &json(2), 300);
    assert_eq!(n(&next(&mut updates)), Ok(2));
}

#[test]
fn a_server_that_is_not_consul_is_named_so() {
    let (server, mut updates) = well();
    server
        .misbehave([Misbehave::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")]);
    let said = problem(&next(&mut updates));
    assert!(said.starts_with("status 200 without a usable X-Consul-Index header"), "{said}");
    assert_eq!(n(&next(&mut updates)), Ok(1));
    server.misbehave([Misbehave::Say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")]);
    let said = problem(&next(&mut updates));
    assert!(said.starts_with("status 404 without a usable X-Consul-Index header"), "{said}");
    assert_eq!(n(&next(&mut updates)), Ok(1));
}

#[test]
fn a_refusal_is_reported_once_and_another_one_is_reported_too() {
    let (server, mut updates) = well();
    let bad = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 7\r\n\r\n\x1b[2Jbad";
    let forbidden = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    server.misbehave([
        Misbehave::Say(bad),
        Misbehave::Say(bad),
        Misbehave::Say(forbidden),
        Misbehave::Say(forbidden),
    ]);
    let first = problem(&next(&mut updates));
    assert!(first.starts_with("status 400 ( [2Jbad) in Consul key"), "{first:?}");
    let second = problem(&next(&mut updates));
    assert!(second.starts_with("the token does not allow to read it: status 403 (no)"), "{second}");
    assert_eq!(n(&next(&mut updates)), Ok(1));
}

#[test]
fn a_redirect_is_not_followed_since_the_token_would_go_along() {
    let (server, mut updates) = well();
    let away = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 9\r\n\r\nover here";
    server.misbehave([Misbehave::Say(away)]);
    let said = problem(&next(&mut updates));
    assert!(said.starts_with("status 302 (over here) in Consul key"), "{said}");
    assert_eq!(n(&next(&mut updates)), Ok(1));
}

/// When the first requests of a source were made that is answered at once.
fn hurried(
    answer: impl Fn(u64) -> Result<HttpResponse, io::Error> + Send + Sync + 'static,
) -> Vec<Instant> {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let client = move |_: &HttpRequest| -> Result<HttpResponse, Box<dyn Error + Send + Sync>> {
        let mut times = seen.lock().unwrap();
        times.push(Instant::now());
        Ok(answer(times.len() as u64)?)
    };
    let updates =
        Consul::<Json>::new("k").client(client).backoff(persevere::immediate().forever()).updates();
    until("it is asked four times", || times.lock().unwrap().len() >= 4);
    drop(updates);
    let times = times.lock().unwrap();
    times.clone()
}

#[test]
fn no_answer_makes_it_hurry() {
    fn well(value: u64, index: u64) -> HttpResponse {
        HttpResponse::new(200, json(value as i64)).header("X-Consul-Index", index.to_string())
    }
    // The first answer brings the value; the others bring nothing, and a second passes after each.
    let idle = thread::spawn(|| hurried(|_| Ok(well(0, 7))));
    for times in [
        hurried(|number| Ok(well(number, number))),
        hurried(|_| Ok(HttpResponse::new(403, ""))),
        hurried(|_| Err(io::ErrorKind::ConnectionRefused.into())),
    ] {
        for pair in times.windows(2) {
            assert!(pair[1] - pair[0] >= ms(100), "{:?}", pair[1] - pair[0]);
        }
    }
    let idle = idle.join().expect("four requests");
    assert!(idle[3] - idle[1] >= ms(2000), "{:?}", idle[3] - idle[1]);
}

#[test]
fn dropping_the_stream_ends_its_thread_in_the_middle_of_a_pause() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let client = move |_: &HttpRequest| {
        let _ = &held;
        Err(io::Error::from(io::ErrorKind::ConnectionRefused).into())
    };
    let mut updates = Consul::<Json>::new("k")
        .client(client)
        .backoff(constant(Duration::MAX).forever())
        .updates();
    assert!(updates.next().now_or_never().is_none());
    drop(updates);
    until("nobody holds the client", || Arc::strong_count(&alive) == 1);
}

#[test]
fn a_client_that_panics_ends_the_stream_with_a_word() {
    let client = |_: &HttpRequest| -> Result<HttpResponse, Box<dyn Error + Send + Sync>> {
        panic!("for the sake of the test")
    };
    let mut updates = Consul::<Json>::new("k").client(client).updates();
    let said = problem(&next(&mut updates));
    assert!(said.starts_with("the thread that follows it panicked"), "{said}");
    assert!(block_on(updates.next()).is_none());
    assert!(block_on(updates.next()).is_none());
}

#[test]
fn requests_are_as_configured() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let client = move |request: &HttpRequest| {
        let headers: Vec<_> = request.headers().iter().map(|(n, v)| format!("{n}: {v}")).collect();
        seen.lock().unwrap().push((request.url().to_string(), headers, request.timeout()));
        assert!(!format!("{request:?}").contains("s3cr3t"));
        Ok(HttpResponse::new(200, json(1)).header("X-Consul-Index", "7"))
    };
    let source = source("https://consul.internal:8501/")
        .datacenter("dc 1")
        .namespace("a&b")
        .token("s3cr3t")
        .wait(Duration::from_secs(9999))
        .client(client);
    assert!(!format!("{source:?}").contains("s3cr3t"));
    assert_eq!(n(&Figment::from(&source)), Ok(1));
    let mut updates = source.clone().updates();
    assert_eq!(n(&next(&mut updates)), Ok(1));
    until("it waits for a change", || asked.lock().unwrap().len() >= 3);
    let asked = asked.lock().unwrap();
    let url = "https://consul.internal:8501/v1/kv/app/settings?raw&dc=dc%201&ns=a%26b";
    let token = vec!["X-Consul-Token: s3cr3t".to_string()];
    // At start, and as the first item: no change is waited for, and no long time for an answer.
    let at_once = (url.into(), token.clone(), Duration::from_secs(10));
    let later = (format!("{url}&index=7&wait=600s"), token, Duration::from_millis(647_500));
    assert_eq!(asked[..3], [at_once.clone(), at_once, later]);
}
