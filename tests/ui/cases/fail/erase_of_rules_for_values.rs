//! An erased policy serves calls of any value, so rules about values are given to the call.
use persevere::hook::Hook;
use persevere::{DynPolicy, Policy, immediate};
use std::io;

#[derive(Clone)]
struct Log;

impl Hook<io::Result<u32>> for Log {}

fn until() -> DynPolicy<io::Error> {
    Policy::new(immediate().max_attempts(3)).until(|value: &u32| *value > 2).erase()
}

fn hook() -> DynPolicy<io::Error> {
    Policy::new(immediate().max_attempts(3)).hook(Log).erase()
}

fn when() -> DynPolicy<io::Error> {
    Policy::new(immediate().max_attempts(3)).when(|error: &String| error.is_empty()).erase()
}

fn main() {}
