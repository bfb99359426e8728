//! Who is not a peer.

pub const HAND_WRITTEN: &str = "by hand";
pub const PERSEVERE: &str = "persevere";
