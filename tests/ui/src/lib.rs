//! The package is its tests alone: of the messages with which the compiler refuses programs.
