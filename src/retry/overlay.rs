//! What a call site says about outcomes, over what its policy says.

use core::fmt;

use super::source::Source;
use crate::classify::When;
use crate::{Attempt, Classifier, Outcome, Verdict};

/// Keeps what a call site can say to the types of this module, which may change.
mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Inherit {}
    impl Sealed for super::Values {}
    impl<C, V> Sealed for super::Ask<C, V> {}
    impl<P, V> Sealed for super::Errors<P, V> {}
}
use sealed::Sealed;

/// The classifiers of a call site on top of a policy's: the call site speaks first, and where it
/// has no opinion the policy does.
pub trait Overlay<S, O>: Sealed {
    /// What `outcome` means, by the call site or else by the policy.
    fn verdict(&self, source: &S, outcome: &O, attempt: &Attempt) -> Option<Verdict>;
}

/// What is left of an overlay once errors are spoken for: the question about values.
pub trait ForValues: Sealed {
    /// The overlay that is asked about values only.
    type Values;
    /// Drops what would be asked about errors only.
    fn for_values(self) -> Self::Values;
}

/// Leaves everything to the policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inherit;

impl<O, S: Source<Classifier: Classifier<O>>> Overlay<S, O> for Inherit {
    #[inline]
    fn verdict(&self, source: &S, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        source.classifier().classify(outcome, attempt)
    }
}

impl ForValues for Inherit {
    type Values = Values;
    fn for_values(self) -> Values {
        Values
    }
}

/// Leaves values to the policy, which is not asked about errors: so it need not know this type of
/// error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values;

impl<O, S: Source<Values: Classifier<O>>> Overlay<S, O> for Values {
    #[inline]
    fn verdict(&self, source: &S, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        source.values().classify(outcome, attempt)
    }
}

impl ForValues for Values {
    type Values = Values;
    fn for_values(self) -> Values {
        Values
    }
}

/// Asks `C`, and then the rest.
#[derive(Clone, Copy)]
pub struct Ask<C, V> {
    pub(super) first: C,
    pub(super) rest: V,
}

impl<S, O, C: Classifier<O>, V: Overlay<S, O>> Overlay<S, O> for Ask<C, V> {
    #[inline]
    fn verdict(&self, source: &S, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        let first = self.first.classify(outcome, attempt);
        first.or_else(|| self.rest.verdict(source, outcome, attempt))
    }
}

impl<C, V: ForValues> ForValues for Ask<C, V> {
    type Values = Ask<C, V::Values>;
    fn for_values(self) -> Self::Values {
        Ask { first: self.first, rest: self.rest.for_values() }
    }
}

/// `.when`: has an opinion on every error, so what comes behind it sees values only.
#[derive(Clone, Copy)]
pub struct Errors<P, V> {
    pub(super) errors: When<P>,
    pub(super) values: V,
}

impl<S, O: Outcome, P: Fn(&O::Error) -> bool, V: Overlay<S, O>> Overlay<S, O> for Errors<P, V> {
    #[inline]
    fn verdict(&self, source: &S, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        let errors = self.errors.classify(outcome, attempt);
        errors.or_else(|| self.values.verdict(source, outcome, attempt))
    }
}

impl<P, V> ForValues for Errors<P, V> {
    type Values = V;
    fn for_values(self) -> V {
        self.values
    }
}

impl<P, V> fmt::Debug for Errors<P, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errors").finish_non_exhaustive()
    }
}

impl<C, V> fmt::Debug for Ask<C, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").finish_non_exhaustive()
    }
}

/// An overlay and its policy, as the one classifier that the engine asks.
pub(super) struct Both<'a, V, S>(pub(super) &'a V, pub(super) &'a S);

impl<O, S, V: Overlay<S, O>> Classifier<O> for Both<'_, V, S> {
    #[inline]
    fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        self.0.verdict(self.1, outcome, attempt)
    }
}
