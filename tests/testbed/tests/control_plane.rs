//! The control plane as the tests of other crates use it.

use std::time::{Duration, SystemTime};

use awp_testbed::base::wait;
use awp_testbed::control_plane;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, ListParams, PostParams};

const LIMIT: Duration = Duration::from_secs(20);

fn deployment(namespace: &str, name: &str) -> String {
    format!(
        r"
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 3
      containers: [{{name: main, image: example/image}}]
"
    )
}

#[tokio::test]
async fn a_deployment_gets_its_replica_set_and_its_pods() {
    let cluster = control_plane().await;
    let namespace = cluster.namespace("deployment").await.unwrap();
    cluster.apply(&deployment(&namespace, "web")).await.unwrap();
    let sets = Api::<ReplicaSet>::namespaced(cluster.admin(), &namespace);
    let pods = Api::<Pod>::namespaced(cluster.admin(), &namespace);
    wait::until("one ReplicaSet and two pods", LIMIT, async || {
        let (sets, pods) = (sets.list(&ListParams::default()).await?, pods.list(&ListParams::default()).await?);
        Ok((sets.items.len() == 1 && pods.items.len() == 2).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_service_account_may_do_only_what_its_role_says() {
    let cluster = control_plane().await;
    let namespace = cluster.namespace("account").await.unwrap();
    let client = cluster.client_for(&namespace, "default").await.unwrap();
    let maps = Api::<ConfigMap>::namespaced(client, &namespace);
    let refusal = maps.list(&ListParams::default()).await.unwrap_err().to_string();
    assert!(refusal.contains(&format!("system:serviceaccount:{namespace}:default")), "{refusal}");
    let role = ["create", "rolebinding", "view", "--clusterrole=view", "-n", &namespace];
    let account = format!("--serviceaccount={namespace}:default");
    cluster.kubectl_output(&[&role[..], &[&account]].concat()).await.unwrap();
    wait::until("the role counts", LIMIT, async || {
        maps.list(&ListParams::default()).await.map(Some).map_err(Into::into)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn every_write_of_a_user_is_counted() {
    let cluster = control_plane().await;
    let namespace = cluster.namespace("writes").await.unwrap();
    let start = SystemTime::now();
    let maps = Api::<ConfigMap>::namespaced(cluster.client_for(&namespace, "default").await.unwrap(), &namespace);
    let mut map = ConfigMap::default();
    map.metadata.name = Some("mine".to_owned());
    maps.create(&PostParams::default(), &map).await.unwrap_err();
    maps.list(&ListParams::default()).await.unwrap_err();
    let user = format!("system:serviceaccount:{namespace}:default");
    let writes = cluster.writes_by(&user, start).unwrap();
    let seen: Vec<_> = writes.iter().map(|it| (it.verb.as_str(), it.resource.as_str(), it.code)).collect();
    assert_eq!(seen, [("create", "configmaps", 403)]);
    assert!(cluster.writes_by(&user, SystemTime::now()).unwrap().is_empty());
}

#[tokio::test]
async fn the_api_server_restarts_with_its_objects_and_its_controllers() {
    let cluster = awp_testbed::ControlPlane::start().await.unwrap();
    let namespace = cluster.namespace("restart").await.unwrap();
    cluster.stop_api_server().await.unwrap();
    assert!(cluster.kubectl_output(&["get", "ns", "--request-timeout=2s"]).await.is_err());
    cluster.start_api_server().await.unwrap();
    cluster.apply(&deployment(&namespace, "after")).await.unwrap();
    let pods = Api::<Pod>::namespaced(cluster.admin(), &namespace);
    wait::until("two pods", LIMIT, async || {
        Ok((pods.list(&ListParams::default()).await?.items.len() == 2).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn helm_and_kubectl_speak_to_it() {
    let cluster = control_plane().await;
    let version = cluster.kubectl_output(&["version"]).await.unwrap();
    assert!(version.contains("Server Version: v1.37"), "{version}");
    let answer = cluster.helm().args(["list", "--all-namespaces"]).output().await.unwrap();
    assert!(answer.status.success(), "{answer:?}");
}
