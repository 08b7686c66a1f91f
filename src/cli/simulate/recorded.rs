//! A pool's recorded readings in the operator's log.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::Deserialize;

use crate::controller::record::MESSAGE;
use crate::simulation::replay::{Reading, Replayed, replay};

/// Pools named in a message at most.
const NAMED: usize = 10;

/// The fields of a log line that count, as `controller::record` writes them.
#[derive(Debug, Deserialize)]
struct Line {
    message: String,
    pool: String,
    at: f64,
    ready: u64,
    in_flight: u64,
    completed: u64,
    workers: u32,
}

/// The load of one pool. Lines of anything else are passed over, and so is what stands before a line's JSON (a
/// timestamp or a pod's name, by `kubectl logs --timestamps` or `--prefix`).
pub fn parse(log: &str, namespace: Option<&str>, name: Option<&str>) -> anyhow::Result<Replayed> {
    let mut pools: BTreeMap<String, Vec<Reading>> = BTreeMap::new();
    for line in log.lines() {
        let Some(begin) = line.find('{').filter(|_| line.contains(MESSAGE)) else { continue };
        let Ok(line) = serde_json::from_str::<Line>(&line[begin..]) else { continue };
        if line.message == MESSAGE && line.at.is_finite() && asked_for(&line.pool, namespace, name) {
            let Line { at, ready, in_flight, completed, workers, .. } = line;
            let reading = Reading { at, ready, in_flight, completed, workers };
            pools.entry(line.pool).or_default().push(reading);
        }
    }
    let names: Vec<&str> = pools.keys().take(NAMED).map(String::as_str).collect();
    if names.len() > 1 {
        bail!("there are several pools; choose one of {} with --namespace and --name", names.join(", "));
    }
    let Some((pool, mut readings)) = pools.pop_first() else {
        bail!(
            "there is no recorded reading{}; annotate the pool with agentworkers.io/record: \"true\", let it work a \
             while, and save the operator's log as JSON (`kubectl logs`)",
            if namespace.or(name).is_some() { " of this pool" } else { "" }
        );
    };
    readings.sort_by(|a, b| a.at.total_cmp(&b.at));
    Ok(replay(&format!("recorded of {pool}"), &readings)?)
}

fn asked_for(pool: &str, namespace: Option<&str>, name: Option<&str>) -> bool {
    let (of_namespace, of_name) = pool.split_once('/').unwrap_or(("", pool));
    namespace.is_none_or(|namespace| namespace == of_namespace) && name.is_none_or(|name| name == of_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"
{"timestamp":"2026-11-24T08:00:00Z","level":"INFO","message":"operator starts","target":"awp::cli::run"}
{"message":"recorded reading","pool":"agents/research","at":100.0,"ready":0,"in_flight":0,"arrived":0,"completed":0,"workers":0}
2026-11-24T08:00:10Z {"message":"recorded reading","pool":"agents/research","at":110.0,"ready":2,"in_flight":0,"arrived":2,"completed":0,"workers":1}
[pod/awp-0/awp] {"message":"recorded reading","pool":"agents/coding","at":111.0,"ready":1,"in_flight":0,"arrived":1,"completed":0,"workers":1}
plain words, {"message":"recorded reading"} and half a line: {"message":"recorded rea
{"message":"recorded reading","pool":"agents/research","at":130.0,"ready":0,"in_flight":2,"arrived":0,"completed":0,"workers":1}
{"message":"recorded reading","pool":"agents/research","at":190.0,"ready":0,"in_flight":0,"arrived":0,"completed":2,"workers":1}
"#;

    #[test]
    fn the_lines_of_one_pool_are_replayed_and_all_others_passed_over() {
        let replayed = parse(LOG, Some("agents"), Some("research")).unwrap();
        assert_eq!((replayed.trace.tasks.len(), replayed.lasts, replayed.waits), (2, 90.0, vec![20.0, 20.0]));
    }

    #[test]
    fn what_cannot_be_replayed_is_told_with_the_remedy() {
        for (log, name, told) in [
            (
                LOG,
                None,
                "there are several pools; choose one of agents/coding, agents/research with --namespace and --name",
            ),
            (LOG, Some("other"), "there is no recorded reading of this pool; annotate"),
            ("", None, "there is no recorded reading; annotate the pool with agentworkers.io/record: \"true\""),
        ] {
            let refused = parse(log, None, name).unwrap_err().to_string();
            assert!(refused.starts_with(told), "{refused}");
        }
    }
}
