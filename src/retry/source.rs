//! What a call takes from a policy, and what it may be taken from.

use crate::backoff::{Backoff, Finite};
use crate::classify::OnError;
use crate::ends::Ends;
use crate::ends::Own;
use crate::time::DefaultTimer;

/// What a call holds of its policy: backoff and classifier by reference. Implement it together with
/// [`IntoPolicy`], for a policy that lies where a call cannot borrow it.
///
/// ```
/// use persevere::{DefaultTimer, Own, RetryExt, immediate};
/// use persevere::backoff::{Constant, MaxAttempts};
/// use persevere::classify::OnError;
/// use persevere::retry::{IntoPolicy, PolicyParts, Source};
/// use std::sync::{Arc, RwLock};
///
/// type Backoff = MaxAttempts<Constant>;
///
/// /// A backoff that may be replaced while calls go on: each keeps the one it began with.
/// struct Settings(RwLock<Arc<Backoff>>);
/// struct Snapshot(Arc<Backoff>);
///
/// impl Source for Snapshot {
///     type Backoff = Backoff;
///     type Classifier = OnError;
///     type Values = OnError;
///     fn backoff(&self) -> &Backoff { &self.0 }
///     fn classifier(&self) -> &OnError { &OnError }
///     fn values(&self) -> &OnError { &OnError }
/// }
/// impl IntoPolicy for &Settings {
///     type Source = Snapshot;
///     type Hooks = ();
///     type Ends = Own;
///     type Timer = DefaultTimer;
///     fn into_parts(self) -> PolicyParts<Snapshot, (), DefaultTimer> {
///         PolicyParts::new(Snapshot(self.0.read().unwrap().clone()), (), DefaultTimer)
///     }
/// }
///
/// let settings = Settings(RwLock::new(Arc::new(immediate().max_attempts(3))));
/// let error = (|| None::<u8>).retry_with(&settings).report().call().unwrap_err();
/// assert_eq!(error.attempts(), 3);
/// *settings.0.write().unwrap() = Arc::new(immediate().max_attempts(5));
/// let error = (|| None::<u8>).retry_with(&settings).report().call().unwrap_err();
/// assert_eq!(error.attempts(), 5);
/// ```
pub trait Source {
    /// The backoff.
    type Backoff: Backoff + ?Sized;
    /// The classifier of errors and values.
    type Classifier;
    /// What is asked about values where the call site speaks for all errors: usually the same
    /// classifier. A policy whose classifier needs to know the error type gives one here that
    /// does not.
    type Values;

    /// The backoff.
    fn backoff(&self) -> &Self::Backoff;
    /// The classifier.
    fn classifier(&self) -> &Self::Classifier;
    /// The classifier of values.
    fn values(&self) -> &Self::Values;
}

/// What [`retry_with`](crate::RetryExt::retry_with) takes: a finite backoff, a
/// [`Policy`](crate::Policy), a reference or an `Arc` to one, and other types that hold one.
///
/// ```
/// use persevere::{DefaultTimer, Own, Policy, RetryExt, immediate};
/// use persevere::backoff::{Constant, MaxAttempts};
/// use persevere::policy::{IntoPolicy, PolicyParts};
///
/// struct StorePolicy(Policy<MaxAttempts<Constant>>);
///
/// impl<'a> IntoPolicy for &'a StorePolicy {
///     type Source = &'a Policy<MaxAttempts<Constant>>;
///     type Hooks = ();
///     type Ends = Own;
///     type Timer = DefaultTimer;
///     fn into_parts(self) -> PolicyParts<Self::Source, (), DefaultTimer> {
///         (&self.0).into_parts()
///     }
/// }
///
/// let policy = StorePolicy(Policy::new(immediate().max_attempts(3)));
/// let error = (|| Err::<(), _>("busy")).retry_with(&policy).report().call().unwrap_err();
/// assert_eq!(error.attempts(), 3);
/// ```
#[diagnostic::on_unimplemented(
    message = "no retry can follow `{Self}`",
    label = "neither a backoff that stops, nor a policy that can be shared",
    note = "a backoff needs a limit: add `.max_attempts(5)` or `.max_elapsed(duration)`, or say `.forever()`",
    note = "for a dynamic backoff use `dyn Finite` instead of `dyn Backoff`, or add a limit outside; for your own backoff that ends by itself, `impl Finite for .. {{}}`",
    note = "the hooks of a policy that is shared (`&Policy`, `Arc<Policy>`) have to be `Clone`"
)]
pub trait IntoPolicy {
    /// Where the call finds backoff and classifier.
    type Source: Source;
    /// The hooks of the call.
    type Hooks;
    /// Whether the call may end without an outcome: [`Own`] or
    /// [`MayInterrupt`](crate::MayInterrupt).
    type Ends: Ends;
    /// The timer of the call.
    type Timer;

    /// Takes what one call needs.
    fn into_parts(self) -> PolicyParts<Self::Source, Self::Hooks, Self::Timer>;
}

/// What one call takes from a policy.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PolicyParts<S, H, T> {
    /// Where the call finds backoff and classifier.
    pub source: S,
    /// The hooks of the call.
    pub hooks: H,
    /// The timer of the call.
    pub timer: T,
    /// The seed of the call's random stream; `None`, the default, draws one at the first failure.
    pub seed: Option<u64>,
}

impl<S, H, T> PolicyParts<S, H, T> {
    /// These parts, and no seed.
    #[must_use]
    pub const fn new(source: S, hooks: H, timer: T) -> Self {
        PolicyParts { source, hooks, timer, seed: None }
    }

    /// The same with a seed, or without.
    #[must_use]
    pub fn with_seed(self, seed: Option<u64>) -> Self {
        PolicyParts { seed, ..self }
    }
}

/// A policy's backoff and classifier by value.
#[derive(Clone, Copy, Debug)]
pub struct Held<B, C> {
    backoff: B,
    classifier: C,
}

impl<B, C> Held<B, C> {
    pub(crate) const fn new(backoff: B, classifier: C) -> Self {
        Held { backoff, classifier }
    }
}

/// A source that has its backoff and its classifier in fields of these names.
macro_rules! source {
    ([$($generic:tt)*] $type:ty) => {
        impl<$($generic)*> $crate::retry::Source for $type
        where
            B: $crate::Backoff,
        {
            type Backoff = B;
            type Classifier = C;
            type Values = C;

            #[inline]
            fn backoff(&self) -> &B {
                &self.backoff
            }
            #[inline]
            fn classifier(&self) -> &C {
                &self.classifier
            }
            #[inline]
            fn values(&self) -> &C {
                &self.classifier
            }
        }
    };
}
pub(crate) use source;

source!([B, C] Held<B, C>);

impl<B: Finite> IntoPolicy for B {
    type Source = Held<B, OnError>;
    type Hooks = ();
    type Ends = Own;
    type Timer = DefaultTimer;

    #[inline]
    fn into_parts(self) -> PolicyParts<Self::Source, (), DefaultTimer> {
        PolicyParts::new(Held::new(self, OnError), (), DefaultTimer)
    }
}
