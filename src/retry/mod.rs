//! The call site: [`RetryExt::retry_with`] and what it makes.

mod attempts;
mod call;
mod finish;
mod future;
mod operation;
mod overlay;

pub use self::attempts::{Again, Attempts, AttemptsOf, Checked};
#[cfg(feature = "alloc")]
pub use self::finish::History;
pub use self::finish::{Ends, Finish, Interruptible, MayInterrupt, Own, Plain, Report};
pub use self::future::{Retry, RetryOf};
pub use self::operation::{
    Call, CallWith, Operation, Outcome as OutcomeOf, Produces, Repeat, RetryExt, marker,
};
pub use self::overlay::{Ask, Errors, ForValues, Inherit, Overlay, Values};
