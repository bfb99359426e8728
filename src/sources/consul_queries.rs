//! Consul's blocking queries: what its index means, and what may go wrong.

use std::boxed::Box;
use std::fmt;
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::vec::Vec;

use figment::providers::Format;

use super::consul::Consul;
use super::updates::Feed;
use crate::policy::config::quoted;
use crate::{Attempt, RetryExt};

pub(super) const MISSING: &str = "the key does not exist";

/// Requests start at least so far apart, however fast the value changes.
const SPACING: Duration = Duration::from_millis(100);
/// And those that brought nothing, from a server that did not wait.
const IDLE_SPACING: Duration = Duration::from_secs(1);

/// What the server said of the key.
pub(super) struct Answer {
    pub(super) index: u64,
    /// `None`: there is no such key. That is an answer like any other, and can be waited on.
    pub(super) value: Option<Vec<u8>>,
}

/// Why there is no [`Answer`].
#[derive(Debug)]
pub(super) struct Problem {
    kind: Kind,
    pub(super) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No answer, or one that speaks of the server's own trouble. It may be gone in a moment.
    Unwell,
    /// An answer about the request, with this status.
    Refused(u16),
    /// An answer that Consul does not give.
    Alien,
}

impl Problem {
    pub(super) fn unreachable(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        let mut message = format!("no answer: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many errors print their cause themselves.
            if !message.contains(&text) {
                message += ": ";
                message += &text;
            }
            cause = error.source();
        }
        Self { kind: Kind::Unwell, message: quoted(&message) }
    }

    pub(super) fn status(status: u16, body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let line = quoted(text.lines().next().unwrap_or_default().trim());
        let said = if line.is_empty() { line } else { format!(" ({line})") };
        match status {
            401 | 403 => Self {
                kind: Kind::Refused(status),
                message: format!("the token does not allow to read it: status {status}{said}"),
            },
            429 | 500.. => Self { kind: Kind::Unwell, message: format!("status {status}{said}") },
            _ => Self { kind: Kind::Refused(status), message: format!("status {status}{said}") },
        }
    }

    pub(super) fn no_index(status: u16) -> Self {
        let message = format!(
            "status {status} without a usable X-Consul-Index header: is this the HTTP API of Consul?"
        );
        Self { kind: Kind::Alien, message }
    }
}

/// Follows one key for one stream.
pub(super) struct Follower<'a, F> {
    consul: Consul<F>,
    feed: &'a Feed,
    /// What the server knew when it answered last. `None`: unknown, it shall answer at once.
    index: Option<u64>,
    /// What was published last of the value, in or out of trouble.
    last: Option<Option<Vec<u8>>>,
    /// The trouble that was published since.
    trouble: Option<Kind>,
    /// The last request had no answer. Once is no news.
    missed: bool,
    /// When the last request started, and how far from it the next one is kept.
    asked: Option<Instant>,
    spacing: Duration,
}

impl<'a, F: Format> Follower<'a, F> {
    pub(super) fn new(consul: Consul<F>, feed: &'a Feed) -> Self {
        Self {
            consul,
            feed,
            index: None,
            last: None,
            trouble: None,
            missed: false,
            asked: None,
            spacing: SPACING,
        }
    }

    /// Returns when the stream is dropped.
    pub(super) fn follow(mut self) {
        let (backoff, feed) = (Arc::clone(&self.consul.backoff), self.feed);
        while !feed.is_over() {
            // What failed has been published. The sleeps end with the stream, and then there is no
            // next attempt.
            let _: Result<(), Problem> = (|_: Attempt| self.ask())
                .retry_with(&*backoff)
                .when(|_| !feed.is_over())
                .timer(feed)
                .call();
        }
    }

    /// One query, and what is to be told of it.
    fn ask(&mut self) -> Result<(), Problem> {
        if let Some(asked) = self.asked {
            self.feed.wait(None, self.spacing.saturating_sub(asked.elapsed()));
            if self.feed.is_over() {
                return Ok(());
            }
        }
        (self.asked, self.spacing) = (Some(Instant::now()), SPACING);
        match self.consul.endpoint.ask(self.index) {
            Ok(answer) => {
                if !self.hear(answer) {
                    self.spacing = IDLE_SPACING;
                }
                Ok(())
            }
            Err(problem) => {
                // Who comes back may be another, with an index of its own.
                self.index = None;
                let unwell = problem.kind == Kind::Unwell;
                let news = self.trouble != Some(problem.kind) && (self.missed || !unwell);
                self.missed = unwell;
                if news {
                    self.feed.problem(&problem.message);
                    self.trouble = Some(problem.kind);
                }
                Err(problem)
            }
        }
    }

    /// Whether the answer was news.
    fn hear(&mut self, Answer { index, value }: Answer) -> bool {
        // An index that went backwards belongs to another history: after a restart or a restored
        // backup, the server would wait for a number that is far away.
        let backwards = self.index.is_some_and(|before| index < before);
        self.index = (!backwards).then_some(index.max(1));
        self.missed = false;
        let well_again = self.trouble.take().is_some();
        // A wake-up promises nothing: the index is the one of more than this key.
        if !well_again && self.last.as_ref() == Some(&value) {
            return false;
        }
        match &value {
            Some(bytes) => self.feed.publish(self.consul.document.read(bytes)),
            None => self.feed.problem(MISSING),
        }
        self.last = Some(value);
        true
    }
}

/// Percent-encoded for an address, but for the characters that need not be and those in `.1`.
pub(super) struct Encoded<'a>(pub(super) &'a str, pub(super) &'static str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            let plain = character.is_ascii_alphanumeric() || "-._~".contains(character);
            if plain || self.1.contains(character) {
                fmt::Display::fmt(&character, f)?;
                continue;
            }
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}
