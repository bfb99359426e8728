//! The sleep that ends an attempt which takes too long.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use crate::attempt::UNKNOWN;

/// How long an attempt may take, in nanoseconds.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct TimeLimit {
    /// The limit of guards on this attempt; `u64::MAX` without one.
    pub(crate) limit: u64,
    /// When the attempt has to be done, since the call began: `u64::MAX` if it need not, or if no
    /// clock is read.
    pub(crate) until: u64,
}

impl TimeLimit {
    pub(crate) const NONE: TimeLimit = TimeLimit { limit: u64::MAX, until: u64::MAX };
}

/// The time limit of an attempt: [`Unlimited`] or [`Limited`].
#[doc(hidden)]
pub trait AttemptLimit<Z>: Sized {
    /// The state before the first attempt.
    const NEW: Self;

    /// An attempt begins.
    fn begin(self: Pin<&mut Self>, limit: TimeLimit);

    /// The limit of the attempt.
    fn get(&self) -> TimeLimit;

    /// Ready once the attempt has taken too long. The first poll of a waiting attempt calls `sleep`,
    /// which returns the sleep until then.
    fn poll(
        self: Pin<&mut Self>,
        sleep: impl FnOnce(TimeLimit) -> Z,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        Z: Future<Output = ()>;
}

/// No limit.
#[derive(Clone, Copy, Debug, Default)]
#[doc(hidden)]
pub struct Unlimited;

impl<Z> AttemptLimit<Z> for Unlimited {
    const NEW: Self = Unlimited;
    #[inline(always)]
    fn begin(self: Pin<&mut Self>, _: TimeLimit) {}
    #[inline(always)]
    fn get(&self) -> TimeLimit {
        TimeLimit::NONE
    }
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, _: impl FnOnce(TimeLimit) -> Z, _: &mut Context<'_>) -> Poll<()>
    where
        Z: Future<Output = ()>,
    {
        Poll::Pending
    }
}

pin_project_lite::pin_project! {
    /// A limit. Its sleep is kept for the next attempt if that has to be done at an equal time: a
    /// deadline arms one timer for the whole call.
    #[doc(hidden)]
    pub struct Limited<Z> {
        limit: TimeLimit,
        // Whether the attempt has waited, so that the sleep is armed for it.
        waits: bool,
        // The end of the sleep, as a time of the call; `UNKNOWN` if it is none.
        armed: u64,
        #[pin]
        sleep: Option<Z>,
    }
}

impl<Z> AttemptLimit<Z> for Limited<Z> {
    const NEW: Self = Limited { limit: TimeLimit::NONE, waits: false, armed: UNKNOWN, sleep: None };

    #[inline]
    fn begin(self: Pin<&mut Self>, limit: TimeLimit) {
        let this = self.project();
        *this.limit = limit;
        *this.waits = false;
    }

    #[inline]
    fn get(&self) -> TimeLimit {
        self.limit
    }

    fn poll(
        self: Pin<&mut Self>,
        sleep: impl FnOnce(TimeLimit) -> Z,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        Z: Future<Output = ()>,
    {
        let mut this = self.project();
        let TimeLimit { limit, until } = *this.limit;
        if !*this.waits {
            *this.waits = true;
            if limit == u64::MAX && until == u64::MAX {
                this.sleep.set(None);
            } else if this.sleep.is_none() || until == UNKNOWN || *this.armed != until {
                this.sleep.set(Some(sleep(*this.limit)));
                *this.armed = until;
            }
        }
        let Some(sleep) = this.sleep.as_mut().as_pin_mut() else { return Poll::Pending };
        ready!(sleep.poll(cx));
        this.sleep.set(None);
        Poll::Ready(())
    }
}

impl<Z> fmt::Debug for Limited<Z> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").field("armed", &self.sleep.is_some()).finish_non_exhaustive()
    }
}
