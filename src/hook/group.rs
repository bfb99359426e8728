//! Several hooks as one, and hooks behind pointers.

use core::ops::ControlFlow;
use core::time::Duration;

use super::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use crate::{Attempt, Veto};

/// Puts hooks together outside a policy.
pub trait HookExt: Sized {
    /// This hook and then `next`: a tuple, which is a hook itself.
    ///
    /// ```
    /// use persevere::{Attempt, RetryExt, immediate};
    /// use persevere::hook::{HookExt, OnAttempt, Timed};
    ///
    /// let mut timed = vec![];
    /// let watch = OnAttempt::new(|attempt: &Attempt| timed.push(attempt.elapsed().is_some()));
    /// let _ = (|| None::<()>)
    ///     .retry_with(immediate().max_attempts(2))
    ///     .hook(Timed.and(watch))
    ///     .call();
    /// assert_eq!(timed, [true, true]);
    /// ```
    fn and<K>(self, next: K) -> (Self, K) {
        (self, next)
    }
}

impl<H> HookExt for H {}

/// No hook.
impl<O> Hook<O> for () {}

/// One after the other. All are asked before the first is told, and each is told that the call
/// ended even if one before it panics.
impl<O, A: Hook<O>, B: Hook<O>> Hook<O> for (A, B) {
    #[inline]
    fn reads_clock(&self) -> bool {
        self.0.reads_clock() || self.1.reads_clock()
    }

    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        self.0.allow_attempt(attempt)?;
        self.1.allow_attempt(attempt)
    }

    #[inline]
    fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
        match (self.0.attempt_timeout(attempt), self.1.attempt_timeout(attempt)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        self.0.before_attempt(attempt);
        self.1.before_attempt(attempt);
    }

    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        self.0.after_attempt(event);
        self.1.after_attempt(event);
    }

    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        self.0.allow_retry(event)?;
        self.1.allow_retry(event)
    }

    #[inline]
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        self.0.before_retry(event);
        self.1.before_retry(event);
    }

    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        let (first, second) = self;
        both(|| first.finish(event), || second.finish(event));
    }
}

/// Tells the second also if the first panics, which then takes its course.
#[inline]
pub(crate) fn both(first: impl FnOnce(), mut second: impl FnMut()) {
    let panicked = Finally(&mut second);
    first();
    core::mem::forget(panicked);
    second();
}

/// Runs a closure when dropped: when what comes before it panics.
struct Finally<F: FnMut()>(F);

impl<F: FnMut()> Drop for Finally<F> {
    #[inline]
    fn drop(&mut self) {
        contained(&mut self.0);
    }
}

/// Whether a panic unwinds just now. Without `std`, nobody can tell.
pub(crate) fn panicking() -> bool {
    #[cfg(feature = "std")]
    return std::thread::panicking();
    #[cfg(not(feature = "std"))]
    false
}

/// Runs a hook. While a panic unwinds already, a second one would abort the process: it ends here.
#[inline]
pub(crate) fn contained(hook: impl FnOnce()) {
    #[cfg(feature = "std")]
    if panicking() {
        return apart(hook);
    }
    hook();
}

/// Runs code whose panic is nobody's business.
#[cfg(feature = "std")]
pub(crate) fn apart(hook: impl FnOnce()) {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let thrown = catch_unwind(AssertUnwindSafe(hook));
    // What is thrown may panic too, when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(thrown))) {
        core::mem::forget(again);
    }
}

/// Every event that a hook is told or asked of, handed on to another hook.
macro_rules! delegate {
    (|$this:ident| $hook:expr) => {
        #[inline]
        fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
            let $this = self;
            Hook::<O>::allow_attempt(&mut $hook, attempt)
        }
        #[inline]
        fn before_attempt(&mut self, attempt: &Attempt) {
            let $this = self;
            Hook::<O>::before_attempt(&mut $hook, attempt);
        }
        #[inline]
        fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
            let $this = self;
            Hook::<O>::after_attempt(&mut $hook, event);
        }
        #[inline]
        fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
            let $this = self;
            Hook::<O>::allow_retry(&mut $hook, event)
        }
        #[inline]
        fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
            let $this = self;
            Hook::<O>::before_retry(&mut $hook, event);
        }
        #[inline]
        fn finish(&mut self, event: &FinishEvent<'_, O>) {
            let $this = self;
            Hook::<O>::finish(&mut $hook, event);
        }
    };
}

/// More than two are pairs within pairs.
macro_rules! tuple {
    ($first:ident $($rest:ident)+) => {
        #[allow(non_snake_case, reason = "a variable is called as its type")]
        impl<O, $first: Hook<O>, $($rest: Hook<O>),+> Hook<O> for ($first, $($rest),+) {
            #[inline]
            fn reads_clock(&self) -> bool {
                let ($first, $($rest),+) = self;
                $first.reads_clock() $(|| $rest.reads_clock())+
            }
            #[inline]
            fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
                let ($first, $($rest),+) = self;
                let limits = [$first.attempt_timeout(attempt), $($rest.attempt_timeout(attempt)),+];
                limits.into_iter().flatten().min()
            }
            delegate!(|hooks| {
                let ($first, $($rest),+) = hooks;
                nested!($first $($rest)+)
            });
        }
    };
}
macro_rules! nested {
    ($last:ident) => { $last };
    ($first:ident $($rest:ident)+) => { ($first, nested!($($rest)+)) };
}
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);

/// Perhaps a hook: `.hook(verbose.then(|| Log))`.
impl<O, H: Hook<O>> Hook<O> for Option<H> {
    #[inline]
    fn reads_clock(&self) -> bool {
        self.as_ref().is_some_and(Hook::reads_clock)
    }
    #[inline]
    fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
        self.as_ref().and_then(|hook| hook.attempt_timeout(attempt))
    }
    #[inline]
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        self.as_mut().map_or(ControlFlow::Continue(()), |hook| hook.allow_attempt(attempt))
    }
    #[inline]
    fn before_attempt(&mut self, attempt: &Attempt) {
        if let Some(hook) = self {
            hook.before_attempt(attempt);
        }
    }
    #[inline]
    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        if let Some(hook) = self {
            hook.after_attempt(event);
        }
    }
    #[inline]
    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        self.as_mut().map_or(ControlFlow::Continue(()), |hook| hook.allow_retry(event))
    }
    #[inline]
    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        if let Some(hook) = self {
            hook.before_retry(event);
        }
    }
    #[inline]
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        if let Some(hook) = self {
            hook.finish(event);
        }
    }
}

/// Hooks behind something: asked where they are.
macro_rules! forward {
    ($([$($g:tt)*] $type:ty),*) => { $(
        impl<O, $($g)*: Hook<O> + ?Sized> Hook<O> for $type {
            #[inline]
            fn reads_clock(&self) -> bool {
                (**self).reads_clock()
            }
            #[inline]
            fn attempt_timeout(&self, attempt: &Attempt) -> Option<Duration> {
                (**self).attempt_timeout(attempt)
            }
            delegate!(|hook| **hook);
        }
    )* };
}
forward!([H] &mut H);
#[cfg(feature = "alloc")]
forward!([H] alloc::boxed::Box<H>);
