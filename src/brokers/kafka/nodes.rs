//! Which brokers of a cluster fail now. One that failed is not asked with the others, whom its silence
//! would hold up: it is tried by itself, ever more rarely, until it answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::brokers::backoff::Backoff;
use crate::clock::Clock;
use crate::kafka::message::Metadata;
use crate::kafka::{Cluster, Error};

/// Seconds between attempts, first and most.
const RETRY: (f64, f64) = (0.5, 15.0);

#[derive(Debug)]
pub struct Nodes {
    clock: Clock,
    jitter: fn() -> f64,
    failing: Arc<Mutex<HashMap<i32, Failing>>>,
}

#[derive(Debug)]
struct Failing {
    why: Error,
    backoff: Backoff,
    /// A probe is under way.
    probed: bool,
}

impl Nodes {
    pub fn new(clock: Clock, jitter: fn() -> f64) -> Self {
        Self { clock, jitter, failing: Arc::default() }
    }

    /// Why this node is not to be asked now.
    pub fn trouble(&self, node: i32) -> Option<Error> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).get(&node).map(|failing| failing.why.clone())
    }

    pub fn failed(&self, node: i32, why: &Error) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut failing, node, why, self.clock, self.jitter);
    }

    /// Tries those whose time has come; what comes of it is seen by the next round.
    pub fn probe(&self, cluster: &Arc<Cluster>) {
        let now = self.clock.now();
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let due = failing.iter_mut().filter(|(_, it)| !it.probed && it.backoff.wait(now) <= 0.0);
        for (node, it) in due {
            it.probed = true;
            let (node, cluster, failing, clock, jitter) =
                (*node, cluster.clone(), self.failing.clone(), self.clock, self.jitter);
            // It ends within the limits of the client, whatever the broker does.
            tokio::spawn(async move {
                let answer = cluster.ask(node, &Metadata { topics: Vec::new() }).await;
                let mut failing = failing.lock().unwrap_or_else(PoisonError::into_inner);
                match answer {
                    Ok(_) => drop(failing.remove(&node)),
                    Err(why) => note(&mut failing, node, &why, clock, jitter),
                }
            });
        }
    }
}

fn note(failing: &mut HashMap<i32, Failing>, node: i32, why: &Error, clock: Clock, jitter: fn() -> f64) {
    let new = || Failing { why: why.clone(), backoff: Backoff::new(RETRY.0, RETRY.1), probed: false };
    let it = failing.entry(node).or_insert_with(new);
    it.why = why.clone();
    it.probed = false;
    it.backoff.failed(clock.now(), jitter());
}
