//! A limit on the time of an attempt: a sleep that is armed when the attempt first has to wait.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// A limit that may be armed with a sleep `Z`.
///
/// It is implemented by [`Unlimited`] and [`Limited`], and cannot be by others.
pub trait Limit<Z>: Sized + sealed::Sealed {
    /// The limit of an attempt that begins. `end` is when it has to be done, where that is known.
    fn begin(end: Option<u64>) -> Self;

    /// One that nobody is asked for.
    fn none() -> Self;

    /// When the attempt has to be done, in the nanoseconds of its call's clock.
    fn end(&self) -> Option<u64>;

    /// Whether the limit has come. The first time, `arm` is asked for the sleep; `None` is no limit.
    fn poll(
        self: Pin<&mut Self>,
        arm: impl FnOnce() -> Option<Z>,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        Z: Future<Output = ()>;
}

mod sealed {
    /// Keeps [`Limit`](super::Limit) to the two that calls know, so that it may grow.
    pub trait Sealed {}
    impl Sealed for super::Unlimited {}
    impl<Z> Sealed for super::Limited<Z> {}
}

/// No limit: nothing is held, and nobody asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl<Z> Limit<Z> for Unlimited {
    #[inline]
    fn begin(_: Option<u64>) -> Self {
        Unlimited
    }
    #[inline]
    fn none() -> Self {
        Unlimited
    }
    #[inline]
    fn end(&self) -> Option<u64> {
        None
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, _: impl FnOnce() -> Option<Z>, _: &mut Context<'_>) -> Poll<()>
    where
        Z: Future<Output = ()>,
    {
        Poll::Pending
    }
}

pin_project_lite::pin_project! {
    /// Perhaps a limit.
    pub struct Limited<Z> {
        asked: bool,
        end: Option<u64>,
        #[pin]
        sleep: Option<Z>,
    }
}

impl<Z> fmt::Debug for Limited<Z> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").field("armed", &self.sleep.is_some()).finish_non_exhaustive()
    }
}

impl<Z> Limit<Z> for Limited<Z> {
    fn begin(end: Option<u64>) -> Self {
        Limited { asked: false, end, sleep: None }
    }
    fn none() -> Self {
        Limited { asked: true, end: None, sleep: None }
    }
    fn end(&self) -> Option<u64> {
        self.end
    }

    #[inline]
    fn poll(self: Pin<&mut Self>, arm: impl FnOnce() -> Option<Z>, cx: &mut Context<'_>) -> Poll<()>
    where
        Z: Future<Output = ()>,
    {
        let mut this = self.project();
        if !*this.asked {
            *this.asked = true;
            this.sleep.set(arm());
        }
        this.sleep.as_pin_mut().map_or(Poll::Pending, |sleep| sleep.poll(cx))
    }
}
