//! No probe is made or lost, and no change of state is made twice.

use loom::sync::Arc;
use loom::sync::atomic;
use loom::thread;

#[path = "../../../src/breaker/health.rs"]
mod health;
#[path = "../../../src/breaker/machine.rs"]
mod machine;

use self::health::{Ring, Seen, Slots};
use self::machine::{Kind, Machine, Ticket, Trip};
use crate::explore;

/// What waits for a change that another thread is about to finish.
fn pause() {
    thread::yield_now();
}

const DURATION: u64 = 10;

fn acquire(machine: &Machine, probes: u32, now: u64) -> Option<Ticket> {
    machine.acquire(probes, || now).ok().map(|(ticket, _)| ticket)
}

/// A failure at time zero; whether it opened the circuit.
fn fail(machine: &Machine, ticket: Ticket, most: u32) -> bool {
    machine.fail(ticket, Trip::AtRun(most), || 0, |n, _| u64::from(n) * DURATION).is_some()
}

/// A circuit that opened at time zero.
fn open() -> Arc<Machine> {
    let machine = Machine::closed();
    let ticket = acquire(&machine, 1, 0).unwrap();
    assert!(fail(&machine, ticket, 1));
    assert_eq!((machine.kind(), machine.until()), (Kind::Open, Some(DURATION)));
    Arc::new(machine)
}

#[test]
fn two_failures_of_two_open_it_once() {
    explore(3, || {
        let machine = Arc::new(Machine::closed());
        let turn = |machine: &Machine| {
            acquire(machine, 1, 0).is_some_and(|ticket| fail(machine, ticket, 2))
        };
        let other = machine.clone();
        let thread = thread::spawn(move || turn(&other));
        let here = turn(&machine);
        assert!(here ^ thread.join().unwrap());
        assert_eq!((machine.kind(), machine.openings()), (Kind::Open, 1));
    });
}

#[test]
fn who_sees_it_open_sees_until_when() {
    explore(3, || {
        let machine = Arc::new(Machine::closed());
        let ticket = acquire(&machine, 1, 0).unwrap();
        let other = machine.clone();
        let thread = thread::spawn(move || {
            other.acquire(1, || 4).map(|(_, transition)| transition.map(|made| made.to))
        });
        assert!(fail(&machine, ticket, 1));
        // Before it opened, while it did, or after; and it is not half-open yet.
        let seen = thread.join().unwrap();
        assert!([Ok(None), Err(None), Err(Some(DURATION - 4))].contains(&seen), "{seen:?}");
    });
}

#[test]
fn the_first_of_two_is_the_only_probe() {
    explore(3, || {
        let machine = open();
        let other = machine.clone();
        let thread = thread::spawn(move || acquire(&other, 1, DURATION));
        let here = acquire(&machine, 1, DURATION);
        let there = thread.join().unwrap();
        assert!(here.is_some() ^ there.is_some());
        // It goes back, and is there for the next.
        machine.release(here.or(there).unwrap());
        assert!(acquire(&machine, 1, DURATION).is_some());
        assert!(acquire(&machine, 1, DURATION).is_none());
    });
}

#[test]
fn probes_that_go_back_and_come_are_never_more_than_there_are() {
    explore(3, || {
        let machine = open();
        let first = acquire(&machine, 2, DURATION).unwrap();
        let other = machine.clone();
        let thread = thread::spawn(move || acquire(&other, 2, DURATION));
        machine.release(first);
        let here = acquire(&machine, 2, DURATION);
        assert!(here.is_some() && thread.join().unwrap().is_some());
        assert!(acquire(&machine, 2, DURATION).is_none());
    });
}

#[test]
fn one_of_two_probes_decides() {
    explore(3, || {
        let machine = open();
        let good = acquire(&machine, 2, DURATION).unwrap();
        let bad = acquire(&machine, 2, DURATION).unwrap();
        let other = machine.clone();
        let thread = thread::spawn(move || other.succeed(good, 1).is_some());
        let opened = fail(&machine, bad, 1);
        let closed = thread.join().unwrap();
        assert!(opened ^ closed);
        let (kind, openings) = if opened { (Kind::Open, 2) } else { (Kind::Closed, 0) };
        assert_eq!((machine.kind(), machine.openings()), (kind, openings));
    });
}

#[test]
fn what_is_late_changes_nothing() {
    explore(3, || {
        let machine = Arc::new(Machine::closed());
        let late = acquire(&machine, 1, 0).unwrap();
        let other = machine.clone();
        let thread = thread::spawn(move || fail(&other, late, 1));
        machine.put(Kind::Closed);
        // Either it opened first, and was closed; or it came late.
        thread.join().unwrap();
        assert_eq!(machine.kind(), Kind::Closed);
    });
}

#[test]
fn an_operator_has_the_last_word_over_a_failure() {
    explore(3, || {
        let machine = Arc::new(Machine::closed());
        let ticket = acquire(&machine, 1, 0).unwrap();
        let other = machine.clone();
        let thread = thread::spawn(move || fail(&other, ticket, 1));
        machine.put(Kind::Isolated);
        thread.join().unwrap();
        assert_eq!((machine.kind(), machine.until()), (Kind::Isolated, None));
    });
}

#[test]
fn two_who_open_it_agree_until_when() {
    explore(3, || {
        let machine = Arc::new(Machine::closed());
        let other = machine.clone();
        let thread = thread::spawn(move || {
            other.force_open(|| 1, |_, _| DURATION);
        });
        machine.force_open(|| 2, |_, _| DURATION);
        thread.join().unwrap();
        assert_eq!(machine.openings(), 1);
        assert!([Some(1 + DURATION), Some(2 + DURATION)].contains(&machine.until()));
    });
}

#[test]
fn a_ring_counts_every_outcome_once() {
    explore(3, || {
        let ring = Arc::new(Ring::new(2));
        let other = ring.clone();
        let thread = thread::spawn(move || {
            other.record(0, true);
            other.record(0, true);
        });
        ring.record(0, false);
        thread.join().unwrap();
        // Two in the ring, and both are failures after these.
        ring.record(0, true);
        assert_eq!(ring.record(0, true), Seen { calls: 2, failures: 2 });
        assert_eq!(ring.record(0, false), Seen { calls: 2, failures: 1 });
    });
}

#[test]
fn a_ring_starts_anew_whoever_is_late() {
    explore(3, || {
        let ring = Arc::new(Ring::new(1));
        ring.record(0, true);
        let other = ring.clone();
        let thread = thread::spawn(move || {
            other.record(0, true);
        });
        ring.record(1, false);
        thread.join().unwrap();
        assert_eq!(ring.record(1, false), Seen { calls: 1, failures: 0 });
        assert_eq!(ring.record(1, true), Seen { calls: 1, failures: 1 });
    });
}

#[test]
fn slots_count_every_outcome_once() {
    explore(3, || {
        let slots = Arc::new(Slots::new(16));
        let other = slots.clone();
        let thread = thread::spawn(move || other.record(0, true, 1));
        slots.record(0, false, 1);
        slots.record(0, true, 2);
        thread.join().unwrap();
        assert_eq!(slots.seen(0, 2), Seen { calls: 3, failures: 2 });
        assert_eq!(slots.seen(1, 2), Seen { calls: 0, failures: 0 });
    });
}

#[test]
fn slots_leave_a_later_time_what_it_has_seen() {
    explore(3, || {
        let slots = Arc::new(Slots::new(16));
        let other = slots.clone();
        // The same slot, one round earlier.
        let thread = thread::spawn(move || other.record(0, true, 0));
        slots.record(0, true, 16);
        thread.join().unwrap();
        assert_eq!(slots.seen(0, 16), Seen { calls: 1, failures: 1 });
    });
}
