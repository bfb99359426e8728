//! Which I/O errors are worth a retry.
//!
//! [`is_transient`] knows the kinds that may be gone by themselves:
//!
//! | kind | transient | why |
//! |---|---|---|
//! | `ConnectionRefused` | yes | the server restarts, or its queue is full |
//! | `ConnectionReset`, `ConnectionAborted`, `BrokenPipe`, `UnexpectedEof` | yes | the connection died, a new one may live; whether the request took effect is not known |
//! | `NotConnected` | yes | the connection was lost before this use of it |
//! | `TimedOut`, `WouldBlock`, `Interrupted` | yes | not now |
//! | `HostUnreachable`, `NetworkUnreachable`, `NetworkDown` | yes | routes come back |
//! | `AddrInUse` | yes | the process before us, or the kernel's `TIME_WAIT`, still holds it |
//! | `ResourceBusy`, `ExecutableFileBusy`, `Deadlock`, `StaleNetworkFileHandle` | yes | somebody else has it for the moment |
//! | `AddrNotAvailable` | no | an address that is not this machine's stays so |
//! | `NotFound`, `AlreadyExists`, `PermissionDenied`, `ReadOnlyFilesystem`, `IsADirectory`, `NotADirectory`, `DirectoryNotEmpty`, `CrossesDevices`, `TooManyLinks`, `InvalidFilename`, `NotSeekable` | no | nothing changes unless somebody changes it |
//! | `InvalidInput`, `InvalidData`, `WriteZero`, `ArgumentListTooLong`, `FileTooLarge`, `Unsupported` | no | the same call fails the same way |
//! | `StorageFull`, `QuotaExceeded`, `OutOfMemory` | no | retrying adds to what is short |
//! | `Other` and all that are not named | no | unknown; look for the cause behind it with [`caused_by`](super::caused_by) |
//!
//! "Transient" says that a retry may succeed, not that it is safe: a request that was cut off half
//! way may have taken effect. Retry what is idempotent.

use std::io::{Error, ErrorKind};

/// Whether an I/O error may be gone the next time, by the table [above](self).
///
/// ```
/// use persevere::{RetryExt, constant};
/// use persevere::classify::io;
/// use std::time::Duration;
///
/// let mut calls = 0;
/// let outcome = (|| { calls += 1; std::fs::read_to_string("/no/such/file") })
///     .retry_with(constant(Duration::from_secs(1)).max_attempts(3))
///     .when(io::is_transient)
///     .call();
/// assert!(outcome.is_err() && calls == 1);
/// ```
#[must_use]
#[inline]
pub fn is_transient(error: &Error) -> bool {
    is_transient_kind(error.kind())
}

/// Whether errors of `kind` may be gone the next time, by the table [above](self).
///
/// ```
/// use persevere::classify::io::is_transient_kind;
/// use std::io::ErrorKind;
/// assert!(is_transient_kind(ErrorKind::ConnectionReset));
/// assert!(!is_transient_kind(ErrorKind::NotFound));
/// ```
#[must_use]
#[doc(hidden)]
pub fn is_transient_kind(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
            | ErrorKind::NotConnected
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock
            | ErrorKind::Interrupted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrInUse
            | ErrorKind::ResourceBusy
            | ErrorKind::ExecutableFileBusy
            | ErrorKind::Deadlock
            | ErrorKind::StaleNetworkFileHandle
    )
}

/// A predicate for errors of these kinds and no others.
///
/// ```
/// use persevere::classify::io;
/// use std::io::{Error, ErrorKind};
///
/// let missing = io::of_kind([ErrorKind::NotFound]);
/// assert!(missing(&Error::from(ErrorKind::NotFound)));
/// assert!(!missing(&Error::from(ErrorKind::TimedOut)));
/// ```
pub fn of_kind<K: AsRef<[ErrorKind]>>(kinds: K) -> impl Fn(&Error) -> bool {
    move |error: &Error| kinds.as_ref().contains(&error.kind())
}
