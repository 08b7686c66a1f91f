//! The operator's metrics. Labels are a pool's namespace and name or a static word, never free text.

use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::scaling::decision::{Decision, Trust};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct PoolLabels {
    pub namespace: String,
    pub pool: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ErrorLabels {
    /// The step of the reconcile: `apply`, `status`, …
    pub step: &'static str,
}

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    ready: Family<PoolLabels, Gauge>,
    in_flight: Family<PoolLabels, Gauge>,
    wanted: Family<PoolLabels, Gauge>,
    granted: Family<PoolLabels, Gauge>,
    applied: Family<PoolLabels, Gauge>,
    backlog_known: Family<PoolLabels, Gauge>,
    task_seconds: Family<PoolLabels, Gauge<f64, AtomicU64>>,
    pub scaled_up: Family<PoolLabels, Counter>,
    pub scaled_down: Family<PoolLabels, Counter>,
    pub reconcile_seconds: Histogram,
    pub errors: Family<ErrorLabels, Counter>,
    pub undecodable: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("awp");
        // From 100 µs, an unchanged pool, to 13 s, a struggling API server.
        let reconcile_seconds = Histogram::new(exponential_buckets(0.0001, 3.0, 12));
        let metrics = Self {
            ready: Family::default(),
            in_flight: Family::default(),
            wanted: Family::default(),
            granted: Family::default(),
            applied: Family::default(),
            backlog_known: Family::default(),
            task_seconds: Family::default(),
            scaled_up: Family::default(),
            scaled_down: Family::default(),
            reconcile_seconds: reconcile_seconds.clone(),
            errors: Family::default(),
            undecodable: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("queue_ready", "Tasks waiting in the pool's queue", metrics.ready.clone());
        registry.register("queue_in_flight", "Tasks given to workers and not finished", metrics.in_flight.clone());
        registry.register("replicas_wanted", "Workers the law asks for, before any cap", metrics.wanted.clone());
        registry.register("replicas_granted", "Workers after the caps", metrics.granted.clone());
        registry.register("replicas_applied", "Granted plus workers not yet free to go", metrics.applied.clone());
        registry.register(
            "backlog_known",
            "1 while the backlog can be read and believed",
            metrics.backlog_known.clone(),
        );
        registry.register("task_duration_seconds", "Learned mean task duration", metrics.task_seconds.clone());
        registry.register("scaled_up", "Times replicas were raised", metrics.scaled_up.clone());
        registry.register("scaled_down", "Times replicas were lowered", metrics.scaled_down.clone());
        registry.register("reconcile_seconds", "Time of one pass over one pool", reconcile_seconds);
        registry.register("errors", "Failed passes by step", metrics.errors.clone());
        registry.register(
            "undecodable_pools",
            "Pools that could not be read from the API server",
            metrics.undecodable.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    pub fn record(&self, pool: &PoolLabels, decision: &Decision) {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.ready.get_or_create(pool).set(count(decision.backlog.ready));
        match decision.backlog.in_flight {
            Some(value) => _ = self.in_flight.get_or_create(pool).set(count(value)),
            None => _ = self.in_flight.remove(pool),
        }
        self.wanted.get_or_create(pool).set(decision.wanted.into());
        self.granted.get_or_create(pool).set(decision.granted.into());
        self.applied.get_or_create(pool).set(decision.applied.into());
        self.backlog_known.get_or_create(pool).set((decision.trust == Trust::Known).into());
        self.task_seconds.get_or_create(pool).set(decision.estimates.task_duration);
    }

    /// A deleted pool leaves no series behind.
    pub fn forget(&self, pool: &PoolLabels) {
        for family in [&self.ready, &self.in_flight, &self.wanted, &self.granted, &self.applied, &self.backlog_known] {
            family.remove(pool);
        }
        self.task_seconds.remove(pool);
        self.scaled_up.remove(pool);
        self.scaled_down.remove(pool);
    }

    /// More metrics, made at every scrape.
    #[must_use]
    pub fn with_collector(mut self, collector: impl Collector) -> Self {
        self.registry.register_collector(Box::new(collector));
        self
    }

    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(std::fmt::Error) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_pool_leaves_no_series_behind() {
        let metrics = Metrics::default();
        let pool = PoolLabels { namespace: "agents".into(), pool: "research".into() };
        metrics.scaled_up.get_or_create(&pool).inc();
        assert!(metrics.render().contains(r#"awp_scaled_up_total{namespace="agents",pool="research"} 1"#));
        metrics.forget(&pool);
        assert!(!metrics.render().contains("research"));
    }
}
