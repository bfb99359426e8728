//! What a call costs in memory, as a Markdown table: the bytes that its future has more than the
//! operation's own, and the heap of a task asleep in its backoff. Then a second table of what a call
//! does not do.
//!
//! `cargo bench --bench memory` counts 100 000 tasks each, `-- 1000000` a million.

mod asleep;
mod counting;
mod hand_written;
mod names;
mod operation;
mod proofs;
mod settings;
mod table;

use std::io;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::asleep::{BARE, SLEEPERS, Spawns, Timer};
use crate::table::Row;

/// How this program asks itself to count one kind of task, in a process where nothing else was
/// ever allocated: a position among the sleepers, or past them for the bare task.
const COUNT: &str = "--count";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, position, tasks] = arguments.as_slice()
        && flag == COUNT
    {
        let [position, tasks] =
            [position, tasks].map(|number| number.parse::<usize>().expect("a number"));
        let spawns = SLEEPERS.get(position).map_or(&BARE, |sleeper| &sleeper.spawns);
        println!("{}", heap_bytes(spawns, tasks));
        return Ok(());
    }
    let tasks = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    print_table(tasks)?;
    println!();
    proofs::print();
    Ok(())
}

fn print_table(tasks: usize) -> io::Result<()> {
    let bare = counted(SLEEPERS.len(), tasks)?;
    let mut heap = Vec::new();
    for position in 0..SLEEPERS.len() {
        let more = counted(position, tasks)?.saturating_sub(bare) as f64;
        heap.push((more / tasks as f64).round() as u64);
    }
    let timers = [(Timer::Default, "default timer"), (Timer::Tokio, "tokio's timer")];
    let mut rows = Vec::new();
    for ((timer, name), goal) in timers.into_iter().zip([112, 208]) {
        let added = SLEEPERS.iter().map(|sleeper| (sleeper.added)() as u64);
        rows.push(Row {
            work: format!("its future, over the operation's own, {name}"),
            goal,
            figures: figures(timer, added),
        });
    }
    for ((timer, name), goal) in timers.into_iter().zip([470, 400]) {
        rows.push(Row {
            work: format!("asleep in a task, over the bare task, {name}"),
            goal,
            figures: figures(timer, heap.iter().copied()),
        });
    }
    table::print("bytes per call", &rows);
    Ok(())
}

/// The figures of those who sleep by this timer.
fn figures(timer: Timer, all: impl Iterator<Item = u64>) -> Vec<(&'static str, u64)> {
    let all = SLEEPERS.iter().zip(all).filter(|(sleeper, _)| sleeper.timer == timer);
    all.map(|(sleeper, figure)| (sleeper.contender, figure)).collect()
}

/// What [`heap_bytes`] says in a process of its own.
fn counted(position: usize, tasks: usize) -> io::Result<u64> {
    let arguments = [COUNT.to_owned(), position.to_string(), tasks.to_string()];
    let run = Command::new(std::env::current_exe()?).args(arguments).output()?;
    let said = String::from_utf8_lossy(&run.stdout);
    said.trim().parse().map_err(|_| io::Error::other(format!("{position} said: {said}")))
}

/// The heap that so many sleeping tasks hold.
fn heap_bytes(spawns: &Spawns, tasks: usize) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime can be built").block_on(async {
        let before = counting::live_bytes();
        for spawn in spawns.iter().cycle().take(tasks) {
            spawn();
        }
        while asleep::attempts() < tasks {
            tokio::task::yield_now().await;
        }
        // The default timer has a thread of its own, which takes the new sleeps in.
        thread::sleep(Duration::from_millis(500));
        counting::live_bytes() - before
    })
}
