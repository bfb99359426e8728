//! Servers for tests: real ones, started and killed, and a stand-in for what a real one cannot be
//! made to do.
//!
//! A real server is looked for in `CONSUL_BIN` or `NGINX_BIN`, then in `PATH`. Without one its tests
//! are skipped, with a word of why; in CI (`CI` is set) that is a failure, unless CI itself has said
//! that the server is not to be had (`PERSEVERE_NO_CONSUL`, `PERSEVERE_NO_NGINX`).
#![allow(dead_code, unreachable_pub)] // Each test program uses its part.
#![allow(clippy::unwrap_used, reason = "a test may")]

pub mod agent;
#[cfg(feature = "http")]
pub mod nginx;
pub mod stand_in;

use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use figment::Figment;
use futures::executor::block_on;
use futures::future::{Either, select};
use futures::{Stream, StreamExt};
use persevere::DefaultTimer;
use persevere::time::Timer;

/// How long to wait for what must happen. Much longer than it takes, even on a busy machine, and
/// shorter than the slowest way to find out without being told.
pub const SOON: Duration = Duration::from_secs(20);

/// The next item, which must come.
#[track_caller]
pub fn next(updates: &mut (impl Stream<Item = Figment> + Unpin)) -> Figment {
    match block_on(select(updates.next(), DefaultTimer.sleep(SOON))) {
        Either::Left((Some(figment), _)) => figment,
        Either::Left((None, _)) => panic!("the stream ended"),
        Either::Right(_) => panic!("nothing came within {SOON:?}"),
    }
}

/// What the setting `n` is in an item, or what is wrong with the item.
pub fn n(figment: &Figment) -> Result<i64, String> {
    figment.extract_inner("n").map_err(|error| error.to_string())
}

/// The next item in which `n` is something, past problems that come on the way.
#[track_caller]
pub fn next_good(updates: &mut (impl Stream<Item = Figment> + Unpin)) -> i64 {
    loop {
        if let Ok(n) = n(&next(updates)) {
            return n;
        }
    }
}

/// Waits until it holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "{what}: not within {SOON:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server's program. `None`: the test is skipped.
pub fn program(variable: &str, name: &str, absent: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(path.into());
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    let found =
        env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(
            env::var_os("CI").is_none() || env::var_os(absent).is_some(),
            "no {name}: in CI the tests against real servers must run",
        );
        println!("skipped: no {name} in {variable} or PATH");
    }
    found
}

/// Shows what a server said last, to whoever looks for why a test failed.
pub fn print_log(name: &str, path: &Path) {
    let log = std::fs::read_to_string(path).unwrap_or_default();
    let tail = log.len().saturating_sub(2000);
    eprintln!("the end of {name}'s log:\n{}", log.get(tail..).unwrap_or(&log));
}

/// Ports that nobody listens to, below those that the system gives to outgoing connections, so that
/// a server that is restarted finds its own free.
pub fn ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 90).expect("below 90") * 100;
    std::array::from_fn(|_| {
        loop {
            let port = 20_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 9_000;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    })
}
