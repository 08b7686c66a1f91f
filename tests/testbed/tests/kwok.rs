//! Fake nodes and pods.

use std::time::{Duration, Instant};

use awp_testbed::base::wait;
use awp_testbed::{Kwok, control_plane};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams};

const LIMIT: Duration = Duration::from_secs(60);

fn deployment(namespace: &str, replicas: u32, grace: u32) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: workers, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: workers}}}}
  template:
    metadata: {{labels: {{app: workers}}}}
    spec:
      terminationGracePeriodSeconds: {grace}
      containers: [{{name: main, image: example/image}}]
"
    )
}

async fn until_ready(pods: &Api<Pod>, count: usize) -> anyhow::Result<()> {
    wait::until("all pods are Ready", LIMIT, async || {
        let listed = pods.list(&ListParams::default()).await?;
        let ready = listed.iter().filter(|pod| {
            let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
            conditions.is_some_and(|all| all.iter().any(|it| it.type_ == "Ready" && it.status == "True"))
        });
        Ok((ready.count() == count).then_some(()))
    })
    .await
}

/// One test, because there is one kwok per control plane.
#[tokio::test]
async fn pods_become_ready_at_once_and_take_their_grace_period_to_end() {
    let cluster = control_plane().await;
    let started = Instant::now();
    let _kwok = Kwok::start(cluster).await.unwrap();
    println!("kwok is ready after {:?}", started.elapsed());
    let namespace = cluster.namespace("kwok").await.unwrap();
    let pods = Api::<Pod>::namespaced(cluster.admin(), &namespace);

    let started = Instant::now();
    cluster.apply(&deployment(&namespace, 3, 4)).await.unwrap();
    until_ready(&pods, 3).await.unwrap();
    println!("3 pods are ready after {:?}", started.elapsed());
    let started = Instant::now();
    cluster.apply(&deployment(&namespace, 200, 4)).await.unwrap();
    until_ready(&pods, 200).await.unwrap();
    println!("200 pods are ready after {:?}", started.elapsed());

    let address = pods.list(&ListParams::default()).await.unwrap().items[0].status.clone().unwrap().pod_ip.unwrap();
    assert!(address.starts_with("127."), "{address}");

    let name = pods.list(&ListParams::default()).await.unwrap().items[0].metadata.name.clone().unwrap();
    let started = Instant::now();
    pods.delete(&name, &DeleteParams::default()).await.unwrap();
    let gone = async || Ok(pods.get_opt(&name).await?.is_none().then_some(()));
    wait::until("the pod is gone", LIMIT, gone).await.unwrap();
    let took = started.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(8)).contains(&took), "{took:?} for a grace period of 4 s");
}
