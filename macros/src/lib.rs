//! The procedural macros of `persevere`. Empty until the decorator lands.
