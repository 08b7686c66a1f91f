//! What workers wrote: their word counts, not the operator's.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// The log lines of each worker that ever ran in a namespace, by pod.
pub struct Logs(BTreeMap<String, Vec<Value>>);

impl Logs {
    pub fn read(folder: &Path, namespace: &str) -> Self {
        let mut logs = BTreeMap::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pod = name.strip_prefix(&format!("{namespace}_")).and_then(|rest| rest.strip_suffix("_agent.log"));
            if let Some(pod) = pod {
                let text = std::fs::read(entry.path()).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned()));
                logs.insert(pod.to_owned(), text.lines().map(line).collect());
            }
        }
        Self(logs)
    }

    fn lines(&self) -> impl Iterator<Item = &Value> {
        self.0.values().flatten()
    }

    /// How often each task was done and acknowledged.
    pub fn done(&self) -> BTreeMap<String, usize> {
        let mut done = BTreeMap::new();
        for line in self.lines().filter(|line| line["outcome"] == "done" || line["outcome"] == "completed") {
            *done.entry(line["task"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        done
    }

    /// When each task was done, in order.
    pub fn ends(&self) -> Vec<Timestamp> {
        let done = self.lines().filter(|line| line["outcome"] == "done");
        let mut ends: Vec<Timestamp> = done.map(|line| line["timestamp"].as_str().unwrap().parse().unwrap()).collect();
        ends.sort();
        ends
    }

    /// Tasks whose work was for nothing, or that a worker got and gave back.
    pub fn disturbed(&self) -> Vec<&Value> {
        let disturbed = |line: &&Value| {
            line["outcome"] == "interrupted" || line["outcome"] == "released" || line["redelivered"] == true
        };
        self.lines().filter(disturbed).collect()
    }

    /// Workers that were asked to stop: when, and what they held at that moment.
    pub fn stopped(&self) -> Vec<(Timestamp, u64)> {
        let stops = self.lines().filter(|line| message(line).starts_with("stopping"));
        stops
            .map(|line| (line["timestamp"].as_str().unwrap().parse().unwrap(), line["in_flight"].as_u64().unwrap()))
            .collect()
    }

    /// Whether some worker wrote these words.
    pub fn say(&self, words: &str) -> bool {
        self.lines().any(|line| line.to_string().contains(words))
    }

    pub fn workers(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// For a failed test's message.
    pub fn tail(&self) -> String {
        let last = |lines: &[Value]| lines[lines.len().saturating_sub(6)..].iter().map(Value::to_string).collect();
        let of_pod =
            |(pod, lines): (&String, &Vec<Value>)| -> Vec<String> { [vec![pod.clone()], last(lines)].concat() };
        self.0.iter().flat_map(of_pod).collect::<Vec<_>>().join("\n  ")
    }
}

fn message(line: &Value) -> &str {
    line["message"].as_str().unwrap_or_default()
}
