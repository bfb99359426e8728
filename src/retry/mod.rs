//! The call site: [`RetryExt::retry_with`] and what it makes, and the loop.
//!
//! The types of this module are named by inference; the ones to write down are [`RetryOf`], for a
//! future in a field, and [`AttemptsOf`], for a loop.
//!
//! ```
//! use persevere::retry::{RetryOf, marker};
//! use persevere::backoff::{Constant, MaxAttempts};
//! use persevere::{RetryExt, immediate};
//! use std::future::{Ready, ready};
//!
//! type Operation = persevere::retry::Call<fn() -> Ready<Option<u8>>>;
//! struct Job {
//!     retry: RetryOf<Operation, marker::Async, MaxAttempts<Constant>>,
//! }
//!
//! let operation: fn() -> Ready<Option<u8>> = || ready(Some(1));
//! let job = Job { retry: operation.retry_with(immediate().max_attempts(3)) };
//! # assert_eq!(persevere::time::VirtualClock::new().block_on(job.retry), Some(1));
//! ```

mod argument;
mod attempts;
mod blocking;
mod call;
mod finish;
mod future;
mod loops;
mod operation;
mod overlay;
mod source;

pub use self::argument::Argument;
pub use self::attempts::{Again, Attempts, AttemptsOf, Checked};
#[cfg(feature = "alloc")]
pub use self::finish::History;
pub use self::finish::{Finish, Interruptible, Plain, Report};
pub use self::future::{Retry, RetryOf};
pub use self::loops::{InBody, Loop};
pub use self::operation::{
    AtOnce, Call, CallWith, Later, Operation, Outcome as OutcomeOf, Produces, Repeat, RetryExt,
    marker,
};
pub use self::overlay::{Ask, Errors, ForValues, Inherit, Overlay, Values};
pub(crate) use self::source::source;
pub use self::source::{Held, IntoPolicy, PolicyParts, Source};
pub use crate::ends::{Ends, MayInterrupt, Own};
