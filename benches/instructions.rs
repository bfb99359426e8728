//! Instructions per call of each kind of work, as a Markdown table.
//!
//! `cargo bench --bench instructions` takes all figures, `-- text` those whose work or contender
//! contains the text. Needs valgrind.

mod callgrind;
mod calls;
mod channel;
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

/// The argument with which this program runs itself, under valgrind, for one entry.
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
    let count = |index: usize| {
        callgrind::per_iteration(|times| vec![REPEAT.into(), index.to_string(), times.to_string()])
    };
    let mut direct_call = None;
    let mut rows = Vec::new();
    for work in Work::ALL {
        let mut figures = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            if entry.work == work && entry.contender != names::DIRECT && is_wanted(entry, wanted) {
                figures.push((entry.contender, count(index)?));
            }
        }
        if work.is_over_direct() && !figures.is_empty() {
            if direct_call.is_none() {
                let direct = entries.iter().position(|entry| entry.contender == names::DIRECT);
                direct_call = Some(count(direct.expect("an entry without a retry"))?);
            }
            for (_, figure) in &mut figures {
                *figure = figure.saturating_sub(direct_call.unwrap_or(0));
            }
        }
        rows.push(Row { work: work.title().to_owned(), goal: goal(work), figures });
    }
    rows.retain(|row| !row.figures.is_empty());
    table::print("instructions per call", &rows);
    println!();
    let is_surface = |(contender, _): &(&str, u64)| names::SURFACES.contains(contender);
    rows.retain(|row| row.figures.iter().any(is_surface));
    table::print_surfaces(&rows);
    Ok(())
}

fn is_wanted(entry: &Entry, wanted: &str) -> bool {
    entry.work.title().contains(wanted) || entry.contender.contains(wanted)
}

/// The most that persevere may need.
const fn goal(work: Work) -> u64 {
    match work {
        Work::AsyncFirstTry => 60,
        Work::AsyncFourthTry => 280,
        Work::SyncFirstTry => 26,
        Work::SyncFourthTry => 250,
        Work::Delay => 60,
        Work::Channel => 100,
        Work::ChannelTimeout => 1000,
        Work::ChannelDeadline => 1250,
    }
}
