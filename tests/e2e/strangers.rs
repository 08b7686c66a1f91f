//! Workers that are not ours: somebody else's Deployment, somebody else's program.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{Bench, POOL, QUEUE};
use crate::cluster::bench;

const THEIRS: &str = "billing-worker";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/worker.py");

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_deployment_is_scaled_up_and_only_its_idle_workers_leave() {
    let bench = bench("target").await;
    bench.apply(&their_deployment(&bench)).await;
    let mut pool = bench.pool(&[]);
    pool["spec"]["worker"] =
        json!({"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": THEIRS}, "statusPort": 9464});
    pool["spec"]["scaling"]["scaleDownWindow"] = json!("0s");
    let bench = bench.with(&pool).await;
    let replicas = bench.record(THEIRS);
    let mut lines = vec![r#"{"durationSeconds":20}"#; 2];
    lines.extend([r#"{"durationSeconds":1}"#; 18]);
    let ids = bench.publish(&["--file", "-"], &lines.join("\n")).await;
    bench.until_done(&ids).await;
    let stopped_before_the_end = bench.logs().stopped().len();
    bench.until_asleep().await;

    assert_eq!(replicas.history()[..2], [0, 4]);
    let logs = bench.logs();
    assert!(stopped_before_the_end > 0, "idle workers left while others were busy: {:?}", replicas.history());
    assert!(logs.stopped().iter().all(|(_, in_flight)| *in_flight == 0), "{:?}", logs.stopped());
    assert!(logs.disturbed().is_empty(), "{:?}", logs.disturbed());
    assert_eq!(bench.redelivered().await, 0);
}

/// Its owner tells the workers everything; the operator writes nothing but its scale.
fn their_deployment(bench: &Bench<'_>) -> Value {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let labels = json!({"app": THEIRS});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": THEIRS},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 120,
                "volumes": [{"name": "login", "secret": {"secretName": "rabbitmq"}}],
                "containers": [{
                    "name": "agent", "image": "awp:dev", "args": ["worker", "--simulate", "--prefetch", "2"],
                    "volumeMounts": [{"name": "login", "mountPath": "/login"}],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 9464}, "periodSeconds": 1},
                    "env": [
                        field("AWP_POD", "metadata.name"),
                        field("POD_IP", "status.podIP"),
                        {"name": "AWP_URI", "value": bench.uri()},
                        {"name": "AWP_QUEUE", "value": QUEUE},
                        {"name": "AWP_CREDENTIALS_DIR", "value": "/login"},
                        {"name": "AWP_STATUS_ADDRESS", "value": "$(POD_IP):9464"},
                        {"name": "AWP_DEAD_LETTER_ROUTING_KEY", "value": crate::bench::FAILED},
                    ],
                }],
            }},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_worker_in_python_is_scaled_like_ours() {
    let folder = tempfile::tempdir().unwrap();
    let Some(python) = Python::find(folder.path().to_owned()) else {
        println!("NOT RUN: python3 has no pika, and `pip install pika` failed");
        return;
    };
    let bench = bench("python").await;
    let mut pool = bench.pool(&[]);
    pool["spec"]["worker"]["template"]["spec"]["containers"] = json!([{
        "name": "agent", "image": "any:dev", "command": [python.program, SCRIPT],
        "env": [{"name": "PYTHONPATH", "value": python.modules}],
        "readinessProbe": {"httpGet": {"path": "/status", "port": 9464}, "periodSeconds": 1},
    }]);
    let bench = bench.with(&pool).await;
    let replicas = bench.record(POOL);
    let ids = bench.burst(16, "1,2").await;
    bench.until_done(&ids).await;
    bench.until_asleep().await;
    assert_eq!(replicas.history()[..2], [0, 4]);
    assert!(bench.logs().done().values().all(|times| *times == 1));
    assert_eq!(bench.redelivered().await, 0);
}

/// An interpreter, and where it finds pika.
struct Python {
    program: String,
    modules: PathBuf,
}

impl Python {
    /// Into `modules` it is installed where it is missing.
    fn find(modules: PathBuf) -> Option<Self> {
        let named = std::env::var("AWP_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        // The program itself: a version manager's stand-in needs the user's home, which a pod has not.
        let answer = Command::new(named).args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
        let program = String::from_utf8(answer.stdout).ok()?.trim().to_owned();
        let run = |args: &[&str]| Command::new(&program).args(args).output().is_ok_and(|done| done.status.success());
        let folder = modules.display().to_string();
        let install = ["-m", "pip", "install", "--quiet", "--retries", "1", "--target", &folder, "pika"];
        let found = run(&["-c", "import pika"]) || run(&install);
        found.then_some(Self { program, modules })
    }
}
