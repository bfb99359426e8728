//! Retrying as a property of the call site: for any `Result`, sync or async, on any runtime.
//!
//! ```
//! use persevere::{RetryExt, exponential};
//! use std::time::Duration;
//!
//! # #[derive(Debug, PartialEq)] struct FetchError(u16);
//! # impl FetchError { fn is_transient(&self) -> bool { self.0 == 503 } }
//! # impl std::fmt::Display for FetchError {
//! #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "status {}", self.0) }
//! # }
//! # let mut replies = [Err(FetchError(503)), Ok("hello")].into_iter();
//! # let mut fetch = |_url: &str| std::future::ready(replies.next().unwrap());
//! # let url = "http://localhost/";
//! # persevere::time::VirtualClock::new().block_on(async {
//! let page = (|| fetch(&url))
//!     .retry_with(
//!         exponential(Duration::from_millis(100))
//!             .max_delay(Duration::from_secs(5))
//!             .full_jitter()
//!             .max_attempts(5),
//!     )
//!     .when(|error| error.is_transient())
//!     .on_retry(|retry| eprintln!("{retry}"))
//!     .await?;
//! # assert_eq!(page, "hello");
//! # Ok::<_, FetchError>(()) }).unwrap();
//! ```
//!
//! What comes out is the operation's own outcome, and its error type stays what it is. A retry that
//! would never end does not compile.
//!
//! # Which surface do I want?
//!
//! | you have | write |
//! |---|---|
//! | a closure, a function, a future that can be cloned | [`operation.retry_with(policy).await`](RetryExt::retry_with) |
//! | the same without `async` | [`operation.retry_with(policy).call()`](Retry::call) |
//! | `&mut` state, or no wish for a closure | the loop: [`policy.start()`](Policy::start) and [`Attempts`] |
//! | one policy for many calls | a [`Policy`]: [`policy.run(..)`](Policy::run), [`policy.call(..)`](Policy::call), or `retry_with(&policy)` |
//! | a whole function | the decorator: [`#[retry(policy)]`](macro@retry) |
//! | no surface that fits: an actor, a main loop, another language | the [`Engine`] |
//!
//! All of them ask one engine, which does no I/O, reads no clock and never sleeps; what holds for
//! one holds for all.
//!
//! # How long does it wait?
//!
//! That is a [`Backoff`]: a pure function from the [`Attempt`] to a delay, composed like an iterator.
//! It knows what it will do before anything runs:
//!
//! ```
//! use persevere::{Backoff, exponential};
//! use std::time::Duration;
//!
//! let backoff = exponential(Duration::from_millis(100)).full_jitter().max_attempts(4);
//! assert_eq!(
//!     backoff.to_string(),
//!     "exponential 100ms ×2, full jitter, at most 4 attempts: \
//!      0ns to 100ms, 0ns to 200ms, 0ns to 400ms (at most 700ms in all)",
//! );
//! assert_eq!(backoff.worst_case(), Some(Duration::from_millis(700)));
//! ```
//!
//! See [`backoff`] for all of them, and for writing one of your own.
//!
//! # What is retried?
//!
//! Errors, unless you say otherwise: [`.when(..)`](Retry::when) for errors, [`.until(..)`](Retry::until)
//! for values that are not good yet, [`.classify(..)`](Retry::classify) for both and for a server's
//! [`Retry-After`](classify::retry_after). See [`classify`], which also knows [which I/O errors are transient](classify::io),
//! looks for [causes](classify::caused_by), and lets an operation [mark](classify::Marked) its errors.
//!
//! # What is counted?
//!
//! **Attempts** are executions, the first included: `max_attempts(3)` is up to two **retries**, and
//! so is `max_retries(2)`. Limits hold whatever classifiers, hooks and servers say, and in whatever
//! order they were written. No sleep and no `on_retry` follows the last attempt.
//!
//! # How do I watch it, and how do I test it?
//!
//! With [hooks](hook): closures such as [`.on_retry(..)`](Retry::on_retry), or a [`Hook`] of your own, which may also
//! veto. Exactly one finish event ends every call, cancelled and panicking ones included. In
//! tests, the virtual clock of the `test-util` feature passes hours in microseconds:
//!
//! ```
//! use persevere::{RetryExt, constant, time::VirtualClock};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let hourly = constant(Duration::from_secs(3600)).max_attempts(4);
//! let outcome = clock.block_on((|| async { None::<u8> }).retry_with(hourly).timer(clock.clone()));
//! assert_eq!((outcome, clock.slept().len()), (None, 3));
//! ```
//!
//! # Can operators tune it?
//!
//! Yes, while the program runs: [`Policies`](policy::Policies) reads named policies from a settings
//! file, environment variables or any other [figment](https://docs.rs/figment), hands them out by
//! name, and follows updates, from a [file](sources::WatchedFile), [Consul](sources::Consul) or a
//! stream of your own. What is wrong with an update is said in full, and the last good one stays.
//!
//! ```
//! use figment::{Figment, providers::{Format, Toml}};
//! use persevere::{RetryExt, policy::Policies};
//!
//! let settings = Toml::string("[policies.fast_retry]\nattempts = 5\nwait_min = '10ms'");
//! let policies = Policies::load(&Figment::from(settings), "")?;
//! let fast = policies.get("fast_retry")?;
//! let number = (|| "7".parse::<u8>()).retry_with(&fast).when(|_| true).call()?;
//! assert_eq!(number, 7);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! See [`policy::config`] for what a settings file may say.
//!
//! # What keeps it from making an outage worse?
//!
//! A retry [budget](hook::budget), shared by calls, which ends retries when too many of them fail; a
//! [circuit breaker](hook::breaker), which ends attempts; and a
//! [limit on the time of each attempt](Policy::attempt_timeout). [Hedges](hedge), second copies of
//! slow attempts that may run twice, are paid from the same budget as retries if they are given it.
//!
//! # What does it cost?
//!
//! Until the first failure: no allocation, no lock, no random number, and no clock unless a time
//! limit, a hook or a backoff of your own asks for it. After it, still no allocation of ours. The README has the figures.
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `std` | yes | a clock, blocking sleeps, entropy; implies `alloc` |
//! | `futures-timer` | yes | the asynchronous [`DefaultTimer`], which works on every runtime |
//! | `alloc` | with `std` | boxed and counted backoffs and policies, histories of errors |
//! | `tokio` | | [`TokioTimer`](time::TokioTimer), which follows tokio's paused clock |
//! | `async-io` | | [`AsyncIoTimer`](time::AsyncIoTimer), for smol |
//! | `wasm` | | timers, clock and entropy for `wasm32-unknown-unknown` |
//! | `test-util` | | [`VirtualClock`](time::VirtualClock) |
//! | `config` | | named [`Policies`](policy::Policies) from any figment: serde and figment |
//! | `live` | | [`Policies::follow`](policy::Policies::follow), for streams of updates; implies `config` |
//! | `watch` | | [`WatchedFile`](sources::WatchedFile); implies `live` |
//! | `consul` | | [`Consul`](sources::Consul), over a light HTTP client or your own; implies `live` |
//! | `macros` | | [`#[retry]`](macro@retry) and `#[derive(Kinded)]` |
//! | `http` | | what a response says of a retry: [`retry_after`](classify::retry_after); the [kinds](classify::Kinded) of HTTP statuses |
//! | `reqwest` | | the kinds of reqwest's errors; implies `http` |
//! | `tracing`, `metrics` | | events and counters of [updates](policy::UpdateEvent) |
//!
//! Without features it is `no_std`: bring a [`Timer`](time::Timer) of a few lines, and give policies
//! a [seed](Policy::seed).
//!
//! # What is the order of things?
//!
//! | point | rule |
//! |---|---|
//! | cap and jitter | combinators apply in the order written; `.max_delay(d).full_jitter()` stays within `d` |
//! | sequences | in `a.first(3).then(b)`, `b` counts from 1 again and sees its own delays |
//! | precedence | what a call site says comes before its policy; the policy is asked where the call site has no opinion |
//! | `Retry-After` | a floor, never jittered down; over its [ceiling](Backoff::max_retry_after) the call stops |
//! | elapsed limit | counts the coming sleep: a retry that would start at the limit is not slept for |
//! | zero delay | no timer is asked, but an async retry yields to its executor |
//! | start | the first poll; building a retry does nothing |
//! | drop | cancels; hooks hear [`Reason::Cancelled`] |
//! | panic | propagates, and is never retried |
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
#[macro_use]
extern crate std;

mod attempt;
pub mod backoff;
pub mod classify;
#[cfg(feature = "macros")]
mod decorator;
#[cfg(feature = "std")]
mod enclosing;
mod ends;
mod engine;
mod error;
pub mod hedge;
pub mod hook;
mod outcome;
pub mod policy;
mod random;
pub mod retry;
#[cfg(any(feature = "watch", feature = "consul"))]
pub mod sources;
pub mod time;

/// What the macros of this crate expand to, and nobody else names.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use inventory;
}

pub use crate::attempt::Attempt;
pub use crate::backoff::{
    Backoff, DelayBounds, Finite, Limits, constant, decorrelated, decorrelated_v2, delays,
    exponential, fibonacci, from_fn, from_iter, immediate, linear, polynomial,
};
#[cfg(feature = "macros")]
pub use crate::classify::Kinded;
pub use crate::classify::{Classifier, Verdict};
#[cfg(feature = "macros")]
pub use crate::decorator::retry;
pub use crate::engine::{Decision, Engine};
pub use crate::error::{Interrupted, Reason, RetryError, Veto};
pub use crate::hedge::{Idempotent, hedge_after};
pub use crate::hook::Hook;
pub use crate::outcome::{Absent, Outcome};
pub use crate::policy::Policy;
pub use crate::retry::{Attempts, MayInterrupt, Own, Retry, RetryExt};
pub use crate::time::DefaultTimer;
