//! What can be wrong with a configuration, and how it is said.

use std::fmt;
use std::prelude::v1::*;

use figment::Metadata;
use figment::value::Value;

/// Why policies could not be loaded, or an update was refused: every problem there is, not only the
/// first.
///
/// ```
/// use figment::{Figment, providers::{Format, Toml}};
/// use persevere::policy::Policies;
///
/// let settings = Toml::string("[retry.default_policy]\natempts = 3\nbackoff = 0.5");
/// let error = Policies::load(&Figment::from(settings), "retry").unwrap_err();
/// assert_eq!(error.problems().len(), 2);
/// assert_eq!(error.problems()[0].key(), "retry.default_policy.atempts");
/// assert_eq!(error.problems()[0].nearest(), Some("attempts"));
/// assert_eq!(
///     error.problems()[1].to_string(),
///     "`retry.default_policy.backoff` is 0.5, expected a finite factor of at least 1 \
///      (TOML source string, profile `default`)",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        ConfigError { problems }
    }

    /// The problems, at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl ConfigError {
    /// The problems, as reasons for something.
    pub(crate) fn reasons_for<'a>(&'a self, what: &'a str) -> impl fmt::Display + 'a {
        Reasons(what, &self.problems)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reasons_for("the retry policies are not valid").fmt(f)
    }
}

struct Reasons<'a>(&'a str, &'a [Problem]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reasons(what, problems) = self;
        if let [problem] = problems {
            return write!(f, "{what}: {problem}");
        }
        write!(f, "{what}, for {} reasons:", problems.len())?;
        for problem in *problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// A source could not be read: a file that is missing or not TOML, a server that is not there.
    Source,
    /// There is nothing at the path.
    Missing,
    /// A key that nobody knows.
    UnknownKey,
    /// A value of a wrong type, or out of its range.
    Value,
    /// A value that another one contradicts.
    Contradiction,
    /// The name of an error kind that no announced error type knows.
    UnknownKind,
    /// A key that may end a call without an outcome, in a policy that has a plain handle.
    Interrupts,
}

/// One thing that is wrong with a configuration: which key, where it came from, what was found
/// there, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    key: String,
    found: Option<String>,
    expected: String,
    nearest: Option<String>,
    /// The key that this one contradicts.
    against: Option<&'static str>,
    origin: Origin,
}

/// Where a value came from: a file by its path or another provider by its name, and the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) source: Option<String>,
    pub(crate) profile: Option<String>,
    /// The value, as it is written there.
    pub(crate) written: Option<String>,
}

impl Problem {
    pub(crate) fn new(
        kind: ProblemKind,
        key: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let (key, expected) = (key.into(), expected.into());
        let origin = Origin::default();
        Problem { kind, key, found: None, expected, nearest: None, against: None, origin }
    }

    pub(crate) fn unknown_key<'a>(
        path: String,
        key: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let nearest = nearest(key, known.clone());
        let known = listed(known);
        Problem { nearest, ..Problem::new(ProblemKind::UnknownKey, path, known) }
    }

    pub(crate) fn wrong(
        key: impl Into<String>,
        found: String,
        expected: impl Into<String>,
    ) -> Self {
        Problem { found: Some(found), ..Problem::new(ProblemKind::Value, key, expected) }
    }

    pub(crate) fn found(self, found: impl Into<String>) -> Self {
        Problem { found: Some(found.into()), ..self }
    }

    pub(crate) fn near(self, nearest: Option<String>) -> Self {
        Problem { nearest, ..self }
    }

    /// The same, since another key is as it is.
    pub(crate) fn against(self, other: &'static str) -> Self {
        Problem { against: Some(other), ..self }
    }

    /// The same, said with where the other key came from, if that is not where this one did.
    pub(crate) fn beside(mut self, other: &Origin) -> Self {
        let here = (&self.origin.source, &self.origin.profile);
        if let (Some(key), false) = (self.against, here == (&other.source, &other.profile)) {
            self.expected = format!("{}; `{key}` is from {other}", self.expected);
        }
        self
    }

    pub(crate) fn contradicted(&self) -> Option<&'static str> {
        self.against
    }

    /// The same, of a value that came from there.
    pub(crate) fn out_of(self, mut origin: Origin) -> Self {
        let found = match (self.kind, origin.written.take()) {
            (ProblemKind::Value | ProblemKind::Contradiction, Some(written)) => Some(written),
            _ => self.found,
        };
        Problem { origin, found, ..self }
    }

    /// The same under the whole path of its key.
    pub(crate) fn at(self, key: String) -> Self {
        Problem { key, ..self }
    }

    pub(crate) fn of_source(error: &figment::Error) -> Self {
        let origin = Origin {
            source: error.metadata.as_ref().map(described),
            profile: error.profile.as_ref().map(ToString::to_string),
            written: None,
        };
        let (key, message) = (error.path.join("."), error.kind.to_string());
        Problem::new(ProblemKind::Source, key, message.trim_end()).out_of(origin)
    }

    /// Joins those that are told, unless it is among them.
    pub(crate) fn tell_once(self, told: &mut Vec<Problem>) {
        if !told.contains(&self) {
            told.push(self);
        }
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The whole path of the key; empty if a source could not be read.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value that was found there, as it is written; `None` if the key is the problem.
    #[must_use]
    pub fn found_value(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// What would have been accepted, in words.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// The known name that is most like the unknown one, if any is.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        self.nearest.as_deref()
    }

    /// Where the value came from: a file by its path, or another provider by its name.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.origin.source.as_deref()
    }

    /// The profile of the value.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.origin.profile.as_deref()
    }
}

/// One sentence, with the source behind it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, expected) = (quoted(&self.key), &self.expected);
        let found = self.found.as_deref().map(quoted);
        match self.kind {
            ProblemKind::Source if key.is_empty() => write!(f, "{expected}")?,
            ProblemKind::Source | ProblemKind::Missing => write!(f, "`{key}`: {expected}")?,
            ProblemKind::UnknownKey => {
                write!(f, "`{key}` is not a known key{}", Nearest(self.nearest.as_deref()))?;
                write!(f, " There are {expected}")?;
            }
            ProblemKind::UnknownKind => {
                let name = found.unwrap_or_default();
                let nearest = Nearest(self.nearest.as_deref());
                write!(f, "`{key}` names {name}, which is no error kind that is known{nearest}")?;
                write!(f, " There are {expected}")?;
            }
            _ => {
                match found {
                    Some(found) => write!(f, "`{key}` is {found}, expected {expected}")?,
                    None => write!(f, "`{key}`: expected {expected}")?,
                }
                if let Some(nearest) = &self.nearest {
                    write!(f, ": did you mean {nearest:?}?")?;
                }
            }
        }
        match &self.origin {
            Origin { source: None, profile: None, .. } => Ok(()),
            origin => write!(f, " ({origin})"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, &self.profile) {
            (Some(source), Some(profile)) => write!(f, "{source}, profile `{profile}`"),
            (Some(source), None) => f.write_str(source),
            (None, Some(profile)) => write!(f, "profile `{profile}`"),
            (None, None) => Ok(()),
        }
    }
}

/// The end of a sentence about a name that is not known.
pub(crate) struct Nearest<'a>(pub(crate) Option<&'a str>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, ": did you mean `{nearest}`?"),
            None => f.write_str("."),
        }
    }
}

/// A provider, in words: a file by its path, others by their name.
pub(crate) fn described(metadata: &Metadata) -> String {
    match metadata.source.as_ref().and_then(figment::Source::file_path) {
        Some(path) => path.display().to_string(),
        None => metadata.name.to_string(),
    }
}

/// A value as a person wrote it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Char(_, c) => format!("{:?}", c.to_string()),
        Value::Bool(_, on) => on.to_string(),
        Value::Num(_, number) => match (number.to_i128(), number.to_u128(), number.to_f64()) {
            (Some(whole), _, _) => whole.to_string(),
            (_, Some(whole), _) => whole.to_string(),
            (_, _, Some(number)) => format!("{number:?}"),
            _ => "a number".to_owned(),
        },
        Value::Array(_, values) => {
            let values: Vec<_> = values.iter().map(shown).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Dict(..) => "a table".to_owned(),
        Value::Empty(..) => "empty".to_owned(),
    }
}

/// The name that is most like `name`, if it is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    known
        .map(|known| (strsim::damerau_levenshtein(&name, &known.to_lowercase()), known))
        .filter(|(distance, known)| {
            *distance <= known.chars().count().max(3) / 3 && *distance < name.chars().count()
        })
        .min()
        .map(|(_, known)| known.to_owned())
}

/// Names in a list: `a`, `b`.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{}`", quoted(name))).collect();
    names.join(", ")
}

/// A line that somebody else wrote, fit for a log: not endless, and nothing that moves a cursor.
pub(crate) fn quoted(line: &str) -> String {
    let mut characters = line.chars();
    let fit = |c: char| if c.is_control() { ' ' } else { c };
    let mut quoted: String = characters.by_ref().take(500).map(fit).collect();
    if characters.next().is_some() {
        quoted.push('…');
    }
    quoted
}
