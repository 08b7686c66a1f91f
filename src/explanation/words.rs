//! Words that several parts of a report share.

use k8s_openapi::jiff;
use serde_json::Value;

use crate::api::AgentWorkerPoolSpec;
use crate::scaling::time::Timestamp;

/// The broker and the queue as the pool names them; never credentials, which belong in a Secret.
///
/// From the manifest's form, so that a broker is described here by the names that its users know.
pub fn queue(spec: &AgentWorkerPoolSpec) -> Option<String> {
    let broker = serde_json::to_value(&spec.broker).ok()?;
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let all = |value: &Value| list(value.as_array().into_iter().flatten().map(text), ", ");
    if let Some(rabbitmq) = broker.get("rabbitmq") {
        let uri = text(&rabbitmq["uri"]);
        let address = uri.rsplit_once('@').map_or(uri.as_str(), |(_, address)| address);
        return Some(format!("RabbitMQ {address}, queue {}", all(&rabbitmq["queues"])));
    }
    if let Some(sqs) = broker.get("sqs") {
        return Some(format!("SQS {}", text(&sqs["queueUrl"])));
    }
    let kafka = broker.get("kafka")?;
    let (servers, topics) = (all(&kafka["bootstrapServers"]), all(&kafka["topics"]));
    Some(format!("Kafka {servers}, topics {topics}, group {}", text(&kafka["group"])))
}

pub fn mode(spec: &AgentWorkerPoolSpec) -> String {
    let mode = spec.scaling.as_ref().and_then(|scaling| scaling.mode).unwrap_or_default();
    format!("{mode:?}")
}

pub fn rfc3339(at: Timestamp) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond((at.0 * 1000.0) as i64).ok()?;
    Some(at.to_string())
}

/// Seconds as people say them: 0.4 s, 12 s, 3 min, 2 h.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{} s", number(s)),
        s if s < 120.0 => format!("{} s", s.round() as u64),
        s if s < 7200.0 => format!("{} min", (s / 60.0).round() as u64),
        s if s < 172_800.0 => format!("{} h", (s / 3600.0).round() as u64),
        s => format!("{} days", (s / 86_400.0).round() as u64),
    }
}

pub fn ago(age: f64) -> String {
    if age < 0.05 { "just now".to_owned() } else { format!("{} ago", seconds(age)) }
}

/// At most one decimal, two below 1.
pub fn number(value: f64) -> String {
    let factor = if value.abs() < 1.0 { 100.0 } else { 10.0 };
    let rounded = (value * factor).round() / factor;
    let rounded = if rounded == 0.0 { 0.0 } else { rounded };
    // A true minus sign is as wide as a plus.
    format!("{rounded}").replace('-', "−")
}

pub fn plural(count: impl Into<u64>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

pub fn list(parts: impl Iterator<Item = String>, separator: &str) -> String {
    parts.collect::<Vec<_>>().join(separator)
}

/// 0.85 is "−15 %".
pub fn percent(ratio: f64) -> String {
    match ((ratio - 1.0) * 100.0).round() as i64 {
        0 => "±0 %".to_owned(),
        more if more > 0 => format!("+{more} %"),
        less => format!("−{} %", -less),
    }
}

/// One character for each count; what is not empty is never blank.
pub fn sparkline(counts: &[u64]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let level = |count: u64| LEVELS[((count as f64 / most as f64 * 8.0).ceil() as usize).clamp(1, 8) - 1];
    counts.iter().map(|count| if *count == 0 { '·' } else { level(*count) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        for (value, text) in [(0.0, "0"), (-0.001, "0"), (3.0, "3"), (25.94, "25.9"), (0.037, "0.04"), (-2.5, "−2.5")]
        {
            assert_eq!(number(value), text);
        }
        assert_eq!([percent(0.85), percent(1.0), percent(1.123)], ["−15 %", "±0 %", "+12 %"]);
        assert_eq!([seconds(0.4), seconds(12.4), seconds(400.0)], ["0.4 s", "12 s", "7 min"]);
    }

    #[test]
    fn a_bin_with_one_task_among_thousands_is_still_seen() {
        assert_eq!(sparkline(&[0, 1, 500, 1000]), "·▁▄█");
    }
}
