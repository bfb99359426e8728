//! What the values of a configuration may be, beside numbers and durations.

use std::fmt;
use std::marker::PhantomData;
use std::prelude::v1::*;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, IntoDeserializer, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::DurationText;

/// The curve of the delays: every built-in [backoff](crate::backoff), by name.
///
/// | name | nth delay | with |
/// |---|---|---|
/// | `"exponential"`, the default | `wait_min · backoff^(n−1)` | `backoff` |
/// | `"constant"` | `wait_min` | |
/// | `"linear"` | `wait_min + step · (n−1)` | `step`; `wait_min` unless set |
/// | `"fibonacci"` | `wait_min · F(n)` | |
/// | `"polynomial"` | `wait_min · n^degree` | `degree`; 2 unless set |
/// | `"decorrelated"` | random in `wait_min ..= 3 · previous` | |
/// | `"decorrelated_v2"` | random, `wait_min` in the median at first | |
/// | `"immediate"` | 0 | |
/// | `"delays"` | as listed; ends with the list | `delays` |
///
/// None is longer than `wait_max`. A list has no `wait_max` unless it is set; a delay in it that is
/// longer is then refused.
///
/// ```
/// use persevere::policy::config::Strategy;
/// assert_eq!(serde_json::from_str::<Strategy>(r#""linear""#)?, Strategy::Linear);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strategy {
    /// [`exponential`](crate::exponential)
    #[default]
    Exponential,
    /// [`constant`](crate::constant)
    Constant,
    /// [`linear`](crate::backoff::linear)
    Linear,
    /// [`fibonacci`](crate::backoff::fibonacci)
    Fibonacci,
    /// [`polynomial`](crate::backoff::polynomial)
    Polynomial,
    /// [`decorrelated`](crate::backoff::decorrelated)
    Decorrelated,
    /// [`decorrelated_v2`](crate::backoff::decorrelated_v2)
    DecorrelatedV2,
    /// [`immediate`](crate::immediate)
    Immediate,
    /// [`delays`](crate::backoff::delays)
    Delays,
}

/// Who retries.
///
/// ```
/// use persevere::policy::config::Mode;
/// assert_eq!(serde_json::from_str::<Mode>(r#""mesh""#)?, Mode::Mesh);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// The application does.
    #[default]
    Application,
    /// The service mesh does: the application makes one attempt, as with `enabled = false`, so that
    /// the retries of both do not multiply.
    Mesh,
}

/// How delays are spread at random.
///
/// | written | is |
/// |---|---|
/// | `true`, `"full"`, the default | [full jitter](crate::Backoff::full_jitter): anything from 0 to the delay |
/// | `"equal"` | [equal jitter](crate::Backoff::equal_jitter): from half the delay to all of it |
/// | `0.2` | [±20 %](crate::Backoff::jitter) of the delay; from 0 to 1 |
/// | `"100ms"` | [up to 100 ms more](crate::Backoff::additive_jitter) |
/// | `false`, `"none"` | none |
///
/// `wait_max` caps what comes of it. Without a word about jitter, the decorrelated strategies have
/// none, since they are random already.
///
/// ```
/// use persevere::policy::config::Jitter;
/// for (text, jitter) in [("true", Jitter::Full), (r#""equal""#, Jitter::Equal), ("0.2", Jitter::Ratio(0.2))] {
///     assert_eq!(serde_json::from_str::<Jitter>(text)?, jitter);
/// }
/// assert_eq!(serde_json::to_string(&Jitter::None)?, r#""none""#);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// None.
    None,
    /// From 0 to the delay.
    Full,
    /// From half the delay to all of it.
    Equal,
    /// By up to this share of the delay, to both sides.
    Ratio(f64),
    /// Up to this much more.
    Additive(DurationText),
}

impl Serialize for Jitter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Jitter::None => serializer.serialize_str("none"),
            Jitter::Full => serializer.serialize_str("full"),
            Jitter::Equal => serializer.serialize_str("equal"),
            Jitter::Ratio(ratio) => serializer.serialize_f64(*ratio),
            Jitter::Additive(most) => most.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Jitter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyOf;
        impl Visitor<'_> for AnyOf {
            type Value = Jitter;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Jitter::EXPECTED)
            }
            fn visit_bool<E: Error>(self, on: bool) -> Result<Jitter, E> {
                Ok(if on { Jitter::Full } else { Jitter::None })
            }
            fn visit_f64<E: Error>(self, ratio: f64) -> Result<Jitter, E> {
                Ok(Jitter::Ratio(ratio))
            }
            fn visit_u64<E: Error>(self, ratio: u64) -> Result<Jitter, E> {
                Ok(Jitter::Ratio(ratio as f64))
            }
            fn visit_i64<E: Error>(self, ratio: i64) -> Result<Jitter, E> {
                Ok(Jitter::Ratio(ratio as f64))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Jitter, E> {
                Ok(match text {
                    "none" => Jitter::None,
                    "full" => Jitter::Full,
                    "equal" => Jitter::Equal,
                    _ => match humantime::parse_duration(text) {
                        Ok(most) => Jitter::Additive(DurationText(most)),
                        Err(_) => return Err(E::invalid_value(Unexpected::Str(text), &self)),
                    },
                })
            }
        }
        deserializer.deserialize_any(AnyOf)
    }
}

impl Jitter {
    pub(super) const EXPECTED: &'static str = r#"true, false, "none", "full", "equal", a number from 0 to 1 (±), or a duration such as "100ms" (up to as much more)"#;
}

/// A part of a policy that can be turned off with `false`, also where the default policy has it on.
///
/// ```
/// use persevere::policy::config::{DurationText, Toggle};
/// use std::time::Duration;
///
/// let limit: Toggle<DurationText> = serde_json::from_str(r#""30s""#)?;
/// assert_eq!(limit, Toggle::On(Duration::from_secs(30).into()));
/// assert_eq!(serde_json::from_str::<Toggle<DurationText>>("false")?, Toggle::Off);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Toggle<T> {
    /// `false`
    #[default]
    Off,
    /// The value.
    On(T),
}

impl<T> Toggle<T> {
    /// The value, if it is on.
    ///
    /// ```
    /// use persevere::policy::config::Toggle;
    /// assert_eq!((Toggle::On(5).on(), Toggle::<u8>::Off.on()), (Some(5), None));
    /// ```
    #[must_use]
    pub fn on(self) -> Option<T> {
        match self {
            Toggle::Off => None,
            Toggle::On(value) => Some(value),
        }
    }
}

impl<T: Serialize> Serialize for Toggle<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Toggle::Off => serializer.serialize_bool(false),
            Toggle::On(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Toggle<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Hands on what is not `false`, so that errors are those of the value.
        struct OffOr<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OffOr<T> {
            type Value = Toggle<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("false, or the settings of what is to be on")
            }
            fn visit_bool<E: Error>(self, on: bool) -> Result<Toggle<T>, E> {
                if on {
                    return Err(E::invalid_value(Unexpected::Bool(true), &self));
                }
                Ok(Toggle::Off)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Toggle<T>, E> {
                T::deserialize(StrDeserializer::new(text)).map(Toggle::On)
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Toggle<T>, E> {
                T::deserialize(number.into_deserializer()).map(Toggle::On)
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Toggle<T>, E> {
                T::deserialize(number.into_deserializer()).map(Toggle::On)
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Toggle<T>, E> {
                T::deserialize(number.into_deserializer()).map(Toggle::On)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Toggle<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Toggle::On)
            }
        }
        deserializer.deserialize_any(OffOr(PhantomData))
    }
}
