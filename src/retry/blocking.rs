//! The blocking drivers: [`Retry::call`], and the functions that it shares with the blocking
//! loop.

use core::mem::forget;

use super::KeptOf;
use super::builder::Retry;
use super::future::{cancelled, interrupted, returned};
use super::operation::{AtOnce, Operation};
use super::output::CallOutput;
use crate::engine::{Desk, Engine, configured_late};
use crate::guard::{BlockingGuards, GuardEvents, Guards};
use crate::policy::{RulesFor, Setup};
use crate::progress::Phase;
use crate::time::signal::{Keep, Signal, Signals};
use crate::time::{BlockingTimer, from_nanos};
use crate::{Outcome, Reason, Verdict};

impl<Op: Operation, O, P: Setup<O>, R> Retry<Op, O, P, R> {
    /// Runs the retry on this thread, blocking it between attempts.
    ///
    /// ```
    /// use persevere::{RetryExt, constant};
    /// use std::time::Duration;
    /// let backoff = constant(Duration::from_millis(1)).max_attempts(3);
    /// let mut calls = 0;
    /// let outcome = (|| { calls += 1; if calls < 3 { Err("busy") } else { Ok("done") } })
    ///     .retry_with(backoff)
    ///     .call();
    /// assert_eq!((outcome, calls), (Ok("done"), 3));
    /// ```
    ///
    /// # Panics
    /// When the retry was polled before.
    // A call has one caller. Within it, a call that succeeds at once lives in registers.
    #[inline(always)]
    pub fn call<Y>(self) -> Y
    where
        Op: Operation<Output: AtOnce<O>>,
        O: Outcome,
        P: Setup<O, Rules: RulesFor<O>, Guards: BlockingGuards, Timer: BlockingTimer>,
        R: CallOutput<O, P::Guards, Output = Y>,
    {
        let Retry { pending, mut operation, mut engine, mut output, mut kept } = self;
        forget(pending);
        if engine.progress.phase != Phase::Idle {
            configured_late();
        }
        let mut desk = engine.desk();
        let (entered, mut at) = desk.enter_first(Op::SEES_ATTEMPT);
        let outcome = match entered {
            Ok(attempt) => attempt_within(&mut desk, at, || operation.attempt(attempt).outcome()),
            Err(end) => return interrupted(&mut desk, &mut output, &mut kept, end, at),
        };
        at = desk.at_end();
        match desk.judge(&outcome, at) {
            Verdict::Accept => {
                desk.accept(&outcome, at);
                output.returned(outcome, desk.ended(Reason::Succeeded, at))
            }
            verdict => go_on(engine, operation, output, kept, (outcome, verdict, at)),
        }
    }
}

/// Continues after a first attempt that was not accepted. Apart from it, so that a call which succeeds at
/// once has nothing to keep for another turn: a third of its instructions.
fn go_on<Op, O, P, R>(
    mut engine: Engine<O, P>,
    mut operation: Op,
    mut output: R,
    mut kept: KeptOf<O, P>,
    (mut outcome, mut verdict, mut at): (O, Verdict, u64),
) -> R::Output
where
    Op: Operation<Output: AtOnce<O>>,
    O: Outcome,
    P: Setup<O, Rules: RulesFor<O>, Timer: BlockingTimer>,
    R: CallOutput<O, P::Guards>,
{
    let mut desk = engine.desk();
    loop {
        let next = match verdict {
            Verdict::Accept => {
                desk.accept(&outcome, at);
                crate::progress::Next::end(Reason::Succeeded)
            }
            verdict => desk.fail::<true>(&outcome, verdict, &mut at),
        };
        if let Some(reason) = next.end {
            return returned(&desk, &mut output, &mut kept, outcome, reason, at);
        }
        if let Some(outcome) = kept.keep(outcome) {
            output.pass(outcome);
        }
        if sleep(&mut desk, next.delay) {
            if let Some(output) = cancelled(&mut desk, &mut output, &mut kept) {
                return output;
            }
        }
        let (entered, entered_at) = desk.enter_next();
        at = entered_at;
        outcome = match entered {
            Ok(attempt) => attempt_within(&mut desk, at, || operation.attempt(attempt).outcome()),
            Err(end) => return interrupted(&mut desk, &mut output, &mut kept, end, at),
        };
        at = desk.at_end();
        verdict = desk.judge(&outcome, at);
    }
}

/// Makes an attempt: calls within it see the time at which it has to be done, if there is one.
#[inline(always)]
pub(super) fn attempt_within<O, P: Setup<O>>(
    desk: &mut Desk<'_, O, P>,
    at: u64,
    attempt: impl FnOnce() -> O,
) -> O {
    #[cfg(not(feature = "std"))]
    let _ = at;
    if P::Signals::PRESENT {
        // A future among them may begin to listen only when it is polled.
        desk.look_now();
    }
    if P::Guards::LIMITS {
        desk.form.begin_blocking();
        #[cfg(feature = "std")]
        {
            let until = desk.time_limit(at).until;
            if until != u64::MAX {
                let end = desk.progress.time_of(until);
                let timer = &desk.policy.timer;
                return crate::time::ambient_deadline::within(timer, end, attempt);
            }
        }
    }
    attempt()
}

/// Sleeps; `true` if the call was cancelled.
#[inline(always)]
pub(super) fn sleep<O, P>(desk: &mut Desk<'_, O, P>, delay: u64) -> bool
where
    P: Setup<O, Timer: BlockingTimer>,
{
    if P::Signals::PRESENT {
        return sleep_unless(desk, delay);
    }
    if delay > 0 && !desk.progress.skips_waits() {
        sleep_for(&desk.policy.timer, delay);
    }
    false
}

/// By the type of the timer alone, so that call sites share it.
fn sleep_for<T: BlockingTimer>(timer: &T, delay: u64) {
    timer.sleep_blocking(from_nanos(delay));
}

/// Sleeps until a signal ends the sleep; `true` if it was to cancel.
fn sleep_unless<O, P>(desk: &mut Desk<'_, O, P>, delay: u64) -> bool
where
    P: Setup<O, Timer: BlockingTimer>,
{
    use core::task::{Context, Poll};

    #[cfg(feature = "std")]
    let waker = unpark::waker();
    #[cfg(feature = "std")]
    let mut cx = Context::from_waker(&waker);
    #[cfg(not(feature = "std"))]
    let mut cx = Context::from_waker(core::task::Waker::noop());

    let keeps_delay = desk.keeps_delay();
    let (timer, signals) = (&desk.policy.timer, &mut desk.policy.signals);
    signals.begin_sleep();
    let mut signal = Poll::Pending;
    let mut woken = || {
        if signal.is_pending() {
            signal = signals.poll(&mut cx);
        }
        if keeps_delay && signal == Poll::Ready(Signal::Cancel) {
            signal = Poll::Pending;
        }
        signal.is_ready()
    };
    if delay == 0 || desk.progress.skips_waits() {
        woken();
    } else {
        timer.sleep_unless(from_nanos(delay), &mut woken);
        // A timer may sleep to the end, whatever comes.
        woken();
    }
    signal == Poll::Ready(Signal::Cancel)
}

#[cfg(feature = "std")]
mod unpark {
    use core::task::Waker;
    use std::sync::Arc;
    use std::task::Wake;
    use std::thread::{self, Thread};

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
        fn wake_by_ref(self: &Arc<Self>) {
            self.0.unpark();
        }
    }

    /// Unparks this thread.
    pub(super) fn waker() -> Waker {
        Waker::from(Arc::new(Unpark(thread::current())))
    }
}
