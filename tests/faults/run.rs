//! Runs one schedule to its verdict.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Once};

use awp::controller::broker::AwsPolicy;
use awp::controller::{self, Parts};
use awp::ops::metrics::Metrics;
use awp::ops::readiness::Readiness;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{NAMESPACE, serve};
use crate::cluster::workers::SimulatedWorkers;
use crate::dice;
use crate::queue::SimulatedBrokers;
use crate::world::{Shared, World, drive, lock};

/// How a schedule ended.
#[derive(Debug)]
pub struct Verdict {
    pub broken: Option<String>,
    pub log: Vec<String>,
    /// Virtual milliseconds.
    pub lasted: u64,
}

/// The controller, started on this world as `awp run` starts it.
fn operator(world: &Shared) -> JoinHandle<()> {
    let parts = Parts {
        client: serve::client(world),
        clock: lock(world).clock(),
        jitter: dice::jitter,
        brokers: Arc::new(SimulatedBrokers(world.clone())),
        workers: Arc::new(SimulatedWorkers(world.clone())),
        metrics: Arc::new(Metrics::default()),
        readiness: Readiness::default(),
        explanations: Arc::default(),
        namespaces: BTreeSet::from([NAMESPACE.to_owned()]),
        aws: AwsPolicy::default(),
    };
    tokio::spawn(controller::run(parts, CancellationToken::new()))
}

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A task that panics ends no test by itself: panics are collected, by thread.
fn collect_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
            print(panic);
        }));
    });
}

/// One schedule on a runtime of its own, in virtual time.
pub fn run(seed: u64, keep_log: bool, schedule: impl FnOnce(&mut World)) -> Verdict {
    dice::seed_jitter(seed);
    collect_panics();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let verdict = runtime.block_on(async {
        let world: Shared = Arc::new(Mutex::new(World::new(seed, keep_log)));
        schedule(&mut lock(&world));
        let mut running: Option<JoinHandle<()>> = None;
        drive(&world, |start| {
            if let Some(old) = running.take() {
                // As by SIGKILL, in the middle of whatever it does.
                old.abort();
            }
            running = start.then(|| operator(&world));
        })
        .await;
        if let Some(last) = running.take() {
            last.abort();
        }
        let mut world = lock(&world);
        let log = std::mem::take(&mut world.log.lines);
        let broken = PANICS.take().pop().or(world.judge.broken.take());
        Verdict { broken, log, lasted: world.now() }
    });
    runtime.shutdown_background();
    verdict
}
