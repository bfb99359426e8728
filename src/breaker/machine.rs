//! The states of a circuit breaker, and how they follow each other.

use super::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// What state the machine is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Closed,
    /// Open, but it is not written down yet until when. Whoever set it writes that and goes on; all
    /// others wait for it or take it as open.
    Opening,
    Open,
    HalfOpen,
    Isolated,
}

/// The state in one word: the kind in 3 bits, a generation in 29, and two numbers of 16. A closed
/// circuit uses both numbers for the failures in a row.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word(u64);

const GENERATION: u32 = (1 << 29) - 1;

impl Word {
    const fn new(kind: Kind, generation: u32, payload: u32) -> Self {
        let top = ((kind as u32) << 29) | (generation & GENERATION);
        Word(((top as u64) << 32) | payload as u64)
    }

    const fn probing(generation: u32, running: u32, succeeded: u32) -> Self {
        Word::new(Kind::HalfOpen, generation, (running << 16) | succeeded)
    }

    const fn kind(self) -> Kind {
        match self.0 >> 61 {
            0 => Kind::Closed,
            1 => Kind::Opening,
            2 => Kind::Open,
            3 => Kind::HalfOpen,
            _ => Kind::Isolated,
        }
    }

    const fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & GENERATION
    }

    const fn next(self) -> u32 {
        self.generation().wrapping_add(1) & GENERATION
    }

    const fn payload(self) -> u32 {
        self.0 as u32
    }

    const fn running(self) -> u32 {
        self.payload() >> 16
    }

    const fn succeeded(self) -> u32 {
        self.payload() & 0xFFFF
    }
}

/// Leave to run, in one generation of the circuit. What is made of it in a later one is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(super) generation: u32,
    probe: bool,
}

/// A transition that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) from: Kind,
    pub(super) to: Kind,
    pub(super) generation: u32,
    /// How long it will be open, in nanoseconds, if that is what it became.
    pub(super) open_for: Option<u64>,
}

/// When failures open a closed circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trip {
    /// At this many in a row.
    AtRun(u32),
    /// With this one.
    Now,
    /// Not with this one.
    NotYet,
}

/// The states, without a lock. Times are nanoseconds of any monotonic clock.
#[derive(Debug)]
pub(super) struct Machine {
    word: AtomicU64,
    /// Until when it is open, how long that is, and how often it opened without closing in between:
    /// written in [`Kind::Opening`] only, by whoever made it that.
    until: AtomicU64,
    lasts: AtomicU64,
    openings: AtomicU32,
}

impl Machine {
    pub(super) fn closed() -> Self {
        Machine {
            word: AtomicU64::new(Word::new(Kind::Closed, 0, 0).0),
            until: AtomicU64::new(0),
            lasts: AtomicU64::new(0),
            openings: AtomicU32::new(0),
        }
    }

    #[inline]
    fn load(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    /// Replaces `old`, or gives what is there instead.
    #[inline]
    fn exchange(&self, old: Word, new: Word) -> Result<(), Word> {
        match self.word.compare_exchange(old.0, new.0, AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(actual) => Err(Word(actual)),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.load().kind()
    }

    pub(super) fn generation(&self) -> u32 {
        self.load().generation()
    }

    /// How often it opened since it was closed last; 0 when it is closed, or isolated.
    #[inline]
    pub(super) fn openings(&self) -> u32 {
        match self.settled().kind() {
            Kind::Closed | Kind::Isolated => 0,
            _ => self.openings.load(Relaxed),
        }
    }

    /// Until when it is open, or nothing if it is not. Who sees it open sees the time of that, or of a
    /// later time that it opened.
    pub(super) fn until(&self) -> Option<u64> {
        (self.settled().kind() == Kind::Open).then(|| self.until.load(Acquire))
    }

    /// The state that comes out of [`Kind::Opening`], which lasts for three writes.
    fn settled(&self) -> Word {
        loop {
            let word = self.load();
            if word.kind() != Kind::Opening {
                return word;
            }
            super::pause();
        }
    }

    /// Leave to run in a closed circuit: one load.
    #[inline]
    pub(super) fn acquire_closed(&self) -> Option<Ticket> {
        let word = self.load();
        let closed = word.kind() == Kind::Closed;
        closed.then(|| Ticket { generation: word.generation(), probe: false })
    }

    /// Whether a success changes nothing: the circuit is closed and remembers no failure.
    #[inline]
    pub(super) fn is_untroubled(&self, ticket: Ticket) -> bool {
        self.load() == Word::new(Kind::Closed, ticket.generation, 0)
    }

    /// Leave to run; or how long to wait for it, if that is known. An open circuit whose time is over
    /// becomes half-open here, with this as its first probe.
    pub(super) fn acquire(
        &self,
        probes: u32,
        now: impl Fn() -> u64,
    ) -> Result<(Ticket, Option<Transition>), Option<u64>> {
        let mut word = self.load();
        loop {
            let (generation, to, transition) = match word.kind() {
                Kind::Closed => {
                    let ticket = Ticket { generation: word.generation(), probe: false };
                    return Ok((ticket, None));
                }
                Kind::Opening | Kind::Isolated => return Err(None),
                Kind::Open => {
                    let left = self.until.load(Acquire).saturating_sub(now());
                    if left > 0 {
                        return Err(Some(left));
                    }
                    let generation = word.next();
                    let transition = Transition {
                        from: Kind::Open,
                        to: Kind::HalfOpen,
                        generation,
                        open_for: None,
                    };
                    (generation, Word::probing(generation, 1, 0), Some(transition))
                }
                Kind::HalfOpen if word.running() >= probes => return Err(None),
                Kind::HalfOpen => {
                    let generation = word.generation();
                    let running = word.running() + 1;
                    (generation, Word::probing(generation, running, word.succeeded()), None)
                }
            };
            match self.exchange(word, to) {
                Ok(()) => return Ok((Ticket { generation, probe: true }, transition)),
                Err(actual) => word = actual,
            }
        }
    }

    /// The holder of `ticket` neither succeeded nor failed: a probe goes back.
    #[inline(never)]
    pub(super) fn release(&self, ticket: Ticket) {
        if !ticket.probe {
            return;
        }
        let mut word = self.load();
        while word.generation() == ticket.generation && word.kind() == Kind::HalfOpen {
            let running = word.running().saturating_sub(1);
            let to = Word::probing(ticket.generation, running, word.succeeded());
            match self.exchange(word, to) {
                Ok(()) => return,
                Err(actual) => word = actual,
            }
        }
    }

    /// The holder of `ticket` succeeded: `needed` probes that do close the circuit.
    pub(super) fn succeed(&self, ticket: Ticket, needed: u32) -> Option<Transition> {
        let mut word = self.load();
        while word.generation() == ticket.generation {
            let generation = word.next();
            let (to, transition) = match word.kind() {
                Kind::Closed if word.payload() > 0 => {
                    (Word::new(Kind::Closed, ticket.generation, 0), None)
                }
                Kind::HalfOpen if word.succeeded() + 1 >= needed => {
                    let (from, to) = (Kind::HalfOpen, Kind::Closed);
                    let transition = Transition { from, to, generation, open_for: None };
                    (Word::new(Kind::Closed, generation, 0), Some(transition))
                }
                Kind::HalfOpen => {
                    let running = word.running().saturating_sub(1);
                    (Word::probing(ticket.generation, running, word.succeeded() + 1), None)
                }
                _ => return None,
            };
            match self.exchange(word, to) {
                Ok(()) => return transition,
                Err(actual) => word = actual,
            }
        }
        None
    }

    /// The holder of `ticket` failed. `open_for` says how long the circuit is open for the nth time,
    /// after it was for so long the time before, both in nanoseconds; it may panic.
    pub(super) fn fail(
        &self,
        ticket: Ticket,
        trip: Trip,
        now: impl Fn() -> u64,
        open_for: impl Fn(u32, u64) -> u64,
    ) -> Option<Transition> {
        let mut word = self.load();
        while word.generation() == ticket.generation {
            let run = word.payload().saturating_add(1);
            let counted = match (word.kind(), trip) {
                (Kind::Closed, Trip::AtRun(most)) if run < most => {
                    self.exchange(word, Word::new(Kind::Closed, ticket.generation, run))
                }
                (Kind::Closed, Trip::NotYet) => return None,
                (Kind::Closed | Kind::HalfOpen, _) => match self.open(word, now(), &open_for) {
                    Ok(transition) => return Some(transition),
                    Err(actual) => Err(actual),
                },
                _ => return None,
            };
            match counted {
                Ok(()) => return None,
                Err(actual) => word = actual,
            }
        }
        None
    }

    /// Opens the circuit, unless it is no longer in the state `word`.
    fn open(
        &self,
        word: Word,
        now: u64,
        open_for: impl Fn(u32, u64) -> u64,
    ) -> Result<Transition, Word> {
        let (opening, before) = match word.kind() {
            Kind::HalfOpen | Kind::Open => {
                let again = u32::from(word.kind() == Kind::HalfOpen);
                let opening = self.openings.load(Relaxed).saturating_add(again);
                (opening, self.lasts.load(Relaxed))
            }
            _ => (1, 0),
        };
        // Code that is not ours: before anything is changed.
        let lasts = open_for(opening, before);
        let generation = word.next();
        self.exchange(word, Word::new(Kind::Opening, generation, 0))?;
        self.openings.store(opening, Relaxed);
        self.lasts.store(lasts, Relaxed);
        self.until.store(now.saturating_add(lasts), Release);
        self.word.store(Word::new(Kind::Open, generation, 0).0, Release);
        let open_for = Some(lasts);
        Ok(Transition { from: word.kind(), to: Kind::Open, generation, open_for })
    }

    /// Opens the circuit from outside, as a failure would; an isolated one stays so.
    #[inline]
    pub(super) fn force_open(
        &self,
        now: impl Fn() -> u64,
        open_for: impl Fn(u32, u64) -> u64,
    ) -> Option<Transition> {
        loop {
            let word = self.settled();
            if word.kind() == Kind::Isolated {
                return None;
            }
            if let Ok(transition) = self.open(word, now(), &open_for) {
                return Some(transition);
            }
        }
    }

    /// Puts it into a state from outside: closed or isolated. A new generation begins also where it
    /// is in that state already, but that is no transition.
    #[inline]
    pub(super) fn put(&self, to: Kind) -> Option<Transition> {
        loop {
            let word = self.settled();
            let (from, generation) = (word.kind(), word.next());
            if self.exchange(word, Word::new(to, generation, 0)).is_ok() {
                let transition = Transition { from, to, generation, open_for: None };
                return (from != to).then_some(transition);
            }
        }
    }
}
