//! [`Rules`]: which outcomes are retried, and after which delay. The first slot of a policy.
//!
//! A backoff alone is rules: it retries every error. `.when(f)` makes [`When`] of the rules before,
//! `.until(f)` makes [`Until`], and `.classifier(c)` makes [`Ask`]. A policy and its call sites wrap
//! rules alike, so the rules of a call site decide before those of its policy.

use core::fmt;
use core::time::Duration;

use crate::classify::stricter;
use crate::{Attempt, Backoff, Classifier, DelayBounds, Finite, Limits, Outcome, Verdict};

/// Which outcomes are retried, and after which delay.
///
/// Implemented by every [`Backoff`], by the wrappers that the setters of a policy make, and by
/// policies whose rules can change while they are used.
#[doc(hidden)]
pub trait Rules {
    /// The copy that a call takes when it begins, and keeps to its end: `()` unless rules can change.
    type Form;
    /// The backoff.
    type Backoff: Backoff + ?Sized;
    /// Whether classifiers see the [`Attempt`], and may draw from its random stream.
    const SEES_ATTEMPT: bool;
    /// The form of a call that has not begun.
    fn idle(&self) -> Self::Form;
    /// Takes what the call keeps to its end.
    fn begin(&self, form: &mut Self::Form);
    /// Returns the backoff of the call.
    fn backoff<'a>(&'a self, form: &'a Self::Form) -> &'a Self::Backoff;
}

/// The meaning of an outcome.
#[derive(Debug)]
#[doc(hidden)]
pub enum Whole {}

/// The part that remains where an outer `.when` has decided that an error is retried: its delay, and
/// whether an inner classifier forbids it. Rules that need the error type only to decide about errors (by
/// `Kinded`) do without it here.
#[derive(Debug)]
#[doc(hidden)]
pub enum Delays {}

/// Rules that classify outcomes `O`: `Q` is [`Whole`] or [`Delays`].
#[doc(hidden)]
pub trait Classify<O, Q>: Rules {
    /// Returns the verdict, or `None` for no opinion.
    fn classify(&self, form: &Self::Form, outcome: &O, attempt: &Attempt) -> Option<Verdict>;
}

/// Rules for calls that make `O`. A trait of its own, for the message of its diagnostic.
#[diagnostic::on_unimplemented(
    message = "this policy cannot decide which outcomes of type `{O}` to retry",
    label = "the rules of the policy are for another type of outcome",
    note = "a named policy retries errors by their kinds: derive or implement `Kinded` for the error type, or add `.when(|error| ..)` to the call (in `#[retry]`: `when = |error| ..`)",
    note = "an operation makes a `Result`, an `Option`, a `ControlFlow`, or a type that implements `Outcome`",
    note = "a policy's `.when(|error: &E| ..)`, `.until(|value: &V| ..)` and classifiers are for calls with that error, value or outcome"
)]
#[doc(hidden)]
pub trait RulesFor<O>: Classify<O, Whole> {}

#[diagnostic::do_not_recommend]
impl<O, S: Classify<O, Whole>> RulesFor<O> for S {}

/// Rules whose retries end.
#[doc(hidden)]
pub trait FiniteRules: Rules<Backoff: Finite> {}

#[diagnostic::do_not_recommend]
impl<S: Rules<Backoff: Finite>> FiniteRules for S {}

impl<B: Backoff> Rules for B {
    type Form = ();
    type Backoff = B;
    const SEES_ATTEMPT: bool = false;
    #[inline(always)]
    fn idle(&self) {}
    #[inline(always)]
    fn begin(&self, (): &mut ()) {}
    #[inline(always)]
    fn backoff<'a>(&'a self, (): &'a ()) -> &'a B {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<O: Outcome, B: Backoff, Q> Classify<O, Q> for B {
    #[inline(always)]
    fn classify(&self, (): &(), outcome: &O, _: &Attempt) -> Option<Verdict> {
        Some(if outcome.as_result().is_ok() { Verdict::Accept } else { Verdict::Retry })
    }
}

/// `.when(|error| ..)`: decides whether an error is retried. Delays and values are left to `S`.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct When<S, F>(S, F);

/// `.until(|value| ..)`: accepts these values and retries all others, with the delay of `S` unless `S`
/// forbids it. Errors are left to `S`.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct Until<S, F>(S, F);

/// `.classifier(c)`: `C` decides before `S`.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Ask<S, C>(S, C);

/// The rules of a policy that a call borrows.
#[derive(Debug)]
#[doc(hidden)]
pub struct Ref<'a, S>(pub(crate) &'a S);

impl<S> Clone for Ref<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S> Copy for Ref<'_, S> {}

macro_rules! wrapper {
    ($Type:ident, $second:ident: $doc:literal) => {
        impl<S, X> $Type<S, X> {
            #[doc = $doc]
            #[must_use]
            #[inline(always)]
            pub const fn new(rules: S, $second: X) -> Self {
                $Type(rules, $second)
            }
        }
    };
}
wrapper!(When, predicate: "Retries the errors for which `predicate` returns `true`; also in a `const`.");
wrapper!(Until, predicate: "Accepts the values for which `predicate` returns `true`; also in a `const`.");
wrapper!(Ask, classifier: "Applies `classifier` before `rules`; also in a `const`.");

macro_rules! rules_of_first_field {
    ([$($generics:tt)*] $Type:ty, $sees_attempt:expr) => {
        impl<$($generics)*, S: Rules> Rules for $Type {
            type Form = S::Form;
            type Backoff = S::Backoff;
            const SEES_ATTEMPT: bool = $sees_attempt;
            #[inline(always)]
            fn idle(&self) -> S::Form {
                self.0.idle()
            }
            #[inline(always)]
            fn begin(&self, form: &mut S::Form) {
                self.0.begin(form);
            }
            #[inline(always)]
            fn backoff<'a>(&'a self, form: &'a S::Form) -> &'a S::Backoff {
                self.0.backoff(form)
            }
        }
    };
}
rules_of_first_field!([F] When<S, F>, S::SEES_ATTEMPT);
rules_of_first_field!([F] Until<S, F>, S::SEES_ATTEMPT);
rules_of_first_field!([C] Ask<S, C>, true);
rules_of_first_field!(['r] Ref<'r, S>, S::SEES_ATTEMPT);

#[diagnostic::do_not_recommend]
impl<O: Outcome, S, F> Classify<O, Whole> for When<S, F>
where
    S: Classify<O, Delays>,
    F: Fn(&O::Error) -> bool,
{
    #[inline(always)]
    fn classify(&self, form: &S::Form, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        match outcome.as_result() {
            Ok(_) => self.0.classify(form, outcome, attempt),
            Err(error) if !(self.1)(error) => Some(Verdict::Stop),
            Err(_) => Some(match self.0.classify(form, outcome, attempt) {
                Some(verdict @ (Verdict::RetryAfter(_) | Verdict::Stop | Verdict::Forbidden)) => {
                    verdict
                }
                _ => Verdict::Retry,
            }),
        }
    }
}

/// A `.when` within another has no opinion: the outer one decides.
#[diagnostic::do_not_recommend]
impl<O, S: Classify<O, Delays>, F> Classify<O, Delays> for When<S, F> {
    #[inline]
    fn classify(&self, form: &S::Form, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        self.0.classify(form, outcome, attempt)
    }
}

#[diagnostic::do_not_recommend]
impl<O: Outcome, Q, S, F> Classify<O, Q> for Until<S, F>
where
    S: Classify<O, Q>,
    F: Fn(&O::Value) -> bool,
{
    #[inline(always)]
    fn classify(&self, form: &S::Form, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        match outcome.as_result() {
            Ok(value) if (self.1)(value) => Some(Verdict::Accept),
            Ok(_) => Some(match self.0.classify(form, outcome, attempt) {
                Some(verdict @ (Verdict::RetryAfter(_) | Verdict::Forbidden)) => verdict,
                _ => Verdict::Retry,
            }),
            Err(_) => self.0.classify(form, outcome, attempt),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<O, S: Classify<O, Whole>, C: Classifier<O>> Classify<O, Whole> for Ask<S, C> {
    #[inline]
    fn classify(&self, form: &S::Form, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        let verdict = self.1.classify(outcome, attempt);
        verdict.or_else(|| self.0.classify(form, outcome, attempt))
    }
}

#[diagnostic::do_not_recommend]
impl<O: Outcome, S: Classify<O, Delays>, C: Classifier<O>> Classify<O, Delays> for Ask<S, C> {
    #[inline]
    fn classify(&self, form: &S::Form, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        // `.when` decides about errors only.
        let inner = || self.0.classify(form, outcome, attempt);
        match outcome.as_result() {
            Ok(_) => self.1.classify(outcome, attempt).or_else(inner),
            Err(_) => stricter(self.1.restrict(outcome, attempt), inner),
        }
    }
}

impl<O, Q, S: Classify<O, Q>> Classify<O, Q> for Ref<'_, S> {
    #[inline(always)]
    fn classify(&self, form: &S::Form, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        self.0.classify(form, outcome, attempt)
    }
}

/// The backoff of rules as they are now.
#[doc(hidden)]
pub struct CurrentBackoff<'a, S: Rules> {
    rules: &'a S,
    form: S::Form,
}

impl<'a, S: Rules> CurrentBackoff<'a, S> {
    pub(super) fn of(rules: &'a S) -> Self {
        let mut form = rules.idle();
        rules.begin(&mut form);
        CurrentBackoff { rules, form }
    }
}

impl<S: Rules> Backoff for CurrentBackoff<'_, S> {
    fn delay(&self, attempt: &Attempt) -> Option<Duration> {
        self.rules.backoff(&self.form).delay(attempt)
    }
    fn delay_nanos(&self, attempt: &Attempt) -> Option<u64> {
        self.rules.backoff(&self.form).delay_nanos(attempt)
    }
    fn bounds(&self, attempt: u32) -> Option<DelayBounds> {
        self.rules.backoff(&self.form).bounds(attempt)
    }
    fn limits(&self) -> Limits {
        self.rules.backoff(&self.form).limits()
    }
    fn reads_clock(&self) -> bool {
        self.rules.backoff(&self.form).reads_clock()
    }
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.backoff(&self.form).describe(f)
    }
}

impl<S: Rules> fmt::Debug for CurrentBackoff<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentBackoff").finish_non_exhaustive()
    }
}

/// Closures have no `Debug`; the rules inside have.
macro_rules! debug {
    ($($Type:ident),*) => { $(
        impl<S: fmt::Debug, F> fmt::Debug for $Type<S, F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($Type)).field(&self.0).finish_non_exhaustive()
            }
        }
    )* };
}
debug!(When, Until);
