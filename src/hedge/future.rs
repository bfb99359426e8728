//! [`HedgedAttempt`]: one attempt, of one copy or of several.

use core::fmt;
use core::future::Future;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use super::copies::Copies;
use super::{Hedge, HedgeEvent};
use crate::classify::RetryErrors;
use crate::retry::Operation;
use crate::time::{Clock, Timer, from_nanos, nanos};
use crate::{Attempt, Classifier, Outcome, Verdict};

const OVER: &str = "a hedged attempt was polled after it had ended or panicked";

pin_project_lite::pin_project! {
    /// The future of one hedged attempt; the [module](super) says what happens in it.
    ///
    /// Nothing happens before it is polled. Dropping it drops all copies. It allocates nothing for
    /// the first two.
    ///
    /// # Panics
    /// When polled again after it was ready, or after a copy panicked.
    #[doc(hidden)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct HedgedAttempt<Op, C, T, W>
    where
        Op: Operation,
        Op::Output: Future,
        T: Clock,
    {
        #[pin]
        copies: Copies<Op::Output>,
        // The delay of the next copy.
        #[pin]
        sleep: Option<T::Sleep>,
        operation: Op,
        hedge: Hedge<C, T, W>,
        attempt: Attempt,
        // What comes out if nothing better does, and how long its server asked to be left alone.
        failed: Option<(<Op::Output as Future>::Output, Duration)>,
        // When the first copy began, if anybody wants to know.
        begun: Option<Duration>,
        // Whether more copies may follow.
        open: bool,
        over: bool,
    }
}

impl<Op, C, T, W> HedgedAttempt<Op, C, T, W>
where
    Op: Operation,
    Op::Output: Future,
    T: Clock,
{
    pub(super) fn new(operation: Op, hedge: Hedge<C, T, W>, attempt: Attempt) -> Self {
        HedgedAttempt {
            copies: Copies::none(),
            sleep: None,
            operation,
            open: hedge.most > 1,
            hedge,
            attempt,
            failed: None,
            begun: None,
            over: false,
        }
    }
}

impl<Op, O, C, T, W> Future for HedgedAttempt<Op, C, T, W>
where
    Op: Operation,
    Op::Output: Future<Output = O>,
    O: Outcome,
    C: Classifier<O>,
    T: Timer,
    W: Fn(HedgeEvent),
{
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O> {
        // It stays over where somebody else's code panics below.
        assert!(!mem::replace(self.as_mut().project().over, true), "{OVER}");
        let polled = self.as_mut().advance(cx);
        let mut this = self.project();
        match polled {
            Poll::Ready(outcome) => {
                this.copies.set(Copies::none());
                this.sleep.set(None);
                Poll::Ready(outcome)
            }
            Poll::Pending => {
                *this.over = false;
                Poll::Pending
            }
        }
    }
}

impl<Op, O, C, T, W> HedgedAttempt<Op, C, T, W>
where
    Op: Operation,
    Op::Output: Future<Output = O>,
    O: Outcome,
    C: Classifier<O>,
    T: Timer,
    W: Fn(HedgeEvent),
{
    fn advance(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O> {
        let mut from = 0;
        if self.copies.started() == 0 {
            let this = self.as_mut().project();
            *this.begun = this.hedge.now();
            this.copies.start(this.operation.attempt(*this.attempt));
        }
        loop {
            // The copies, in the order in which they were started.
            for index in from..self.copies.started() {
                let polled = self.as_mut().project().copies.poll(index, cx);
                if let Poll::Ready(outcome) = polled {
                    if let Some(outcome) = self.as_mut().settle(index, outcome) {
                        return Poll::Ready(outcome);
                    }
                }
            }
            let mut this = self.as_mut().project();
            if !this.copies.are_running() {
                if let Some((outcome, _)) = this.failed.take() {
                    return Poll::Ready(outcome);
                }
            }
            // The delay.
            if !*this.open {
                this.sleep.set(None);
                return Poll::Pending;
            }
            if this.sleep.is_none() {
                match nanos(this.hedge.delay()) {
                    0 => {}
                    u64::MAX => *this.open = false,
                    delay => this.sleep.set(Some(this.hedge.timer.sleep(from_nanos(delay)))),
                }
            }
            if let Some(sleep) = this.sleep.as_mut().as_pin_mut() {
                ready!(sleep.poll(cx));
            }
            this.sleep.set(None);
            // Another copy. The others were polled a moment ago.
            from = this.copies.started();
            if *this.open {
                self.as_mut().hedge();
            }
        }
    }

    /// What the outcome of a copy means for the attempt: it comes back if it ends it.
    fn settle(self: Pin<&mut Self>, index: u32, outcome: O) -> Option<O> {
        let this = self.project();
        let verdict = this.hedge.classifier.classify(&outcome, this.attempt);
        let verdict = verdict.or_else(|| RetryErrors.classify(&outcome, this.attempt));
        let floor = match verdict.unwrap_or(Verdict::Stop) {
            Verdict::Accept => {
                // A first copy that lost took longer than this. Left out, the slow would be missing
                // among what was seen, and the percentile would fall with every hedge that wins.
                if index == 0 || this.copies.is_first_running() {
                    this.hedge.record(*this.begun);
                }
                if this.copies.started() > 1 {
                    (this.hedge.watch)(HedgeEvent::Won { copy: index + 1 });
                }
                return Some(outcome);
            }
            Verdict::Stop => return Some(outcome),
            Verdict::Retry => Duration::ZERO,
            Verdict::RetryAfter(floor) => {
                *this.open = false;
                floor
            }
            Verdict::Forbidden => {
                *this.open = false;
                Duration::MAX
            }
        };
        match this.failed {
            Some((_, longest)) if *longest > floor => {}
            failed => *failed = Some((outcome, floor)),
        }
        None
    }

    /// Starts another copy, if the budget allows it.
    fn hedge(self: Pin<&mut Self>) {
        let this = self.project();
        let copy = this.copies.started() + 1;
        let Some(permit) = this.hedge.pay() else {
            *this.open = false;
            return (this.hedge.watch)(HedgeEvent::Refused { copy });
        };
        let attempt = (1..copy).fold(*this.attempt, |attempt, _| attempt.inner());
        this.copies.start(this.operation.attempt(attempt));
        permit.spend();
        *this.open = copy < this.hedge.most;
        (this.hedge.watch)(HedgeEvent::Started { copy });
    }
}

impl<Op, C, T, W> fmt::Debug for HedgedAttempt<Op, C, T, W>
where
    Op: Operation,
    Op::Output: Future,
    T: Clock,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgedAttempt")
            .field("attempt", &self.attempt)
            .field("copies", &self.copies.started())
            .field("hedge", &self.hedge)
            .finish_non_exhaustive()
    }
}
