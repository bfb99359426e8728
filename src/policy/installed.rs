//! The policies that a program installs, for code that names them: `#[retry("fast_retry")]`.

use std::ops::Deref;
use std::sync::OnceLock;

use super::handle::{Live, PolicyHandle};
use super::policies::{Policies, PolicyError};
use super::rules::Ref;
use super::section::DEFAULT_POLICY;
use super::{Borrowed, IntoPolicy};
use crate::time::DefaultTimer;

static INSTALLED: OnceLock<Policies> = OnceLock::new();

/// Why policies were not installed: others were before. A program installs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "retry policies are installed already; install once, at the start of the program, and bring changes with `Policies::reload`"
)]
#[non_exhaustive]
#[doc(hidden)]
pub struct InstallError;

impl Policies {
    /// Makes these the policies that `#[retry("name")]` and [`NamedPolicy`] use, in the whole program. Do
    /// it once, at the start of `main`.
    ///
    /// # Errors
    /// There are installed ones already.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::{RetryExt, policy::{NamedPolicy, Policies}};
    ///
    /// static FAST: NamedPolicy = NamedPolicy::new("fast_retry", "load");
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// Policies::load(&Figment::from(Toml::string("[policies.fast_retry]")), "")?.install()?;
    /// let outcome = (|| Ok::<_, std::io::Error>("loaded")).retry_with(&FAST).call()?;
    /// assert_eq!(outcome, "loaded");
    /// assert!(Policies::installed().is_some());
    /// # Ok(()) }
    /// ```
    pub fn install(&self) -> Result<(), InstallError> {
        INSTALLED.set(self.clone()).map_err(|_| InstallError)
    }

    /// The policies that the program installed.
    #[must_use]
    pub fn installed() -> Option<&'static Policies> {
        INSTALLED.get()
    }

    /// Checks that every name which `#[retry("name")]` uses anywhere in the program is that of a
    /// policy with a plain handle. Do it at the start, so that a missing one is found there and not
    /// at the first call.
    ///
    /// # Errors
    /// All that are missing, each with the function that names it.
    #[cfg(feature = "macros")]
    #[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
    pub fn check_references(&self) -> Result<(), super::references::ReferencesError> {
        super::references::check(self)
    }
}

/// A policy of the [installed](Policies::install) ones, by name: what `#[retry("name")]` makes. It
/// is looked up at the first call and then kept.
///
/// # Panics
/// A call panics if no policies are installed, or none of this name, or one that may end a call
/// without an outcome: there is no policy to fall back to in silence.
/// [`Policies::check_references`] finds all such names where the program starts. A policy that it
/// has found and that an update removes is there all the same, in its last good form.
///
/// ```should_panic
/// use persevere::{RetryExt, policy::NamedPolicy};
/// static FAST: NamedPolicy = NamedPolicy::new("fast_retry", "load");
/// let _ = (|| Ok::<_, std::io::Error>(())).retry_with(&FAST).call();
/// ```
#[derive(Debug)]
#[doc(hidden)]
pub struct NamedPolicy {
    name: &'static str,
    operation: &'static str,
    handle: OnceLock<PolicyHandle>,
}

impl NamedPolicy {
    /// The policy called `name`, for `operation`, which messages mention.
    #[must_use]
    pub const fn new(name: &'static str, operation: &'static str) -> Self {
        NamedPolicy { name, operation, handle: OnceLock::new() }
    }

    /// The default policy.
    #[must_use]
    pub const fn default_policy(operation: &'static str) -> Self {
        Self::new(DEFAULT_POLICY, operation)
    }

    /// The handle. Until there is one, each call looks again.
    #[inline]
    fn handle(&self) -> &PolicyHandle {
        self.handle.get_or_init(|| self.look_up())
    }

    #[cold]
    fn look_up(&self) -> PolicyHandle {
        let NamedPolicy { name, operation, .. } = self;
        let Some(policies) = Policies::installed() else {
            panic!(
                "`{operation}` is retried by the policy `{name}`, but no policies are installed: \
                 at the start of `main`, write `Policies::load(&figment, \"resilience.retry\")?\
                 .install()?`"
            )
        };
        match policies.get_referenced(name) {
            Ok(handle) => handle,
            Err(error @ PolicyError::Unknown { .. }) => panic!(
                "`{operation}` is retried by a policy that is not installed: {error}. Add it to the \
                 settings, and find all such names at the start with \
                 `Policies::check_references`"
            ),
            Err(error) => panic!("`{operation}` is retried by the policy `{name}`, but {error}"),
        }
    }
}

/// The uses of a policy, and its settings.
impl Deref for NamedPolicy {
    type Target = PolicyHandle;
    #[inline]
    fn deref(&self) -> &PolicyHandle {
        self.handle()
    }
}

impl super::into_policy::sealed::Policies for &NamedPolicy {}

impl<'a> IntoPolicy for &'a NamedPolicy {
    type Rules = Ref<'a, Live>;
    type Hooks = ();
    type Guards = ();
    type Timer = DefaultTimer;
    type Signals = ();
    #[inline]
    fn into_policy(self) -> Borrowed<'a, Live> {
        self.handle().by_ref()
    }
}
