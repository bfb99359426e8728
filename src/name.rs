//! [`OperationName`]: the name of an operation in events, reports and metrics.

/// The name of an operation, which every event and report of a call carries.
///
/// Made of a literal, or of a `String`, an `Arc<str>` or a `Cow<'static, str>` (with `std`). A
/// name that is made at run time is stored once for the life of the program, because events are
/// `Copy`; up to 16 384 distinct names are stored, and any further name becomes `"other"`. So name
/// operations, not requests: labels of metrics need that too.
///
/// ```
/// use persevere::{OperationName, Policy, immediate};
///
/// let shard = 7;
/// let policy = Policy::new(immediate().max_attempts(3)).named(format!("read_shard_{shard}"));
/// let error = policy.run(|_| Err::<(), _>("busy")).report().call().unwrap_err();
/// assert_eq!(error.operation(), Some("read_shard_7"));
/// assert_eq!(OperationName::from("load").as_str(), "load");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperationName(&'static str);

impl OperationName {
    /// A name that is known when the program is compiled.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        OperationName(name)
    }

    /// Returns the name.
    #[must_use]
    #[inline]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&'static str> for OperationName {
    #[inline]
    fn from(name: &'static str) -> Self {
        OperationName(name)
    }
}

#[cfg(feature = "std")]
mod interned {
    use super::OperationName;
    use std::borrow::Cow;
    use std::boxed::Box;
    use std::string::String;
    use std::sync::{Arc, Mutex, PoisonError};
    use std::vec::Vec;

    /// How many names are stored.
    const MOST: usize = 16_384;

    fn intern(name: &str) -> &'static str {
        /// In their order.
        static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        match names.binary_search(&name) {
            Ok(place) => names[place],
            Err(_) if names.len() >= MOST => "other",
            Err(place) => {
                let stored: &'static str = Box::leak(Box::from(name));
                names.insert(place, stored);
                stored
            }
        }
    }

    impl From<String> for OperationName {
        #[inline]
        fn from(name: String) -> Self {
            OperationName(intern(&name))
        }
    }

    impl From<Arc<str>> for OperationName {
        #[inline]
        fn from(name: Arc<str>) -> Self {
            OperationName(intern(&name))
        }
    }

    impl From<Cow<'static, str>> for OperationName {
        #[inline]
        fn from(name: Cow<'static, str>) -> Self {
            match name {
                Cow::Borrowed(name) => OperationName(name),
                Cow::Owned(name) => name.into(),
            }
        }
    }
}
