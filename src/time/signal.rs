//! The slot of signals of a policy: the causes that end a sleep early.

use core::task::{Context, Poll};

/// The effect of a signal on a sleeping call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End the call with the outcome before the sleep.
    Cancel,
    /// Make the next attempt now.
    RetryNow,
}

/// One element of the slot.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a signal that ends sleeps",
    label = "not a signal",
    note = "give a `&CancelToken` to `.cancel_by(..)`, a `&RetrySignal` to `.retry_now_by(..)`, or a future to `.cancel_when(..)`"
)]
pub trait SignalSource {
    /// Whether the call is to end instead of making another attempt.
    fn is_cancelled(&self) -> bool;
    /// A sleep begins: signals that were given before do not count for it.
    fn begin_sleep(&mut self);
    /// Ready with the signal, once it was given.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal>;
}

/// The slot of signals of calls that make `O`: `()`, or pairs of the slot before and a
/// [`SignalSource`].
pub trait Signals<O> {
    /// Whether there are signals. Calls without signals have no code for them.
    const PRESENT: bool;
    /// The place of the outcome before a sleep, which a cancelled call returns.
    type Kept: Keep<O>;
    /// See [`SignalSource::is_cancelled`].
    fn is_cancelled(&self) -> bool;
    /// See [`SignalSource::begin_sleep`].
    fn begin_sleep(&mut self);
    /// Polls all signals and ignores the result: a future among them starts, and ends, only when it is
    /// polled.
    fn look(&mut self, cx: &mut Context<'_>);
    /// See [`SignalSource::poll`]. All signals are polled, so that each has the waker.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal>;
}

impl<O> Signals<O> for () {
    const PRESENT: bool = false;
    type Kept = NotKept;
    #[inline(always)]
    fn is_cancelled(&self) -> bool {
        false
    }
    #[inline(always)]
    fn begin_sleep(&mut self) {}
    #[inline(always)]
    fn look(&mut self, _: &mut Context<'_>) {}
    #[inline(always)]
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<Signal> {
        Poll::Pending
    }
}

impl<O, K: Signals<O>, X: SignalSource> Signals<O> for (K, X) {
    const PRESENT: bool = true;
    type Kept = Option<O>;
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled() || self.1.is_cancelled()
    }
    fn begin_sleep(&mut self) {
        self.0.begin_sleep();
        self.1.begin_sleep();
    }
    fn look(&mut self, cx: &mut Context<'_>) {
        let _ = Signals::poll(self, cx);
    }
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        match (self.0.poll(cx), self.1.poll(cx)) {
            // A cancelled call is not retried, whatever other signals came.
            (Poll::Ready(Signal::RetryNow), Poll::Ready(Signal::Cancel)) => {
                Poll::Ready(Signal::Cancel)
            }
            (Poll::Ready(signal), _) | (_, Poll::Ready(signal)) => Poll::Ready(signal),
            _ => Poll::Pending,
        }
    }
}

/// The place of a call's last outcome, as long as the call may still need it.
pub trait Keep<O> {
    /// The place without an outcome.
    const EMPTY: Self;
    /// Stores `outcome`, and returns the outcome that is not kept: the one before, or `outcome`.
    fn keep(&mut self, outcome: O) -> Option<O>;
    /// Takes the outcome out, if one is kept.
    fn take(&mut self) -> Option<O>;
    /// Returns whether an outcome is kept.
    fn is_kept(&self) -> bool;
}

/// No place: nothing in the call needs its last outcome.
#[derive(Debug, Default)]
pub struct NotKept;

impl<O> Keep<O> for NotKept {
    const EMPTY: Self = NotKept;
    #[inline(always)]
    fn keep(&mut self, outcome: O) -> Option<O> {
        Some(outcome)
    }
    #[inline(always)]
    fn take(&mut self) -> Option<O> {
        None
    }
    #[inline(always)]
    fn is_kept(&self) -> bool {
        false
    }
}

impl<O> Keep<O> for Option<O> {
    const EMPTY: Self = None;
    #[inline]
    fn keep(&mut self, outcome: O) -> Option<O> {
        self.replace(outcome)
    }
    #[inline]
    fn take(&mut self) -> Option<O> {
        Option::take(self)
    }
    #[inline]
    fn is_kept(&self) -> bool {
        self.is_some()
    }
}
