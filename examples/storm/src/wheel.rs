//! What is to happen when: a time wheel that does not turn.

/// A client that calls next, or a call that is retried next. Each is due once at a time, so the list
/// of what is due in a tick goes from one to the next through themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(u32);

impl Link {
    const NONE: u32 = u32::MAX;
    const CALL: u32 = 1 << 31;

    /// Nothing.
    pub(crate) const END: Link = Link(Link::NONE);

    pub(crate) const fn client(id: u32) -> Self {
        Link(id)
    }

    pub(crate) const fn call(id: u32) -> Self {
        Link(id | Link::CALL)
    }

    pub(crate) const fn target(self) -> Option<Target> {
        match self.0 {
            Link::NONE => None,
            call if call & Link::CALL != 0 => Some(Target::Call(call & !Link::CALL)),
            client => Some(Target::Client(client)),
        }
    }
}

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Client(u32),
    Call(u32),
}

/// For each tick the first of those that are due: who was put there last comes first. Adding and
/// taking cost the same however many there are.
#[derive(Debug)]
pub(crate) struct Wheel {
    first: Vec<Link>,
}

impl Wheel {
    /// An empty wheel. It grows beyond `ticks`.
    pub(crate) fn new(ticks: u64) -> Self {
        let mut wheel = Wheel { first: Vec::new() };
        wheel.reach(ticks);
        wheel
    }

    fn reach(&mut self, tick: u64) -> &mut Link {
        let slot = usize::try_from(tick).expect("the ticks of a simulation fit into memory");
        if slot >= self.first.len() {
            self.first.resize(slot + 1, Link::END);
        }
        &mut self.first[slot]
    }

    /// Puts `link` first at `tick`, and gives what comes after it.
    pub(crate) fn put(&mut self, tick: u64, link: Link) -> Link {
        std::mem::replace(self.reach(tick), link)
    }

    /// Takes all that is due at `tick`: the first, which leads to the others.
    pub(crate) fn take(&mut self, tick: u64) -> Link {
        self.put(tick, Link::END)
    }
}
