//! No token is made or lost.

use loom::sync::Arc;
use loom::sync::atomic;
use loom::thread;

#[path = "../../../src/budget/bucket.rs"]
mod bucket;
#[path = "../../../src/budget/window.rs"]
mod window;

use self::bucket::Bucket;
use self::window::Window;
use crate::explore;

#[test]
fn what_is_there_once_is_taken_once() {
    explore(4, || {
        let bucket = Arc::new(Bucket::full(5));
        let other = bucket.clone();
        let thread = thread::spawn(move || other.take(5));
        let here = bucket.take(5);
        assert!(here ^ thread.join().unwrap());
        assert_eq!(bucket.tokens(), 0);
    });
}

#[test]
fn what_is_taken_and_put_back_is_all_there() {
    explore(4, || {
        let bucket = Arc::new(Bucket::full(7));
        let turn = |bucket: &Bucket| {
            if bucket.take(5) {
                assert!(bucket.tokens() <= 2);
                bucket.put(5);
            }
        };
        let other = bucket.clone();
        let thread = thread::spawn(move || turn(&other));
        turn(&bucket);
        thread.join().unwrap();
        assert_eq!(bucket.tokens(), bucket.capacity());
    });
}

#[test]
fn a_bucket_never_overflows_and_no_drop_goes_below_none() {
    explore(4, || {
        let bucket = Arc::new(Bucket::full(3));
        let other = bucket.clone();
        let thread = thread::spawn(move || {
            other.drain(2);
            other.put(2);
        });
        bucket.put(1);
        assert!(bucket.tokens() <= 3);
        bucket.drain(2);
        thread.join().unwrap();
        assert!((1..=3).contains(&bucket.tokens()));
        bucket.put(3);
        assert_eq!(bucket.tokens(), 3);
    });
}

/// A slot is one nanosecond, so that a test names epochs.
const LENGTH: u64 = 16;

/// Withdraws at two times at once, and says who was allowed.
fn withdraw(reserve: i64, amount: i64, times: [u64; 2]) -> [bool; 2] {
    let window = Arc::new(Window::new(LENGTH, reserve, 0));
    let other = window.clone();
    let thread = thread::spawn(move || other.withdraw(amount, times[1]).is_some());
    let here = window.withdraw(amount, times[0]).is_some();
    let allowed = [here, thread.join().unwrap()];
    let taken = allowed.iter().filter(|allowed| **allowed).count() as i64 * amount;
    assert_eq!(window.balance(times[0].max(times[1])), reserve - taken);
    allowed
}

#[test]
fn a_reserve_is_withdrawn_once_by_two_at_the_same_time() {
    explore(3, || {
        let [one, other] = withdraw(10, 10, [0, 0]);
        assert!(one ^ other);
    });
}

#[test]
fn a_reserve_is_withdrawn_once_across_the_beginning_of_an_epoch() {
    for times in [[0, 1], [0, 5], [1, 2]] {
        explore(3, move || {
            let [one, other] = withdraw(10, 10, times);
            assert!(one ^ other, "{times:?}");
        });
    }
}

#[test]
fn nobody_is_refused_where_there_is_enough_for_both() {
    explore(3, || assert_eq!(withdraw(10, 5, [0, 1]), [true, true]));
}

#[test]
fn a_deposit_is_not_lost_when_an_epoch_begins() {
    explore(3, || {
        let window = Arc::new(Window::new(LENGTH, 0, 0));
        let other = window.clone();
        let thread = thread::spawn(move || other.deposit(3, 1));
        window.deposit(4, 0);
        thread.join().unwrap();
        assert_eq!(window.balance(1), 7);
        assert!(window.withdraw(7, 1).is_some() && window.withdraw(1, 1).is_none());
    });
}

#[test]
fn a_refund_is_not_lost_when_an_epoch_begins() {
    explore(3, || {
        let window = Arc::new(Window::new(LENGTH, 5, 0));
        let epoch = window.withdraw(5, 0).unwrap();
        let other = window.clone();
        let thread = thread::spawn(move || other.withdraw(5, 1).is_some());
        window.refund(5, epoch);
        let taken = if thread.join().unwrap() { 5 } else { 0 };
        assert_eq!(window.balance(1), 5 - taken);
    });
}

#[test]
fn a_refund_of_what_is_forgotten_makes_nothing() {
    explore(3, || {
        let window = Arc::new(Window::new(LENGTH, 5, 0));
        let epoch = window.withdraw(5, 0).unwrap();
        let other = window.clone();
        // The same slot, one round later.
        let thread = thread::spawn(move || other.withdraw(5, LENGTH).is_some());
        window.refund(5, epoch);
        assert!(thread.join().unwrap());
        assert_eq!(window.balance(LENGTH), 0);
        assert!(window.withdraw(1, LENGTH).is_none());
    });
}

#[test]
fn nobody_is_refused_while_what_covers_it_moves_into_a_later_epoch() {
    explore(3, || {
        let window = Arc::new(Window::new(LENGTH, 0, 0));
        window.deposit(5, 0);
        let other = window.clone();
        let thread = thread::spawn(move || {
            other.deposit(5, LENGTH - 1);
            // This takes the place of the first.
            other.deposit(1, LENGTH);
        });
        assert!(window.withdraw(5, LENGTH - 1).is_some());
        thread.join().unwrap();
    });
}

#[test]
fn a_slot_holds_what_it_has_room_for() {
    explore(0, || {
        let (most, window) = (1 << 34, Window::new(LENGTH, i64::MAX / 2, 0));
        assert!(window.withdraw(most, 0).is_some());
        assert!(window.withdraw(1, 0).is_none());
        (0..4).for_each(|_| window.deposit(most / 2 + 1, 0));
        assert_eq!(window.balance(0), i64::MAX / 2 + most - 1);
        window.refund(1, 0);
        assert_eq!(window.balance(0), i64::MAX / 2 + most - 1);
    });
}
