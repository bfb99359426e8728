//! Kinds of errors by name: those of foreign types, those of the derive, and the names of a
//! configuration.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use persevere::classify::{
    Classifier, Kinded, Marked, NamedKinds, io::is_transient, permanent, source_is_kind,
};
use persevere::{Absent, Attempt, RetryError, RetryExt, Verdict, immediate};

/// Every name that a type lists.
fn names<E: Kinded + ?Sized>() -> Vec<&'static str> {
    let mut names = vec![];
    E::each_kind(&mut |name| names.push(name));
    names
}

/// The names among those that a type lists which hold for `error`.
fn kinds_of<E: Kinded>(error: &E) -> Vec<&'static str> {
    let mut kinds = names::<E>();
    kinds.retain(|name| error.is_kind(name));
    kinds
}

/// Every type accepts the names that it lists, and no others.
fn assert_consistent<E: Kinded + ?Sized>() {
    for name in E::KINDS.iter().copied().chain(names::<E>()) {
        assert!(E::knows(name), "`{name}` is listed and not known");
        assert_ne!(name, "any", "it is reserved");
    }
    for name in ["", "any", "no such kind", "Transient", "transient "] {
        assert!(!E::knows(name), "`{name}` is known");
    }
}

// ------------------------------------------------------------------------------------------------
// The types of others.

#[test]
fn io_errors_are_called_as_their_kinds_print() {
    assert_consistent::<io::Error>();
    let kinds = [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::TimedOut,
        io::ErrorKind::NotFound,
        io::ErrorKind::StorageFull,
        io::ErrorKind::Other,
        io::ErrorKind::UnexpectedEof,
    ];
    for kind in kinds {
        let error = io::Error::from(kind);
        let mut expected = vec![];
        if is_transient(&error) {
            expected.push("transient".to_owned());
        }
        expected.push(format!("{kind:?}"));
        assert_eq!(kinds_of(&error), expected);
    }
}

#[test]
fn every_transient_io_error_has_a_name_of_its_own() {
    let debug = |error: io::Error| (format!("{:?}", error.kind()), is_transient(&error));
    // Every number that an operating system may give, and its kind in std.
    let kinds = (1..200).map(io::Error::from_raw_os_error).map(debug);
    for (name, _) in kinds.filter(|(_, transient)| *transient) {
        assert!(io::Error::knows(&name), "{name} is transient and has no name");
    }
}

#[test]
fn pointers_know_the_kinds_of_their_target() {
    fn assert_same<P: Kinded>() {
        assert_eq!((P::KINDS, names::<P>()), (io::Error::KINDS, names::<io::Error>()));
        assert_consistent::<P>();
    }
    assert_same::<&io::Error>();
    assert_same::<Box<io::Error>>();
    assert_same::<Rc<io::Error>>();
    assert_same::<Arc<io::Error>>();
    let timeout = || io::Error::from(io::ErrorKind::TimedOut);
    assert!(<&io::Error>::is_kind(&&timeout(), "TimedOut"));
    assert!(Box::new(timeout()).is_kind("TimedOut") && !Box::new(timeout()).is_kind("NotFound"));
    assert!(Rc::new(timeout()).is_kind("TimedOut") && Arc::new(timeout()).is_kind("transient"));
}

#[test]
fn wrappers_of_the_crate_know_the_kinds_of_their_content() {
    assert_consistent::<Marked<io::Error>>();
    assert_consistent::<RetryError<io::Error>>();
    let timeout = || io::Error::from(io::ErrorKind::TimedOut);
    assert_eq!(kinds_of(&permanent(timeout())), ["transient", "TimedOut"]);
    let retry = (|| Err::<(), _>(timeout())).retry_with(immediate().max_attempts(2));
    assert_eq!(kinds_of(&retry.report().call().unwrap_err()), ["transient", "TimedOut"]);
}

#[test]
fn an_error_that_never_is_has_no_kind_and_an_absent_value_has_one() {
    assert_consistent::<Infallible>();
    assert_consistent::<Absent>();
    assert_eq!((names::<Infallible>(), kinds_of(&Absent)), (vec![], vec!["Absent"]));
}

#[cfg(feature = "http")]
mod http_statuses {
    use super::*;
    use http::StatusCode;

    #[test]
    fn every_status_is_known_by_its_number() {
        assert_consistent::<StatusCode>();
        for number in 100..=999 {
            let (status, name) = (StatusCode::from_u16(number).unwrap(), number.to_string());
            assert!(StatusCode::knows(&name) && status.is_kind(&name), "{name}");
            assert!(!status.is_kind(if number == 503 { "504" } else { "503" }), "{name}");
        }
        for name in ["099", "1000", "99", "+50", "5 3", "5x", "6xx", "0xx", "xxx", "5XX", "٥٠٣"]
        {
            assert!(!StatusCode::knows(name), "{name}");
            assert!(!StatusCode::SERVICE_UNAVAILABLE.is_kind(name), "{name}");
        }
    }

    #[test]
    fn every_status_is_of_its_class() {
        for number in 100..=999_u16 {
            let status = StatusCode::from_u16(number).unwrap();
            for class in 1..=5 {
                let name = format!("{class}xx");
                assert_eq!(status.is_kind(&name), number / 100 == class, "{number} and {name}");
            }
        }
    }

    #[test]
    fn seven_statuses_are_transient() {
        let transient: Vec<_> = (100..=999)
            .filter(|number| StatusCode::from_u16(*number).unwrap().is_kind("transient"))
            .collect();
        assert_eq!(transient, [408, 425, 429, 500, 502, 503, 504]);
    }
}

#[cfg(feature = "reqwest")]
mod reqwest_errors {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// The result of a request to a server that answers with `bytes` and closes.
    fn request(answer: &'static [u8], timeout: bool) -> reqwest::Error {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).unwrap();
            stream.write_all(answer).unwrap();
            if timeout {
                // Until the client has gone away.
                let _ = stream.read(&mut head);
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut request = client.get(url);
            if timeout {
                request = request.timeout(std::time::Duration::from_millis(50));
            }
            match request.send().await {
                Ok(response) => match response.error_for_status() {
                    Ok(response) => response.bytes().await.unwrap_err(),
                    Err(error) => error,
                },
                Err(error) => error,
            }
        });
        drop(runtime);
        server.join().unwrap();
        error
    }

    #[test]
    fn a_status_is_one_by_number_and_class() {
        assert_consistent::<reqwest::Error>();
        let error = request(b"HTTP/1.1 503 Gone fishing\r\ncontent-length: 0\r\n\r\n", false);
        assert_eq!(kinds_of(&error)[..2], ["transient", "Status"]);
        assert!(error.is_kind("503") && error.is_kind("5xx") && !error.is_kind("500"));
        let error = request(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", false);
        assert!(error.is_kind("404") && !error.is_kind("transient"));
    }

    #[test]
    fn a_slow_server_is_a_timeout_and_a_cut_off_answer_is_transient() {
        let error = request(b"", true);
        assert!(error.is_kind("Timeout") && error.is_kind("transient"), "{error:?}");
        let error = request(b"", false);
        assert!(error.is_kind("Request") && error.is_kind("transient"), "{error:?}");
        assert!(!error.is_kind("Connect") && !error.is_kind("Timeout"), "{error:?}");
        let error = request(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", false);
        assert!(error.is_kind("transient") && !error.is_kind("Status"), "{error:?}");
    }

    #[test]
    fn a_refused_connection_is_one_that_was_not_made() {
        // Bound and closed again: nothing listens there.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let error = runtime.block_on(client.get(format!("http://{address}/")).send()).unwrap_err();
        assert!(error.is_kind("Connect") && error.is_kind("transient"), "{error:?}");
        assert!(source_is_kind::<io::Error>(&error, "ConnectionRefused"));
    }

    #[test]
    fn a_wrong_request_is_not_transient() {
        let error = reqwest::Client::new().get("no address").build().unwrap_err();
        assert_eq!(kinds_of(&error), ["Builder"]);
    }
}

// ------------------------------------------------------------------------------------------------
// Wrappers.

/// An error around another.
#[derive(Debug)]
struct Around<E>(E);

impl<E> fmt::Display for Around<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("around another")
    }
}

impl<E: Error + 'static> Error for Around<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn a_kind_is_found_behind_wrappers() {
    let timeout = || io::Error::from(io::ErrorKind::TimedOut);
    for name in ["TimedOut", "transient"] {
        assert!(source_is_kind::<io::Error>(&timeout(), name));
        assert!(source_is_kind::<io::Error>(&Around(timeout()), name));
        assert!(source_is_kind::<io::Error>(&Around(Around(timeout())), name));
    }
    assert!(!source_is_kind::<io::Error>(&Around(timeout()), "NotFound"));
    assert!(!source_is_kind::<io::Error>(&Around(fmt::Error), "TimedOut"));
}

// ------------------------------------------------------------------------------------------------
// The derive.

#[derive(Debug, Kinded)]
#[kinded(group = "http")]
enum HttpError<E> {
    Refused,
    #[kinded(name = "HTTPTimeoutError", group = "transient", group = "slow")]
    Timeout {
        #[allow(dead_code, reason = "what is tested is the name")]
        after: u32,
    },
    #[kinded(through)]
    Io(io::Error),
    Wrapped((), #[kinded(through)] Box<E>, #[kinded(through)] Absent),
    Named {
        #[kinded(through)]
        cause: Arc<io::Error>,
    },
    r#Raw(),
}

#[test]
fn a_variant_is_a_kind_and_in_its_groups() {
    type Error = HttpError<Infallible>;
    assert_consistent::<Error>();
    let own = [
        "Refused",
        "HTTPTimeoutError",
        "Io",
        "Wrapped",
        "Named",
        "Raw",
        "http",
        "transient",
        "slow",
    ];
    assert_eq!(Error::KINDS, own);
    assert_eq!(kinds_of(&Error::Refused), ["Refused", "http"]);
    let timeout = Error::Timeout { after: 1 };
    assert!(["HTTPTimeoutError", "transient", "slow", "http"].iter().all(|it| timeout.is_kind(it)));
    assert!(!timeout.is_kind("Timeout") && !Error::knows("Timeout"));
    assert!(Error::r#Raw().is_kind("Raw"));
}

#[test]
fn a_variant_is_of_the_kinds_of_its_content() {
    type Error = HttpError<io::Error>;
    assert_consistent::<Error>();
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    for error in [
        Error::Io(refused()),
        Error::Wrapped((), Box::new(refused()), Absent),
        Error::Named { cause: Arc::new(refused()) },
    ] {
        assert!(error.is_kind("ConnectionRefused") && error.is_kind("transient"), "{error:?}");
        assert!(error.is_kind("http") && !error.is_kind("NotFound"), "{error:?}");
    }
    assert!(Error::Io(missing()).is_kind("NotFound"));
    assert!(!Error::Io(missing()).is_kind("transient"));
    assert!(Error::Wrapped((), Box::new(missing()), Absent).is_kind("Absent"));
    assert!(!Error::Refused.is_kind("ConnectionRefused"));
    assert!(Error::knows("Absent") && Error::knows("ConnectionRefused"));
    // Without an error inside that knows them, the names of the I/O errors are those of `Io`.
    assert!(names::<HttpError<Infallible>>().contains(&"ConnectionRefused"));
}

#[test]
fn sources_are_asked_for_their_kinds() {
    #[derive(Debug, Kinded)]
    #[kinded(sources(io::Error, Known))]
    struct Failure(Around<Around<io::Error>>);
    #[derive(Debug, Kinded)]
    struct Known;
    impl fmt::Display for Known {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("known")
        }
    }
    impl Error for Known {}
    impl fmt::Display for Failure {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("failure")
        }
    }
    impl Error for Failure {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    assert_consistent::<Failure>();
    let failure = Failure(Around(Around(io::ErrorKind::TimedOut.into())));
    assert_eq!(kinds_of(&failure), ["Failure", "transient", "TimedOut"]);
    assert!(Failure::knows("Known") && names::<Failure>().contains(&"Known"));
}

#[test]
fn an_error_may_hold_one_of_its_own_type() {
    #[derive(Debug, Kinded)]
    enum Failure<E> {
        #[kinded(through)]
        Inner(E),
        Nested((), #[kinded(through)] Box<Self>),
        #[kinded(through)]
        Shared(Arc<Failure<E>>),
        #[kinded(through)]
        Around(Box<Tagged<Failure<E>>>),
    }
    #[derive(Debug, Kinded)]
    struct Tagged<E>(#[kinded(through)] E);
    type Error = Failure<io::Error>;
    assert_consistent::<Error>();
    assert!(Error::knows("TimedOut") && Error::knows("Tagged") && !Error::knows("Timeout"));
    let inner = Failure::Inner(io::Error::from(io::ErrorKind::TimedOut));
    let nested = Failure::Shared(Arc::new(Failure::Nested((), Box::new(inner))));
    assert!(["Shared", "Nested", "Inner", "TimedOut"].iter().all(|name| nested.is_kind(name)));
    assert!(!nested.is_kind("Around") && !nested.is_kind("NotFound"));
    assert!(Failure::Around(Box::new(Tagged(nested))).is_kind("TimedOut"));
}

#[test]
fn a_generic_error_has_the_bounds_that_its_sources_need() {
    #[derive(Debug, Kinded)]
    #[kinded(sources(E, io::Error))]
    struct Failure<E>(E);
    impl<E: fmt::Debug> fmt::Display for Failure<E> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("failure")
        }
    }
    impl<E: Error + 'static> Error for Failure<E> {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    assert_consistent::<Failure<io::Error>>();
    assert!(Failure(io::Error::from(io::ErrorKind::TimedOut)).is_kind("TimedOut"));
    assert!(!Failure(io::Error::from(io::ErrorKind::TimedOut)).is_kind("NotFound"));
}

#[test]
fn a_struct_is_a_kind_and_an_enum_without_variants_none() {
    #[derive(Kinded)]
    #[kinded(name = "Gone", group = "permanent")]
    struct Missing;
    #[derive(Kinded)]
    #[kinded(through)]
    struct Failed(io::Error);
    #[derive(Kinded)]
    enum Never {}
    assert_consistent::<Missing>();
    assert_consistent::<Failed>();
    assert_consistent::<Never>();
    assert_eq!(kinds_of(&Missing), ["Gone", "permanent"]);
    assert_eq!(
        kinds_of(&Failed(io::ErrorKind::TimedOut.into())),
        ["Failed", "transient", "TimedOut"]
    );
    assert_eq!(names::<Never>(), Vec::<&str>::new());
}

// ------------------------------------------------------------------------------------------------
// Names of a configuration.

#[test]
fn names_decide_which_errors_are_retried() {
    let classify =
        |names: &NamedKinds, outcome: io::Result<()>| names.classify(&outcome, &Attempt::new(1));
    let error = |kind: io::ErrorKind| Err(io::Error::from(kind));
    let names = NamedKinds::new(["NotFound".to_owned(), "transient".to_owned()]);
    assert_eq!(classify(&names, error(io::ErrorKind::NotFound)), Some(Verdict::Retry));
    assert_eq!(classify(&names, error(io::ErrorKind::TimedOut)), Some(Verdict::Retry));
    assert_eq!(classify(&names, error(io::ErrorKind::StorageFull)), Some(Verdict::Stop));
    assert_eq!(classify(&names, Ok(())), None);

    let any = NamedKinds::any();
    assert_eq!(any, NamedKinds::default());
    assert_eq!(any, NamedKinds::new(["TimedOut", "any"]));
    assert_eq!(classify(&any, error(io::ErrorKind::StorageFull)), Some(Verdict::Retry));
    assert_eq!(classify(&any, Ok(())), None);

    let none = NamedKinds::new([""; 0]);
    assert_eq!(classify(&none, error(io::ErrorKind::TimedOut)), Some(Verdict::Stop));
}

#[test]
fn names_are_given_back_as_they_were_given() {
    let names = NamedKinds::new(["b", "a", "b"]);
    assert_eq!(names.names().unwrap(), ["b", "a", "b"]);
    assert_eq!(
        (names.to_string(), NamedKinds::any().to_string()),
        ("b, a, b".into(), "any".into())
    );
    let unknown: Vec<_> = names.unknown_to::<Absent>().collect();
    assert_eq!(unknown, ["b", "a", "b"]);
    assert_eq!(NamedKinds::any().unknown_to::<Absent>().count(), 0);
    assert_eq!(NamedKinds::new(["Absent"]).unknown_to::<Absent>().count(), 0);
}

#[test]
fn a_call_retries_the_kinds_that_it_names() {
    let mut calls = 0;
    let outcome = (|| {
        calls += 1;
        Err::<(), _>(if calls < 3 {
            HttpError::<Infallible>::Timeout { after: 1 }
        } else {
            HttpError::Refused
        })
    })
    .retry_with(immediate().max_attempts(9))
    .classifier(NamedKinds::new(["HTTPTimeoutError"]))
    .call();
    assert!(matches!(outcome, Err(HttpError::Refused)));
    assert_eq!(calls, 3);
}
