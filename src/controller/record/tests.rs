use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;
use crate::scaling;
use crate::scaling::State;
use crate::scaling::tests::fixtures;

/// What is logged, as the operator logs it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that are written while `act` runs.
fn logged(act: impl FnOnce()) -> Vec<Value> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, act);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn pool(record: Option<&str>) -> AgentWorkerPool {
    let mut pool = AgentWorkerPool::default();
    let value = record.map(|value| (annotations::RECORD.to_owned(), value.to_owned()));
    pool.metadata.annotations = value.map(|entry| [entry].into());
    pool
}

/// Decides on (second, ready, in flight) in turn and records.
fn record_all(pool: &AgentWorkerPool, readings: &[(f64, u64, u64)]) -> Vec<Value> {
    let key = PoolKey { namespace: "agents".into(), name: "research".into() };
    let settings = fixtures::settings();
    logged(|| {
        let mut state = State::new(Timestamp(0.0));
        let mut last = None;
        for (at, ready, in_flight) in readings {
            let seen = fixtures::observation(fixtures::queue(*ready, *in_flight, *at), vec![]);
            let (after, decision) = scaling::decide(&state, &settings, &seen, Timestamp(*at));
            record(&mut last, &key, pool, &decision, after.passed(), seen.workers.len());
            state = after;
        }
    })
}

fn number(line: &Value, field: &str) -> u64 {
    line[field].as_u64().unwrap_or_else(|| panic!("{field} in {line}"))
}

#[test]
fn each_changed_reading_is_a_line_and_an_unchanged_one_is_none() {
    let readings = [(0.0, 0, 0), (1.0, 3, 0), (2.0, 3, 0), (3.0, 1, 2), (4.0, 1, 1), (5.0, 1, 1)];
    let lines = record_all(&pool(Some("true")), &readings);
    let told: Vec<[u64; 4]> = lines
        .iter()
        .map(|line| ["ready", "in_flight", "arrived", "completed"].map(|field| number(line, field)))
        .collect();
    assert_eq!(told, [[0, 0, 0, 0], [3, 0, 3, 0], [1, 2, 0, 0], [1, 1, 0, 1]]);
    assert!(lines.iter().all(|line| line["message"] == MESSAGE && line["pool"] == "agents/research"));
    assert_eq!(lines[1]["at"], 1.0);
}

#[test]
fn readings_faster_than_one_a_second_are_told_together() {
    let readings: Vec<(f64, u64, u64)> = (0..=40).map(|i| (f64::from(i) * 0.1, u64::from(i as u32), 0)).collect();
    let lines = record_all(&pool(Some("true")), &readings);
    assert!(lines.len() <= 5, "{}", lines.len());
    let arrived: u64 = lines.iter().map(|line| number(line, "arrived")).sum();
    let last = number(lines.last().unwrap(), "ready");
    assert_eq!(arrived, last, "none that came in between is forgotten");
}

#[test]
fn only_a_pool_that_says_true_is_recorded() {
    for value in [None, Some("false"), Some("")] {
        assert!(record_all(&pool(value), &[(0.0, 0, 0), (1.0, 3, 0)]).is_empty(), "{value:?}");
    }
}

#[test]
fn what_is_not_known_is_not_recorded() {
    let key = PoolKey { namespace: "agents".into(), name: "research".into() };
    let state = State::new(Timestamp(0.0));
    let unread = scaling::observation::QueueReading::Known(scaling::observation::QueueCounts {
        ready: 3,
        at: Timestamp(1.0),
        ..Default::default()
    });
    let settings = scaling::settings::Settings { reports: false, ..fixtures::settings() };
    let seen = fixtures::observation(unread, vec![]);
    let (after, decision) = scaling::decide(&state, &settings, &seen, Timestamp(1.0));
    let mut last = None;
    let lines = logged(|| record(&mut last, &key, &pool(Some("true")), &decision, after.passed(), 0));
    assert_eq!((lines.len(), last), (0, None));
}
