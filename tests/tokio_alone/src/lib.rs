//! The features of persevere that the tests of this package are compiled with.
