use std::io::Write as _;

use clap::Parser;

use super::*;
use crate::scaling::settings::Prefetch as Tasks;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    pool: PoolArgs,
}

fn read(line: &str, manifest: Option<&str>) -> anyhow::Result<Pool> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut args = vec!["awp".to_owned()];
    args.extend(line.split_whitespace().map(str::to_owned));
    if let Some(manifest) = manifest {
        file.write_all(manifest.as_bytes()).unwrap();
        args.extend(["--pool".to_owned(), file.path().display().to_string()]);
    }
    Line::try_parse_from(args).unwrap().pool.read(1)
}

/// The broker, and one container of 2Gi.
const POOL: &str = "
apiVersion: agentworkers.io/v1alpha1
kind: AgentWorkerPool
metadata: { name: research }
spec:
  broker: { rabbitmq: { uri: 'amqp://rabbitmq:5672', queues: [tasks] } }
  worker:
    statusPort: 9464
    template: { spec: { containers: [{ name: agent, image: a, resources: { limits: { memory: 2Gi } } }] } }
  scaling: { startWithin: 90s, maxReplicas: 60, maxMemory: 64Gi }
";

#[test]
fn without_a_manifest_it_is_the_defaults_with_workers_that_drain() {
    let pool = read("", None).unwrap();
    let settings = &pool.settings;
    assert_eq!((pool.slots(), settings.start_within, settings.max_replicas), (4, 60.0, 100));
    assert_eq!((settings.drain, pool.startup, pool.interval), (DrainSupport::Protocol, (20.0, 20.0), 2.0));
}

#[test]
fn a_manifest_counts_and_the_command_line_counts_more() {
    let pool = read("", Some(POOL)).unwrap();
    let settings = &pool.settings;
    assert_eq!((pool.slots(), settings.start_within, settings.max_replicas), (4, 90.0, 60));
    assert_eq!((settings.worker_memory, settings.max_memory), (Some(2 * GI), Some(64 * GI)));
    assert_eq!(settings.drain, DrainSupport::IdleOnly, "as the operator does");

    let line = "--prefetch 2 --start-within 30s --max-replicas 5 --min-replicas 1 --max-memory 8Gi --max-concurrency 9 \
                --warm-slots 3 --scale-down-window 0s --drain protocol --startup 5s-10s";
    let pool = read(line, Some(POOL)).unwrap();
    let settings = &pool.settings;
    assert_eq!(settings.prefetch, Tasks::Fixed(2));
    assert_eq!((settings.start_within, settings.min_replicas, settings.max_replicas), (30.0, 1, 5));
    assert_eq!((settings.max_memory, settings.max_concurrency, settings.warm_slots), (Some(8 * GI), Some(9), 3));
    assert_eq!((settings.scale_down_window, settings.drain), (Some(0.0), DrainSupport::Protocol));
    assert_eq!(pool.startup, (5.0, 10.0));
}

#[test]
fn the_pool_is_found_among_other_documents() {
    let manifest = format!("kind: Secret\n---\n{POOL}\n---\nkind: ConfigMap\n");
    assert_eq!(read("", Some(&manifest)).unwrap().settings.max_replicas, 60);
}

#[test]
fn what_cannot_be_simulated_is_told_with_the_remedy() {
    let target = POOL.replace(
        "template: { spec: { containers: [{ name: agent, image: a, resources: { limits: { memory: 2Gi } } }] } }",
        "targetRef: { apiVersion: apps/v1, kind: Deployment, name: research }",
    );
    let small = POOL.replace("memory: 2Gi", "memory: 300Mi");
    for (line, manifest, told) in [
        ("", "kind: Secret\n".to_owned(), "there is no object of kind AgentWorkerPool"),
        ("", format!("{POOL}\n---\n{POOL}"), "there is more than one AgentWorkerPool; simulate one at a time"),
        (
            "--start-within soon",
            POOL.to_owned(),
            "spec.scaling.startWithin: write a duration such as 90s, 25m or 1h30m",
        ),
        ("--min-replicas 70", POOL.to_owned(), "spec.scaling.minReplicas: write at most maxReplicas, which is 60"),
        ("--prefetch 0", POOL.to_owned(), "spec.prefetch.fixed: write a number from 1 to 1000"),
        ("", target, "the memory of Deployment research is not in the manifest: say with --prefetch how many tasks"),
        ("", small, "the container's memory limit of 300Mi has no room for one task"),
    ] {
        let refused = format!("{:#}", read(line, Some(&manifest)).unwrap_err());
        assert!(refused.contains(told), "{line}: {refused}");
    }
}

#[test]
fn a_span_of_start_up_times_has_the_shorter_first() {
    assert_eq!(span("20s"), Ok((20.0, 20.0)));
    assert_eq!(span("10s-1m"), Ok((10.0, 60.0)));
    assert_eq!(span("1m-10s").unwrap_err(), "write the shorter first, such as 10s-30s");
    assert_eq!(span("soon").unwrap_err(), "write a duration such as 90s, 25m or 1h30m");
}
