//! Talking to running workers: the status endpoint of the worker contract.

mod http;

use std::net::{IpAddr, SocketAddr};

use futures::future::BoxFuture;

use crate::scaling::observation::Report;

pub use http::HttpWorkerClient;

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
    /// Whoever can set a pod's address must not make the operator call such things as a cloud's
    /// metadata service.
    #[error("{0} is not asked: no worker has such an address")]
    Forbidden(IpAddr),
}
