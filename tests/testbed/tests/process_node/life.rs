//! Pods come up, crash, recover and finish.

use std::collections::BTreeSet;
use std::time::Duration;

use awp_testbed::base::wait;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use super::place::{LIMIT, Place, condition, container, shell};

#[tokio::test]
async fn a_deployment_of_three_becomes_ready_each_on_its_own_address() {
    let place = Place::new("three").await;
    let pod = place.here(json!({"containers": [{
        "name": "main", "image": "web",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "ADDRESS", "value": "$(POD_IP):8080"},
            {"name": "ANSWER", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "readinessProbe": {"httpGet": {"path": "/healthy", "port": "http"}, "periodSeconds": 1},
    }]}));
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": place.namespace},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod}}});
    place.cluster.apply(&deployment.to_string()).await.unwrap();
    let rollout = ["-n", &place.namespace, "rollout", "status", "deployment/web", "--timeout=30s"];
    place.cluster.kubectl_output(&rollout).await.unwrap();

    let pods: Vec<Pod> = place.pods().list(&ListParams::default()).await.unwrap().items;
    let mut addresses = BTreeSet::new();
    for pod in pods {
        let address = pod.status.unwrap().pod_ip.unwrap();
        let answer = reqwest::get(format!("http://{address}:8080/")).await.unwrap().text().await.unwrap();
        assert_eq!(answer, pod.metadata.name.unwrap());
        addresses.insert(address);
    }
    assert_eq!(addresses.len(), 3);
}

#[tokio::test]
async fn an_unknown_image_is_never_pulled() {
    let place = Place::new("image").await;
    place.create("stranger", json!({"containers": [{"name": "main", "image": "example.com/stranger:v1"}]})).await;
    let pod =
        place.until("stranger", "refused", |pod| container(pod)["state"]["waiting"]["reason"] == "ErrImageNeverPull");
    assert_eq!(pod.await["status"]["phase"], "Pending");
}

#[tokio::test]
async fn a_crash_is_restarted_and_counted() {
    let place = Place::new("crash").await;
    place.script("crasher", "echo run; sleep 0.2; exit 7").await;
    let pod = place.until("crasher", "two restarts", |pod| container(pod)["restartCount"].as_i64() >= Some(2)).await;
    let last = &container(&pod)["lastState"]["terminated"];
    assert_eq!((&last["exitCode"], &last["reason"]), (&json!(7), &json!("Error")));
    place.until("crasher", "waiting", |pod| container(pod)["state"]["waiting"]["reason"] == "CrashLoopBackOff").await;
    assert!(place.log("crasher").starts_with("run\nrun\nrun\n"));
}

#[tokio::test]
async fn a_missing_program_says_so() {
    let place = Place::new("program").await;
    place
        .create("typo", json!({"containers": [{"name": "main", "image": "sh", "command": ["no-such-program"]}]}))
        .await;
    let pod = place.until("typo", "crash loop", |pod| container(pod)["lastState"]["terminated"]["exitCode"] == 128);
    let message = container(&pod.await)["lastState"]["terminated"]["message"].to_string();
    assert!(message.contains("no-such-program") && message.contains("not found"), "{message}");
}

#[tokio::test]
async fn a_liveness_failure_restarts_the_container() {
    let place = Place::new("liveness").await;
    let mut main = shell("main", "touch $TMPDIR/alive; sleep 2; rm $TMPDIR/alive; sleep 600");
    main["livenessProbe"] = json!({"exec": {"command": ["sh", "-c", "test -e $TMPDIR/alive"]}, "periodSeconds": 1, "failureThreshold": 1,
            "initialDelaySeconds": 1, "terminationGracePeriodSeconds": 1});
    place.create("ill", json!({"containers": [main]})).await;
    let pod = place.until("ill", "restarted", |pod| container(pod)["restartCount"].as_i64() >= Some(1)).await;
    assert_eq!(container(&pod)["lastState"]["terminated"]["exitCode"], 143);
}

#[tokio::test]
async fn readiness_comes_and_goes_with_its_probe() {
    let place = Place::new("readiness").await;
    let mut main = shell("main", "sleep 600");
    let flag = place.dir.path().join("open");
    main["readinessProbe"] =
        json!({"exec": {"command": ["test", "-e", flag]}, "periodSeconds": 1, "failureThreshold": 1});
    place.create("door", json!({"containers": [main]})).await;
    let pod = place.until("door", "running", |pod| pod["status"]["phase"] == "Running").await;
    assert_eq!((condition(&pod, "Ready"), container(&pod)["ready"].as_bool()), ("False", Some(false)));
    std::fs::write(&flag, "").unwrap();
    place.ready("door").await;
    std::fs::remove_file(&flag).unwrap();
    place.until("door", "not ready", |pod| condition(pod, "Ready") == "False").await;
}

#[tokio::test]
async fn init_containers_and_sidecars_come_first_and_the_sidecar_goes_last() {
    let place = Place::new("sidecar").await;
    let book = place.dir.path().join("book");
    let write = |line: &str| format!("echo {line} >>{}", book.display());
    let mut sidecar = shell(
        "agent",
        &format!("trap '{}; exit 0' TERM; {}; while :; do sleep 0.1; done", write("agent down"), write("agent up")),
    );
    sidecar["restartPolicy"] = json!("Always");
    sidecar["startupProbe"] = json!({"exec": {"command": ["grep", "up", book]}, "periodSeconds": 1});
    place
        .create(
            "pair",
            json!({
                "restartPolicy": "Never",
                "initContainers": [shell("prepare", &write("prepared")), sidecar],
                "containers": [shell("main", &format!("{}; sleep 0.5; {}", write("main up"), write("main down")))],
            }),
        )
        .await;
    let pod = place.until("pair", "succeeded", |pod| pod["status"]["phase"] == "Succeeded").await;
    assert_eq!(pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["reason"], "Completed");
    let lines = std::fs::read_to_string(book).unwrap();
    assert_eq!(lines, "prepared\nagent up\nmain up\nmain down\nagent down\n");
}

#[tokio::test]
async fn a_job_completes() {
    let place = Place::new("job").await;
    let pod = place.here(json!({"restartPolicy": "Never", "containers": [shell("main", "echo done")]}));
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": place.namespace},
        "spec": {"template": {"spec": pod}}});
    place.cluster.apply(&job.to_string()).await.unwrap();
    let complete = ["-n", &place.namespace, "wait", "--for=condition=complete", "job/j", "--timeout=30s"];
    place.cluster.kubectl_output(&complete).await.unwrap();
}

#[tokio::test]
async fn a_quiet_pod_is_not_written_again() {
    let place = Place::new("quiet").await;
    place.script("quiet", "sleep 600").await;
    let version = |pod: &Value| pod["metadata"]["resourceVersion"].clone();
    place.ready("quiet").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = version(&place.pod("quiet").await);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(version(&place.pod("quiet").await), before);
}

#[tokio::test]
async fn a_lost_node_object_comes_back() {
    let place = Place::new("lost").await;
    let nodes = Api::<Node>::all(place.cluster.admin());
    nodes.delete(place.node.name(), &kube::api::DeleteParams::default()).await.unwrap();
    wait::until("the node is ready again", LIMIT, async || {
        let node = serde_json::to_value(nodes.get_opt(place.node.name()).await?)?;
        Ok((condition(&node, "Ready") == "True").then_some(()))
    })
    .await
    .unwrap();
}
