//! Retries any fallible call where it is made: closures, futures and loops, sync and async, on any
//! runtime.
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
//! # let clock = persevere::time::VirtualClock::new();
//! # let page = clock.clone().block_on(async {
//! let page = (|| fetch("https://example.org"))
//!     .retry_with(exponential(Duration::from_millis(100)).full_jitter().max_attempts(5))
//!     .when(|error| error.is_transient())
//!     .on_retry(|retry| eprintln!("{retry}"))
//!     .await?;
//! # Ok::<_, FetchError>(page) });
//! # assert_eq!(page, Ok("hello"));
//! ```
//!
//! # Which surface?
//!
//! | the code has | write |
//! |---|---|
//! | a closure, a function or a clonable future | [`operation.retry_with(policy).await`](RetryExt::retry_with) |
//! | code that blocks | [`operation.retry_with(policy).call()`](Retry::call) |
//! | `&mut` state, or no use for a closure | the loop: [`policy.start()`](Policy::start) and [`Attempts`] |
//! | one policy for many calls | a [`Policy`] in a `static`, a field or an `Arc`: [`policy.run(..)`](Policy::run), [`policy.call(..)`](Policy::call), `retry_with(&policy)` |
//! | a whole function | the decorator: `#[retry(policy)]` (feature `macros`) |
//! | no place for any of them: an actor, a main loop, another language | the [`Engine`] |
//!
//! All use one engine, which does no I/O, reads no clock and never sleeps, so they behave alike.
//!
//! # How long does a retry wait?
//!
//! A [`Backoff`] is a pure function from the [`Attempt`] to a delay, and composed like an iterator. It
//! prints its schedule before anything runs:
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
//! A backoff without an end does not compile as a policy: add `.max_attempts(n)`,
//! `.max_elapsed(duration)` or `.forever()`. [`backoff`] lists all of them, and shows a custom one.
//!
//! # Which errors are retried?
//!
//! All, by default. [`.when(..)`](Retry::when) selects errors, [`.until(..)`](Retry::until) retries
//! values that are not ready, and [`.classify(..)`](Retry::classify) does both, and obeys a server's
//! `Retry-After`. [`classify`] has predicates for I/O errors, causes, marks and kinds.
//!
//! # What is counted?
//!
//! **Attempts** are executions, the first included: `max_attempts(3)` is at most two **retries**, like
//! `max_retries(2)`. Limits hold against all classifiers, hooks and servers, in whatever order they
//! were written. After the last attempt, there is neither a sleep nor an `on_retry`.
//!
//! # How is a call watched, limited and cancelled?
//!
//! [Hooks](hook) are closures such as [`.on_retry(..)`](Retry::on_retry), or a [`Hook`]; they may veto
//! retries. Each call ends with one finish event, cancelled and panicked calls too. [Guards](guard) may
//! end a call before its operation returns: [circuit breakers](breaker),
//! [`.attempt_timeout(..)`](Retry::attempt_timeout), [`.deadline(..)`](Retry::deadline). A retry
//! [budget](mod@budget) limits the retries of all calls together; [hedges](hedge) are second copies of slow
//! attempts. A [token](time::CancelToken) or any [future](Retry::cancel_when) cancels a call.
//!
//! # How is it tested?
//!
//! In virtual time (feature `test-util`): hours of backoff pass in microseconds.
//!
//! ```
//! use persevere::{RetryExt, constant, time::VirtualClock};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let hourly = constant(Duration::from_secs(3600)).max_attempts(4);
//! let outcome = clock.block_on((|| async { None::<u8> }).retry_with(hourly));
//! assert_eq!((outcome, clock.slept().len()), (None, 3));
//! ```
//!
//! A [test scope](testing::TestScope) changes code that has its own policies: no waits, or another
//! number of attempts.
//!
//! # How do operators tune it?
//!
//! [`Policies`](policy::Policies) reads named policies from a settings file, environment variables or
//! any other [figment](https://docs.rs/figment) (feature `config`), and follows updates while the program
//! runs: from a [file](sources::WatchedFile), [Consul](sources::Consul) or a stream. An invalid update
//! is rejected as a whole, with all its problems, and the last good one stays.
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
//! [`policy::config`] lists all keys and their defaults.
//!
//! # What does it cost?
//!
//! A call that succeeds at its first attempt makes no allocation, takes no lock and reads no clock,
//! unless a time limit, a report, a hook or a backoff uses the time. The README has the figures.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `std` | yes | a clock, blocking sleeps, randomness; implies `alloc` |
//! | `futures-timer` | yes | the asynchronous [`DefaultTimer`], which works on every runtime |
//! | `alloc` | with `std` | boxed backoffs, [`DynPolicy`], histories of errors |
//! | `tokio` | | the timer of tokio: the [`DefaultTimer`] inside of a tokio runtime, and [`TokioTimer`](time::TokioTimer); follows paused clocks |
//! | `async-io` | | [`AsyncIoTimer`](time::AsyncIoTimer), for smol |
//! | `wasm` | | timers, clock and randomness for `wasm32-unknown-unknown` |
//! | `libm` | | `decorrelated_v2` without `std` |
//! | `test-util` | | [`VirtualClock`](time::VirtualClock) and [`TestScope`](testing::TestScope) |
//! | `config` | | named [`Policies`](policy::Policies) from any figment |
//! | `live` | | [`Policies::follow`](policy::Policies::follow), for streams of updates; implies `config` |
//! | `watch` | | [`WatchedFile`](sources::WatchedFile); implies `live` |
//! | `consul` | | [`Consul`](sources::Consul), with a light HTTP client or another; implies `live` |
//! | `macros` | | `#[retry]` and `#[derive(Kinded)]` |
//! | `http` | | delays from responses: [`retry_after`](classify::retry_after); HTTP statuses as [kinds](classify::Kinded) |
//! | `reqwest` | | the kinds of reqwest's errors; implies `http` |
//! | `tracing`, `metrics` | | events and counters of [updates](policy::UpdateEvent) |
//!
//! Without features the crate is `no_std`: give a custom [`Timer`](time::Timer), and give policies a
//! [seed](Policy::seed). Items that the documentation does not show carry no promise of stability.
//!
//! # In which order do rules apply?
//!
//! | subject | rule |
//! |---|---|
//! | cap and jitter | combinators apply in the order written; `.max_delay(d).full_jitter()` stays within `d` |
//! | sequences | in `a.first(3).then(b)`, `b` counts from 1 again and sees its own delays |
//! | classifiers | those of a call decide before those of its policy; `.when(..)` and `.until(..)` decide whether an outcome is retried, and an earlier delay or prohibition stays |
//! | `Retry-After` | a floor, never jittered down; over its [ceiling](Backoff::max_retry_after) the call stops |
//! | time limits | the coming sleep counts: a retry that would start at the limit is not slept for |
//! | zero delay | the timer is not used, and an awaited call yields to its executor |
//! | begin | at the first poll or `.call()`; building a retry does nothing |
//! | drop | cancels: [`Reason::Cancelled`] |
//! | panic | continues, and is never retried |

// `#[inline]` on a function that is large or rarely called (a `Display`, a setter) has a reason: such a
// function is compiled in the crates that call it, and not in this one. A clean release build of this
// crate takes 2.8 s instead of 5.3 s of one processor, and a program pays for the parts that it uses.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
#[macro_use]
extern crate std;

// Its macros are used by the modules below.
#[macro_use]
pub mod hook;

mod attempt;
pub mod backoff;
#[cfg(all(feature = "alloc", target_has_atomic = "64"))]
pub mod breaker;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub mod budget;
pub mod classify;
#[cfg(feature = "macros")]
mod decorator;
mod engine;
mod error;
pub mod guard;
pub mod hedge;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod invalid_setting;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod macro_support;
mod name;
mod outcome;
pub mod policy;
mod progress;
mod random;
pub mod retry;
#[cfg(any(feature = "watch", feature = "consul"))]
pub mod sources;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod time;

pub use crate::attempt::{Attempt, Untimed};
#[cfg(any(feature = "std", feature = "libm"))]
pub use crate::backoff::decorrelated_v2;
pub use crate::backoff::{
    Backoff, DelayBounds, Finite, Limits, constant, decorrelated, delays, exponential, fibonacci,
    from_fn, from_iter, immediate, linear, polynomial,
};
#[cfg(all(feature = "alloc", target_has_atomic = "64"))]
pub use crate::breaker::CircuitBreaker;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use crate::budget::Budget;
#[cfg(feature = "macros")]
pub use crate::classify::Kinded;
pub use crate::classify::{Classifier, Verdict};
#[cfg(feature = "macros")]
pub use crate::decorator::retry;
pub use crate::engine::{Decision, Engine, Now};
pub use crate::error::{
    Interrupted, Interruption, Reason, Reportable, RetryError, Veto, reportable,
};
pub use crate::hedge::{Idempotent, hedge_after};
pub use crate::hook::Hook;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use crate::invalid_setting::InvalidSetting;
pub use crate::name::OperationName;
pub use crate::outcome::{Absent, FromError, Interruptible, IntoResult, Outcome};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use crate::policy::DynPolicy;
pub use crate::policy::{
    BlockingPolicyFor, IntoPolicy, Policy, PolicyFor, SendPolicyFor, StaticPolicy,
};
pub use crate::retry::{Attempts, Retry, RetryExt};
pub use crate::time::DefaultTimer;

/// Compiles the code of the README.
#[cfg(all(doctest, feature = "consul", feature = "macros", feature = "test-util"))]
#[doc = include_str!("../README.md")]
mod readme {}
