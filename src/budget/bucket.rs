//! A bucket of tokens in one atomic word.

use super::atomic::{AtomicU32, Ordering::Relaxed};

/// Tokens from none to as many as fit. One word holds all of them, so every operation is one
/// exchange, and nothing is ordered with anything else: `Relaxed` will do.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: AtomicU32,
    capacity: u32,
}

impl Bucket {
    pub(super) fn full(capacity: u32) -> Self {
        Bucket { tokens: AtomicU32::new(capacity), capacity }
    }

    #[inline]
    pub(super) fn tokens(&self) -> u32 {
        self.tokens.load(Relaxed)
    }

    #[inline]
    pub(super) const fn capacity(&self) -> u32 {
        self.capacity
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.tokens() == self.capacity
    }

    /// Takes all of `amount`, or nothing.
    pub(super) fn take(&self, amount: u32) -> bool {
        self.tokens.fetch_update(Relaxed, Relaxed, |tokens| tokens.checked_sub(amount)).is_ok()
    }

    /// Takes `amount`, or what there is.
    #[inline(never)]
    pub(super) fn drain(&self, amount: u32) {
        self.change(|tokens| tokens.saturating_sub(amount));
    }

    /// Adds `amount`, as far as it fits. A full bucket is only read.
    #[inline]
    pub(super) fn put(&self, amount: u32) {
        self.change(|tokens| tokens.saturating_add(amount).min(self.capacity));
    }

    /// Writes only what is new: a word that nobody writes stays in every core's cache.
    #[inline]
    fn change(&self, new: impl Fn(u32) -> u32) {
        let changed = |tokens| Some(new(tokens)).filter(|changed| *changed != tokens);
        // It fails where nothing is to be written.
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, changed);
    }
}
