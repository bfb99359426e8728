//! The awaited drivers: the functions that a [`Retry`] and a loop share, and the future of a `Retry`.

use core::future::Future;
use core::ops::ControlFlow::{self, Break, Continue};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use super::builder::Retry;
use super::operation::{Later, Operation};
use super::output::CallOutput;
use super::{LimitOf, SleepOf};
use crate::engine::{Desk, InterruptionOf};
use crate::guard::{AttemptLimit, Guards, TimeLimit};
use crate::policy::{RulesFor, Setup};
use crate::progress::{Ended, Phase};
use crate::time::signal::{Keep, Signal, Signals};
use crate::time::{Timer, from_nanos};
use crate::{Attempt, Interrupted, Outcome, Reason};

pin_project_lite::pin_project! {
    /// The pending attempt and the pending sleep. The phase of the call selects the one that is polled.
    ///
    /// Two fields and no enum: a loop holds its next attempt during the rest of a sleep, and the code
    /// about sleeps does not depend on the attempt's type.
    pub(super) struct Pending<F, Z, L> {
        #[pin]
        attempt: Option<F>,
        #[pin]
        sleep: Option<Z>,
        #[pin]
        limit: L,
    }
}

impl<F, Z, L: AttemptLimit<Z>> Pending<F, Z, L> {
    #[inline(always)]
    pub(super) const fn new(attempt: Option<F>) -> Self {
        Pending { attempt, sleep: None, limit: L::NEW }
    }

    /// Whether an attempt is to be made or polled.
    pub(super) const fn has_attempt(&self) -> bool {
        self.attempt.is_some()
    }

    /// Polls an attempt of a call that has ended.
    pub(super) fn poll_late(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output>
    where
        F: Future,
    {
        let mut slot = self.project().attempt;
        let Some(attempt) = slot.as_mut().as_pin_mut() else { polled_after_its_end() };
        let outcome = ready!(attempt.poll(cx));
        slot.set(None);
        Poll::Ready(outcome)
    }

    /// The attempt that begins now may take so long.
    #[inline(always)]
    pub(super) fn begin_limit(self: Pin<&mut Self>, limit: TimeLimit) {
        self.project().limit.begin(limit);
    }
}

#[cold]
#[inline(never)]
#[track_caller]
pub(super) fn polled_after_its_end() -> ! {
    panic!("a retry was polled after it had ended or panicked")
}

/// Polls an attempt, and decides what follows it: `Break` with what comes out, or a delay in
/// nanoseconds. The attempt is dropped then.
#[inline(always)]
pub(super) fn poll_attempt<F, O, P, R, L>(
    mut pending: Pin<&mut Pending<F, SleepOf<O, P>, LimitOf<O, P>>>,
    desk: &mut Desk<'_, O, P>,
    output: &mut R,
    kept: &mut L,
    cx: &mut Context<'_>,
) -> Poll<ControlFlow<R::Output, u64>>
where
    F: Future<Output = O>,
    O: Outcome,
    P: Setup<O, Rules: RulesFor<O>, Timer: Timer>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    desk.progress.phase = Phase::Inside;
    let this = pending.as_mut().project();
    let Some(attempt) = this.attempt.as_pin_mut() else { polled_after_its_end() };
    let polled = if P::Guards::LIMITS {
        poll_within(attempt, this.limit.get(), desk, cx)
    } else {
        attempt.poll(cx)
    };
    let outcome = match polled {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => {
            if P::Guards::LIMITS && poll_limit(pending.as_mut(), desk, cx).is_ready() {
                return Poll::Ready(time_out(pending, desk, output, kept));
            }
            if P::Signals::PRESENT {
                // A future among them may begin to listen only when it is polled.
                desk.policy.signals.look(cx);
            }
            desk.progress.phase = Phase::Attempting;
            return Poll::Pending;
        }
    };
    if P::Signals::PRESENT {
        desk.policy.signals.look(cx);
    }
    let mut at = desk.at_end();
    let next = desk.settle::<true>(&outcome, &mut at);
    if let Some(reason) = next.end {
        return Poll::Ready(Break(returned(desk, output, kept, outcome, reason, at)));
    }
    if let Some(outcome) = kept.keep(outcome) {
        output.pass(outcome);
    }
    pending.project().attempt.set(None);
    if P::Signals::PRESENT {
        desk.policy.signals.begin_sleep();
    }
    Poll::Ready(Continue(next.delay))
}

/// Polls an attempt that may have a time at which it has to be done: calls within it see that time.
fn poll_within<F, O, P>(
    attempt: Pin<&mut F>,
    limit: TimeLimit,
    desk: &Desk<'_, O, P>,
    cx: &mut Context<'_>,
) -> Poll<F::Output>
where
    F: Future,
    P: Setup<O>,
{
    #[cfg(feature = "std")]
    if limit.until != u64::MAX {
        let end = desk.progress.time_of(limit.until);
        return crate::time::ambient_deadline::within(&desk.policy.timer, end, || attempt.poll(cx));
    }
    #[cfg(not(feature = "std"))]
    let _ = (limit, desk);
    attempt.poll(cx)
}

/// Ready once the attempt has taken too long.
fn poll_limit<F, O, P>(
    pending: Pin<&mut Pending<F, SleepOf<O, P>, LimitOf<O, P>>>,
    desk: &Desk<'_, O, P>,
    cx: &mut Context<'_>,
) -> Poll<()>
where
    P: Setup<O, Timer: Timer>,
{
    let timer = &desk.policy.timer;
    let sleep = |TimeLimit { limit, until }| match until {
        // A timer makes no sleep of zero.
        u64::MAX => timer.sleep(from_nanos(limit.max(1))),
        until => timer.sleep_until(desk.progress.time_of(until)),
    };
    pending.project().limit.poll(sleep, cx)
}

/// Continues after an attempt that took too long. The attempt is dropped before the hooks receive its end.
#[cold]
fn time_out<F, O, P, R, L>(
    pending: Pin<&mut Pending<F, SleepOf<O, P>, LimitOf<O, P>>>,
    desk: &mut Desk<'_, O, P>,
    output: &mut R,
    kept: &mut L,
) -> ControlFlow<R::Output, u64>
where
    P: Setup<O>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    let mut this = pending.project();
    this.attempt.set(None);
    let (at, limit) = (desk.at(), this.limit.get().limit);
    let interrupted = match desk.settle_timeout(at, limit) {
        Ok(delay) => {
            if P::Signals::PRESENT {
                desk.policy.signals.begin_sleep();
            }
            return Continue(delay);
        }
        Err(interrupted) => interrupted,
    };
    let Some(interruption) = P::Guards::interruption(interrupted) else {
        unreachable!("only guards limit the time of attempts")
    };
    Break(self::interrupted(desk, output, kept, (interruption, interrupted), at))
}

/// Begins a sleep, and polls it once. `Continue` if it is over at once: then the executor has its turn
/// anyway, since a call that always fails must not keep other tasks from running.
#[inline(always)]
pub(super) fn begin_sleep<F, O, P, R, L>(
    pending: Pin<&mut Pending<F, SleepOf<O, P>, LimitOf<O, P>>>,
    desk: &mut Desk<'_, O, P>,
    output: &mut R,
    kept: &mut L,
    delay: u64,
    cx: &mut Context<'_>,
) -> Poll<ControlFlow<R::Output>>
where
    P: Setup<O, Timer: Timer>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    // A timer may panic: tokio's does outside of a runtime.
    desk.progress.phase = Phase::Inside;
    let mut slot = pending.project().sleep;
    let mut slept = Poll::Ready(());
    if delay > 0 && !desk.progress.skips_waits() {
        slept = begin_slot(slot.as_mut(), &desk.policy.timer, delay, cx);
    }
    if P::Signals::PRESENT {
        match poll_signals(slot, desk, output, kept, cx) {
            Poll::Ready(Continue(())) => slept = Poll::Ready(()),
            Poll::Ready(cancelled) => return Poll::Ready(cancelled),
            Poll::Pending => {}
        }
    }
    desk.progress.phase = Phase::Sleeping;
    if slept.is_pending() {
        return Poll::Pending;
    }
    cx.waker().wake_by_ref();
    Poll::Ready(Continue(()))
}

/// By the type of the timer alone, so that call sites share it.
fn begin_slot<T: Timer>(
    mut slot: Pin<&mut Option<T::Sleep>>,
    timer: &T,
    delay: u64,
    cx: &mut Context<'_>,
) -> Poll<()> {
    slot.set(Some(timer.sleep(from_nanos(delay))));
    poll_slot(slot, cx)
}

/// Polls a sleep: `Continue` once the next attempt is due, `Break` if the call was cancelled.
#[inline(always)]
pub(super) fn poll_sleep<F, O, P, R, L>(
    pending: Pin<&mut Pending<F, SleepOf<O, P>, LimitOf<O, P>>>,
    desk: &mut Desk<'_, O, P>,
    output: &mut R,
    kept: &mut L,
    cx: &mut Context<'_>,
) -> Poll<ControlFlow<R::Output>>
where
    P: Setup<O, Timer: Timer>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    // A timer may panic: tokio's does outside of a runtime.
    desk.progress.phase = Phase::Inside;
    let mut slot = pending.project().sleep;
    if P::Signals::PRESENT {
        let signalled = poll_signals(slot.as_mut(), desk, output, kept, cx);
        if signalled.is_ready() {
            return signalled;
        }
    }
    if poll_slot(slot, cx).is_pending() {
        desk.progress.phase = Phase::Sleeping;
        return Poll::Pending;
    }
    Poll::Ready(Continue(()))
}

/// By the type of the sleep alone, so that call sites share it.
fn poll_slot<Z: Future<Output = ()>>(
    mut slot: Pin<&mut Option<Z>>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if let Some(sleep) = slot.as_mut().as_pin_mut() {
        ready!(sleep.poll(cx));
        slot.set(None);
    }
    Poll::Ready(())
}

/// Ready if a signal ends the sleep, which is dropped: with `Break` if it ends the call too.
fn poll_signals<O, P, R, L>(
    mut sleep: Pin<&mut Option<SleepOf<O, P>>>,
    desk: &mut Desk<'_, O, P>,
    output: &mut R,
    kept: &mut L,
    cx: &mut Context<'_>,
) -> Poll<ControlFlow<R::Output>>
where
    P: Setup<O, Timer: Timer>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    let signal = ready!(desk.policy.signals.poll(cx));
    if signal == Signal::Cancel {
        if let Some(output) = cancelled(desk, output, kept) {
            sleep.set(None);
            return Poll::Ready(Break(output));
        }
        // Nothing to end with: the next attempt is made at once, and is not retried. In a loop that drops
        // it too, later attempts keep their delays.
        if desk.keeps_delay() {
            return Poll::Pending;
        }
    }
    sleep.set(None);
    Poll::Ready(Continue(()))
}

/// Ends a call that was cancelled between two attempts, with its last outcome or, if its guards can end
/// it without, as interrupted. `None` if it has neither.
#[cold]
pub(super) fn cancelled<O, P, R, L>(
    desk: &mut Desk<'_, O, P>,
    output: &mut R,
    kept: &mut L,
) -> Option<R::Output>
where
    P: Setup<O>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    if let Some(outcome) = kept.take() {
        let at = desk.at();
        desk.finish(Some(&outcome), Reason::Cancelled, at);
        return Some(output.returned(outcome, desk.ended(Reason::Cancelled, at)));
    }
    if !desk.policy.guards.can_interrupt() {
        return None;
    }
    let interruption = P::Guards::interruption(Interrupted::Cancelled)?;
    let at = desk.at();
    desk.finish_interrupted(Interrupted::Cancelled, at);
    Some(interrupted(desk, output, kept, (interruption, Interrupted::Cancelled), at))
}

/// The output of a call that ended with an outcome.
#[inline(always)]
pub(super) fn returned<O, P, R, L>(
    desk: &Desk<'_, O, P>,
    output: &mut R,
    kept: &mut L,
    outcome: O,
    reason: Reason,
    at: u64,
) -> R::Output
where
    P: Setup<O>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    if let Some(before) = kept.take() {
        output.pass(before);
    }
    output.returned(outcome, desk.ended(reason, at))
}

/// The output of a call that its guards ended.
#[cold]
pub(super) fn interrupted<O, P, R, L>(
    desk: &mut Desk<'_, O, P>,
    output: &mut R,
    kept: &mut L,
    (interruption, interrupted): (InterruptionOf<O, P>, Interrupted),
    at: u64,
) -> R::Output
where
    P: Setup<O>,
    R: CallOutput<O, P::Guards>,
    L: Keep<O>,
{
    let (operation, reason) = (desk.policy.tag.operation, interrupted.reason());
    let end = Ended { progress: desk.progress, operation, at, reason };
    output.interrupted(&mut desk.policy.guards, interruption, kept.take(), end)
}

impl<Op, O, P, R> Future for Retry<Op, O, P, R>
where
    Op: Operation<Output: Later<O>>,
    O: Outcome,
    P: Setup<O, Rules: RulesFor<O>, Timer: Timer>,
    R: CallOutput<O, P::Guards>,
{
    type Output = R::Output;

    // A retry has one caller. Within it, a call that succeeds at once lives in registers.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        let this = self.project();
        let mut pending = this.pending;
        let (operation, output, kept) = (this.operation, this.output, this.kept);
        let mut desk = this.engine.desk();
        if desk.progress.phase != Phase::Attempting {
            let (entered, at) = match desk.progress.phase {
                Phase::Idle => desk.enter_first(Op::SEES_ATTEMPT),
                Phase::Sleeping => {
                    match ready!(poll_sleep(pending.as_mut(), &mut desk, output, kept, cx)) {
                        Break(output) => return Poll::Ready(output),
                        Continue(()) => desk.enter_next(),
                    }
                }
                _ => polled_after_its_end(),
            };
            let attempt: Attempt = match entered {
                Ok(attempt) => attempt,
                Err(end) => return Poll::Ready(interrupted(&mut desk, output, kept, end, at)),
            };
            if P::Guards::LIMITS {
                pending.as_mut().begin_limit(desk.time_limit(at));
            }
            let future = operation.attempt(attempt);
            pending.as_mut().project().attempt.set(Some(future));
        }
        match ready!(poll_attempt(pending.as_mut(), &mut desk, output, kept, cx)) {
            Break(output) => Poll::Ready(output),
            Continue(delay) => match begin_sleep(pending, &mut desk, output, kept, delay, cx) {
                Poll::Ready(Break(output)) => Poll::Ready(output),
                _ => Poll::Pending,
            },
        }
    }
}
