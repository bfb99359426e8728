//! A bucket whose deposits and withdrawals are forgotten after a while.

use core::sync::atomic::{
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
/// Epochs are told apart for 2³² of them: 8 years with the shortest slots.
#[derive(Debug)]
pub(super) struct Window {
    slots: [AtomicU64; SLOTS as usize],
    current: AtomicU64,
    /// Nanoseconds of a slot.
    slot: u64,
    reserve: i64,
}

/// How the epoch in a slot relates to the one that is looked for.
enum Found {
    Older,
    Same { net: i64, sealed: bool },
    Newer,
}

const fn pack(epoch: u64, net: i64, sealed: bool) -> u64 {
    let seal = if sealed { SEAL } else { 0 };
    (epoch / SLOTS) << ROUND | seal | (ZERO.wrapping_add_signed(net) & NET)
}

/// What `word`, in the slot of `epoch`, says about it.
const fn look(word: u64, epoch: u64) -> Found {
    let ahead = (word >> ROUND << ROUND).wrapping_sub((epoch / SLOTS) << ROUND) as i64;
    if ahead > 0 {
        Found::Newer
    } else if ahead < 0 {
        Found::Older
    } else {
        let net = (word & NET) as i64 - ZERO as i64;
        Found::Same { net, sealed: word & SEAL != 0 }
    }
}

/// As far as the bits of a slot go.
const fn clamp(net: i64) -> i64 {
    let most = ZERO as i64 - 1;
    if net > most { most } else { net }
}

impl Window {
    /// A window of `length` nanoseconds that begins `now`.
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
                match look(self.at(epoch).load(Acquire), epoch) {
                    Found::Same { net, .. } => net,
                    Found::Older | Found::Newer => 0,
                }
            })
            .sum()
    }

    /// What could be withdrawn; below zero where deposits were forgotten before the withdrawals
    /// that they covered.
    pub(super) fn balance(&self, now: u64) -> i64 {
        let current = self.current.load(Acquire).max(now / self.slot);
        let net = match look(self.at(current).load(Acquire), current) {
            Found::Same { net, .. } => net,
            Found::Older | Found::Newer => 0,
        };
        self.reserve + self.before(current) + net
    }

    /// Begins the epoch of `now`, unless it or a later one has begun, and gives the current one.
    fn advance(&self, now: u64) -> u64 {
        let due = now / self.slot;
        let mut current = self.current.load(Acquire);
        while current < due {
            // It fails if it is sealed already, or belongs to a later epoch.
            let _ =
                self.at(current).fetch_update(AcqRel, Acquire, |word| match look(word, current) {
                    Found::Same { net, sealed: false } => Some(pack(current, net, true)),
                    Found::Older => Some(pack(current, 0, true)),
                    Found::Same { .. } | Found::Newer => None,
                });
            current = self.begin(current, due);
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
            let slot = self.at(current);
            let word = slot.load(Acquire);
            let net = match look(word, current) {
                Found::Same { net, sealed: false } => net,
                Found::Older => 0,
                // Whoever sealed it saw a later time: no need to wait until it is said.
                Found::Same { .. } => {
                    current = self.begin(current, current + 1);
                    continue;
                }
                Found::Newer => {
                    current = self.current.load(Acquire);
                    continue;
                }
            };
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
    pub(super) fn deposit(&self, amount: i64, now: u64) {
        if amount > 0 {
            self.exchange(now, |_, net| Some(clamp(net + amount)));
        }
    }

    /// Takes all of `amount` or nothing, and gives the epoch for a [refund](Window::refund).
    pub(super) fn withdraw(&self, amount: i64, now: u64) -> Option<u64> {
        self.exchange(now, |current, net| {
            let covered = self.reserve + self.before(current) + net >= amount;
            let left = net - amount;
            (covered && left >= -(ZERO as i64)).then_some(left)
        })
    }

    /// Undoes a withdrawal in `epoch`. Once that is forgotten, so is the refund.
    pub(super) fn refund(&self, amount: i64, epoch: u64) {
        let _ = self.at(epoch).fetch_update(AcqRel, Acquire, |word| match look(word, epoch) {
            Found::Same { net, sealed } => Some(pack(epoch, clamp(net + amount), sealed)),
            Found::Older | Found::Newer => None,
        });
    }
}
