//! Updates that come by themselves.

use std::future::{Future, poll_fn};
use std::mem::replace;
use std::pin::pin;
use std::task::Poll;

use figment::Figment;
use futures_core::Stream;

use super::Policies;

impl Policies {
    /// Takes every figment of a stream as an update, as [`reload`](Policies::reload) does: a plain
    /// future, to be spawned on any runtime or driven by a thread of its own. It ends with the
    /// stream. One that is refused is told and kept, and the next one is waited for all the same. After
    /// each it lets others run.
    ///
    /// Streams come from [`sources`](crate::sources), from a channel, or from any client that
    /// watches a store; a stream of values becomes one of figments with `.map(..)`.
    ///
    /// ```
    /// use figment::{Figment, providers::{Format, Toml}};
    /// use futures::stream;
    /// use persevere::policy::Policies;
    ///
    /// let toml = |text: &str| Figment::from(Toml::string(text));
    /// let policies = Policies::load(&toml("default_policy.attempts = 3"), "")?;
    /// let updates = ["default_policy.attempts = 4", "default_policy.attemps = 5", "%"].map(toml);
    /// futures::executor::block_on(policies.follow(stream::iter(updates)));
    /// assert_eq!((policies.revision(), policies.refused()), (2, 2));
    /// # Ok::<_, persevere::policy::config::ConfigError>(())
    /// ```
    pub fn follow<S>(&self, updates: S) -> impl Future<Output = ()> + use<S>
    where
        S: Stream<Item = Figment>,
    {
        let policies = self.clone();
        async move {
            let mut updates = pin!(updates);
            while let Some(figment) = poll_fn(|cx| updates.as_mut().poll_next(cx)).await {
                // A refusal is told to the listeners and kept as the last error.
                let _ = policies.reload(&figment);
                give_way().await;
            }
        }
    }
}

/// Lets others run, once, so that a stream which is always ready does not keep a thread to itself.
fn give_way() -> impl Future<Output = ()> {
    let mut gave = false;
    poll_fn(move |cx| {
        if replace(&mut gave, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
