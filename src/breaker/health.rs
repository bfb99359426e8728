//! The failure rate of the last outcomes.

use alloc::boxed::Box;

use super::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// Outcomes, and the failures among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) calls: u32,
    pub(super) failures: u32,
}

impl Seen {
    /// Whether `rate` of them or more are failures. A product may come out a little above the whole
    /// number that is meant.
    pub(super) fn reaches(self, rate: f64) -> bool {
        f64::from(self.failures) >= f64::from(self.calls) * rate - 1e-6
    }
}

/// Whether `number`, of so many bits, was written by somebody who is up to `most` ahead of who looks
/// for `other`: a thread that was held up. What seems further ahead is old, from before the numbers
/// started over.
const fn is_ahead(number: u32, other: u32, bits: u32, most: u32) -> bool {
    let ahead = number.wrapping_sub(other) & ((1 << bits) - 1);
    0 < ahead && ahead <= most
}

/// A ring of the last outcomes. Each is a word, with the generation it belongs to and, in its last
/// bit, whether it is a failure; the totals follow what is replaced.
#[derive(Debug)]
pub(super) struct Ring {
    outcomes: Box<[AtomicU32]>,
    next: Apart<AtomicU64>,
    /// Generation, outcomes and failures, in 32, 16 and 16 bits. What replaces a failure may be
    /// counted before it, so the failures have a sign.
    totals: AtomicU64,
}

/// Keeps what every call writes out of the cache lines that every call only reads.
#[derive(Debug)]
#[repr(align(64))]
struct Apart<T>(T);

/// Generations have so many bits, and one more tells an outcome from none.
const GENERATION: u32 = 29;
const PRESENT: u32 = 2;
const FAILED: u32 = 1;

impl Ring {
    #[inline]
    pub(super) fn new(length: u32) -> Self {
        let outcomes = (0..length).map(|_| AtomicU32::new(0)).collect();
        Ring { outcomes, next: Apart(AtomicU64::new(0)), totals: AtomicU64::new(0) }
    }

    /// Adds an outcome to those of `generation`, and says what they are then.
    pub(super) fn record(&self, generation: u32, failed: bool) -> Seen {
        let place = self.next.0.fetch_add(1, Relaxed) % self.outcomes.len() as u64;
        let outcome = generation << 2 | PRESENT | u32::from(failed);
        // Who comes late leaves what a later generation wrote. The same again, as in a row of
        // successes, is not written: a word that nobody writes stays in every core's cache.
        let replaced = self.outcomes[place as usize].fetch_update(AcqRel, Acquire, |old| {
            let is_late = is_ahead(old >> 2, generation, GENERATION, 1 << 16);
            (old != outcome && !is_late).then_some(outcome)
        });
        let (Ok(old) | Err(old)) = replaced;
        if replaced.is_err() && old != outcome {
            return Seen::default();
        }
        let old = if old >> 2 == generation { old } else { 0 };
        let calls = u16::from(old & PRESENT == 0);
        let failures = u16::from(failed).wrapping_sub(u16::from(old & FAILED != 0));
        let added = |(of, seen): (u32, [u16; 2])| {
            if is_ahead(of, generation, GENERATION, 1 << 16) {
                return None;
            }
            let [all, bad] = if of == generation { seen } else { [0, 0] };
            Some((generation, [all.wrapping_add(calls), bad.wrapping_add(failures)]))
        };
        let mut totals = self.totals.load(Acquire);
        loop {
            let Some((of, [calls, failures])) = added(unpack(totals)) else {
                return Seen::default();
            };
            let new = pack(of, [calls, failures]);
            let done = new == totals
                || match self.totals.compare_exchange(totals, new, AcqRel, Acquire) {
                    Ok(_) => true,
                    Err(actual) => {
                        totals = actual;
                        false
                    }
                };
            if done {
                let failures = (failures as i16).max(0).unsigned_abs();
                return Seen { calls: calls.into(), failures: failures.into() };
            }
        }
    }
}

const fn pack(of: u32, [calls, failures]: [u16; 2]) -> u64 {
    (of as u64) << 32 | (calls as u64) << 16 | failures as u64
}

const fn unpack(totals: u64) -> (u32, [u16; 2]) {
    ((totals >> 32) as u32, [(totals >> 16) as u16, totals as u16])
}

/// The time is cut in so many parts; what was seen in a part is forgotten at once.
const SLOTS: u64 = 16;

/// The outcomes of the last time. A slot is one word: the generation in 12 bits, the epoch without
/// the four that are the index in 20, and outcomes and failures in 16 each.
///
/// So it takes 4096 changes of state within the window to bring back what was seen before them, or
/// silence for exactly 12 days, or more where slots are longer.
#[derive(Debug)]
pub(super) struct Slots {
    slots: [AtomicU64; SLOTS as usize],
    /// Nanoseconds of a slot.
    length: u64,
}

const EPOCH: u32 = 20;

const fn tag(generation: u32, epoch: u64) -> u32 {
    generation << EPOCH | ((epoch / SLOTS) as u32 & ((1 << EPOCH) - 1))
}

impl Slots {
    #[inline]
    pub(super) fn new(time: u64) -> Self {
        let slots = core::array::from_fn(|_| AtomicU64::new(0));
        Slots { slots, length: (time / SLOTS).max(1) }
    }

    fn at(&self, epoch: u64) -> &AtomicU64 {
        &self.slots[(epoch % SLOTS) as usize]
    }

    /// Adds an outcome to those of `generation`.
    pub(super) fn record(&self, generation: u32, failed: bool, now: u64) {
        let epoch = now / self.length;
        let tag = tag(generation, epoch);
        // It fails for who comes so late that the slot belongs to a later epoch.
        let _ = self.at(epoch).fetch_update(AcqRel, Acquire, |word| {
            let (of, [calls, failures]) = unpack(word);
            let [calls, failures] = match of {
                _ if of == tag => [calls, failures],
                _ if of >> EPOCH == tag >> EPOCH && is_ahead(of, tag, EPOCH, 2) => return None,
                _ => [0, 0],
            };
            // Where there is no room for more, half of it is the same rate.
            let [calls, failures] =
                if calls == u16::MAX { [calls / 2, failures / 2] } else { [calls, failures] };
            Some(pack(tag, [calls + 1, failures + u16::from(failed)]))
        });
    }

    /// What was seen in `generation` until now.
    pub(super) fn seen(&self, generation: u32, now: u64) -> Seen {
        let current = now / self.length;
        (0..SLOTS).fold(Seen::default(), |seen, back| {
            let epoch = current.wrapping_sub(back);
            match unpack(self.at(epoch).load(Acquire)) {
                (of, [calls, failures]) if of == tag(generation, epoch) => Seen {
                    calls: seen.calls + u32::from(calls),
                    failures: seen.failures + u32::from(failures),
                },
                _ => seen,
            }
        })
    }
}
