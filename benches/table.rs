//! The table that goes into the documentation.

use crate::names::{HAND_WRITTEN, PERSEVERE};

/// What each contender needs for one kind of work.
pub struct Row {
    pub work: String,
    pub goal: u64,
    pub figures: Vec<(&'static str, u64)>,
}

impl Row {
    fn figure(&self, contender: &str) -> String {
        let found = self.figures.iter().find(|(name, _)| *name == contender);
        found.map_or_else(|| "–".to_owned(), |(_, figure)| figure.to_string())
    }

    /// Everybody else, the best first.
    fn peers(&self) -> String {
        let mut peers = self.figures.clone();
        peers.retain(|(name, _)| ![HAND_WRITTEN, PERSEVERE].contains(name));
        peers.sort_by_key(|(_, figure)| *figure);
        let peers: Vec<_> = peers.iter().map(|(name, figure)| format!("{name} {figure}")).collect();
        peers.join(", ")
    }

    fn cells(&self) -> [String; 5] {
        [
            self.work.clone(),
            self.goal.to_string(),
            self.figure(HAND_WRITTEN),
            self.figure(PERSEVERE),
            self.peers(),
        ]
    }
}

/// Prints the rows as Markdown, under a heading for the first column.
pub fn print(heading: &str, rows: &[Row]) {
    let header = [heading, "goal", HAND_WRITTEN, PERSEVERE, "peers"].map(str::to_owned);
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let widths: [usize; 5] = std::array::from_fn(|column| {
        let longest = cells.iter().map(|row| row[column].chars().count()).max();
        header[column].chars().count().max(longest.unwrap_or(0))
    });
    let rule = std::array::from_fn(|column| match column {
        1..=3 => format!("{}:", "-".repeat(widths[column] - 1)),
        _ => "-".repeat(widths[column]),
    });
    for row in [&header, &rule].into_iter().chain(&cells) {
        println!("{}", line(row, widths));
    }
}

fn line(cells: &[String; 5], widths: [usize; 5]) -> String {
    let [work, goal, by_hand, persevere, peers] = cells;
    let [a, b, c, d, e] = widths;
    format!("| {work:a$} | {goal:>b$} | {by_hand:>c$} | {persevere:>d$} | {peers:e$} |")
}
