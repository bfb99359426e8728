//! One macro for the tables of a configuration: what is written in a settings file, in one place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::prelude::v1::*;

use figment::Figment;
use figment::value::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::{Origin, Problem, described, nearest, shown};

/// A table of settings. The macro [`settings!`] writes it.
pub(crate) trait Table: Default {
    /// The keys, and what each expects.
    const KEYS: &'static [(&'static str, &'static str)];

    /// Takes the value of a key, if it is of that kind; `false` if not. The key is one of `KEYS`.
    fn set(&mut self, key: &str, value: &Value, reader: &mut Reader<'_>) -> bool;
}

/// How a value is read where the key that it is for is known.
pub(crate) trait Setting: Sized {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self>;
}

/// Settings that serde reads whole.
pub(crate) fn leaf<T: DeserializeOwned>(value: &Value) -> Option<T> {
    value.deserialize().ok()
}

/// Goes through the tables of a figment and writes down all that is wrong, and where what is right
/// came from.
pub(crate) struct Reader<'a> {
    pub(crate) path: String,
    pub(crate) figment: &'a Figment,
    pub(crate) problems: &'a mut Vec<Problem>,
    pub(crate) origins: &'a mut BTreeMap<String, Origin>,
}

impl Reader<'_> {
    /// The same at a key below.
    pub(crate) fn at<T>(&mut self, key: &str, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let path = join(&self.path, key);
        let Reader { figment, problems, origins, .. } = self;
        read(&mut Reader { path, figment, problems, origins })
    }

    /// Where a value came from.
    fn origin(&self, value: &Value) -> Origin {
        let tag = value.tag();
        Origin {
            source: self.figment.get_metadata(tag).map(described),
            // A tag does not have the name of a profile of one's own, but only one is selected.
            profile: Some(tag.profile().as_ref().unwrap_or(self.figment.profile()).to_string()),
            written: Some(shown(value)),
        }
    }

    /// Writes down that `value` is not what is expected here.
    pub(crate) fn wrong(&mut self, value: &Value, expected: &str) {
        let near = value
            .as_str()
            .and_then(|text| nearest(text, words(expected)).filter(|word| word != text));
        let problem = Problem::wrong(self.path.clone(), shown(value), expected).near(near);
        self.problems.push(problem.out_of(self.origin(value)));
    }

    /// Reads a table. What is wrong in it is written down, the rest is read all the same. What is
    /// empty, such as JSON's `null`, is as if it were not there: so serde reads it too.
    pub(crate) fn table<T: Table>(&mut self, value: &Value) -> Option<T> {
        let entries = value.as_dict()?;
        let mut table = T::default();
        for (key, value) in entries {
            let known = T::KEYS.iter().find(|(known, _)| known == key);
            let Some((_, expected)) = known else {
                let keys = T::KEYS.iter().map(|(key, _)| *key);
                let problem = Problem::unknown_key(join(&self.path, key), key, keys);
                self.problems.push(problem.out_of(self.origin(value)));
                continue;
            };
            if matches!(value, Value::Empty(..)) {
                continue;
            }
            self.at(key, |reader| {
                let origin = reader.origin(value);
                reader.origins.insert(reader.path.clone(), origin);
                let before = reader.problems.len();
                if !table.set(key, value, reader) && reader.problems.len() == before {
                    reader.wrong(value, expected);
                }
            });
        }
        Some(table)
    }
}

/// The names among what is expected, without examples such as "250ms".
fn words(expected: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    expected.split('"').skip(1).step_by(2).filter(move |word| word.chars().all(is_name))
}

/// A setting as a person would write it.
pub(crate) fn written<T: Serialize>(setting: &Option<T>) -> String {
    let value = setting.as_ref().and_then(|setting| Value::serialize(setting).ok());
    value.map_or_else(|| "not set".to_owned(), |value| shown(&value))
}

/// `path.key`, or `key` at the root.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A name as one part of a path, also with a dot in it.
pub(crate) fn part(name: &str) -> Cow<'_, str> {
    if name.contains('.') { Cow::Owned(format!("'{name}'")) } else { Cow::Borrowed(name) }
}

/// A table of settings, each of which may be missing: the struct, its keys, and what they expect.
macro_rules! settings {
    ($(#[$meta:meta])* pub struct $name:ident {
        $( $(#[$doc:meta])* $key:ident: $type:ty = $expected:expr, )*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$type>,
            )*
        }

        impl $crate::policy::config::reader::Table for $name {
            const KEYS: &'static [(&'static str, &'static str)] =
                &[$((stringify!($key), $expected)),*];

            fn set(
                &mut self,
                key: &str,
                value: &figment::value::Value,
                reader: &mut $crate::policy::config::reader::Reader<'_>,
            ) -> bool {
                use $crate::policy::config::reader::Setting;
                match key {
                    $( stringify!($key) => {
                        self.$key = Setting::read(value, reader);
                        self.$key.is_some()
                    } )*
                    _ => false,
                }
            }
        }

        #[allow(dead_code, reason = "not every table is asked for all")]
        impl $name {
            /// The keys that are set.
            pub(super) fn given(&self) -> Vec<&'static str> {
                let mut keys = Vec::new();
                $( if self.$key.is_some() { keys.push(stringify!($key)); } )*
                keys
            }

            /// The value of a key as a person would write it.
            pub(super) fn shown(&self, key: &str) -> String {
                match key {
                    $( stringify!($key) => $crate::policy::config::reader::written(&self.$key), )*
                    _ => $crate::policy::config::reader::written(&None::<bool>),
                }
            }

            /// What a key takes.
            pub(super) fn expected(key: &str) -> &'static str {
                let keys = <Self as $crate::policy::config::reader::Table>::KEYS;
                keys.iter().find(|(known, _)| *known == key).map_or("", |(_, expected)| expected)
            }

            /// Takes a key away; `false` if it is not there.
            pub(super) fn forget(&mut self, key: &str) -> bool {
                match key {
                    $( stringify!($key) => self.$key.take().is_some(), )*
                    _ => false,
                }
            }

            /// These settings, and where there is none, that of `base`.
            fn or(self, base: &Self) -> Self {
                $name { $($key: self.$key.or_else(|| base.$key.clone()),)* }
            }
        }
    };
}
pub(crate) use settings;

macro_rules! leaves {
    ($($type:ty),*) => { $(
        impl Setting for $type {
            fn read(value: &Value, _: &mut Reader<'_>) -> Option<Self> {
                leaf(value)
            }
        }
    )* };
}
leaves!(
    bool,
    f64,
    Vec<String>,
    super::DurationText,
    Vec<super::DurationText>,
    super::Jitter,
    super::Mode,
    super::Strategy,
    super::BudgetModel
);

impl Setting for u32 {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        if leaf::<u64>(value).is_some_and(|number| number > u32::MAX.into()) {
            reader.wrong(value, "a whole number of at most 4294967295");
            return None;
        }
        leaf(value)
    }
}

impl<T: Setting> Setting for super::Toggle<T> {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Option<Self> {
        match value.to_bool() {
            Some(false) => Some(super::Toggle::Off),
            Some(true) => None,
            None => T::read(value, reader).map(super::Toggle::On),
        }
    }
}
