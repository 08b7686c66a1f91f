//! The readers' metrics, made anew at every scrape from what is read then. Labels are static words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Live;

/// What reading has cost since the start.
#[derive(Debug, Default)]
pub struct Requests {
    /// Passive declares.
    pub rabbitmq_looks: AtomicU64,
    /// Requests to the management API.
    pub rabbitmq_requests: AtomicU64,
}

/// Registered beside the operator's own metrics.
#[derive(Debug)]
pub struct BrokerMetrics(pub Arc<Live>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Kind {
    broker: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Side {
    broker: &'static str,
    side: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Request {
    broker: &'static str,
    request: &'static str,
}

/// Sides that are shown even while nothing fails, so that an alert has something to compare with.
const SIDES: [Side; 2] = [Side { broker: "rabbitmq", side: "amqp" }, Side { broker: "rabbitmq", side: "management" }];

impl Collector for BrokerMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut identities: BTreeMap<Kind, i64> = BTreeMap::new();
        let mut subscriptions: BTreeMap<Kind, i64> = BTreeMap::new();
        let mut open: BTreeMap<Side, i64> = SIDES.into_iter().map(|side| (side, 0)).collect();
        for status in self.0.status() {
            let kind = Kind { broker: status.kind };
            *identities.entry(kind.clone()).or_default() += 1;
            *subscriptions.entry(kind).or_default() += i64::try_from(status.subscriptions).unwrap_or(i64::MAX);
            for trouble in status.trouble {
                *open.entry(Side { broker: status.kind, side: trouble.side }).or_default() += 1;
            }
        }
        gauges(&mut encoder, "broker_identities", "Endpoints and logins that are read", identities)?;
        gauges(&mut encoder, "broker_subscriptions", "Pools that read from them", subscriptions)?;
        let help = "Ways to a broker that fail now, whose attempts back off";
        gauges(&mut encoder, "broker_breakers_open", help, open)?;
        let slowest = [(Kind { broker: "rabbitmq" }, self.0.slowest_look())];
        gauges(&mut encoder, "broker_look_period_seconds", "Seconds between two looks at a queue", slowest)?;
        let spent = self.0.requests();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let requests = [("declare", &spent.rabbitmq_looks), ("management", &spent.rabbitmq_requests)];
        let counters = requests
            .map(|(request, counter)| (Request { broker: "rabbitmq", request }, ConstCounter::new(count(counter))));
        family(&mut encoder, "broker_requests", "Requests made to read queues", counters)
    }
}

fn gauges<L: EncodeLabelSet, N>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (L, N)>,
) -> Result<(), fmt::Error>
where
    ConstGauge<N>: EncodeMetric,
{
    family(encoder, name, help, series.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value))))
}

fn family<L: EncodeLabelSet, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (L, M)>,
) -> Result<(), fmt::Error> {
    let mut series = series.into_iter().peekable();
    let Some((_, first)) = series.peek() else { return Ok(()) };
    let metric_type = first.metric_type();
    let mut encoder = encoder.encode_descriptor(name, help, None, metric_type)?;
    for (labels, metric) in series {
        metric.encode(encoder.encode_family(&labels)?)?;
    }
    Ok(())
}
