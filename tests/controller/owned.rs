//! A pool's own Deployment: made, kept right, rolled out, and gone with its pool.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::stage::Stage;
use crate::worker::Worker;

#[tokio::test]
async fn a_backlog_brings_all_its_workers_in_one_step() {
    let stage = Stage::start("jump").await;
    stage.queue("tasks").await;
    let from_zero = stage.history("asleep");
    stage.apply(&stage.pool("asleep")).await;
    stage.replicas("asleep", 0).await;
    stage.condition("asleep", "Ready=True Applied").await;
    stage.publish("tasks", 37).await;
    stage.running("asleep", 10).await;
    assert_eq!(from_zero.replicas(), [0, 10]);
    let note = stage.event("asleep", "ScaledUp").await;
    assert!(note.starts_with("0 → 10 workers: ") && note.contains("37"), "{note}");

    // The pool comes after the tasks.
    stage.queued("waiting", 37).await;
    let from_nothing = stage.history("late");
    stage.apply(&stage.pool("late").on_queue("waiting")).await;
    stage.running("late", 10).await;
    assert_eq!(from_nothing.replicas(), [10]);
    let status = stage.status("late").await;
    assert_eq!((status.replicas, status.selector.as_deref()), (Some(10), Some("agentworkers.io/pool=late")));

    // What people wait for.
    let generation = json!(stage.pools().get("late").await.unwrap().metadata.generation);
    assert_eq!(json!(stage.status("late").await.observed_generation), generation);
    stage.kubectl(&["wait", "awp/late", "--for=condition=Ready", "--timeout=10s"]).await;
}

#[tokio::test]
async fn edits_by_hand_are_put_right_and_a_restart_by_hand_stays() {
    let stage = Stage::start("edits").await;
    stage.queued("tasks", 8).await;
    stage.apply(&stage.pool("research")).await;
    stage.running("research", 2).await;
    let image = async |wanted: &str| {
        stage
            .until(&format!("the image is {wanted}"), async || {
                let live = stage.deployment("research").await?;
                let image = live.spec?.template.spec?.containers.first()?.image.clone()?;
                (image == wanted).then_some(())
            })
            .await;
    };
    let put_right = async |edit: &[&str]| {
        let before = stage.generation("research").await;
        stage.kubectl(edit).await;
        stage
            .until(&format!("{edit:?} was seen and answered"), async || {
                (stage.generation("research").await > before + 1).then_some(())
            })
            .await;
        image("example/agent:1").await;
        stage.running("research", 2).await;
    };
    put_right(&["set", "image", "deploy/research", "agent=example/agent:other"]).await;
    put_right(&["rollout", "undo", "deploy/research"]).await;
    put_right(&["scale", "deploy/research", "--replicas=7"]).await;
    put_right(&["scale", "deploy/research", "--replicas=0"]).await;

    stage.kubectl(&["rollout", "restart", "deploy/research"]).await;
    let restarted = async || {
        let live = stage.deployment("research").await?;
        live.spec?.template.metadata?.annotations?.get("kubectl.kubernetes.io/restartedAt").map(drop)
    };
    stage.throughout(Duration::from_secs(5), "the restart stays", async || restarted().await.is_some()).await;
    stage.running("research", 2).await;
    stage.without_condition("research", "Reconciling").await;
    assert!(restarted().await.is_some());
}

#[tokio::test]
async fn a_new_image_rolls_out_by_surge_and_nothing_is_lowered_meanwhile() {
    let stage = Stage::start("rollout").await;
    stage.queued("tasks", 16).await;
    let pool = stage.pool("research");
    stage.apply(&pool).await;
    let old = stage.running("research", 4).await;
    let history = stage.history("research");
    // No node for the new pods: the rollout hangs.
    let nowhere = json!({ "example.com/nowhere": "true" });
    let stuck = pool.clone().image("example/agent:2").with("spec/worker/template/spec/nodeSelector", nowhere);
    stage.apply(&stuck).await;
    stage.condition("research", "Reconciling=True RollingOut").await;
    stage.purge("tasks").await;
    let all_there = async || {
        let names: Vec<String> = stage.pods("research").await.iter().map(ResourceExt::name_any).collect();
        old.iter().all(|pod| names.contains(pod))
    };
    stage.throughout(Duration::from_secs(8), "old workers stay during the rollout", all_there).await;
    assert_eq!(history.replicas(), [4]);

    // The next image can start: the rollout ends, and with it the reason to keep the workers.
    stage.apply(&pool.image("example/agent:3")).await;
    stage.replicas("research", 0).await;
    stage.without_condition("research", "Reconciling").await;
    assert_eq!(history.replicas().last(), Some(&0));
}

#[tokio::test]
async fn a_deleted_deployment_is_made_anew_and_goes_with_its_pool() {
    let stage = Stage::start("deleted").await;
    stage.queued("tasks", 8).await;
    let pool = stage.pool("research");
    stage.apply(&pool).await;
    stage.running("research", 2).await;
    let first = stage.deployment("research").await.unwrap().uid();
    stage.kubectl(&["delete", "deploy/research", "configmap/research-awp"]).await;
    stage
        .until("another Deployment is there", async || {
            stage.deployment("research").await.filter(|live| live.uid() != first).map(drop)
        })
        .await;
    stage.running("research", 2).await;
    stage
        .until("the ConfigMap is back", async || {
            let config_maps: Api<k8s_openapi::api::core::v1::ConfigMap> =
                Api::namespaced(stage.cluster.admin(), &stage.namespace);
            config_maps.get_opt("research-awp").await.ok().flatten()
        })
        .await;

    stage.kubectl(&["delete", "awp/research"]).await;
    stage
        .until("nothing is left", async || {
            let sets: Api<ReplicaSet> = Api::namespaced(stage.cluster.admin(), &stage.namespace);
            let left = sets.list(&ListParams::default()).await.ok()?.items.len();
            (left == 0 && stage.deployment("research").await.is_none()).then_some(())
        })
        .await;

    // Made anew under the same name, faster than anybody looks.
    stage.apply(&pool).await;
    stage.condition("research", "Ready=True").await;
    let before = stage.pools().get("research").await.unwrap().uid();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pool.0.to_string()).unwrap();
    stage.kubectl(&["replace", "--force", "-f", file.path().to_str().unwrap()]).await;
    assert_ne!(stage.pools().get("research").await.unwrap().uid(), before);
    stage.condition("research", "Ready=True Applied").await;
    stage.running("research", 2).await;
    let owner = |live: &Deployment| live.owner_references().first().map(|owner| owner.uid.clone());
    let live = stage.deployment("research").await.unwrap();
    assert_eq!(owner(&live), stage.pools().get("research").await.unwrap().uid());
}

#[tokio::test]
async fn a_deleted_queue_or_secret_is_said_and_workers_stay() {
    let stage = Stage::start("gone").await;
    stage.queued("tasks", 12).await;
    stage.apply(&stage.pool("research")).await;
    let pods = stage.running("research", 3).await;
    let _busy = Worker::holding(&stage, "tasks", &pods[0], 4).await;
    let generation = stage.generation("research").await;

    stage.kubectl(&["delete", "secret/broker"]).await;
    let message = stage.condition("research", "Ready=False SecretNotFound").await;
    assert!(message.contains("Secret broker is not in this namespace"), "{message}");
    stage.secret("broker", crate::stage::PASSWORD).await;
    stage.condition("research", "Ready=True Applied").await;

    stage.broker.delete_queue(&stage.vhost, "tasks").await.unwrap();
    let message = stage.condition("research", "Ready=False QueueMissing").await;
    assert!(message.contains("create it or correct the name"), "{message}");
    stage.condition("research", "BacklogKnown=False QueueMissing").await;
    stage.condition("research", "Reconciling=True QueueMissing").await;
    let unchanged = async || stage.generation("research").await == generation;
    stage.throughout(Duration::from_secs(5), "nothing is scaled", unchanged).await;
    // With the four that are still in process they fill three workers.
    stage.queued("tasks", 8).await;
    stage.condition("research", "Ready=True Applied").await;
    stage.without_condition("research", "Reconciling").await;
    // Nobody goes. Until the new queue's counts are there a backlog may bring a worker more: with tasks in flight not
    // to be seen, those of silent workers count as full.
    let replicas = stage.replicas_now("research").await.unwrap();
    assert!((3..=5).contains(&replicas), "{replicas} workers");
}
