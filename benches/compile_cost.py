#!/usr/bin/env python3
"""What a retry costs to compile, and the code of each call site, beside the peers.

    python3 benches/compile_cost.py [CONTENDER...]

Prints two Markdown tables. The first has the crates of the dependency tree and the CPU seconds of a clean
release build of a program that depends on the contender. The second has the code and the CPU time that a
further call site adds: the difference of programs with 51 call sites and with 1, divided by 50, each site
with its own closure, future and error predicate. All sleep by tokio, which is built in both programs and
is not part of the first table. The profile is cargo's default release profile, stripped.

CPU times are the least of three builds. Needs cargo and a network for the peers.
"""

import os
import pathlib
import resource
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SITES = 50
BUILDS = 3

TOKIO = 'tokio = { version = "1", default-features = false, features = ["rt", "time"] }'

# Contender: its dependency, its dependency for the call sites, its items, the expression of a call site.
CONTENDERS = {
    "by hand": (
        None,
        'fastrand = "2"',
        """fn delay(attempt: u32) -> Duration {
            let most = (100_000_000_u64 << attempt).min(5_000_000_000);
            Duration::from_nanos(fastrand::u64(0..=most))
        }""",
        """{ let mut attempt = 0; loop { match operation().await {
            Err(error) if attempt < 4 && error.is_transient(SITE) => {
                tokio::time::sleep(delay(attempt)).await;
                attempt += 1;
            }
            outcome => break outcome,
        } } }""",
    ),
    "persevere": (
        f'persevere = {{ path = "{ROOT}" }}',
        f'persevere = {{ path = "{ROOT}", features = ["tokio"] }}',
        "use persevere::{RetryExt, exponential, time::TokioTimer};",
        """operation.retry_with(exponential(BASE).max_delay(CAP).full_jitter().max_attempts(5))
            .timer(TokioTimer).when(|error| error.is_transient(SITE)).await""",
    ),
    "persevere, by a static": (
        None,
        f'persevere = {{ path = "{ROOT}", features = ["tokio"] }}',
        """use persevere::{Policy, RetryExt, StaticPolicy, exponential, time::TokioTimer};
        static POLICY: StaticPolicy<TokioTimer> = Policy::with(
            &exponential(BASE).max_delay(CAP).full_jitter().max_attempts(5), (), (), TokioTimer,
        );""",
        "operation.retry_with(&POLICY).when(|error| error.is_transient(SITE)).await",
    ),
    "backon": (
        'backon = "1.6"',
        'backon = { version = "1.6", default-features = false, features = ["std", "tokio-sleep"] }',
        "use backon::{ExponentialBuilder, Retryable};",
        """operation.retry(ExponentialBuilder::default().with_jitter().with_min_delay(BASE)
            .with_max_delay(CAP).with_max_times(4)).when(|error| error.is_transient(SITE)).await""",
    ),
    "tokio-retry": (
        'tokio-retry = "0.3"',
        'tokio-retry = "0.3"',
        "use tokio_retry::{RetryIf, strategy::{ExponentialBackoff, jitter}};",
        """RetryIf::start(ExponentialBackoff::from_millis(2).factor(50).max_delay(CAP).map(jitter).take(4),
            operation, |error: &Fault| error.is_transient(SITE)).await""",
    ),
    "tryhard": (
        'tryhard = "0.5"',
        'tryhard = "0.5"',
        "",
        # Its predicate is a future; this call site has none.
        "tryhard::retry_fn(operation).retries(4).exponential_backoff(BASE).max_delay(CAP).await",
    ),
}

PROGRAM = """
#![allow(unused)]
use std::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const BASE: Duration = Duration::from_millis(100);
const CAP: Duration = Duration::from_secs(5);
static CALLS: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub enum Fault { Status(u64), Io(String) }
impl Fault {
    fn is_transient(&self, site: u64) -> bool { matches!(self, Fault::Status(s) if *s != site) }
}
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("fault") }
}
impl std::error::Error for Fault {}

#[inline(never)]
fn reply(key: u64) -> Result<u64, Fault> {
    let call = CALLS.fetch_add(1, Relaxed);
    if call % 3 == 1 { Err(Fault::Status(call)) } else { Ok(std::hint::black_box(key)) }
}
"""

SITE = """
async fn operation_NUMBER(key: u64, text: &str) -> Result<u64, Fault> {
    tokio::task::yield_now().await;
    let value = reply(key + NUMBER)?;
    if text.len() > 99 { return Err(Fault::Io(text.to_string())); }
    Ok(value)
}
async fn site_NUMBER(key: u64, text: &str) -> Result<u64, Fault> {
    const SITE: u64 = NUMBER;
    let operation = || operation_NUMBER(key, text);
    CALL
}
"""

MAIN = """
fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let text = std::env::args().next().unwrap();
    let mut sum = SALT;
    runtime.block_on(async {
        CALLS
    });
    println!("{sum}");
}
"""


def cargo(folder, target, *arguments):
    """Runs cargo, and returns its CPU seconds and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "CARGO_TERM_COLOR": "never"}
    environment.pop("RUSTFLAGS", None)
    run = subprocess.run(["cargo", *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"cargo {' '.join(arguments)} failed:\n{run.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, run.stdout


def package(folder, dependencies, source):
    (folder / "src").mkdir(parents=True, exist_ok=True)
    lines = ["[package]", 'name = "cost"', 'version = "0.0.0"', 'edition = "2024"', "[workspace]"]
    lines += ["[profile.release]", "strip = true", "[dependencies]", *dependencies]
    (folder / "Cargo.toml").write_text("\n".join(lines) + "\n")
    (folder / "src/main.rs").write_text(source)


def tree(folder, dependency):
    """The crates of the tree of a dependency, and the CPU seconds of its clean build."""
    package(folder, [dependency], "fn main() {}\n")
    _, listed = cargo(folder, folder / "target", "tree", "-e", "normal", "--prefix", "none")
    crates = {line.split()[0] for line in listed.splitlines() if line.strip()} - {"cost"}
    seconds = []
    for _ in range(BUILDS):
        cargo(folder, folder / "target", "clean")
        seconds.append(cargo(folder, folder / "target", "build", "--release")[0])
    return len(crates), min(seconds)


def call_sites(folder, dependency, items, call):
    """The bytes and the CPU milliseconds that a further call site adds."""

    def program(sites, salt):
        parts = [PROGRAM, items]
        parts += [SITE.replace("CALL", call).replace("NUMBER", str(n)) for n in range(sites)]
        calls = "\n".join(f"sum += site_{n}(sum, &text).await.unwrap_or(1);" for n in range(sites))
        parts.append(MAIN.replace("CALLS", calls).replace("SALT", str(salt)))
        return "\n".join(parts)

    figures = []
    for sites in (1, SITES + 1):
        seconds = []
        for salt in range(BUILDS + 1):
            package(folder, [TOKIO, dependency], program(sites, salt))
            spent, _ = cargo(folder, folder / "target", "build", "--release")
            seconds.append(spent)
        # The first build has the dependencies too.
        figures.append(((folder / "target/release/cost").stat().st_size, min(seconds[1:])))
    (size_of_one, time_of_one), (size, time) = figures
    return (size - size_of_one) / SITES, (time - time_of_one) / SITES * 1000


def main():
    wanted = sys.argv[1:] or list(CONTENDERS)
    unknown = [name for name in wanted if name not in CONTENDERS]
    if unknown:
        sys.exit(f"no such contender: {', '.join(unknown)}; there are {', '.join(CONTENDERS)}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        print("| | crates | clean build, CPU s |\n| --- | ---: | ---: |")
        for name in wanted:
            dependency = CONTENDERS[name][0]
            if dependency is not None:
                crates, seconds = tree(folder / f"{name} tree", dependency)
                print(f"| {name} | {crates} | {seconds:.1f} |", flush=True)
        print("\n| a further call site | code, kB | CPU ms |\n| --- | ---: | ---: |")
        for name in wanted:
            _, dependency, items, call = CONTENDERS[name]
            size, time = call_sites(folder / name, dependency, items, call)
            print(f"| {name} | {size / 1000:.1f} | {time:.0f} |", flush=True)


if __name__ == "__main__":
    main()
