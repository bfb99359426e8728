//! The call site: [`RetryExt::retry_with`], the [`Retry`] that it makes, and the loop.
//!
//! The types of operations and outputs are inferred. A field that holds a retry boxes it; one that holds a
//! loop or an [engine](crate::Engine) names its policy by [`PolicyOf`](crate::policy::PolicyOf).
//!
//! ```
//! use persevere::{RetryExt, immediate};
//! use std::{future::{Future, ready}, pin::Pin};
//!
//! struct Job {
//!     retry: Pin<Box<dyn Future<Output = Option<u8>> + Send>>,
//! }
//!
//! let fetch = || ready(Some(1));
//! let job = Job { retry: Box::pin(fetch.retry_with(immediate().max_attempts(3))) };
//! # assert_eq!(persevere::time::VirtualClock::new().block_on(job.retry), Some(1));
//! ```

mod attempts;
mod blocking;
mod builder;
mod future;
mod operation;
mod output;

use crate::guard::Guards;
use crate::policy::Setup;
use crate::time::Clock;
use crate::time::signal::Signals;

pub use self::attempts::{AttemptFuture, Attempts, WithLastOutcome};
pub use self::builder::Retry;
pub use self::operation::{
    AtOnce, CloneFuture, FnOperation, FnWithAttempt, InBody, Later, Loop, Operation, OutcomeOf,
    Produces, RetryExt, RetryOf, marker,
};
#[cfg(feature = "alloc")]
pub use self::output::History;
pub use self::output::{CallOutput, Passthrough, Report};

pub(crate) type SleepOf<O, P> = <<P as Setup<O>>::Timer as Clock>::Sleep;
pub(crate) type LimitOf<O, P> = <<P as Setup<O>>::Guards as Guards<O>>::Limit<SleepOf<O, P>>;
pub(crate) type KeptOf<O, P> =
    <<P as Setup<O>>::Guards as Guards<O>>::Kept<<<P as Setup<O>>::Signals as Signals<O>>::Kept>;
