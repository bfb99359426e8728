//! The kinds of I/O errors.

use std::io::{Error, ErrorKind};

use super::Kinded;
use crate::classify::io::is_transient_kind;

/// Names for these kinds, each the name of the variant.
macro_rules! named {
    ($($kind:ident),* $(,)?) => {
        /// The kinds have the names of [`ErrorKind`]'s variants, and the group "transient" is what
        /// [`is_transient`](crate::classify::io::is_transient) says. The name "Other" is what
        /// [`Error::other`] makes; kinds that have no stable name have none here.
        ///
        /// ```
        /// use persevere::classify::Kinded;
        /// use std::io::{Error, ErrorKind};
        ///
        /// let refused = Error::from(ErrorKind::ConnectionRefused);
        /// assert!(refused.is_kind("ConnectionRefused") && refused.is_kind("transient"));
        /// assert!(!refused.is_kind("TimedOut"));
        /// assert!(Error::knows("TimedOut") && !Error::knows("TimeOut"));
        /// ```
        impl Kinded for Error {
            const KINDS: &'static [&'static str] = &["transient", $(stringify!($kind)),*];

            #[inline]
            fn is_kind(&self, name: &str) -> bool {
                let kind = self.kind();
                match name {
                    "transient" => is_transient_kind(kind),
                    $(stringify!($kind) => kind == ErrorKind::$kind,)*
                    _ => false,
                }
            }
        }
    };
}

named! {
    NotFound, PermissionDenied, ConnectionRefused, ConnectionReset, HostUnreachable,
    NetworkUnreachable, ConnectionAborted, NotConnected, AddrInUse, AddrNotAvailable, NetworkDown,
    BrokenPipe, AlreadyExists, WouldBlock, NotADirectory, IsADirectory, DirectoryNotEmpty,
    ReadOnlyFilesystem, StaleNetworkFileHandle, InvalidInput, InvalidData, TimedOut, WriteZero,
    StorageFull, NotSeekable, QuotaExceeded, FileTooLarge, ResourceBusy, ExecutableFileBusy,
    Deadlock, CrossesDevices, TooManyLinks, ArgumentListTooLong, Interrupted, Unsupported,
    UnexpectedEof, OutOfMemory, Other,
}
