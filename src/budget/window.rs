//! A bucket whose deposits and withdrawals are forgotten after a while.

use super::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};

/// The window is cut in so many parts; what happened in a part is forgotten at once.
const SLOTS: u64 = 16;

/// A slot is one word: the epoch without its last four bits, which are the index, a seal, and the
/// net of deposits and withdrawals.
const NET_BITS: u32 = 35;
const ZERO: u64 = 1 << (NET_BITS - 1);
const NET: u64 = (1 << NET_BITS) - 1;
const SEAL: u64 = 1 << NET_BITS;
const ROUND: u32 = NET_BITS + 1;

/// Withdrawals of a moving window are covered by its deposits and a reserve.
///
/// Time is counted in epochs, and each has a slot. All that changes the balance downwards is an
/// exchange of the slot of the *current* epoch. To begin a new epoch, that slot is sealed first, so
/// that an exchange in it fails; older slots can then only gain, by refunds. So whoever adds up the
/// slots and then succeeds with the exchange acted on a balance that was there.
///
/// Slots tell 2³² epochs apart: only what is left from exactly 8 years ago, or more where slots are
/// longer, would be taken for new.
#[derive(Debug)]
pub(super) struct Window {
    slots: [AtomicU64; SLOTS as usize],
    current: AtomicU64,
    /// Nanoseconds of a slot.
    slot: u64,
    reserve: i64,
}

const fn pack(epoch: u64, net: i64, sealed: bool) -> u64 {
    let seal = if sealed { SEAL } else { 0 };
    (epoch / SLOTS) << ROUND | seal | (ZERO.wrapping_add_signed(net) & NET)
}

/// The net in `word` and whether it is sealed, if it belongs to `epoch`.
const fn look(word: u64, epoch: u64) -> Option<(i64, bool)> {
    if word >> ROUND << ROUND == (epoch / SLOTS) << ROUND {
        let net = (word & NET) as i64 - ZERO as i64;
        Some((net, word & SEAL != 0))
    } else {
        None
    }
}

/// As far as the bits of a slot go.
const fn clamp(net: i64) -> i64 {
    let most = ZERO as i64 - 1;
    if net > most { most } else { net }
}

impl Window {
    /// A window of `length` nanoseconds that begins `now`.
    #[inline]
    pub(super) fn new(length: u64, reserve: i64, now: u64) -> Self {
        let slot = (length / SLOTS).max(1);
        let current = now / slot;
        let slots = core::array::from_fn(|index| {
            let back = current.wrapping_sub(index as u64) % SLOTS;
            AtomicU64::new(pack(current.wrapping_sub(back), 0, back > 0))
        });
        Window { slots, current: AtomicU64::new(current), slot, reserve }
    }

    fn at(&self, epoch: u64) -> &AtomicU64 {
        &self.slots[(epoch % SLOTS) as usize]
    }

    /// The net of the slots before `current` that are not forgotten.
    fn before(&self, current: u64) -> i64 {
        (1..SLOTS)
            .map(|back| {
                let epoch = current.wrapping_sub(back);
                look(self.at(epoch).load(Acquire), epoch).map_or(0, |(net, _)| net)
            })
            .sum()
    }

    /// What could be withdrawn; below zero where deposits were forgotten before the withdrawals
    /// that they covered.
    #[inline]
    pub(super) fn balance(&self, now: u64) -> i64 {
        let current = self.current.load(Acquire).max(now / self.slot);
        let net = look(self.at(current).load(Acquire), current).map_or(0, |(net, _)| net);
        self.reserve + self.before(current) + net
    }

    /// Whether nothing is remembered.
    #[cfg(feature = "std")]
    pub(super) fn is_forgotten(&self, now: u64) -> bool {
        let current = self.current.load(Acquire).max(now / self.slot);
        (0..SLOTS).all(|back| {
            let epoch = current.wrapping_sub(back);
            look(self.at(epoch).load(Acquire), epoch).is_none_or(|(net, _)| net == 0)
        })
    }

    /// The word in the slot of `current`, with its net and seal; or the epoch that replaced it.
    ///
    /// No slot has an epoch that was never current. So what is there while `current` is, and does not
    /// belong to it, is older.
    fn read(&self, current: u64) -> Result<(u64, i64, bool), u64> {
        let word = self.at(current).load(Acquire);
        match self.current.load(Acquire) {
            actual if actual == current => {
                let (net, sealed) = look(word, current).unwrap_or((0, false));
                Ok((word, net, sealed))
            }
            actual => Err(actual),
        }
    }

    /// Begins the epoch of `now`, unless it or a later one has begun, and gives the current one.
    fn advance(&self, now: u64) -> u64 {
        let due = now / self.slot;
        let mut current = self.current.load(Acquire);
        while current < due {
            current = match self.read(current) {
                Ok((_, _, true)) => self.begin(current, due),
                Ok((word, net, false)) => {
                    let sealed = pack(current, net, true);
                    let seal = self.at(current).compare_exchange(word, sealed, AcqRel, Acquire);
                    if seal.is_ok() { self.begin(current, due) } else { current }
                }
                Err(actual) => actual,
            };
        }
        current
    }

    /// Replaces `current` by `next`, unless somebody else was faster.
    fn begin(&self, current: u64, next: u64) -> u64 {
        match self.current.compare_exchange(current, next, AcqRel, Acquire) {
            Ok(_) => next,
            Err(actual) => actual,
        }
    }

    /// Exchanges the net of the current slot for what `change` makes of the epoch and it, and gives
    /// the epoch; `None` where `change` does.
    fn exchange(&self, now: u64, change: impl Fn(u64, i64) -> Option<i64>) -> Option<u64> {
        let mut current = self.advance(now);
        loop {
            let (word, net) = match self.read(current) {
                Ok((word, net, false)) => (word, net),
                // Whoever sealed it saw a later time: no need to wait until it is said.
                Ok((_, _, true)) => {
                    current = self.begin(current, current + 1);
                    continue;
                }
                Err(actual) => {
                    current = actual;
                    continue;
                }
            };
            let slot = self.at(current);
            let Some(net) = change(current, net) else {
                // A refusal counts if nothing moved meanwhile.
                if slot.load(Acquire) == word && self.current.load(Acquire) == current {
                    return None;
                }
                continue;
            };
            let new = pack(current, net, false);
            if slot.compare_exchange(word, new, AcqRel, Acquire).is_ok() {
                return Some(current);
            }
        }
    }

    /// Adds `amount`, which is forgotten when the window has passed.
    #[inline(never)]
    pub(super) fn deposit(&self, amount: i64, now: u64) {
        if amount > 0 {
            self.exchange(now, |_, net| Some(clamp(net + amount)));
        }
    }

    /// Takes all of `amount` or nothing, and gives the epoch for a [refund](Window::refund).
    #[inline(never)]
    pub(super) fn withdraw(&self, amount: i64, now: u64) -> Option<u64> {
        self.exchange(now, |current, net| {
            let covered = self.reserve + self.before(current) + net >= amount;
            let left = net - amount;
            (covered && left >= -(ZERO as i64)).then_some(left)
        })
    }

    /// Undoes a withdrawal in `epoch`. Once that is forgotten, so is the refund.
    #[inline]
    pub(super) fn refund(&self, amount: i64, epoch: u64) {
        // It fails where the slot belongs to another epoch.
        let _ = self.at(epoch).fetch_update(AcqRel, Acquire, |word| {
            let (net, sealed) = look(word, epoch)?;
            Some(pack(epoch, clamp(net + amount), sealed))
        });
    }
}
