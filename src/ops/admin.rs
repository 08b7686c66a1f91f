//! The operator's own HTTP server: `/livez`, `/readyz`, `/metrics`, `/explain/NAMESPACE/POOL`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;
use super::readiness::Readiness;

/// Why a pool, by namespace and name, has the workers it has; `None` = there is no such pool here.
pub type Explain = Arc<dyn Fn(String, String) -> Option<Value> + Send + Sync>;

#[derive(Clone)]
struct Parts {
    readiness: Readiness,
    metrics: Arc<Metrics>,
    explain: Explain,
}

/// Serves until `stop` is cancelled.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    explain: Explain,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render_metrics))
        .route("/explain/{namespace}/{pool}", get(explain_pool))
        .with_state(Parts { readiness, metrics, explain });
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn readyz(State(parts): State<Parts>) -> (StatusCode, String) {
    match parts.readiness.check() {
        Ok(()) => (StatusCode::OK, "ok\n".into()),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing),
    }
}

async fn render_metrics(State(parts): State<Parts>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (headers, parts.metrics.render())
}

async fn explain_pool(
    State(parts): State<Parts>,
    Path((namespace, pool)): Path<(String, String)>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    let unknown = "this operator does not look after a pool of that name, or has not looked at it yet\n";
    (parts.explain)(namespace, pool).map(Json).ok_or((StatusCode::NOT_FOUND, unknown))
}
