//! Pods are stopped as they ask for, and no process stays.

use std::time::{Duration, Instant};

use serde_json::json;

use super::place::{Place, container, lives, shell};

/// Finishes what it does after SIGTERM.
const FINISHES: &str = "trap 'sleep 2; echo finished; exit 0' TERM; echo up; while :; do sleep 0.1; done";
/// `$$` in a command is one `$` to Kubernetes.
const IGNORES: &str = "trap '' TERM; echo $$$$; while :; do sleep 0.1; done";

#[tokio::test]
async fn a_process_that_finishes_within_its_grace_is_let_finish() {
    let place = Place::new("finish").await;
    place.script("worker", FINISHES).await;
    place.wrote("worker", "up").await;
    let begun = Instant::now();
    place.delete("worker", 20).await;
    place.gone("worker").await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(6), "{took:?}");
    assert!(place.log("worker").ends_with("finished\n"));
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_at_the_end_of_its_grace() {
    let place = Place::new("ignore").await;
    place.script("stubborn", IGNORES).await;
    let pid = place.wrote("stubborn", "\n").await;
    assert!(lives(&pid));
    let begun = Instant::now();
    place.delete("stubborn", 3).await;
    place.gone("stubborn").await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(6), "{took:?}");
    assert!(!lives(&pid));
}

#[tokio::test]
async fn a_shortened_grace_is_honoured() {
    let place = Place::new("shorter").await;
    place.script("stubborn", IGNORES).await;
    place.wrote("stubborn", "\n").await;
    let begun = Instant::now();
    place.delete("stubborn", 60).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    place.delete("stubborn", 1).await;
    place.gone("stubborn").await;
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_force_deleted_pod_loses_its_processes() {
    let place = Place::new("force").await;
    place.script("stubborn", IGNORES).await;
    let pid = place.wrote("stubborn", "\n").await;
    assert!(lives(&pid));
    place.delete("stubborn", 0).await;
    let deadline = Instant::now() + Duration::from_secs(5);
    while lives(&pid) {
        assert!(Instant::now() < deadline, "process {pid} lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_stop_hook_runs_before_sigterm() {
    let place = Place::new("hook").await;
    let mut main = shell("main", "trap 'echo term; exit 0' TERM; echo up; while :; do sleep 0.1; done");
    let log = place.node.log_path(&place.namespace, "hooked", "main");
    main["lifecycle"] = json!({"preStop": {"exec": {"command":
        ["sh", "-c", format!("echo hook begins >>{0}; sleep 1; echo hook ends >>{0}", log.display())]}}});
    place.create("hooked", json!({"containers": [main]})).await;
    place.wrote("hooked", "up").await;
    place.delete("hooked", 20).await;
    place.gone("hooked").await;
    assert_eq!(place.log("hooked"), "up\nhook begins\nhook ends\nterm\n");
}

#[tokio::test]
async fn the_last_status_tells_how_the_process_ended() {
    let place = Place::new("last").await;
    let spec = json!({"containers": [shell("main", "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done")]});
    place.create("held", spec).await;
    place.wrote("held", "up").await;
    // A finalizer keeps the object after its processes.
    let finalizer = |list: serde_json::Value| kube::api::Patch::Merge(json!({"metadata": {"finalizers": list}}));
    let params = kube::api::PatchParams::default();
    place.pods().patch("held", &params, &finalizer(json!(["example.com/keep"]))).await.unwrap();
    place.delete("held", 10).await;
    let pod = place.until("held", "failed", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(container(&pod)["state"]["terminated"]["exitCode"], 5);
    place.pods().patch("held", &params, &finalizer(json!(null))).await.unwrap();
    place.gone("held").await;
}
