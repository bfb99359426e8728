//! Durations as people write them.

use std::fmt;
use std::ops::Deref;
use std::prelude::v1::*;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A duration that is written as text: `"250ms"`, `"1s 500ms"`, `"2min"`, as
/// [`humantime`](https://docs.rs/humantime) reads it. A number is refused, since it does not say of
/// what; keys that end in `_seconds` take one.
///
/// ```
/// use persevere::policy::config::DurationText;
/// use std::time::Duration;
///
/// let delay: DurationText = serde_json::from_str(r#""1s 500ms""#)?;
/// assert_eq!(*delay, Duration::from_millis(1500));
/// assert_eq!(serde_json::to_string(&DurationText(Duration::from_secs(90)))?, r#""1m 30s""#);
/// assert!(serde_json::from_str::<DurationText>("90").is_err());
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[doc(hidden)]
pub struct DurationText(pub Duration);

impl From<Duration> for DurationText {
    fn from(duration: Duration) -> Self {
        DurationText(duration)
    }
}

impl Deref for DurationText {
    type Target = Duration;
    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = DurationText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(super::DURATION)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<DurationText, E> {
                humantime::parse_duration(text).map(DurationText).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}
