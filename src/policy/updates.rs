//! What is said of an update.

use std::fmt;
use std::prelude::v1::*;

use super::config::{ConfigError, listed};
use super::section::Section;

pub(super) type Listener = Box<dyn Fn(&UpdateEvent<'_>) + Send + Sync>;

/// What an update changed. Made by [`Policies::reload`](super::Policies::reload).
///
/// ```
/// use figment::{Figment, providers::{Format, Toml}};
/// use persevere::policy::Policies;
///
/// let toml = |text: &str| Figment::from(Toml::string(text));
/// let policies = Policies::load(&toml("policies.a = {}\npolicies.b = {}"), "")?;
/// let update = policies.reload(&toml("policies.b.attempts = 9\npolicies.c = {}"))?;
/// assert_eq!(update.to_string(), "changed `b`, added `c`, removed `a`");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    revision: u64,
    changed: Vec<String>,
    added: Vec<String>,
    removed: Vec<String>,
}

impl Update {
    pub(super) fn between(old: &Section, new: &Section, revision: u64) -> Self {
        let own = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let is_in = |section: &Section, name: &str| section.policy(name).is_some();
        let both = new.names().filter(|name| is_in(old, name) && !old.agrees(new, name));
        let mut update = Update {
            revision,
            changed: own(both.collect()),
            added: own(new.names().filter(|name| !is_in(old, name)).collect()),
            removed: own(old.names().filter(|name| !is_in(new, name)).collect()),
        };
        if !update.is_unchanged() {
            update.revision += 1;
        }
        update
    }

    /// The revision that is in force now.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The policies that are not what they were.
    #[must_use]
    pub fn changed(&self) -> &[String] {
        &self.changed
    }

    /// The policies that were not there before.
    #[must_use]
    pub fn added(&self) -> &[String] {
        &self.added
    }

    /// The policies that are no longer there. Handles keep their last good form, and follow again
    /// if they come back.
    #[must_use]
    pub fn removed(&self) -> &[String] {
        &self.removed
    }

    /// Whether nothing changed, so that the revision is the same.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unchanged() {
            return f.write_str("changed nothing");
        }
        let mut between = "";
        for (what, names) in
            [("changed", &self.changed), ("added", &self.added), ("removed", &self.removed)]
        {
            if !names.is_empty() {
                write!(f, "{between}{what} {}", listed(names.iter().map(String::as_str)))?;
                between = ", ";
            }
        }
        Ok(())
    }
}

/// An update was applied or refused, or a setting has no effect; see
/// [`on_update`](super::PoliciesBuilder::on_update).
///
/// With the feature `tracing`, each is an event too, of target `persevere::policies`: at level info
/// if it was applied, warn if policies were removed or a setting has no effect, error if it was refused. With the feature
/// `metrics`, the counter `persevere_policy_updates_total` has the label `result`: `applied` or
/// `refused`; and the gauge `persevere_policy_revision` is the revision in force, from the first on.
/// All have the path of the policies as the label or field `section`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum UpdateEvent<'a> {
    /// It is in force. An update that changes nothing is told only if the one before it was refused:
    /// all is well again.
    Applied(&'a Update),
    /// Nothing of it is in force.
    #[non_exhaustive]
    Refused {
        /// The revision that stays.
        revision: u64,
        /// All that is wrong with it.
        error: &'a ConfigError,
    },
    /// A setting has no effect: a policy with an `attempt_timeout` is used by a call that blocks. It is
    /// reported at the first such call of a policy, and no update.
    #[non_exhaustive]
    Ineffective {
        /// The name of the policy.
        policy: &'a str,
        /// The key of the setting.
        key: &'static str,
    },
}

impl UpdateEvent<'_> {
    /// Says it to those who are always told.
    pub(super) fn publish(&self, section: &str) {
        #[cfg(not(any(feature = "tracing", feature = "metrics")))]
        let _ = section;
        #[cfg(feature = "tracing")]
        match self {
            UpdateEvent::Applied(update) => {
                let revision = i64::try_from(update.revision).unwrap_or(i64::MAX);
                if update.removed.is_empty() {
                    tracing::info!(target: "persevere::policies", section, revision, "{self}");
                } else {
                    tracing::warn!(target: "persevere::policies", section, revision, "{self}");
                }
            }
            UpdateEvent::Refused { revision, .. } => {
                let revision = i64::try_from(*revision).unwrap_or(i64::MAX);
                tracing::error!(target: "persevere::policies", section, revision, "{self}");
            }
            UpdateEvent::Ineffective { policy, .. } => {
                tracing::warn!(target: "persevere::policies", section, policy, "{self}");
            }
        }
        #[cfg(feature = "metrics")]
        {
            let (result, revision) = match self {
                UpdateEvent::Applied(update) => ("applied", update.revision),
                UpdateEvent::Refused { revision, .. } => ("refused", *revision),
                UpdateEvent::Ineffective { .. } => return,
            };
            let labels = [("section", section.to_owned()), ("result", result.to_owned())];
            metrics::counter!("persevere_policy_updates_total", &labels).increment(1);
            publish_revision(section, revision);
        }
    }
}

/// Says which revision is in force, to those who measure.
pub(super) fn publish_revision(section: &str, revision: u64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("persevere_policy_revision", "section" => section.to_owned())
        .set(revision as f64);
    #[cfg(not(feature = "metrics"))]
    let _ = (section, revision);
}

impl fmt::Display for UpdateEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpdateEvent::Applied(update) if update.is_unchanged() => write!(
                f,
                "an update of the retry policies is good again, revision {} stays in force",
                update.revision
            ),
            UpdateEvent::Applied(update) => {
                write!(f, "revision {} of the retry policies: {update}", update.revision)?;
                if !update.removed.is_empty() {
                    f.write_str(" (handles keep the last good form)")?;
                }
                Ok(())
            }
            UpdateEvent::Refused { revision, error } => write!(
                f,
                "an update of the retry policies was refused, revision {revision} stays in force: \
                 {error}"
            ),
            UpdateEvent::Ineffective { policy, key } => write!(
                f,
                "`{key}` of the retry policy `{policy}` has no effect on a blocking call or `run_with`: give the \
                 operation a timeout of its own"
            ),
        }
    }
}
