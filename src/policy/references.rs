//! The policies that decorated functions name, wherever in the program they are.

#[cfg(feature = "config")]
use std::fmt;
use std::prelude::v1::*;

#[cfg(feature = "config")]
use super::policies::{Policies, PolicyError};

/// A policy that a function names; see [`referenced_policies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[doc(hidden)]
pub struct PolicyReference {
    /// The name of the policy.
    pub name: &'static str,
    /// What is retried by it: the path of the function, unless it says otherwise.
    pub operation: &'static str,
}

impl PolicyReference {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, operation: &'static str) -> Self {
        PolicyReference { name, operation }
    }
}

inventory::collect!(PolicyReference);

/// All names of policies that the program uses, in alphabetical order: those of `#[retry("name")]`,
/// whether called yet or not, and those that [`policy_reference!`](crate::policy_reference) adds. The
/// [`inventory`](https://docs.rs/inventory) crate collects them before `main` begins.
///
/// ```
/// use persevere::policy::referenced_policies;
///
/// persevere::policy_reference! { name: "fast_retry", operation: "load" }
/// assert!(referenced_policies().iter().any(|used| (used.name, used.operation) == ("fast_retry", "load")));
/// ```
#[must_use]
#[doc(hidden)]
pub fn referenced_policies() -> Vec<PolicyReference> {
    let mut all: Vec<_> = inventory::iter::<PolicyReference>().copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Says that the program uses a policy by name, so that
/// [`referenced_policies`](crate::policy::referenced_policies) lists it. `#[retry("name")]` does so by
/// itself; this is for names that your own code looks up with `Policies::get`. The name of a policy
/// with a `breaker` or an `attempt_timeout` has no place here, since `Policies::check_references`
/// asks for plain handles; take that handle where the program starts.
///
/// ```
/// persevere::policy_reference! { name: "nightly", operation: "backup" }
/// assert!(persevere::policy::referenced_policies().iter().any(|used| used.name == "nightly"));
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! policy_reference {
    (name: $name:expr, operation: $operation:expr $(,)?) => {
        $crate::macro_support::inventory::submit! {
            $crate::policy::PolicyReference::new($name, $operation)
        }
    };
}

/// Names that the program uses and its policies do not serve.
#[cfg(feature = "config")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub struct ReferencesError {
    refusals: Vec<(PolicyReference, PolicyError)>,
}

#[cfg(feature = "config")]
impl ReferencesError {
    /// Each use of a name, and why there is no plain handle for it: at least one.
    #[must_use]
    pub fn refusals(&self) -> &[(PolicyReference, PolicyError)] {
        &self.refusals
    }
}

/// One line for each.
#[cfg(feature = "config")]
impl fmt::Display for ReferencesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (used, error)) in self.refusals.iter().enumerate() {
            let between = if index > 0 { "\n" } else { "" };
            let PolicyReference { name, operation } = used;
            write!(f, "{between}`{operation}` is retried by the policy `{name}`, but {error}")?;
        }
        Ok(())
    }
}

#[cfg(feature = "config")]
impl std::error::Error for ReferencesError {}

/// See [`Policies::check_references`].
#[cfg(feature = "config")]
pub(super) fn check(policies: &Policies) -> Result<(), ReferencesError> {
    let refusal = |used: PolicyReference| Some((used, policies.get_referenced(used.name).err()?));
    let refusals: Vec<_> = referenced_policies().into_iter().filter_map(refusal).collect();
    if refusals.is_empty() { Ok(()) } else { Err(ReferencesError { refusals }) }
}
