//! Talking to running workers: the status endpoint of the worker contract.

use std::net::SocketAddr;

use futures::future::BoxFuture;

use crate::scaling::observation::Report;

/// The operator's side of the worker contract.
pub trait WorkerClient: Send + Sync {
    /// `GET /status`, bounded in time and size, clamped to plausible values.
    fn status(&self, address: SocketAddr) -> BoxFuture<'_, Result<Report, StatusError>>;
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    #[error("no answer within a second")]
    NoAnswer,
    #[error("the answer is not a status: {0}")]
    Invalid(&'static str),
}
