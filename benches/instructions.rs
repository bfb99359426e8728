//! Instructions per call of each kind of work, as a Markdown table.
//!
//! `cargo bench --bench instructions` takes all figures, `-- text` those whose work or contender
//! contains the text. Needs valgrind.

mod callgrind;
mod calls;
mod hand_written;
mod names;
mod operation;
mod settings;
mod table;
mod work;

use std::io;

use crate::calls::Entry;
use crate::table::Row;
use crate::work::Work;

/// How this program asks itself, under valgrind, to do the work of one entry.
const REPEAT: &str = "--repeat";

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [flag, entry, times] if flag == REPEAT => {
            let [entry, times] = [entry, times].map(|number| number.parse::<u64>());
            let [entry, times] = [entry, times].map(|number| number.expect("a number"));
            (calls::all()[entry as usize].run)(times);
            Ok(())
        }
        _ if !callgrind::is_installed() => {
            println!("valgrind is not installed: no instructions were counted");
            Ok(())
        }
        others => {
            let wanted = others.iter().find(|argument| !argument.starts_with('-'));
            print_table(wanted.map_or("", String::as_str))
        }
    }
}

fn print_table(wanted: &str) -> io::Result<()> {
    let entries = calls::all();
    let mut rows = Vec::new();
    for work in Work::ALL {
        let mut figures = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            if entry.work == work && is_wanted(entry, wanted) {
                let arguments =
                    |times: u64| vec![REPEAT.into(), index.to_string(), times.to_string()];
                figures.push((entry.contender, callgrind::per_iteration(arguments)?));
            }
        }
        rows.push(Row { work: work.title().to_owned(), goal: goal(work), figures });
    }
    rows.retain(|row| !row.figures.is_empty());
    table::print("instructions per call", &rows);
    Ok(())
}

fn is_wanted(entry: &Entry, wanted: &str) -> bool {
    entry.work.title().contains(wanted) || entry.contender.contains(wanted)
}

/// What persevere may need.
const fn goal(work: Work) -> u64 {
    match work {
        Work::AsyncFirstTry => 55,
        Work::AsyncFourthTry => 300,
        Work::SyncFirstTry => 30,
        Work::SyncFourthTry => 240,
        Work::Delay => 60,
    }
}
