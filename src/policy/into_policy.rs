//! The types that serve as a policy, and the bounds of functions that take any policy.

use super::Policy;
use super::rules::{Classify, Delays, Ref, Rules, RulesFor};
use crate::backoff::Finite;
use crate::guard::{BlockingGuards, EndsAs, GuardEvents, Guards};
use crate::hook::Hook;
use crate::time::signal::Signals;
use crate::time::{BlockingTimer, Clock, DefaultTimer, Timer};

/// The argument of [`retry_with`](crate::RetryExt::retry_with): a finite backoff, a [`Policy`], a reference
/// to a policy, an `Arc` of one, or a reference to such an `Arc`. It is implemented for these alone.
///
/// ```
/// use persevere::{Policy, RetryExt, StaticPolicy, immediate};
/// use std::sync::Arc;
///
/// static POLICY: StaticPolicy = Policy::new(&immediate().max_attempts(2));
/// let shared = Arc::new(Policy::new(immediate().max_attempts(3)));
///
/// let busy = || Err::<(), _>("busy");
/// let attempts = [
///     busy.retry_with(immediate().max_attempts(1)).report().call().unwrap_err().attempts(),
///     busy.retry_with(&POLICY).report().call().unwrap_err().attempts(),
///     busy.retry_with(&shared).report().call().unwrap_err().attempts(),
/// ];
/// assert_eq!(attempts, [1, 2, 3]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a retry policy",
    label = "neither a backoff that stops, nor a policy",
    note = "a backoff needs a limit: add `.max_attempts(5)`, `.max_elapsed(duration)` or `.forever()`",
    note = "for a number of attempts without delay, write `immediate().max_attempts(3)`",
    note = "hooks, guards, timer and signals of a policy that is shared (`&Policy`, `Arc<Policy>`) have to be `Clone`"
)]
pub trait IntoPolicy: Sized + sealed::Policies {
    /// The rules of the call.
    type Rules: Rules;
    /// The hooks of the call.
    type Hooks;
    /// The guards of the call.
    type Guards;
    /// The timer of the call.
    type Timer;
    /// The signals of the call.
    type Signals;

    /// Returns the policy that a call owns.
    fn into_policy(self) -> PolicyOf<Self>;
}

/// The policy of a call that is given a `P`: in the type of a field that holds a loop
/// ([`Attempts`](crate::Attempts)) or an [`Engine`](crate::Engine).
///
/// ```
/// use persevere::policy::PolicyOf;
/// use persevere::{Attempts, Policy, StaticPolicy, immediate};
///
/// static POLICY: StaticPolicy = Policy::new(&immediate().max_attempts(3));
///
/// struct Session {
///     attempts: Attempts<Option<u8>, PolicyOf<&'static StaticPolicy>>,
/// }
///
/// let mut session = Session { attempts: POLICY.start() };
/// assert!(session.attempts.check_blocking(None).is_continue());
/// assert_eq!(session.attempts.number(), 2);
/// ```
pub type PolicyOf<P> = Policy<
    <P as IntoPolicy>::Rules,
    <P as IntoPolicy>::Hooks,
    <P as IntoPolicy>::Guards,
    <P as IntoPolicy>::Timer,
    <P as IntoPolicy>::Signals,
>;

/// The policy of a call that borrows its policy: rules by reference, and clones of the rest.
#[doc(hidden)]
pub type Borrowed<'a, S, H = (), G = (), T = DefaultTimer, K = ()> = Policy<Ref<'a, S>, H, G, T, K>;

impl<B: Finite> IntoPolicy for B {
    type Rules = B;
    type Hooks = ();
    type Guards = ();
    type Timer = DefaultTimer;
    type Signals = ();
    #[inline(always)]
    fn into_policy(self) -> Policy<B> {
        Policy::new(self)
    }
}

impl<S: Rules, H, G, T, K> IntoPolicy for Policy<S, H, G, T, K> {
    type Rules = S;
    type Hooks = H;
    type Guards = G;
    type Timer = T;
    type Signals = K;
    #[inline(always)]
    fn into_policy(self) -> Self {
        self
    }
}

impl<'a, S, H, G, T, K> IntoPolicy for &'a Policy<S, H, G, T, K>
where
    S: Rules,
    H: Clone,
    G: Clone,
    T: Clone,
    K: Clone,
{
    type Rules = Ref<'a, S>;
    type Hooks = H;
    type Guards = G;
    type Timer = T;
    type Signals = K;
    #[inline(always)]
    fn into_policy(self) -> Borrowed<'a, S, H, G, T, K> {
        Policy {
            rules: Ref(&self.rules),
            hooks: self.hooks.clone(),
            guards: self.guards.clone(),
            timer: self.timer.clone(),
            signals: self.signals.clone(),
            tag: self.tag,
        }
    }
}

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use self::shared::Shared;

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod shared {
    use super::*;
    use crate::{Attempt, Verdict};
    use alloc::sync::Arc;
    use core::fmt;

    /// The rules of a policy that a call shares.
    #[doc(hidden)]
    pub struct Shared<P>(Arc<P>);

    impl<P> fmt::Debug for Shared<P> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Shared").finish_non_exhaustive()
        }
    }

    impl<S: Rules, H, G, T, K> Rules for Shared<Policy<S, H, G, T, K>> {
        type Form = S::Form;
        type Backoff = S::Backoff;
        const SEES_ATTEMPT: bool = S::SEES_ATTEMPT;
        fn idle(&self) -> S::Form {
            self.0.rules.idle()
        }
        fn begin(&self, form: &mut S::Form) {
            self.0.rules.begin(form);
        }
        fn backoff<'a>(&'a self, form: &'a S::Form) -> &'a S::Backoff {
            self.0.rules.backoff(form)
        }
    }

    impl<O, Q, S: Classify<O, Q>, H, G, T, K> Classify<O, Q> for Shared<Policy<S, H, G, T, K>> {
        fn classify(&self, form: &S::Form, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
            self.0.rules.classify(form, outcome, attempt)
        }
    }

    macro_rules! shared {
        ([$($lifetime:lifetime)?] $Pointer:ty, |$pointer:ident| $arc:expr) => {
            #[diagnostic::do_not_recommend]
            impl<$($lifetime,)? S, H, G, T, K> IntoPolicy for $Pointer
            where
                S: Rules,
                H: Clone,
                G: Clone,
                T: Clone,
                K: Clone,
            {
                type Rules = Shared<Policy<S, H, G, T, K>>;
                type Hooks = H;
                type Guards = G;
                type Timer = T;
                type Signals = K;
                fn into_policy(self) -> PolicyOf<Self> {
                    let Policy { hooks, guards, timer, signals, tag, .. } = self.by_ref();
                    let $pointer = self;
                    Policy { rules: Shared($arc), hooks, guards, timer, signals, tag }
                }
            }
        };
    }
    shared!([] Arc<Policy<S, H, G, T, K>>, |arc| arc);
    shared!(['a] &'a Arc<Policy<S, H, G, T, K>>, |arc| Arc::clone(arc));
}

/// A [`Policy`] that can be used for calls that make `O`: the one bound of types that own a policy. It
/// is implemented for [`Policy`] alone.
#[doc(hidden)]
pub trait Setup<O>: Sized + sealed::Sealed {
    /// The rules.
    type Rules: Rules<Form: GuardEvents<O>>;
    /// The hooks.
    type Hooks: Hook<O>;
    /// The guards.
    type Guards: Guards<O>;
    /// The timer.
    type Timer: Clock;
    /// The signals.
    type Signals: Signals<O>;
    /// Returns the policy itself.
    fn get(&self) -> &SetupPolicy<O, Self>;
    /// Returns the policy itself.
    fn get_mut(&mut self) -> &mut SetupPolicy<O, Self>;
}

/// The policy that a [`Setup`] is.
#[doc(hidden)]
pub type SetupPolicy<O, P> = Policy<
    <P as Setup<O>>::Rules,
    <P as Setup<O>>::Hooks,
    <P as Setup<O>>::Guards,
    <P as Setup<O>>::Timer,
    <P as Setup<O>>::Signals,
>;

/// Keeps the traits of this module to the types of this crate, so that they can grow.
pub(super) mod sealed {
    /// For [`Setup`](super::Setup).
    pub trait Sealed {}
    impl<S, H, G, T, K> Sealed for super::Policy<S, H, G, T, K> {}

    /// For [`IntoPolicy`](super::IntoPolicy).
    pub trait Policies {}
    #[diagnostic::do_not_recommend]
    impl<B: super::Finite> Policies for B {}
    impl<S, H, G, T, K> Policies for super::Policy<S, H, G, T, K> {}
    impl<S, H, G, T, K> Policies for &super::Policy<S, H, G, T, K> {}
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    impl<S, H, G, T, K> Policies for alloc::sync::Arc<super::Policy<S, H, G, T, K>> {}
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    impl<S, H, G, T, K> Policies for &alloc::sync::Arc<super::Policy<S, H, G, T, K>> {}
}

impl<O, S, H, G, T, K> Setup<O> for Policy<S, H, G, T, K>
where
    S: Rules<Form: GuardEvents<O>>,
    H: Hook<O>,
    G: Guards<O>,
    T: Clock,
    K: Signals<O>,
{
    type Rules = S;
    type Hooks = H;
    type Guards = G;
    type Timer = T;
    type Signals = K;
    #[inline(always)]
    fn get(&self) -> &Self {
        self
    }
    #[inline(always)]
    fn get_mut(&mut self) -> &mut Self {
        self
    }
}

/// A policy for calls that make `O`, as the bound of a function that takes any policy. A function that
/// awaits on its own thread takes an `impl PolicyFor<O, Timer: Timer>`; in a spawned task use
/// [`SendPolicyFor`], in blocking code [`BlockingPolicyFor`]. For several calls add `+ Clone`: references
/// and `Arc`s are cheap clones.
///
/// ```
/// use persevere::{PolicyFor, RetryExt, immediate, time::{Timer, VirtualClock}};
///
/// async fn fetch(policy: impl PolicyFor<Option<u8>, Timer: Timer>) -> Option<u8> {
///     (|| async { Some(7) }).retry_with(policy).await
/// }
/// assert_eq!(VirtualClock::new().block_on(fetch(immediate().max_attempts(3))), Some(7));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a retry policy for calls that make `{O}`",
    label = "not a policy for these calls",
    note = "a backoff needs a limit: add `.max_attempts(5)`, `.max_elapsed(duration)` or `.forever()`",
    note = "hooks, guards, timer and signals of a policy that is shared (`&Policy`, `Arc<Policy>`) have to be `Clone`"
)]
pub trait PolicyFor<O>:
    IntoPolicy<
        Rules: Rules<Form: GuardEvents<O>> + RulesFor<O> + Classify<O, Delays>,
        Hooks: Hook<O>,
        Guards: EndsAs<O>,
        Timer: Clock,
        Signals: Signals<O>,
    >
{
}

impl<O, P> PolicyFor<O> for P where
    P: IntoPolicy<
            Rules: Rules<Form: GuardEvents<O>> + RulesFor<O> + Classify<O, Delays>,
            Hooks: Hook<O>,
            Guards: EndsAs<O>,
            Timer: Clock,
            Signals: Signals<O>,
        >
{
}

/// A [`PolicyFor`] whose calls are `Send`, so that they can be spawned. For several calls add `+ Clone`.
///
/// ```
/// use persevere::{RetryExt, SendPolicyFor, constant};
/// use std::time::Duration;
///
/// async fn fetch(policy: impl SendPolicyFor<Result<u8, String>>) -> Result<u8, String> {
///     (|| async { Ok(7) }).retry_with(policy).await
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let policy = constant(Duration::from_millis(1)).max_attempts(3);
/// assert_eq!(tokio::spawn(fetch(policy)).await.unwrap(), Ok(7));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a retry policy for calls that make `{O}`",
    label = "not a policy for these calls",
    note = "a backoff needs a limit: add `.max_attempts(5)`, `.max_elapsed(duration)` or `.forever()`",
    note = "hooks, guards, timer and signals of a policy that is shared (`&Policy`, `Arc<Policy>`) have to be `Clone`"
)]
pub trait SendPolicyFor<O>:
    PolicyFor<O>
    + IntoPolicy<
        Rules: Rules<Form: Send> + Send,
        Hooks: Send,
        Guards: Guards<
            O,
            Limit<<<Self as IntoPolicy>::Timer as Clock>::Sleep>: Send,
            Kept<<<Self as IntoPolicy>::Signals as Signals<O>>::Kept>: Send,
        > + Send,
        Timer: Timer<Sleep: Send> + Send,
        Signals: Signals<O, Kept: Send> + Send,
    > + Send
{
}

impl<O, P> SendPolicyFor<O> for P where
    P: PolicyFor<O>
        + IntoPolicy<
            Rules: Rules<Form: Send> + Send,
            Hooks: Send,
            Guards: Guards<
                O,
                Limit<<<P as IntoPolicy>::Timer as Clock>::Sleep>: Send,
                Kept<<<P as IntoPolicy>::Signals as Signals<O>>::Kept>: Send,
            > + Send,
            Timer: Timer<Sleep: Send> + Send,
            Signals: Signals<O, Kept: Send> + Send,
        > + Send
{
}

/// A [`PolicyFor`] whose calls may block.
///
/// ```
/// use persevere::{BlockingPolicyFor, RetryExt, immediate};
///
/// fn parse(text: &str, policy: impl BlockingPolicyFor<Option<u8>>) -> Option<u8> {
///     (|| text.parse().ok()).retry_with(policy).call()
/// }
/// assert_eq!(parse("7", immediate().max_attempts(3)), Some(7));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a retry policy for calls that make `{O}`",
    label = "not a policy for these calls",
    note = "a backoff needs a limit: add `.max_attempts(5)`, `.max_elapsed(duration)` or `.forever()`",
    note = "hooks, guards, timer and signals of a policy that is shared (`&Policy`, `Arc<Policy>`) have to be `Clone`"
)]
pub trait BlockingPolicyFor<O>:
    PolicyFor<O> + IntoPolicy<Guards: BlockingGuards, Timer: BlockingTimer>
{
}

impl<O, P> BlockingPolicyFor<O> for P where
    P: PolicyFor<O> + IntoPolicy<Guards: BlockingGuards, Timer: BlockingTimer>
{
}
