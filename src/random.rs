//! The random stream of a call: counter-based, so that a draw is a pure function of its place.

use core::num::NonZeroU64;

/// The golden ratio in 64 bits: odd, so that its multiples visit every number.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// From one call's seed to the next on a thread: odd too, and no multiple of [`STEP`] that a call
/// would reach. Seeds are not mixed, since every draw is.
#[cfg(feature = "std")]
const NEXT_CALL: u64 = 0xD1B5_4A32_D192_ED03;

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014): every input bit reaches every output bit.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The draw at (`index`, `lane`) of the stream that `seed` names.
#[inline]
pub(crate) const fn draw(seed: u64, index: u32, lane: u32) -> u64 {
    let place = ((index as u64) << 32) | lane as u64;
    mix(seed ^ place.wrapping_mul(STEP))
}

/// `random` scaled to `0..=span`, without division and without bias that could be measured: the
/// multiply-shift of Lemire, "Fast random integer generation in an interval" (2019).
#[inline]
pub(crate) const fn scale(random: u64, span: u64) -> u64 {
    ((span.saturating_add(1) as u128 * random as u128) >> 64) as u64
}

/// The seed that a user gave, spread over all bits so that neighbouring seeds differ.
pub(crate) const fn spread(seed: u64) -> NonZeroU64 {
    match NonZeroU64::new(mix(seed.wrapping_add(STEP))) {
        Some(seed) => seed,
        None => NonZeroU64::MIN,
    }
}

/// A seed for one call that was given none: each thread starts somewhere at random, and a Weyl
/// sequence goes on from there, so that a call neither waits for another nor repeats one.
#[inline]
#[cfg(feature = "std")]
pub(crate) fn fresh() -> NonZeroU64 {
    use core::cell::Cell;
    std::thread_local! {
        /// Zero until the thread draws its first seed. Without a destructor, so that it is there
        /// while the thread ends.
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }

    let seed = match NEXT.get() {
        0 => from_system(),
        seed => seed,
    };
    NEXT.set(seed.wrapping_add(NEXT_CALL));
    NonZeroU64::new(seed).unwrap_or(NonZeroU64::MIN)
}

/// Randomness of the operating system: once per thread, so the keys of a hash map will do.
#[cold]
#[inline(never)]
#[cfg(all(feature = "std", not(all(target_family = "wasm", feature = "wasm"))))]
fn from_system() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(NEXT_CALL)
}

/// In a browser or in node, the standard library has no randomness.
#[cold]
#[inline(never)]
#[cfg(all(feature = "std", target_family = "wasm", feature = "wasm"))]
fn from_system() -> u64 {
    getrandom::u64().unwrap_or(NEXT_CALL)
}

/// Without an operating system there is no entropy: calls differ from one another, but a device
/// repeats itself after a restart unless its policies are given a seed.
#[cold]
#[inline(never)]
#[cfg(not(feature = "std"))]
pub(crate) fn fresh() -> NonZeroU64 {
    use core::sync::atomic::{AtomicUsize, Ordering};
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    #[cfg(target_has_atomic = "ptr")]
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    #[cfg(not(target_has_atomic = "ptr"))]
    let call = {
        let call = CALLS.load(Ordering::Relaxed);
        CALLS.store(call.wrapping_add(1), Ordering::Relaxed);
        call
    };
    spread(call as u64)
}
