//! What a pod is told from outside.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::sync::watch;

use super::context::Context;
use super::publish::{self, Outcome};

/// How long a write that failed waits for its next try.
pub const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// Always the newest word.
#[derive(Clone, Debug)]
pub struct Order {
    pub pod: Arc<Pod>,
    /// The object is gone: its processes have no right to live.
    pub gone: bool,
    /// The node ends, and leaves the pod at most this long.
    pub evict_within: Option<Duration>,
}

/// A pod that was over before this node process began.
pub async fn remove_when_deleted(context: &Context, mut orders: watch::Receiver<Order>) {
    loop {
        let order = orders.borrow_and_update().clone();
        let leaving = order.pod.metadata.deletion_timestamp.is_some() || order.evict_within.is_some();
        if order.gone || leaving && publish::delete(context, &order.pod).await != Outcome::Failed {
            return;
        }
        let again = tokio::time::sleep(if leaving { WRITE_AGAIN } else { Duration::MAX });
        tokio::select! {
            changed = orders.changed() => if changed.is_err() { return },
            () = again => {}
        }
    }
}
