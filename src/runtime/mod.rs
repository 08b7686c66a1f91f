//! `awp worker`: takes tasks from a queue, runs the user's agent for each, and never loses one.
//!
//! ```text
//! rabbitmq/ ──deliveries──▶ consumer ──▶ task ──▶ payload rules ──▶ work (exec | simulate)
//!                                          │
//!                                          └──▶ ack, or a confirmed dead letter and then ack
//! ```
//!
//! Guarantees:
//! * A task is acknowledged only after it was done, or after its dead letter was confirmed. Whatever
//!   happens before that (a crash, a lost connection, a full dead-letter queue) leaves it on the queue.
//! * So a task can run twice: its agent should be idempotent by `AWP_TASK_ID`.
//! * At most `slots` tasks run at once, also across reconnects.
//! * A task in this process is in [`ledger::Ledger::in_flight`] until it is settled: a busy worker
//!   never looks idle.
//!
//! The core knows a broker by the traits in [`broker`]; each broker is a folder.

pub mod broker;
mod consumer;
mod exec;
pub mod kafka;
pub mod ledger;
mod memory;
mod output;
pub mod payload;
pub mod rabbitmq;
pub mod settings;
pub mod shutdown;
mod simulate;
pub mod sqs;
mod status;
mod task;
mod work;

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use broker::Broker;
use ledger::{Epoch, Ledger};
use settings::Settings;
use shutdown::Shutdown;
use task::Worker;
use tokio::time::Instant;

pub use exec::{Command, CommandError};
pub use output::Output;
pub use work::Work;

/// How the worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that was begun is settled, or will be delivered again by the broker.
    Drained,
    /// A second signal: tasks were ended half way; the broker delivers them again.
    Aborted,
}

/// Works until `shutdown`. Fails only at the start, for what waiting cannot mend.
pub async fn run(
    settings: Settings,
    work: Work,
    broker: Arc<dyn Broker>,
    shutdown: Shutdown,
) -> Result<Ended, status::BindError> {
    let epoch = Epoch(Instant::now());
    let ledger = Arc::new(Ledger::new(settings.slots));
    let meter = Arc::new(memory::Meter::new());
    meter.sample(0);
    if let Some(address) = settings.status_address {
        let server = status::bind(address).await?;
        let state = status::Shared { ledger: ledger.clone(), meter: meter.clone(), shutdown: shutdown.clone(), epoch };
        tokio::spawn(status::serve(server, state));
    }
    tokio::spawn(memory::watch(meter, ledger.clone(), epoch));
    let worker = Worker::new(settings, work, ledger, shutdown.clone(), epoch);
    consumer::run(Arc::new(worker), &*broker).await;
    Ok(if shutdown.aborting() { Ended::Aborted } else { Ended::Drained })
}

/// Pauses between attempts of whatever failed: half a second to half a minute, without end, jittered
/// so that a thousand workers do not come back to a restarted broker at once.
fn pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(30))
        .without_max_times()
        .with_jitter()
        .build()
}
