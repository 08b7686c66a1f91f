//! `GET /status` of the worker contract, and probes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State as Shares;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tracing::error;

use super::ledger::{Epoch, Ledger};
use super::memory::Meter;
use super::shutdown::Shutdown;
use crate::contract::{State, Status};

#[derive(Clone)]
pub(super) struct Shared {
    pub ledger: Arc<Ledger>,
    pub meter: Arc<Meter>,
    pub shutdown: Shutdown,
    pub epoch: Epoch,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve /status on {address}: {cause}; AWP_STATUS_ADDRESS (--status-address) must be a free port of an address of this machine"
)]
pub struct BindError {
    address: SocketAddr,
    cause: std::io::Error,
}

pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|cause| BindError { address, cause })
}

/// Until the process ends: a draining worker still answers.
pub(super) async fn serve(listener: TcpListener, shared: Shared) {
    let router = Router::new()
        .route("/status", get(status))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .with_state(shared);
    if let Err(error) = axum::serve(listener, router).await {
        error!(%error, "the status endpoint has ended");
    }
}

async fn status(Shares(shared): Shares<Shared>) -> Json<Status> {
    Json(shared.status())
}

/// Ready = connected and taking tasks.
async fn ready(Shares(shared): Shares<Shared>) -> (StatusCode, &'static str) {
    if shared.ledger.snapshot(shared.epoch).consuming {
        (StatusCode::OK, "ready\n")
    } else if shared.shutdown.stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not connected to the queue; the log says why\n")
    }
}

impl Shared {
    fn status(&self) -> Status {
        let (books, memory) = (self.ledger.snapshot(self.epoch), self.meter.reading());
        Status {
            state: Some(match (self.shutdown.stopping(), books.in_flight) {
                (false, _) => State::Running,
                (true, 0) => State::Drained,
                (true, _) => State::Draining,
            }),
            in_flight: u64::from(books.in_flight),
            slots: Some(u64::from(books.slots)),
            completed: Some(books.counts.completed),
            failed: Some(books.counts.failed),
            rate_limited: None,
            busy_seconds: Some(books.busy.as_secs_f64()),
            memory_bytes: memory.now,
            base_memory_bytes: memory.base,
            task_peak_memory_bytes: memory.task_peak,
        }
    }
}
