//! Retries in blocking code: sockets, files, parsing. `.call()` blocks the thread between attempts.
//!
//! ```sh
//! cargo run --example blocking
//! ```

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;
use std::{env, process};

use persevere::classify::io::{is_transient, of_kind};
use persevere::classify::{Marked, by_mark, permanent, transient};
use persevere::{Finite, RetryExt, constant, exponential};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Short delays at first, longer ones later, and a limit on the time of the call.
fn backoff() -> impl Finite + Copy {
    exponential(ms(5)).max_delay(ms(50)).equal_jitter().max_elapsed(Duration::from_secs(30))
}

/// `is_transient` returns `true` for I/O errors that may be gone at the next attempt. A port that the
/// process before still holds is one; a file that does not exist is not, and is not retried.
fn transient_errors() -> io::Result<()> {
    let predecessor = TcpListener::bind("127.0.0.1:0")?;
    let address = predecessor.local_addr()?;
    let mut predecessor = Some(predecessor);

    let listener = (|| TcpListener::bind(address))
        .retry_with(backoff())
        .when(is_transient)
        .on_retry(|retry| {
            println!("{retry}");
            // In this example the process before frees the port after the second attempt.
            if retry.number() == 2 {
                drop(predecessor.take());
            }
        })
        .call()?;
    println!("listening on {}\n", listener.local_addr()?);

    let mut calls = 0;
    let missing = (|| {
        calls += 1;
        fs::read("there is no such file")
    })
    .retry_with(backoff())
    .when(is_transient)
    .call();
    println!("{:?} after {calls} call\n", missing.as_ref().map_err(io::Error::kind));
    if missing.is_err() && calls == 1 { Ok(()) } else { Err(ErrorKind::Other.into()) }
}

/// Which errors are transient depends on the operation: a call that waits for a lock file retries the
/// error that the file exists.
fn lock_file(folder: &Path) -> io::Result<()> {
    let path = folder.join("lock");
    File::create(&path)?;
    let holder = {
        let path = path.clone();
        thread::spawn(move || {
            thread::sleep(ms(40));
            fs::remove_file(path)
        })
    };

    (|| File::create_new(&path))
        .retry_with(backoff())
        .when(of_kind([ErrorKind::AlreadyExists]))
        .on_retry(|retry| println!("{retry}"))
        .on_success(|finish| println!("locked: {finish}\n"))
        .call()?;
    holder.join().map_err(|_| ErrorKind::Other)?
}

/// An operation with several kinds of errors can mark them itself. This one reads a number that
/// another program may be writing: a number without a newline is incomplete, and is read again.
fn read_number(path: &Path) -> Result<u64, Marked<Box<dyn Error>>> {
    let text = fs::read_to_string(path).map_err(|error| permanent(error.into()))?;
    let digits = text.strip_suffix('\n').ok_or_else(|| transient("no newline yet".into()))?;
    digits.parse().map_err(|error: std::num::ParseIntError| permanent(error.into()))
}

fn parse(folder: &Path) -> Result<(), Box<dyn Error>> {
    let path = folder.join("number");
    fs::write(&path, "123")?;

    let number = (|| read_number(&path))
        .retry_with(constant(ms(5)).max_attempts(3))
        .classifier(by_mark())
        .on_retry(|retry| {
            println!("{retry}");
            let _ = fs::write(&path, "123456\n"); // The other program ends its line.
        })
        .call()
        .map_err(Marked::into_inner)?;
    println!("the number is {number}");
    if number == 123_456 { Ok(()) } else { Err("an incomplete number was accepted".into()) }
}

fn main() -> Result<(), Box<dyn Error>> {
    transient_errors()?;

    let folder = env::temp_dir().join(format!("persevere-{}", process::id()));
    fs::create_dir(&folder)?;
    let outcome = lock_file(&folder).map_err(Into::into).and_then(|()| parse(&folder));
    fs::remove_dir_all(&folder)?;
    outcome
}
