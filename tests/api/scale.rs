//! The manual hold, through the scale subresource.

use awp::api::status::AgentWorkerPoolStatus;
use awp_testbed::ControlPlane;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::table::table;
use crate::{cluster, fail, succeed};

type Pools = Api<awp::api::AgentWorkerPool>;

async fn pool_in(cluster: &'static ControlPlane, manifest: &Value, how: &[&str]) -> String {
    let namespace = cluster.namespace("scale").await.unwrap();
    succeed(cluster, &[how, &["-n", &namespace, "-f", "-"]].concat(), &manifest.to_string()).await;
    namespace
}

fn path(namespace: &str) -> String {
    format!("/apis/agentworkers.io/v1alpha1/namespaces/{namespace}/agentworkerpools/refused/scale")
}

async fn held(pools: &Pools) -> Option<u32> {
    pools.get("refused").await.unwrap().spec.scaling.and_then(|scaling| scaling.hold_replicas)
}

#[tokio::test]
async fn kubectl_scale_starts_a_hold_and_a_null_ends_it() {
    let cluster = cluster().await;
    let namespace = pool_in(cluster, &table().pool, &["apply"]).await;
    let pools = Pools::namespaced(cluster.admin(), &namespace);
    let scale = path(&namespace);

    // Without a hold there is no scale to get: no HorizontalPodAutoscaler can work on a pool.
    let message = fail(cluster, &["get", "--raw", &scale], "").await;
    assert!(message.contains(r#"the spec replicas field ".spec.scaling.holdReplicas" does not exist"#), "{message}");

    for replicas in [3, 0, 7] {
        let replicas_flag = format!("--replicas={replicas}");
        let message = succeed(cluster, &["scale", "awp/refused", &replicas_flag, "-n", &namespace], "").await;
        assert_eq!(message, "agentworkerpool.agentworkers.io/refused scaled");
        assert_eq!(held(&pools).await, Some(replicas));
        let scale: Value = serde_json::from_str(&succeed(cluster, &["get", "--raw", &scale], "").await).unwrap();
        assert_eq!(scale["spec"]["replicas"].as_u64().unwrap_or(0), u64::from(replicas));
    }

    let release = json!({ "spec": { "scaling": { "holdReplicas": null } } });
    pools.patch("refused", &PatchParams::default(), &Patch::Merge(release)).await.unwrap();
    assert_eq!(held(&pools).await, None);
    fail(cluster, &["get", "--raw", &scale], "").await;
}

#[tokio::test]
async fn a_hold_has_the_bounds_of_replicas() {
    let cluster = cluster().await;
    let namespace = pool_in(cluster, &table().pool, &["apply"]).await;
    let message = fail(cluster, &["scale", "awp/refused", "--replicas=10001", "-n", &namespace], "").await;
    assert!(message.contains("spec.scaling.holdReplicas in body should be less than or equal to 10000"), "{message}");
}

#[tokio::test]
async fn the_scale_shows_what_runs_and_selects_its_pods() {
    let cluster = cluster().await;
    let namespace = pool_in(cluster, &table().pool, &["apply"]).await;
    let pools = Pools::namespaced(cluster.admin(), &namespace);
    let status = AgentWorkerPoolStatus {
        replicas: Some(4),
        selector: Some("agentworkers.io/pool=refused".to_owned()),
        ..AgentWorkerPoolStatus::default()
    };
    let patch = json!({ "status": status });
    pools.patch_status("refused", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    succeed(cluster, &["scale", "awp/refused", "--replicas=2", "-n", &namespace], "").await;
    let scale: Value = serde_json::from_str(&succeed(cluster, &["get", "--raw", &path(&namespace)], "").await).unwrap();
    assert_eq!(scale["spec"], json!({ "replicas": 2 }));
    assert_eq!(scale["status"], json!({ "replicas": 4, "selector": "agentworkers.io/pool=refused" }));
}

#[tokio::test]
async fn a_hold_survives_an_apply_that_keeps_the_scaling_block() {
    let cluster = cluster().await;
    let mut manifest = table().pool;
    manifest["spec"]["scaling"] = json!({ "maxReplicas": 5 });
    for how in [&["apply"] as &[&str], &["apply", "--server-side"]] {
        let namespace = pool_in(cluster, &manifest, how).await;
        let pools = Pools::namespaced(cluster.admin(), &namespace);
        succeed(cluster, &["scale", "awp/refused", "--replicas=2", "-n", &namespace], "").await;
        let mut changed = manifest.clone();
        changed["spec"]["scaling"]["maxReplicas"] = 6.into();
        succeed(cluster, &[how, &["-n", &namespace, "-f", "-"]].concat(), &changed.to_string()).await;
        assert_eq!(held(&pools).await, Some(2), "{how:?}");
    }
}

/// Nobody owns a field that came by `/scale`: it goes with the block that somebody owns.
#[tokio::test]
async fn an_apply_that_drops_the_whole_scaling_block_ends_the_hold() {
    let cluster = cluster().await;
    let mut manifest = table().pool;
    manifest["spec"]["scaling"] = json!({ "maxReplicas": 5 });
    for how in [&["apply"] as &[&str], &["apply", "--server-side"]] {
        let namespace = pool_in(cluster, &manifest, how).await;
        let pools = Pools::namespaced(cluster.admin(), &namespace);
        succeed(cluster, &["scale", "awp/refused", "--replicas=2", "-n", &namespace], "").await;
        succeed(cluster, &[how, &["-n", &namespace, "-f", "-"]].concat(), &table().pool.to_string()).await;
        assert_eq!(held(&pools).await, None, "{how:?}");
    }
}
