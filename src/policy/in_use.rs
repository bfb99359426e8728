//! The policies that decorated functions name, wherever in the program they are.

#[cfg(feature = "config")]
use std::fmt;
use std::prelude::v1::*;

#[cfg(feature = "config")]
use super::policies::{Policies, PolicyError};

/// A policy that a function names; see [`policies_in_use`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct PolicyInUse {
    /// The name of the policy.
    pub name: &'static str,
    /// What is retried by it: the path of the function, unless it says otherwise.
    pub operation: &'static str,
}

impl PolicyInUse {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, operation: &'static str) -> Self {
        PolicyInUse { name, operation }
    }
}

inventory::collect!(PolicyInUse);

/// All names of policies that the program uses, in alphabetical order: those of `#[retry("name")]`,
/// whether called yet or not, and those that [`policy_in_use!`](crate::policy_in_use) adds. The
/// [`inventory`](https://docs.rs/inventory) crate collects them before `main` begins.
///
/// ```
/// use persevere::policy::policies_in_use;
///
/// persevere::policy_in_use! { name: "fast_retry", operation: "load" }
/// assert!(policies_in_use().iter().any(|used| (used.name, used.operation) == ("fast_retry", "load")));
/// ```
#[must_use]
pub fn policies_in_use() -> Vec<PolicyInUse> {
    let mut all: Vec<_> = inventory::iter::<PolicyInUse>().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Says that the program uses a policy by name, so that
/// [`policies_in_use`](crate::policy::policies_in_use) lists it. `#[retry("name")]` does so by
/// itself; this is for names that your own code looks up with `Policies::get`. The name of a policy
/// with a `breaker` or an `attempt_timeout` has no place here, since `Policies::check_names_in_use`
/// asks for plain handles; take that handle where the program starts.
///
/// ```
/// persevere::policy_in_use! { name: "nightly", operation: "backup" }
/// assert!(persevere::policy::policies_in_use().iter().any(|used| used.name == "nightly"));
/// ```
#[macro_export]
macro_rules! policy_in_use {
    (name: $name:expr, operation: $operation:expr $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::policy::PolicyInUse::new($name, $operation)
        }
    };
}

/// Names that the program uses and its policies do not serve.
#[cfg(feature = "config")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesInUseError {
    refusals: Vec<(PolicyInUse, PolicyError)>,
}

#[cfg(feature = "config")]
impl NamesInUseError {
    /// Each use of a name, and why there is no plain handle for it: at least one.
    #[must_use]
    pub fn refusals(&self) -> &[(PolicyInUse, PolicyError)] {
        &self.refusals
    }
}

/// One line for each.
#[cfg(feature = "config")]
impl fmt::Display for NamesInUseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (used, error)) in self.refusals.iter().enumerate() {
            let between = if index > 0 { "\n" } else { "" };
            let PolicyInUse { name, operation } = used;
            write!(f, "{between}`{operation}` is retried by the policy `{name}`, but {error}")?;
        }
        Ok(())
    }
}

#[cfg(feature = "config")]
impl std::error::Error for NamesInUseError {}

/// See [`Policies::check_names_in_use`].
#[cfg(feature = "config")]
pub(super) fn check(policies: &Policies) -> Result<(), NamesInUseError> {
    let refusal = |used: PolicyInUse| Some((used, policies.get(used.name).err()?));
    let refusals: Vec<_> = policies_in_use().into_iter().filter_map(refusal).collect();
    if refusals.is_empty() { Ok(()) } else { Err(NamesInUseError { refusals }) }
}
