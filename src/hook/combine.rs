//! Several hooks as one, hooks behind pointers, and what keeps panics of hooks apart.

use core::ops::ControlFlow;

use super::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use crate::{Attempt, Veto};

/// No hook.
impl<O> Hook<O> for () {
    fn reads_clock(&self) -> bool {
        false
    }
    handles!();
}

macro_rules! tuple {
    ($($index:tt $Type:ident),+) => {
        /// Hooks in order. All `allow_*` methods run before any `before_*` method, and each hook
        /// receives `finish`, also if one before it panics.
        impl<O, $($Type: Hook<O>),+> Hook<O> for ($($Type),+) {
            events_to_fields!($($index $Type: Hook),+);
        }
    };
}
tuple!(0 A, 1 B);
tuple!(0 A, 1 B, 2 C);
tuple!(0 A, 1 B, 2 C, 3 D);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E);
tuple!(0 A, 1 B, 2 C, 3 D, 4 E, 5 F);

/// An optional hook: `.hook(verbose.then_some(Log))`.
impl<O, H: Hook<O>> Hook<O> for Option<H> {
    #[inline]
    fn reads_clock(&self) -> bool {
        self.as_ref().is_some_and(Hook::reads_clock)
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
    fn attempt_dropped(&mut self, attempt: &Attempt) {
        if let Some(hook) = self {
            hook.attempt_dropped(attempt);
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
    #[inline]
    fn handled_events() -> impl super::Events {
        H::handled_events()
    }
}

/// A pointer to a hook is a hook.
macro_rules! pointer {
    ($([$($generics:tt)*] $Type:ty),*) => { $(
        impl<O, $($generics)*: Hook<O> + ?Sized> Hook<O> for $Type {
            #[inline]
            fn reads_clock(&self) -> bool {
                (**self).reads_clock()
            }
            events_to!(Hook, |hook| **hook);
        }
    )* };
}
pointer!([H] &mut H);
#[cfg(feature = "alloc")]
pointer!([H] alloc::boxed::Box<H>);

/// Runs `second` also if `first` panics. That panic then continues.
#[inline(always)]
pub(crate) fn run_both(first: impl FnOnce(), mut second: impl FnMut()) {
    let unwinding = OnUnwind(&mut second);
    first();
    core::mem::forget(unwinding);
    second();
}

/// Runs a closure when it is dropped.
struct OnUnwind<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnUnwind<F> {
    #[inline]
    fn drop(&mut self) {
        run_during_unwind(&mut self.0);
    }
}

/// Whether the thread unwinds. Without `std`, this is not known.
pub(crate) fn panicking() -> bool {
    #[cfg(feature = "std")]
    return std::thread::panicking();
    #[cfg(not(feature = "std"))]
    false
}

/// Runs a hook. A second panic while the thread unwinds would abort the process, so it is discarded.
#[inline]
pub(crate) fn run_during_unwind(hook: impl FnOnce()) {
    #[cfg(feature = "std")]
    if panicking() {
        discard_panic(hook);
        return;
    }
    hook();
}

/// Runs code and discards its panic; `None` if it panicked.
#[cfg(feature = "std")]
pub(crate) fn discard_panic<T>(code: impl FnOnce() -> T) -> Option<T> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(output) => Some(output),
        Err(payload) => {
            // The payload may panic when it is dropped.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                core::mem::forget(again);
            }
            None
        }
    }
}
