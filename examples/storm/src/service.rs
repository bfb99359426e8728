//! The service: a queue in front of something that does so much per second, and no more.

use std::collections::VecDeque;

/// A request on its way: which attempt of which call. The service does not know whether anybody
/// still waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) call: u32,
    pub(crate) stamp: u32,
}

/// What a request takes of the credit that a second at a capacity of one per second brings.
const PRICE: u64 = 1000;

/// A queue of limited length that is served in order, at a rate.
#[derive(Debug)]
pub(crate) struct Service {
    queue: VecDeque<Request>,
    longest: usize,
    /// Requests per second, which is also credit per tick: a thousand ticks are a second.
    rate: u64,
    credit: u64,
}

impl Service {
    pub(crate) fn new(rate: u64, longest: usize) -> Self {
        Service { queue: VecDeque::with_capacity(longest), longest, rate, credit: 0 }
    }

    /// From now on, so many requests per second.
    pub(crate) fn set_rate(&mut self, rate: u64) {
        self.rate = rate;
    }

    /// Takes a request, or rejects it because the queue is full.
    pub(crate) fn offer(&mut self, request: Request) -> bool {
        let fits = self.queue.len() < self.longest;
        if fits {
            self.queue.push_back(request);
        }
        fits
    }

    /// A tick passed.
    pub(crate) fn tick(&mut self) {
        self.credit += self.rate;
    }

    /// The next request that is served in this tick. A service with nothing to do does not save up
    /// for later.
    pub(crate) fn serve(&mut self) -> Option<Request> {
        if self.queue.is_empty() {
            self.credit = self.credit.min(PRICE);
        }
        let credit = self.credit.checked_sub(PRICE)?;
        let request = self.queue.pop_front()?;
        self.credit = credit;
        Some(request)
    }
}
