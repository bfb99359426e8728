//! What the compiler refuses and in what words, and what it takes.
//!
//! The words are a part of the library: read each `.stderr` as somebody would who meets it for the
//! first time. After a change that makes them better, `TRYBUILD=overwrite cargo test -p
//! persevere-ui-tests` writes them down again; so it does after a change of a line that they quote.

use std::path::Path;
use std::process::Command;

/// The words are those of one compiler.
const COMPILER: &str = "rustc 1.95.";

/// What the compiler prints when it is asked `question`.
fn rustc(question: &[&str]) -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(rustc).args(question).output().expect("rustc runs");
    String::from_utf8(answer.stdout).expect("rustc writes UTF-8").trim().into()
}

/// Whether to skip what another installation says in other words. Where everything is checked,
/// nothing is skipped.
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
    (!known).then(|| format!("the words are those of {COMPILER}x, and this is {version}"))
}

/// With the component `rust-src`, the compiler quotes the standard library.
fn quotes_std() -> Option<String> {
    let source = Path::new(&rustc(&["--print", "sysroot"])).join("lib/rustlib/src/rust/library");
    source.exists().then(|| "the words are those of a compiler without `rust-src`".into())
}

#[test]
fn what_is_refused_is_refused_in_words_that_help() {
    if !skipped(another_compiler()) {
        trybuild::TestCases::new().compile_fail("cases/fail/*.rs");
    }
}

#[test]
fn what_is_refused_with_a_word_of_std_is_refused_in_words_that_help() {
    if !skipped(another_compiler().or_else(quotes_std)) {
        trybuild::TestCases::new().compile_fail("cases/fail_in_std/*.rs");
    }
}

#[test]
fn what_should_compile_compiles_and_runs() {
    trybuild::TestCases::new().pass("cases/pass/*.rs");
}
