//! The whole controller against a simulated API server, cluster, broker and workers, in virtual time, through seeded
//! schedules of faults. `AWP_SEED=n cargo test --test faults` replays one with everything it did.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod action;
mod api;
mod cluster;
mod dice;
mod faithful;
mod happening;
mod inspection;
mod judge;
mod log;
mod pool;
mod queue;
mod run;
mod schedule;
mod stories;
mod weather;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::run::run;
use crate::world::World;

/// Schedules of an ordinary test run.
const SCHEDULES: u64 = 1000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// `AWP_SEED` replays one schedule, `AWP_SCHEDULES` and `AWP_FIRST_SEED` choose others than the ordinary ones.
#[test]
fn whatever_happens_no_busy_worker_goes_and_every_pool_ends_well() {
    if let Some(seed) = number("AWP_SEED") {
        let verdict = run(seed, true, World::schedule);
        println!("{}", verdict.log.join("\n"));
        assert_eq!(verdict.broken, None, "seed {seed}");
        return;
    }
    let first = number("AWP_FIRST_SEED").unwrap_or(0);
    let (next, last) = (AtomicU64::new(first), first + number("AWP_SCHEDULES").unwrap_or(SCHEDULES));
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().unwrap().get();
    let lasted = AtomicU64::new(0);
    let failures: Vec<(u64, String)> = std::thread::scope(|scope| {
        let work = || {
            let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < last));
            let broken = seeds.filter_map(|seed| {
                let verdict = run(seed, false, World::schedule);
                lasted.fetch_add(verdict.lasted, Ordering::Relaxed);
                Some((seed, verdict.broken?))
            });
            broken.inspect(|(seed, broken)| println!("AWP_SEED={seed}: {broken}")).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let (schedules, hours) = (last - first, lasted.into_inner() / 3_600_000);
    println!("{schedules} schedules, {hours} virtual hours, in {:?}", begun.elapsed());
    assert!(failures.is_empty(), "{} schedules fail; replay one with AWP_SEED", failures.len());
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 1004, 77_777] {
        let (one, other) = (run(seed, true, World::schedule), run(seed, true, World::schedule));
        let differs = one.log.iter().zip(&other.log).position(|(one, other)| one != other);
        let at = differs.map(|at| (at, &one.log[at.saturating_sub(5)..=at], &other.log[at]));
        assert_eq!(at, None, "seed {seed}");
        assert_eq!(one.log.len(), other.log.len(), "seed {seed}");
    }
}
