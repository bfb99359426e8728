//! The schedule of a backoff as a picture.

use std::env;
use std::fmt;
use std::io::{IsTerminal, stdout};
use std::sync::LazyLock;
use std::time::Duration;

use persevere::Backoff;

/// The longest bar, in columns.
const WIDTH: usize = 44;

/// Prints a title, the description of the backoff, and a bar for each of its delays: full blocks for
/// the shortest delay, shaded ones up to the longest.
pub(crate) fn draw(title: &str, backoff: &impl Backoff) {
    let steps: Vec<_> = backoff.schedule().collect();
    let longest = steps.iter().map(|step| step.delay.max).max().unwrap_or_default();
    let columns = |delay: Duration| {
        let share = delay.as_secs_f64() / longest.as_secs_f64().max(f64::MIN_POSITIVE);
        (share * WIDTH as f64).round() as usize
    };

    println!("{}\n   {}\n", Paint::Bold.on(title), Description(backoff));
    for step in &steps {
        let (sure, most) = (columns(step.delay.min), columns(step.delay.max));
        println!(
            "   wait {:<2} {}{}{} {}",
            step.attempt,
            Paint::Cyan.on("█".repeat(sure)),
            Paint::Cyan.on("░".repeat(most - sure)),
            " ".repeat(WIDTH - most),
            range(step.delay.min, step.delay.max),
        );
    }
    if let Some(worst) = backoff.worst_case() {
        println!("   worst case: {} in all", short(worst));
    }
    println!();
}

/// `50 ms`, or `25–50 ms`.
fn range(min: Duration, max: Duration) -> String {
    let (from, to) = (short(min), short(max));
    match from.strip_suffix(" ms") {
        _ if from == to => to,
        Some(from) if to.ends_with(" ms") => format!("{from}–{to}"),
        _ => format!("{from} – {to}"),
    }
}

/// Formats a delay.
pub(crate) fn short(delay: Duration) -> String {
    match delay.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}

/// Prints the description of a backoff without its schedule.
struct Description<'a, B>(&'a B);

impl<B: Backoff> fmt::Display for Description<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f)
    }
}

/// Colours, unless the user refuses them (<https://no-color.org>).
#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Bold = 1,
    Red = 31,
    Green = 32,
    Cyan = 36,
}

impl Paint {
    pub(crate) fn on(self, text: impl fmt::Display) -> String {
        static WANTED: LazyLock<bool> = LazyLock::new(|| {
            let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            stdout().is_terminal() && !refused && env::var_os("TERM").is_none_or(|t| t != "dumb")
        });
        if *WANTED { format!("\x1b[{}m{text}\x1b[0m", self as u8) } else { text.to_string() }
    }
}
