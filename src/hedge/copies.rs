//! The copies of an attempt that run.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The third copy and those after it. Without `alloc`, there are none.
#[cfg(feature = "alloc")]
type More<F> = alloc::vec::Vec<Option<Pin<alloc::boxed::Box<F>>>>;
#[cfg(not(feature = "alloc"))]
type More<F> = core::marker::PhantomData<fn() -> F>;

pin_project_lite::pin_project! {
    /// Copies by the order in which they were started. Two lie here; a pinned array of any length
    /// cannot be had without unsafe code, so the others are boxed.
    pub(super) struct Copies<F> {
        #[pin]
        first: Option<F>,
        #[pin]
        second: Option<F>,
        more: More<F>,
        started: u32,
        running: u32,
    }
}

impl<F> Copies<F> {
    pub(super) fn none() -> Self {
        Copies { first: None, second: None, more: More::default(), started: 0, running: 0 }
    }

    /// How many were started.
    pub(super) fn started(&self) -> u32 {
        self.started
    }

    /// Whether there is one that has not ended.
    pub(super) fn are_running(&self) -> bool {
        self.running > 0
    }

    /// Whether the first has not ended.
    pub(super) fn is_first_running(&self) -> bool {
        self.first.is_some()
    }

    /// Adds one. It runs when it is polled.
    pub(super) fn start(self: Pin<&mut Self>, future: F) {
        let mut this = self.project();
        match *this.started {
            0 => this.first.set(Some(future)),
            1 => this.second.set(Some(future)),
            #[cfg(feature = "alloc")]
            _ => this.more.push(Some(alloc::boxed::Box::pin(future))),
            #[cfg(not(feature = "alloc"))]
            _ => unreachable!("without `alloc` there are two copies at the most"),
        }
        *this.started += 1;
        *this.running += 1;
    }
}

impl<F: Future> Copies<F> {
    /// Polls the copy at `index`, from 0, and drops it when it is ready. One that has ended is
    /// pending for ever.
    pub(super) fn poll(self: Pin<&mut Self>, index: u32, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let outcome = match index {
            0 => {
                let outcome = ready!(poll(this.first.as_mut().as_pin_mut(), cx));
                this.first.set(None);
                outcome
            }
            1 => {
                let outcome = ready!(poll(this.second.as_mut().as_pin_mut(), cx));
                this.second.set(None);
                outcome
            }
            #[cfg(feature = "alloc")]
            _ => {
                let Some(slot) = this.more.get_mut(index as usize - 2) else {
                    return Poll::Pending;
                };
                let outcome = ready!(poll(slot.as_mut().map(Pin::as_mut), cx));
                *slot = None;
                outcome
            }
            #[cfg(not(feature = "alloc"))]
            _ => return Poll::Pending,
        };
        *this.running -= 1;
        Poll::Ready(outcome)
    }
}

fn poll<F: Future>(copy: Option<Pin<&mut F>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    copy.map_or(Poll::Pending, |copy| copy.poll(cx))
}
