//! What a call takes from a policy, and what it may be taken from.

use crate::backoff::{Backoff, Finite};
use crate::classify::OnError;
use crate::ends::Ends;
use crate::ends::Own;
use crate::time::DefaultTimer;

/// What a call holds of its policy: backoff and classifier by reference.
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

/// What [`retry_with`](crate::RetryExt::retry_with) takes: a finite backoff, a [`Policy`](crate::Policy), a
/// reference or an `Arc` to one, and other types that hold one.
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
    /// The seed of the call's random stream; `None` draws one.
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

impl<B: Backoff, C> Source for Held<B, C> {
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
