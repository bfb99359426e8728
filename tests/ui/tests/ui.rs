//! Programs that the compiler refuses, with its messages, and programs that it accepts.
//!
//! The messages are a part of the library: read each `.stderr` as a user would who meets it for the
//! first time. `TRYBUILD=overwrite cargo test -p persevere-ui-tests` writes them anew, after a change of
//! the messages or of a line of source that they quote.

use std::path::Path;
use std::process::Command;

/// The messages are those of one compiler.
const COMPILER: &str = "rustc 1.95.";

/// Returns what the compiler prints for `question`.
fn rustc(question: &[&str]) -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(rustc).args(question).output().expect("rustc runs");
    String::from_utf8(answer.stdout).expect("rustc writes UTF-8").trim().into()
}

/// Whether a test is skipped, because this installation prints other messages. In CI none is.
fn skipped(reason: Option<String>) -> bool {
    let reason = reason.filter(|_| std::env::var_os("CI").is_none_or(|ci| ci != "true"));
    if let Some(reason) = &reason {
        println!("skipped: {reason}");
    }
    reason.is_some()
}

fn another_compiler() -> Option<String> {
    let version = rustc(&["--version"]);
    let known = version.starts_with(COMPILER);
    (!known).then(|| format!("the messages are those of {COMPILER}x, and this is {version}"))
}

/// With the component `rust-src`, the compiler quotes the standard library.
fn quotes_std() -> Option<String> {
    let source = Path::new(&rustc(&["--print", "sysroot"])).join("lib/rustlib/src/rust/library");
    source.exists().then(|| "the messages are those of a compiler without `rust-src`".into())
}

#[test]
fn refused_programs_have_messages_that_help() {
    if !skipped(another_compiler()) {
        trybuild::TestCases::new().compile_fail("cases/fail/*.rs");
    }
}

#[test]
fn refused_programs_have_messages_that_help_where_std_is_quoted() {
    if !skipped(another_compiler().or_else(quotes_std)) {
        trybuild::TestCases::new().compile_fail("cases/fail_in_std/*.rs");
    }
}

#[test]
fn accepted_programs_compile_and_run() {
    trybuild::TestCases::new().pass("cases/pass/*.rs");
}
