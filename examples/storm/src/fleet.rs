//! The fleet: clients that rest, call, and retry as the engine tells them.

use std::collections::VecDeque;
use std::time::Duration;

use persevere::classify::Kinded;
use persevere::policy::{GuardedHandle, PolicyOf};
use persevere::{Attempt, Decision, Engine};

use crate::clock::SimulatedClock;
use crate::record::{Record, Second};
use crate::scenario::{Script, TICKS_PER_SECOND};
use crate::service::{Request, Service};
use crate::wheel::{Link, Target, Wheel};

/// Why an attempt failed: the kinds that the settings name.
#[derive(Clone, Copy, Debug, Kinded)]
pub(crate) enum Failure {
    /// The queue was full.
    Rejected,
    /// No answer came in time.
    TimedOut,
}

type Reply = Result<(), Failure>;

/// A policy as one process holds it. A breaker may refuse a call before it made an attempt, so it is
/// the kind of handle that may have guards.
pub(crate) type Handle = GuardedHandle;

/// A client at rest needs no more than this.
#[derive(Clone, Copy, Debug)]
struct Client {
    calls: u32,
    next: Link,
    /// Whether it is in the wheel.
    resting: bool,
    calling: bool,
}

const RESTLESS: Client = Client { calls: 0, next: Link::END, resting: false, calling: false };

/// A call in flight. Its place is used again when it has ended.
#[derive(Debug)]
struct Call<'a> {
    client: u32,
    /// Counts what this place has gone through, so that an answer to an attempt that was given up
    /// does not pass for that of a later one.
    stamp: u32,
    next: Link,
    /// `None` once the call has ended.
    engine: Option<Engine<Reply, PolicyOf<&'a Handle>>>,
}

/// A request that somebody waits for, and until when.
#[derive(Clone, Copy, Debug)]
struct Due {
    tick: u64,
    request: Request,
    reply: Reply,
}

/// The simulation of one policy.
pub(crate) struct Fleet<'a> {
    script: &'a Script,
    seed: u64,
    /// One for each process: what its clients share.
    handles: &'a [Handle],
    clock: SimulatedClock,
    tick: u64,
    clients: Vec<Client>,
    calls: Vec<Call<'a>>,
    unused: Vec<u32>,
    wheel: Wheel,
    service: Service,
    /// All clients wait equally long, and all replies travel equally long: both come in the order
    /// in which they were sent.
    timeouts: VecDeque<Due>,
    replies: VecDeque<Due>,
    /// The second that goes on, and those before.
    second: Second,
    record: Record,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(
        script: &'a Script,
        seed: u64,
        handles: &'a [Handle],
        clock: SimulatedClock,
    ) -> Self {
        let mut fleet = Fleet {
            script,
            seed,
            handles,
            clock,
            tick: 0,
            clients: vec![RESTLESS; script.clients as usize],
            calls: Vec::new(),
            unused: Vec::new(),
            wheel: Wheel::new(script.end),
            service: Service::new(script.capacity, script.queue),
            timeouts: VecDeque::new(),
            replies: VecDeque::new(),
            second: Second::default(),
            record: Record::default(),
        };
        (0..script.clients).for_each(|client| fleet.rest(client));
        fleet
    }

    /// Runs until the last call has ended. `progress` is told of every simulated second.
    pub(crate) fn run(mut self, mut progress: impl FnMut(u64)) -> Record {
        while self.tick < self.script.end || self.unused.len() < self.calls.len() {
            self.clock.set(self.tick);
            self.follow_the_script();
            self.service.tick();
            while let Some(request) = self.service.serve() {
                self.reply(request, Ok(()));
            }
            self.deliver();
            self.go_on();
            self.tick += 1;
            if self.tick.is_multiple_of(TICKS_PER_SECOND) {
                self.record.seconds.push(std::mem::take(&mut self.second));
                progress(self.tick / TICKS_PER_SECOND);
            }
        }
        self.record.seconds.push(self.second);
        self.record
    }

    fn follow_the_script(&mut self) {
        let (start, end) = self.script.outage;
        if self.tick == start {
            self.service.set_rate(self.script.outage_capacity);
        }
        if self.tick == end {
            self.service.set_rate(self.script.capacity);
        }
        // Whoever had a session notices within a second.
        if (start..start + TICKS_PER_SECOND).contains(&self.tick) {
            let cut = f64::from(self.script.clients) * self.script.scenario.sessions_cut;
            let until = |ticks: u64| (cut * ticks as f64 / TICKS_PER_SECOND as f64) as u32;
            let ticks = self.tick - start;
            for client in until(ticks)..until(ticks + 1) {
                if !self.clients[client as usize].calling {
                    self.call(client);
                }
            }
        }
    }

    fn now(&self) -> Option<Duration> {
        Some(Duration::from_millis(self.tick))
    }

    /// The draws of a client's next call: the same for every policy, so that all meet the same
    /// clients.
    fn draws(&self, client: u32) -> Attempt {
        let seed = self.seed ^ (u64::from(client) << 32);
        Attempt::new(self.clients[client as usize].calls + 1).with_seed(seed)
    }

    /// The client will call again, after a time that does not depend on anything.
    fn rest(&mut self, client: u32) {
        // 53 bits, from just over 0 to 1.
        let uniform = ((self.draws(client).random() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        let rest = -libm::log(uniform) * self.script.think as f64;
        let tick = self.tick + 1 + rest as u64;
        // Nobody begins a call after the end.
        if tick < self.script.end {
            let state = &mut self.clients[client as usize];
            (state.resting, state.next) = (true, self.wheel.put(tick, Link::client(client)));
        }
    }

    /// Whoever waited for this tick calls, or tries again.
    fn go_on(&mut self) {
        let mut link = self.wheel.take(self.tick);
        while let Some(target) = link.target() {
            match target {
                Target::Client(id) => {
                    let client = &mut self.clients[id as usize];
                    (link, client.resting) = (client.next, false);
                    // One that was cut off may be calling already, and rests when that is over.
                    if !client.calling {
                        self.call(id);
                    }
                }
                Target::Call(id) => {
                    link = self.calls[id as usize].next;
                    self.attempt(id);
                }
            }
        }
    }

    /// A client begins a call, under the policy of its process.
    fn call(&mut self, client: u32) {
        let seed = self.draws(client).inner().random();
        let state = &mut self.clients[client as usize];
        (state.calls, state.calling) = (state.calls + 1, true);
        // Neighbours are in different processes, and the cut goes through all of these.
        let process = client as usize % self.handles.len();
        let engine = Some(Engine::new(self.handles[process].by_ref().seed(seed)));
        let id = match self.unused.pop() {
            Some(id) => {
                let place = &mut self.calls[id as usize];
                (place.client, place.engine) = (client, engine);
                id
            }
            None => {
                self.calls.push(Call { client, stamp: 0, next: Link::END, engine });
                u32::try_from(self.calls.len() - 1).expect("no more calls than clients")
            }
        };
        self.second.calls += 1;
        self.attempt(id);
    }

    /// A call makes its next attempt, if the policy's guards let it.
    fn attempt(&mut self, id: u32) {
        let now = self.now();
        let call = &mut self.calls[id as usize];
        let Some(engine) = &mut call.engine else { return };
        if let Err((_, facts)) = engine.enter(now) {
            self.second.refused += u64::from(facts.attempts() == 0);
            return self.end(id, false);
        }
        call.stamp = call.stamp.wrapping_add(1);
        let request = Request { call: id, stamp: call.stamp };
        self.second.attempts += 1;
        if self.service.offer(request) {
            let (tick, reply) = (self.tick + self.script.timeout, Err(Failure::TimedOut));
            self.timeouts.push_back(Due { tick, request, reply });
        } else {
            self.reply(request, Err(Failure::Rejected));
        }
    }

    /// The service replies. That takes its time.
    fn reply(&mut self, request: Request, reply: Reply) {
        let tick = self.tick + self.script.latency;
        self.replies.push_back(Due { tick, request, reply });
    }

    /// Replies arrive, and clients give up waiting.
    fn deliver(&mut self) {
        while let Some(due) = self.replies.pop_front_if(|due| due.tick <= self.tick) {
            self.hear(due);
        }
        while let Some(due) = self.timeouts.pop_front_if(|due| due.tick <= self.tick) {
            self.hear(due);
        }
    }

    /// A client hears how its attempt went, unless it has heard before, and does what the engine
    /// decides.
    fn hear(&mut self, Due { request, reply, .. }: Due) {
        let id = request.call;
        if self.calls[id as usize].stamp != request.stamp {
            if reply.is_ok() {
                self.second.wasted += 1;
            }
            return;
        }
        let second = &mut self.second;
        *match reply {
            Ok(()) => &mut second.answered,
            Err(Failure::Rejected) => &mut second.rejected,
            Err(Failure::TimedOut) => &mut second.timed_out,
        } += 1;
        let now = self.now();
        let call = &mut self.calls[id as usize];
        call.stamp = call.stamp.wrapping_add(1);
        let Some(engine) = &mut call.engine else { return };
        match engine.decide(&reply, now) {
            Decision::Wait(Duration::ZERO) => self.attempt(id),
            Decision::Wait(delay) => {
                let ticks = delay.as_nanos().div_ceil(1_000_000) as u64;
                call.next = self.wheel.put(self.tick + ticks, Link::call(id));
            }
            Decision::Return(facts) => self.end(id, facts.reason().is_success()),
        }
    }

    /// A call has ended, and its client rests.
    fn end(&mut self, id: u32, succeeded: bool) {
        let second = &mut self.second;
        *(if succeeded { &mut second.succeeded } else { &mut second.lost }) += 1;
        let call = &mut self.calls[id as usize];
        let client = call.client;
        call.engine = None;
        self.unused.push(id);
        let state = &mut self.clients[client as usize];
        state.calling = false;
        if !state.resting {
            self.rest(client);
        }
    }
}
