//! One decision on one pool, by tasks queued and workers running.

use std::hint::black_box;
use std::time::Duration;

use awp_law::scaling::decide;
use awp_law::{Pool, QUEUED, WORKERS};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for queued in QUEUED {
        for workers in WORKERS {
            let pool = Pool::at_work(queued, workers);
            let (now, seen) = pool.look(0);
            group.bench_function(
                BenchmarkId::new(format!("{queued} queued"), format!("{workers} workers")),
                |bencher| {
                    bencher.iter(|| decide(black_box(&pool.state), &pool.settings, black_box(&seen), now));
                },
            );
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = decisions
}
criterion_main!(benches);
