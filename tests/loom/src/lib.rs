//! The parts of the guards that threads share, under every interleaving that loom can think of, and
//! every value that a load may see by the memory model.
//!
//! The modules are the crate's own files: they take their atomics from the module around them.
#![cfg(test)]
#![forbid(unsafe_code)]
#![allow(dead_code, clippy::unwrap_used, reason = "tests use what they test")]

extern crate alloc;

mod breaker;
mod budget;

/// Explores a model. Switching threads at more than so many places that do not ask for it finds
/// nothing new in practice, and takes for ever.
fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(model);
}
