//! The contenders: one module for each, and one entry for each kind of work that it can do.
//!
//! Each contender is written as its documentation recommends. What a library shares between calls
//! (a policy, a service) is made once, outside the loop; what it makes for each call is counted.

mod again;
mod backon;
mod execution_policy;
mod hand_written;
mod persevere;
mod relentless;
mod retry;
mod stopped;
mod tokio_retry;
mod tokio_retry2;
mod tower;
mod tryhard;

use std::hint::black_box;
use std::time::Duration;

use crate::settings::Settings;
use crate::work::Work;

/// One figure to take.
#[derive(Clone, Copy)]
pub struct Entry {
    pub contender: &'static str,
    pub work: Work,
    /// Does the work this many times.
    pub run: fn(u64),
}

impl Entry {
    const fn new(contender: &'static str, work: Work, run: fn(u64)) -> Self {
        Self { contender, work, run }
    }
}

/// All figures, each contender's together.
pub fn all() -> Vec<Entry> {
    let peers = [
        hand_written::ENTRIES,
        again::ENTRIES,
        backon::ENTRIES,
        execution_policy::ENTRIES,
        relentless::ENTRIES,
        retry::ENTRIES,
        tokio_retry::ENTRIES,
        tokio_retry2::ENTRIES,
        tower::ENTRIES,
        tryhard::ENTRIES,
    ];
    peers.concat().into_iter().chain(persevere::entries()).collect()
}

/// The settings, behind a pointer that the optimiser cannot see through: no contender's
/// configuration may fold away.
#[inline(always)]
fn settings() -> Settings {
    static SETTINGS: Settings =
        Settings { base: Duration::from_millis(100), cap: Duration::from_secs(5), attempts: 5 };
    *black_box(&SETTINGS)
}

/// Repeats a call. What it makes is dropped, but never optimised away.
#[inline(always)]
fn repeat<T>(times: u64, mut call: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(call());
    }
}
