//! [`Policies`]: named policies, from any figment, and their updates.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::prelude::v1::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use figment::Figment;

use super::Policy;
use super::config::{ConfigError, Nearest, Problem, listed, nearest};
use super::current::{Slot, Snapshot};
use super::guards::BySettings;
use super::handle::{GuardedHandle, Live, PolicyHandle};
use super::kind_registry::KindRegistry;
use super::overrides::Overrides;
use super::section::{DEFAULT_POLICY, Section, Terms};
use super::updates::{Listener, Update, UpdateEvent};
use crate::classify::Kinded;
use crate::hook::discard_panic;
use crate::time::{Clock, SharedClock};

/// Named policies: loaded from a figment, handed out by name, and followed while the program runs.
///
/// A figment is layered: a settings file, environment variables, Consul, with profiles. The section
/// lies at a path inside it; [`config`](super::config) says what it may hold, with the table of
/// defaults. Figment gives variables of the environment to the profile `default`; `.global()` puts
/// them over every other profile too.
///
/// ```
/// use figment::{Figment, providers::{Env, Format, Toml}};
/// use persevere::{RetryExt, policy::Policies};
///
/// let settings = r#"
///     [default.resilience.retry.default_policy]
///     attempts = 3
///     wait_min_seconds = 0.001
///
///     [default.resilience.retry.policies.fast_retry]
///     attempts = 5
/// "#;
/// let figment = Figment::from(Toml::string(settings).nested())
///     .merge(Env::prefixed("APP_").split("__").global());
/// let policies = Policies::load(&figment, "resilience.retry")?;
/// assert_eq!(policies.names(), ["default_policy", "fast_retry"]);
///
/// let fast = policies.get("fast_retry")?;
/// let error = (|| Err::<(), _>(std::io::Error::other("busy")))
///     .retry_with(&fast)
///     .report()
///     .call()
///     .unwrap_err();
/// assert_eq!(error.attempts(), 5);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Updates
///
/// [`reload`](Policies::reload) and [`follow`](Policies::follow) bring new settings to all handles,
/// also to those that were handed out before. A call takes one immutable form of its policy when it
/// begins and keeps it to its end. An update is taken as a whole or refused as a whole: if anything
/// in it is wrong, the last good one stays in force, and the refusal is
/// [told](PoliciesBuilder::on_update) and [kept](Policies::last_error). A policy that disappears
/// keeps its last good form for the handles that hold it, and the update
/// [says so](Update::removed); what turns all policies off, turns it off too. Budgets and breakers
/// keep their state over updates that do not change their settings.
///
/// # Two kinds of handles
///
/// `attempt_timeout` and `breaker` may end a call that has no outcome of its own. A plain handle,
/// from [`get`](Policies::get), serves every outcome, so it is refused for such a policy; and as long as
/// the program holds one, updates that would make it such a policy are refused. A
/// [`GuardedHandle`], from [`get_guarded`](Policies::get_guarded), accepts both, and needs
/// `From<Interrupted>` for the error type, or [`.or_interrupted(..)`](crate::Retry::or_interrupted), or
/// [`.report()`](crate::Retry::report).
///
/// An `attempt_timeout` cannot end an attempt that blocks. The first blocking call or
/// `run_with` of such a policy reports that once, as [`UpdateEvent::Ineffective`].
///
/// | default | |
/// |---|---|
/// | error kinds | not checked until a type is [announced](PoliciesBuilder::kinds_of) or [checked](PolicyHandle::check_kinds) |
/// | revision | 1; each update that changes something adds one |
///
/// **Do** announce the error types of your program, so that a misspelt kind is refused when it is
/// loaded and not noticed when it is needed. **Do** take handles once, where the program starts, and
/// keep them; a name that is not there is then found at once. **Don't** read settings one by one in
/// your code: a call would see half an update.
#[derive(Clone)]
pub struct Policies {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    path: String,
    terms: Terms,
    listeners: Vec<Listener>,
    state: Mutex<State>,
}

struct State {
    revision: u64,
    section: Arc<Section>,
    /// The places of the policies that were asked for.
    slots: BTreeMap<String, Arc<Slot>>,
    /// Those that handles with settings of their own have.
    derived: Vec<Weak<Slot>>,
    refused: u64,
    last_error: Option<Arc<ConfigError>>,
    /// What is not told yet, in the order in which it came to be.
    untold: VecDeque<News>,
    /// Whether somebody tells it.
    telling: bool,
}

/// What settings have to be where code asks for a plain handle.
const ASKED: &str = "none, since calls of a plain handle always end with an outcome of \
                     their own (`get_guarded` accepts it)";

/// An update that was taken, or the revision that stays and why.
type News = Result<Update, (u64, Arc<ConfigError>)>;

/// What [`Policies`] are told before they are loaded. Made by [`Policies::builder`].
#[must_use = "nothing is loaded until `.load(..)`"]
#[derive(Default)]
pub struct PoliciesBuilder {
    terms: Terms,
    listeners: Vec<Listener>,
}

impl PoliciesBuilder {
    /// Announces an error type: from now on, `exceptions` may only name kinds that one of the
    /// announced types knows, at load and at every reload.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::policy::Policies;
    ///
    /// let figment = Figment::from(Toml::string("[default_policy]\nexceptions = ['TimdOut']"));
    /// let error = Policies::builder().kinds_of::<std::io::Error>().load(&figment, "").unwrap_err();
    /// assert_eq!(error.problems()[0].nearest(), Some("TimedOut"));
    /// ```
    pub fn kinds_of<E: Kinded>(mut self) -> Self {
        self.terms.known.announce::<E>();
        self
    }

    /// Calls `listener` after every update, taken or refused. Several are called in the order in
    /// which they were added; one that panics does not keep the others from being called.
    ///
    /// Updates are told one at a time, in the order in which they came into force. A listener may
    /// take handles, and bring an update itself: that is told when all have heard of this one.
    /// Where two threads bring updates at once, one of them may tell both.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::policy::{Policies, UpdateEvent};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let log = Arc::new(Mutex::new(vec![]));
    /// let said = log.clone();
    /// let policies = Policies::builder()
    ///     .on_update(move |event: &UpdateEvent<'_>| said.lock().unwrap().push(event.to_string()))
    ///     .load(&Figment::from(Toml::string("[default_policy]")), "")?;
    /// let _ = policies.reload(&Figment::from(Toml::string("default_policy.attempts = 4")));
    /// let _ = policies.reload(&Figment::from(Toml::string("default_policy.attempts = 0")));
    /// assert_eq!(*log.lock().unwrap(), [
    ///     "revision 2 of the retry policies: changed `default_policy`",
    ///     "an update of the retry policies was refused, revision 2 stays in force: \
    ///      the retry policies are not valid: `default_policy.attempts` is 0, \
    ///      expected a whole number of at least 1 (TOML source string, profile `default`)",
    /// ]);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_update(
        mut self,
        listener: impl Fn(&UpdateEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// Lets the budgets and breakers of the settings tell the time by `clock` instead of the
    /// [`DefaultTimer`](crate::DefaultTimer): in tests, the virtual one that
    /// [`PolicyHandle::timer`] is given too.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::{policy::Policies, time::VirtualClock};
    /// use std::time::Duration;
    ///
    /// let settings = "default_policy = { attempts = 1, breaker = { failures = 1 } }";
    /// let clock = VirtualClock::new();
    /// let policies = Policies::builder()
    ///     .clock(clock.clone())
    ///     .load(&Figment::from(Toml::string(settings)), "")?;
    /// let policy = policies.get_guarded("default_policy")?;
    /// let mut attempts = policy.try_start::<Option<()>>()?;
    /// assert!(attempts.check_blocking(None).is_break());
    /// assert!(policy.try_start::<Option<()>>().is_err());
    /// clock.advance(Duration::from_secs(30));
    /// assert!(policy.try_start::<Option<()>>().is_ok());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock<T: Clock + Send + Sync + 'static>(mut self, clock: T) -> Self {
        self.terms.clock = Some(SharedClock::of(clock));
        self
    }

    /// Loads the section at `path` inside `figment`: keys separated by dots, or nothing for the root.
    ///
    /// # Errors
    /// All that is wrong with it. That it is not there is an error too; an empty table will do.
    pub fn load(self, figment: &Figment, path: &str) -> Result<Policies, ConfigError> {
        let Terms { known, clock } = &self.terms;
        let section = Section::read(figment, path, clock.as_ref(), |_| known.clone())
            .map_err(ConfigError::new)?;
        let state = State {
            revision: 1,
            section: Arc::new(section),
            slots: BTreeMap::new(),
            derived: Vec::new(),
            refused: 0,
            last_error: None,
            untold: VecDeque::new(),
            telling: false,
        };
        super::updates::publish_revision(path, state.revision);
        let PoliciesBuilder { terms, listeners } = self;
        let (path, state) = (path.to_owned(), Mutex::new(state));
        Ok(Policies { shared: Arc::new(Shared { path, terms, listeners, state }) })
    }
}

impl Policies {
    /// Loads the section at `path` inside `figment`: keys separated by dots, or nothing for the root.
    ///
    /// # Errors
    /// All that is wrong with it. That it is not there is an error too; an empty table will do.
    pub fn load(figment: &Figment, path: &str) -> Result<Self, ConfigError> {
        Self::builder().load(figment, path)
    }

    /// Announces error types and listeners before anything is loaded.
    pub fn builder() -> PoliciesBuilder {
        PoliciesBuilder::default()
    }

    /// The names of all policies of the current revision, the default one first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().section.names().map(str::to_owned).collect()
    }

    /// A plain handle of the policy called `name`, for any outcome. `"default_policy"` is the
    /// default one.
    ///
    /// # Errors
    /// There is no such policy, or it may end a call without an outcome; see
    /// [`get_guarded`](Policies::get_guarded).
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::policy::Policies;
    ///
    /// let figment = Figment::from(Toml::string("policies.fast_retry.attempts = 5"));
    /// let policies = Policies::load(&figment, "")?;
    /// assert_eq!(
    ///     policies.get("fast_rety").unwrap_err().to_string(),
    ///     "there is no retry policy `fast_rety`: did you mean `fast_retry`? \
    ///      There are `default_policy`, `fast_retry`",
    /// );
    /// # Ok::<_, persevere::policy::config::ConfigError>(())
    /// ```
    pub fn get(&self, name: &str) -> Result<PolicyHandle, PolicyError> {
        let mut state = self.state();
        let slot = state.slot(name, &self.shared)?;
        let section = &state.section;
        let refused: Vec<_> = match slot.overrides.plan(section, name) {
            Ok(plan) => {
                plan.interrupting(ASKED).map(|problem| section.locate(name, problem)).collect()
            }
            Err(_) => Vec::new(),
        };
        if !refused.is_empty() {
            return Err(PolicyError::Refused(ConfigError::new(refused)));
        }
        Ok(self.plain(slot))
    }

    fn plain(&self, slot: Arc<Slot>) -> PolicyHandle {
        Policy::handle(Live::plain(slot, Arc::downgrade(&self.shared)), ())
    }

    /// A handle of the policy called `name`, whose calls may end without an outcome.
    ///
    /// # Errors
    /// There is no such policy.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::policy::{Policies, PolicyError};
    ///
    /// let figment = Figment::from(Toml::string("policies.slow.attempt_timeout = '5s'"));
    /// let policies = Policies::load(&figment, "")?;
    /// assert!(policies.get_guarded("slow").is_ok());
    /// assert!(matches!(policies.get("slow"), Err(PolicyError::Refused(_))));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_guarded(&self, name: &str) -> Result<GuardedHandle, PolicyError> {
        let slot = self.state().slot(name, &self.shared)?;
        let live = Live::guarded(slot, Arc::downgrade(&self.shared));
        Ok(Policy::handle(live, BySettings::new()))
    }

    /// Returns the handle for a name in code, which is a plain one forever. If the policy is gone: its
    /// last good settings, if code referred to it before.
    pub(super) fn get_referenced(&self, name: &str) -> Result<PolicyHandle, PolicyError> {
        let handle = self.get(name).or_else(|error| {
            let kept = self.state().slots.get(name).filter(|slot| slot.is_plain()).cloned();
            kept.map(|slot| self.plain(slot)).ok_or(error)
        })?;
        if let Some(slot) = self.state().slots.get(name) {
            slot.set_referenced();
        }
        Ok(handle)
    }

    /// A plain handle of the default policy.
    ///
    /// # Errors
    /// It may end a call without an outcome; see [`get_guarded`](Policies::get_guarded).
    pub fn default_policy(&self) -> Result<PolicyHandle, PolicyError> {
        self.get(DEFAULT_POLICY)
    }

    /// How often the settings changed, and one: 1 for those that were loaded first.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.state().revision
    }

    /// How many updates were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.state().refused
    }

    /// Why the last update was refused; `None` if it was taken.
    #[must_use]
    pub fn last_error(&self) -> Option<Arc<ConfigError>> {
        self.state().last_error.clone()
    }

    /// Takes the settings of `figment` for all handles, or refuses all of them.
    ///
    /// # Errors
    /// All that is wrong with the update. The last good settings stay in force.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use persevere::policy::Policies;
    ///
    /// let toml = |text: &str| Figment::from(Toml::string(text));
    /// let policies = Policies::load(&toml("default_policy.attempts = 3"), "")?;
    /// let handle = policies.default_policy()?;
    /// let update = policies.reload(&toml("default_policy.attempts = 4"))?;
    /// assert_eq!((update.revision(), update.changed()), (2, &["default_policy".to_owned()][..]));
    ///
    /// assert!(policies.reload(&toml("default_policy.attempts = -4")).is_err());
    /// assert!(policies.last_error().is_some());
    /// assert_eq!((policies.revision(), handle.revision()), (2, 2));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn reload(&self, figment: &Figment) -> Result<Update, ConfigError> {
        let Shared { path, terms, .. } = &*self.shared;
        let known_of = |name: &str| self.shared.known_of(name);
        let read = Section::read(figment, path, terms.clock.as_ref(), known_of);
        let news = self.state().take(read);
        self.tell();
        news.map_err(|(_, error)| Arc::unwrap_or_clone(error))
    }

    /// Tells what is not told yet. Only one thread does so at a time, for all, and not while it is
    /// at it already: else a revision could be heard of after the one that followed it.
    fn tell(&self) {
        let mut state = self.state();
        if state.telling {
            return;
        }
        state.telling = true;
        while let Some(news) = state.untold.pop_front() {
            drop(state);
            let event = match &news {
                Ok(update) => UpdateEvent::Applied(update),
                Err((revision, error)) => UpdateEvent::Refused { revision: *revision, error },
            };
            self.shared.publish(&event);
            state = self.state();
        }
        state.telling = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls all listeners. A panic of one is not that of the code which brought the update.
    pub(super) fn publish(&self, event: &UpdateEvent<'_>) {
        discard_panic(|| event.publish(&self.path));
        for listener in &self.listeners {
            discard_panic(|| listener(event));
        }
    }

    /// The error kinds that a policy may name: those of the announced types, and of those that its
    /// handles were checked for.
    fn known_of(&self, name: &str) -> KindRegistry {
        let slot = self.state().slots.get(name).cloned();
        match slot {
            Some(slot) => slot.checked(),
            None => self.terms.known.clone(),
        }
    }

    /// A place beside `base` with settings of its own, which follows updates as that does.
    pub(super) fn derive(&self, base: &Slot, overrides: Overrides) -> Arc<Slot> {
        // Locked before it is made, so that no update comes between the two.
        let mut state = self.state();
        let slot = Arc::new(base.under(overrides));
        state.derived.retain(|derived| derived.strong_count() > 0);
        state.derived.push(Arc::downgrade(&slot));
        slot
    }

    /// Checks a policy for more error types, from now on at every update.
    pub(super) fn check(&self, slot: &Slot, more: &KindRegistry) -> Result<(), ConfigError> {
        let state = self.state();
        slot.check(more, |problem| state.section.locate(&slot.name, problem))
    }
}

impl State {
    /// The place of a policy, made when it is first asked for.
    fn slot(&mut self, name: &str, shared: &Arc<Shared>) -> Result<Arc<Slot>, PolicyError> {
        if self.section.policy(name).is_none() {
            return Err(PolicyError::unknown(name, &self.section));
        }
        if let Some(slot) = self.slots.get(name) {
            return Ok(slot.clone());
        }
        let (known, weak) = (&shared.terms.known, Arc::downgrade(shared));
        let slot = Slot::new(name, &self.section, self.revision, known, weak);
        let slot =
            Arc::new(slot.map_err(|problems| PolicyError::Refused(ConfigError::new(problems)))?);
        self.slots.insert(name.to_owned(), slot.clone());
        Ok(slot)
    }

    /// Takes a section in place of the current one, if it is good for every handle.
    fn take(&mut self, read: Result<Section, Vec<Problem>>) -> News {
        let staged = read.and_then(|section| {
            let stage = self.stage(&section)?;
            Ok((section, stage))
        });
        let (section, stage) = match staged {
            Ok(staged) => staged,
            Err(problems) => {
                let error = Arc::new(ConfigError::new(problems));
                self.refused += 1;
                self.last_error = Some(error.clone());
                let news = Err((self.revision, error));
                self.untold.push_back(news.clone());
                return news;
            }
        };
        let was_refused = self.last_error.take().is_some();
        let update = Update::between(&self.section, &section, self.revision);
        if !update.is_unchanged() {
            for (slot, snapshot) in stage {
                slot.current.store(Arc::new(snapshot));
            }
            self.revision = update.revision();
        }
        // Who heard of a refusal hears that it is over.
        if was_refused || !update.is_unchanged() {
            self.untold.push_back(Ok(update.clone()));
        }
        // Also where it says the same: it may come from elsewhere, as messages say.
        self.section = Arc::new(section);
        Ok(update)
    }

    /// The next form of every policy that anybody holds, or all that is wrong.
    #[allow(clippy::type_complexity, reason = "each place with what goes there")]
    fn stage(&self, section: &Section) -> Result<Vec<(Arc<Slot>, Snapshot)>, Vec<Problem>> {
        let (mut stage, mut problems) = (Vec::new(), Vec::new());
        let revision = self.revision + 1;
        let derived = self.derived.iter().filter_map(Weak::upgrade);
        // The places that were asked for by name come first: what is derived of them shares their
        // budgets and breakers.
        for slot in self.slots.values().cloned().chain(derived) {
            let base = stage.iter().find(|(base, _): &&(Arc<Slot>, _)| base.name == slot.name);
            let next = slot.next(section, revision, base.map(|(_, snapshot)| snapshot));
            match next {
                Some(Ok(snapshot)) => stage.push((slot, snapshot)),
                Some(Err(found)) => {
                    found.into_iter().for_each(|problem| problem.tell_once(&mut problems));
                }
                None => {}
            }
        }
        if problems.is_empty() { Ok(stage) } else { Err(problems) }
    }
}

/// Why there is no handle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// There is no policy of that name.
    #[error("there is no retry policy `{name}`{} There are {}", Nearest(.nearest.as_deref()), listed(.known.iter().map(String::as_str)))]
    #[non_exhaustive]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
        /// The known name that is most like it, if one is.
        nearest: Option<String>,
    },
    /// The policy may end a call without an outcome, which a plain handle refuses.
    #[error("{}", .0.reasons_for("there is no plain handle of this policy"))]
    Refused(ConfigError),
}

impl PolicyError {
    fn unknown(name: &str, section: &Section) -> Self {
        let known = section.names().map(str::to_owned).collect();
        PolicyError::Unknown {
            name: name.to_owned(),
            known,
            nearest: nearest(name, section.names()),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("revision", &self.revision())
            .field("names", &self.names())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PoliciesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoliciesBuilder").finish_non_exhaustive()
    }
}
