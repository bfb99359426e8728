//! What comes out of a source, and the way there: one thread feeds one stream.

use std::fmt;
use std::format;
use std::pin::Pin;
use std::string::String;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use figment::value::{Dict, Map};
use figment::{Error, Figment, Metadata, Profile, Provider};
use futures_core::Stream;

use crate::time::{BlockingTimer, Clock};

/// What a source holds now, and what it holds whenever that changes. Made by
/// [`WatchedFile::updates`](super::WatchedFile::updates) and [`Consul::updates`](super::Consul::updates).
///
/// It works on every runtime, and ends only if the thread behind it does. A problem is an item too:
/// a [`Figment`] from which nothing can be extracted but its error. Who falls behind finds the
/// newest content, and the newest problem if there was one since; what lay between is skipped.
///
/// Dropping it stops the thread that feeds it.
#[must_use = "a stream does nothing for a program that does not poll it"]
#[doc(hidden)]
pub struct Updates {
    channel: Arc<Channel>,
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updates").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Channel {
    state: Mutex<State>,
    /// Wakes the thread.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    content: Option<Figment>,
    /// Came after the content.
    problem: Option<Figment>,
    waker: Option<Waker>,
    /// Nobody will write again.
    ended: bool,
    /// Nobody will read again.
    dropped: bool,
    /// Counts what the thread should look at.
    alarms: u64,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.lock();
            change(&mut state);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Updates {
    /// A stream that `body` feeds, on a thread of its own, until the stream is dropped.
    pub(super) fn fed_by(
        thread: &str,
        source: Metadata,
        body: impl FnOnce(&Feed) + Send + 'static,
    ) -> Self {
        let channel = Arc::new(Channel::default());
        let feed = Feed { channel: Arc::clone(&channel), source, made: Instant::now() };
        let unstarted = Updates { channel };
        let (name, source) = (String::from(thread), feed.source.clone());
        if let Err(error) = thread::Builder::new().name(name).spawn(move || body(&feed)) {
            let problem = Snapshot::problem(source, format!("no thread can be started: {error}"));
            // The feed went with the closure, and has ended the stream already.
            unstarted.channel.update(|state| state.problem = Some(problem));
        }
        unstarted
    }

    #[cfg(test)]
    pub(super) fn has_stopped(self) -> impl Fn() -> bool {
        let channel = Arc::downgrade(&self.channel);
        move || channel.strong_count() == 0
    }
}

impl Stream for Updates {
    type Item = Figment;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Figment>> {
        let mut state = self.channel.lock();
        let item = match state.content.take() {
            Some(content) => Some(content),
            None => state.problem.take(),
        };
        if item.is_some() || state.ended {
            return Poll::Ready(item);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Updates {
    fn drop(&mut self) {
        let mut state = self.channel.lock();
        state.dropped = true;
        // The waker may own the very task that owns this stream.
        let waker = state.waker.take();
        drop(state);
        drop(waker);
        self.channel.changed.notify_all();
    }
}

/// The thread's end of a stream. As a timer it sleeps until the stream is dropped, at the latest.
pub(super) struct Feed {
    channel: Arc<Channel>,
    source: Metadata,
    made: Instant,
}

impl Feed {
    /// Publishes what the source holds, or that it holds something unusable.
    pub(super) fn publish(&self, data: Result<Map<Profile, Dict>, Error>) {
        let usable = data.is_ok();
        let item = Figment::from(Snapshot { metadata: self.source.clone(), data });
        self.channel.update(|state| {
            if usable {
                (state.content, state.problem) = (Some(item), None);
            } else {
                state.problem = Some(item);
            }
        });
    }

    /// Publishes that the source cannot be read.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.publish(Err(Error::from(message.into())));
    }

    /// Whether the stream was dropped, so that the thread should end.
    pub(super) fn is_over(&self) -> bool {
        self.channel.lock().dropped
    }

    /// Something that makes [`wait`](Self::wait) return, from any thread.
    #[cfg(feature = "watch")]
    pub(super) fn alarm(&self) -> impl Fn() + Send + Sync + 'static {
        // Not a second owner: the stream's end must not wait for who holds an alarm.
        let channel = Arc::downgrade(&self.channel);
        move || {
            if let Some(channel) = channel.upgrade() {
                let mut state = channel.lock();
                state.alarms = state.alarms.wrapping_add(1);
                drop(state);
                channel.changed.notify_all();
            }
        }
    }

    /// How many alarms there were.
    #[cfg(feature = "watch")]
    pub(super) fn alarms(&self) -> u64 {
        self.channel.lock().alarms
    }

    /// Waits for an alarm after the first `seen`, for the end of the stream, or for `duration`.
    pub(super) fn wait(&self, seen: Option<u64>, duration: Duration) {
        // Far below where the arithmetic of any platform ends.
        let mut left = duration;
        let mut state = self.channel.lock();
        let begun = Instant::now();
        while !state.dropped && seen.is_none_or(|seen| state.alarms == seen) && !left.is_zero() {
            let piece = left.min(Duration::from_secs(86_400));
            state = match self.channel.changed.wait_timeout(state, piece) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            left = duration.saturating_sub(begun.elapsed());
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if thread::panicking() {
            self.problem("the thread that follows it panicked, so there will be no more updates");
        }
        self.channel.update(|state| state.ended = true);
    }
}

impl Clock for Feed {
    type Sleep = ();

    fn now(&self) -> Duration {
        self.made.elapsed()
    }
}

impl BlockingTimer for Feed {
    fn sleep_blocking(&self, duration: Duration) {
        self.wait(None, duration);
    }
}

/// What a source held at one time.
struct Snapshot {
    metadata: Metadata,
    data: Result<Map<Profile, Dict>, Error>,
}

impl Snapshot {
    fn problem(metadata: Metadata, message: String) -> Figment {
        Figment::from(Self { metadata, data: Err(Error::from(message)) })
    }
}

impl Provider for Snapshot {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        self.data.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::vec::Vec;

    use futures::executor::block_on;
    use futures::{FutureExt, StreamExt};

    use super::*;

    fn content(n: i64) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(Dict::from([("n".into(), n.into())])))
    }

    /// All that can be had at once.
    fn items(updates: &mut Updates) -> Vec<Result<i64, String>> {
        let ready = std::iter::from_fn(|| updates.next().now_or_never().flatten());
        ready.map(|item| item.extract_inner("n").map_err(|error| std::format!("{error}"))).collect()
    }

    #[test]
    fn who_falls_behind_finds_the_newest_content_and_what_went_wrong_since() {
        let (steps, told) = mpsc::channel::<fn(&Feed)>();
        let (done, taken) = mpsc::channel();
        let mut updates = Updates::fed_by("test", Metadata::named("test"), move |feed| {
            for step in told {
                step(feed);
                done.send(()).expect("the test goes on");
            }
        });
        let mut after = |step: fn(&Feed)| {
            steps.send(step).expect("the thread goes on");
            taken.recv().expect("the thread goes on");
            items(&mut updates)
        };
        assert_eq!(after(|feed| (1..4).for_each(|n| feed.publish(content(n)))), [Ok(3)]);
        let after_content = after(|feed| {
            feed.publish(content(4));
            feed.problem("first");
            feed.problem("second");
        });
        assert_eq!(after_content, [Ok(4), Err("second in test".into())]);
        let well_again = after(|feed| {
            feed.problem("third");
            feed.publish(content(4));
        });
        assert_eq!(well_again, [Ok(4)]);
        assert_eq!(after(|_| {}), []);
    }

    #[test]
    fn the_stream_ends_with_its_thread_and_wakes_who_waits() {
        let (go, wait) = mpsc::channel::<()>();
        let mut updates = Updates::fed_by("test", Metadata::named("test"), move |_| {
            let _ = wait.recv();
        });
        assert!(updates.next().now_or_never().is_none(), "it goes on");
        drop(go);
        assert!(block_on(updates.next()).is_none());
    }
}
