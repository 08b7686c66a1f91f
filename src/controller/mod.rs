//! From what is seen to what is done, one pool at a time, as a list of named steps:
//!
//! `dereference → validate → observe → decide → build → apply → update_status`
//!
//! | step | needs the API server | what it does |
//! |---|---|---|
//! | [`dereference`] | no (caches) | finds what the pool names: Secrets, Deployment, pods, neighbours |
//! | [`validate`] | no | makes a plan of the spec, or says what is wrong and what to do |
//! | [`observe`] | no | the queue and the workers as the law sees them |
//! | `scaling::decide` | no | the one place of decisions |
//! | [`build`] | no | the objects as they should be |
//! | [`apply`] | only to change something | the one place of writes to workers |
//! | [`update_status`] | only to change something | status, conditions, events, metrics |

pub mod apply;
pub mod broker;
pub mod build;
pub mod cache;
pub mod conditions;
pub mod dereference;
pub mod dispatcher;
pub mod events;
pub mod explanations;
pub mod memory;
pub mod news;
pub mod objects;
pub mod observe;
pub mod pods;
pub mod reconcile;
pub mod record;
pub mod reports;
pub mod secrets;
pub mod siblings;
pub mod times;
pub mod update_status;
pub mod validate;
pub mod watch;
pub mod world;

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::brokers::Brokers;
use crate::clock::Clock;
use crate::ops::metrics::Metrics;
use crate::ops::readiness::Readiness;
use crate::workers::WorkerClient;
use broker::AwsPolicy;
use explanations::Explanations;
use siblings::Siblings;
use world::{Touch, World};

/// Numbers in 0..1 that spread retries.
pub type Jitter = fn() -> f64;

/// All that the controller reaches: everything from outside comes in here, so that it runs unchanged
/// against simulated servers in virtual time.
pub struct Parts {
    pub client: Client,
    pub clock: Clock,
    pub jitter: Jitter,
    pub brokers: Arc<dyn Brokers>,
    pub workers: Arc<dyn WorkerClient>,
    pub metrics: Arc<Metrics>,
    pub readiness: Readiness,
    pub explanations: Arc<Explanations>,
    /// Namespaces to watch.
    pub namespaces: BTreeSet<String>,
    pub aws: AwsPolicy,
}

/// What every pass can use.
pub struct Context {
    pub parts: Parts,
    pub world: World,
    pub siblings: RwLock<Siblings>,
}

/// Runs until `stop`.
pub async fn run(parts: Parts, stop: CancellationToken) {
    let (sender, touched) = tokio::sync::mpsc::unbounded_channel();
    let touch: Touch = Arc::new(move |namespace: &str, what| {
        // The receiver lives as long as the dispatcher; after it there is nobody left to wake.
        let _ = sender.send((namespace.to_owned(), what));
    });
    let world = World::watch(&parts.client, &parts.namespaces, &touch, &parts.readiness, parts.jitter);
    let context = Context { parts, world, siblings: RwLock::default() };
    dispatcher::run(Arc::new(context), touched, stop).await;
}
