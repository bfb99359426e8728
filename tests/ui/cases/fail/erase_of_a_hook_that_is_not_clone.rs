//! Each call of an erased policy has a clone of its hooks.
use persevere::hook::Hook;
use persevere::{Absent, DynPolicy, Policy, immediate};

struct Log;
impl<O> Hook<O> for Log {}

fn erased() -> DynPolicy<Absent> {
    Policy::new(immediate().max_attempts(3)).hook(Log).erase()
}

fn main() {}
