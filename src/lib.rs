//! Retrying as a property of the call site.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod attempt;
pub mod backoff;
pub mod classify;
mod engine;
mod error;
pub mod hook;
mod outcome;
pub mod policy;
mod random;
pub mod retry;
pub mod time;

pub use crate::attempt::Attempt;
pub use crate::backoff::{
    Backoff, DelayBounds, Finite, Limits, constant, decorrelated, decorrelated_v2, delays,
    exponential, fibonacci, from_fn, from_iter, immediate, linear, polynomial,
};
pub use crate::classify::{Classifier, Verdict};
pub use crate::engine::{Decision, Engine};
pub use crate::error::{Interrupted, Reason, RetryError, Veto};
pub use crate::hook::Hook;
pub use crate::outcome::{Absent, Outcome};
pub use crate::policy::Policy;
pub use crate::retry::{Attempts, MayInterrupt, Own, Retry, RetryExt};
pub use crate::time::DefaultTimer;
