//! The test of this package compares the public API of persevere with `persevere.txt`.
