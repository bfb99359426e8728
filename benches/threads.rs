//! Wall-clock time of something that threads do at once, on a machine that does other work too.

use std::hint::spin_loop;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A round is short, so that most are not disturbed on a machine that does other work too.
const ROUNDS: usize = 601;
const ROUND: Duration = Duration::from_micros(200);

/// Nanoseconds per call, where so many threads make calls at once; `calls` makes so many of them.
/// Not a number if the machine was too busy to let them.
pub fn nanoseconds(calls: &(impl Fn(u64) + Sync + ?Sized), threads: usize) -> f64 {
    let (ready, times) = (&AtomicUsize::new(0), times(calls));
    let rounds = move |thread: usize| -> Vec<Round> {
        pin(thread);
        let round = |number: usize| {
            // All begin at once, and none is asleep then.
            ready.fetch_add(1, Ordering::AcqRel);
            while ready.load(Ordering::Acquire) < number * threads {
                spin_loop();
            }
            let (waited, started) = (waited(), Instant::now());
            calls(times);
            let time = started.elapsed();
            Round { started, time, waited: self::waited().saturating_sub(waited) }
        };
        (1..=ROUNDS).map(round).collect()
    };
    let all: Vec<Vec<Round>> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || rounds(n))).collect();
        running.into_iter().map(|thread| thread.join().expect("no call panics")).collect()
    });
    // Where one thread had no processor, the other had nobody to contend with.
    let undisturbed = |number: &usize| {
        let round = || all.iter().map(|rounds| &rounds[*number]);
        let began = round().map(|round| round.started);
        let apart = began.clone().max().zip(began.min()).map(|(last, first)| last - first);
        round().all(|round| (round.waited + apart.unwrap_or_default()) * 20 < round.time)
    };
    let numbers: Vec<usize> = (0..ROUNDS).filter(undisturbed).collect();
    let rounds = numbers.iter().flat_map(|number| all.iter().map(|rounds| rounds[*number].time));
    let mut rounds: Vec<Duration> = rounds.collect();
    rounds.sort_unstable();
    let median = rounds.get(rounds.len() / 2);
    median.map_or(f64::NAN, |time| time.as_nanos() as f64 / times as f64)
}

/// How many calls one thread makes in a round.
fn times(calls: &(impl Fn(u64) + ?Sized)) -> u64 {
    const TRIED: u64 = 1000;
    calls(TRIED);
    let started = Instant::now();
    calls(TRIED);
    let nanos = started.elapsed().as_nanos().max(1);
    let times = ROUND.as_nanos() * u128::from(TRIED) / nanos;
    u64::try_from(times).unwrap_or(u64::MAX).clamp(500, 20_000)
}

struct Round {
    started: Instant,
    time: Duration,
    waited: Duration,
}

/// Keeps this thread on one processor, where `taskset` is installed: on a machine that does other
/// work too, two threads may come to share one, and then they do not contend.
fn pin(processor: usize) {
    let Ok(thread) = std::fs::read_link("/proc/thread-self") else { return };
    let id = thread.file_name().unwrap_or_default();
    let _ = Command::new("taskset").arg("-pc").arg(processor.to_string()).arg(id).output();
}

/// How long this thread could have run and had no processor, as Linux tells; nothing elsewhere.
fn waited() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
