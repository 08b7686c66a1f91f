//! The whole controller against a simulated API server, cluster, broker and workers, in virtual time, through seeded
//! schedules of faults. `AWP_SEED=n cargo test --test faults` replays one with everything it did.

#![expect(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod action;
mod api;
mod cluster;
mod dice;
mod happening;
mod inspection;
mod judge;
mod log;
mod pool;
mod queue;
mod run;
mod schedule;
mod weather;
mod world;

use crate::happening::Happening;
use crate::pool::PoolPlan;
use crate::run::run;

#[test]
fn a_pool_wakes_works_and_sleeps() {
    let verdict = run(1, true, |world| {
        world.stage(vec![PoolPlan::ordinary("alpha")]);
        world.judge.until_quiet = true;
        world.after(5_000, Happening::Publish { pool: "alpha".into(), tasks: 20, from: 1000, to: 9000 });
        world.after(10_000, Happening::FaultsEnd);
        world.after(12_000, Happening::Inspect);
    });
    assert_eq!(verdict.broken, None, "{}", verdict.log.join("\n"));
}
