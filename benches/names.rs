//! The contenders that are no peers.

pub const HAND_WRITTEN: &str = "by hand";
/// The call site of persevere.
pub const PERSEVERE: &str = "persevere";
/// The operation without a retry.
#[allow(dead_code, reason = "one benchmark subtracts it")]
pub const DIRECT: &str = "direct";

/// The other surfaces of persevere.
pub const POLICY: &str = "`retry_with(&policy)`";
pub const RUN: &str = "`policy.run(..)`";
pub const LOOP: &str = "loop";
pub const DECORATOR: &str = "`#[retry]`";
pub const ERASED: &str = "`&DynPolicy`";
#[allow(dead_code, reason = "one benchmark has a table of them")]
pub const SURFACES: [&str; 5] = [POLICY, RUN, LOOP, DECORATOR, ERASED];
