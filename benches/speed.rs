//! Wall-clock time of each kind of work, by criterion: one group per kind, one line per contender.

mod calls;
mod channel;
mod hand_written;
mod names;
mod operation;
mod settings;
mod work;

use std::time::{Duration, Instant};

use criterion::Criterion;

use crate::work::Work;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for work in Work::ALL {
        let mut group = criterion.benchmark_group(work.title());
        for entry in calls::all().into_iter().filter(|entry| entry.work == work) {
            group.bench_function(entry.contender, |bencher| {
                bencher.iter_custom(|iterations| {
                    let started = Instant::now();
                    (entry.run)(iterations);
                    started.elapsed()
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
