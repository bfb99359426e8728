//! Nothing: the package is its tests. They say what the compiler refuses, and in what words.
