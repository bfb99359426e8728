//! The table for the documentation.

use crate::names::{DIRECT, HAND_WRITTEN, PERSEVERE, SURFACES};

/// The figures of one kind of work.
pub struct Row {
    pub work: String,
    pub goal: u64,
    pub figures: Vec<(&'static str, u64)>,
}

impl Row {
    pub fn figure(&self, contender: &str) -> String {
        let found = self.figures.iter().find(|(name, _)| *name == contender);
        found.map_or_else(|| "–".to_owned(), |(_, figure)| figure.to_string())
    }

    /// The peers, the best first.
    fn peers(&self) -> String {
        let mut peers = self.figures.clone();
        let own =
            |name| [DIRECT, HAND_WRITTEN, PERSEVERE].contains(&name) || SURFACES.contains(&name);
        peers.retain(|(name, _)| !own(*name));
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

/// Prints the figures of the surfaces of persevere as Markdown, a line for each.
#[allow(dead_code, reason = "one benchmark has these figures")]
pub fn print_surfaces(rows: &[Row]) {
    let mut header = String::from("| surface |");
    let mut rule = String::from("| --- |");
    for row in rows {
        header += &format!(" {} |", row.work);
        rule += " ---: |";
    }
    println!("{header}\n{rule}");
    for surface in [PERSEVERE].into_iter().chain(SURFACES) {
        let cells: String = rows.iter().map(|row| format!(" {} |", row.figure(surface))).collect();
        let name = if surface == PERSEVERE { "`retry_with(backoff)`" } else { surface };
        println!("| {name} |{cells}");
    }
}
