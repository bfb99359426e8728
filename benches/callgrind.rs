//! Counts instructions with valgrind alone, without a helper to install or requests compiled in.
//!
//! A figure is taken from two runs of this very program, one with twice the iterations of the
//! other. What both do alike (start, setup, exit) falls out of their difference, and the rest is
//! divided by the iterations.

use std::io;
use std::process::Command;

/// Enough that what happens rarely, such as reseeding a random generator, is counted at its rate.
const ITERATIONS: u64 = 20_000;

pub fn is_installed() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|run| run.status.success())
}

/// The instructions of one iteration. `arguments` makes this program do the work as often as it is
/// told to.
pub fn per_iteration(arguments: impl Fn(u64) -> Vec<String>) -> io::Result<u64> {
    let once = instructions(&arguments(ITERATIONS))?;
    let twice = instructions(&arguments(2 * ITERATIONS))?;
    Ok((twice.saturating_sub(once) + ITERATIONS / 2) / ITERATIONS)
}

fn instructions(arguments: &[String]) -> io::Result<u64> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(arguments)
        .output()?;
    let report = String::from_utf8_lossy(&run.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    let count = collected.and_then(|(_, count)| count.trim().parse().ok());
    count.filter(|_| run.status.success()).ok_or_else(|| io::Error::other(report.into_owned()))
}
