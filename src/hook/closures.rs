//! Closures for one event. Those at a call site see the outcome; those on a policy, which serves
//! any outcome, see the facts.

use core::fmt;

use super::{FinishEvent, FinishFacts, Hook, RetryEvent, RetryFacts};
use crate::{Attempt, Reason};

macro_rules! closure {
    ($(#[$doc:meta])* $name:ident, |$event:ident: $argument:ty| $method:ident($taken:ty) $($handled:ident)|+ => $call:expr $(, if $condition:expr)?) => {
        $(#[$doc])*
        #[doc(hidden)]
        #[derive(Clone, Copy)]
        pub struct $name<F>(pub(crate) F);

        impl<O, F: FnMut($argument)> Hook<O> for $name<F> {
            #[inline]
            fn reads_clock(&self) -> bool {
                false
            }
            handles!($($handled)|+);
            #[inline]
            fn $method(&mut self, $event: $taken) {
                $(if $condition)? {
                    (self.0)($call);
                }
            }
        }

        impl<F> $name<F> {
            /// The hook that calls `function`; also in a `const`, for
            /// [`Policy::with`](crate::Policy::with).
            #[must_use]
            pub const fn new(function: F) -> Self {
                $name(function)
            }
        }

        impl<F> fmt::Debug for $name<F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

closure!(
    /// Before each attempt. Made by [`Retry::on_attempt`](crate::Retry::on_attempt) and
    /// [`Policy::on_attempt`](crate::Policy::on_attempt).
    OnAttempt, |attempt: &Attempt| before_attempt(&Attempt) BEFORE_ATTEMPT | DRAWS => attempt
);
closure!(
    /// Before each retry. Made by [`Retry::on_retry`](crate::Retry::on_retry).
    OnRetry, |event: &RetryEvent<'_, O>| before_retry(&RetryEvent<'_, O>) RETRY => event
);
closure!(
    /// Before each retry. Made by [`Policy::on_retry`](crate::Policy::on_retry).
    ///
    /// Like all closures here, its type can be named, for a policy in a `static`:
    ///
    /// ```
    /// use persevere::{DefaultTimer, Policy, immediate};
    /// use persevere::backoff::{Constant, MaxAttempts};
    /// use persevere::hook::{OnRetryFacts, RetryFacts};
    /// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    ///
    /// static RETRIES: AtomicU32 = AtomicU32::new(0);
    /// static POLICY: Policy<MaxAttempts<Constant>, OnRetryFacts<fn(&RetryFacts)>> = Policy::with(
    ///     immediate().max_attempts(3),
    ///     OnRetryFacts::new(|_| { RETRIES.fetch_add(1, Relaxed); }),
    ///     (),
    ///     DefaultTimer,
    /// );
    ///
    /// assert_eq!(POLICY.call(|_| None::<()>), None);
    /// assert_eq!(RETRIES.load(Relaxed), 2);
    /// ```
    OnRetryFacts, |event: &RetryFacts| before_retry(&RetryEvent<'_, O>) RETRY => event.facts()
);
closure!(
    /// When the call gives up. Made by [`Retry::on_give_up`](crate::Retry::on_give_up).
    OnGiveUp, |event: &FinishEvent<'_, O>| finish(&FinishEvent<'_, O>) FINISH => event,
    if event.reason().gave_up()
);
closure!(
    /// When the call gives up. Made by [`Policy::on_give_up`](crate::Policy::on_give_up).
    OnGiveUpFacts, |event: &FinishFacts| finish(&FinishEvent<'_, O>) FINISH => event.facts(),
    if event.reason().gave_up()
);
closure!(
    /// When the call succeeds. Made by [`Retry::on_success`](crate::Retry::on_success).
    OnSuccess, |event: &FinishEvent<'_, O>| finish(&FinishEvent<'_, O>) FINISH => event,
    if event.reason() == Reason::Succeeded
);
closure!(
    /// When the call succeeds. Made by [`Policy::on_success`](crate::Policy::on_success).
    OnSuccessFacts, |event: &FinishFacts| finish(&FinishEvent<'_, O>) FINISH => event.facts(),
    if event.reason() == Reason::Succeeded
);
closure!(
    /// When the call ends, however it does. Made by [`Retry::on_finish`](crate::Retry::on_finish).
    OnFinish, |event: &FinishEvent<'_, O>| finish(&FinishEvent<'_, O>) FINISH => event
);
closure!(
    /// When the call ends, however it does. Made by [`Policy::on_finish`](crate::Policy::on_finish).
    OnFinishFacts, |event: &FinishFacts| finish(&FinishEvent<'_, O>) FINISH => event.facts()
);
