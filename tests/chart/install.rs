//! On a real control plane: what `helm install` makes, and what it allows.

use std::process::Output;
use std::time::Duration;

use awp_testbed::base::wait;
use awp_testbed::operator::pools_are_served;
use awp_testbed::{ControlPlane, control_plane};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, PostParams};

use crate::helm::{CHART, set};

const LIMIT: Duration = Duration::from_secs(20);

async fn helm(cluster: &ControlPlane, args: &[&str]) -> Output {
    cluster.helm().args(args).output().await.unwrap()
}

async fn helm_succeeds(cluster: &ControlPlane, args: &[&str]) -> String {
    let answer = helm(cluster, args).await;
    assert!(answer.status.success(), "helm {args:?}: {}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap()
}

/// Installs beside whatever other test has the cluster's one definition.
async fn install(cluster: &ControlPlane, namespace: &str, values: &[&str]) -> String {
    let fixed = ["install", "awp", CHART, "--namespace", namespace, "--set", "crds.install=false"];
    helm_succeeds(cluster, &[&fixed[..], &set(values)].concat()).await
}

/// The definition, as the release that owns it would have installed it.
async fn define(cluster: &ControlPlane) {
    cluster.kubectl_output(&["apply", "-f", "crds"]).await.unwrap();
    pools_are_served(cluster).await.unwrap();
}

/// `list pods`, `patch deployments.apps/scale`, `get secrets#name`.
fn asked(request: &str, namespace: &str) -> ResourceAttributes {
    let (verb, what) = request.split_once(' ').unwrap();
    let (what, name) = what.split_once('#').map_or((what, None), |(what, name)| (what, Some(name.to_owned())));
    let (what, subresource) = what.split_once('/').map_or((what, None), |(what, sub)| (what, Some(sub.to_owned())));
    let (resource, group) = what.split_once('.').map_or((what, None), |(what, group)| (what, Some(group.to_owned())));
    ResourceAttributes {
        verb: Some(verb.into()),
        resource: Some(resource.into()),
        group,
        subresource,
        name,
        namespace: (!namespace.is_empty()).then(|| namespace.into()),
        ..ResourceAttributes::default()
    }
}

/// Whether `user` may do `request` in `namespace` (empty: cluster-wide), by the API server's own word.
async fn may(cluster: &ControlPlane, user: &str, request: &str, namespace: &str) -> bool {
    let spec = SubjectAccessReviewSpec {
        user: Some(user.into()),
        resource_attributes: Some(asked(request, namespace)),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let answer = Api::all(cluster.admin()).create(&PostParams::default(), &review).await.unwrap();
    matches!(answer.status, Some(SubjectAccessReviewStatus { allowed: true, .. }))
}

fn operator_of(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:awp")
}

/// All that `awp run` does.
const NEEDED: &[&str] = &[
    "list agentworkerpools.agentworkers.io",
    "watch agentworkerpools.agentworkers.io",
    "patch agentworkerpools.agentworkers.io/status",
    "get deployments.apps",
    "list deployments.apps",
    "watch deployments.apps",
    "create deployments.apps",
    "patch deployments.apps",
    "patch deployments.apps/scale",
    "list replicasets.apps",
    "watch replicasets.apps",
    "list pods",
    "watch pods",
    "patch pods",
    "list configmaps",
    "watch configmaps",
    "create configmaps",
    "patch configmaps",
    "list secrets",
    "watch secrets",
    "list horizontalpodautoscalers.autoscaling",
    "watch horizontalpodautoscalers.autoscaling",
    "create events.events.k8s.io",
    "patch events.events.k8s.io",
];

/// What it must not be able to do even where it watches.
const FORBIDDEN: &[&str] = &[
    "patch agentworkerpools.agentworkers.io",
    "update agentworkerpools.agentworkers.io",
    "create agentworkerpools.agentworkers.io",
    "delete agentworkerpools.agentworkers.io",
    "patch agentworkerpools.agentworkers.io/scale",
    "delete deployments.apps",
    "delete pods",
    "create pods",
    "create pods/exec",
    "create pods/eviction",
    "delete configmaps",
    "create secrets",
    "patch secrets",
    "delete secrets",
    "patch horizontalpodautoscalers.autoscaling",
    "create rolebindings.rbac.authorization.k8s.io",
    "create serviceaccounts/token",
    "impersonate serviceaccounts",
    "list jobs.batch",
];

#[tokio::test]
async fn the_operator_may_do_its_work_in_its_namespace_and_nothing_anywhere_else() {
    let cluster = control_plane().await;
    let (own, other) = (cluster.namespace("chart").await.unwrap(), cluster.namespace("other").await.unwrap());
    let notes = install(cluster, &own, &[]).await;
    assert!(notes.contains(&format!("kubectl -n {own} get awp")), "{notes}");

    let operator = operator_of(&own);
    for request in NEEDED {
        assert!(may(cluster, &operator, request, &own).await, "{request} must be allowed in {own}");
        assert!(!may(cluster, &operator, request, &other).await, "{request} must not be allowed in {other}");
        assert!(!may(cluster, &operator, request, "").await, "{request} must not be allowed cluster-wide");
    }
    for request in FORBIDDEN {
        assert!(!may(cluster, &operator, request, &own).await, "{request} must not be allowed");
    }
}

#[tokio::test]
async fn the_secrets_it_may_read_can_be_named() {
    let cluster = control_plane().await;
    let namespace = cluster.namespace("secrets").await.unwrap();
    install(cluster, &namespace, &["secretNames={reader}"]).await;
    let operator = operator_of(&namespace);
    for verb in ["list", "watch"] {
        assert!(may(cluster, &operator, &format!("{verb} secrets#reader"), &namespace).await);
        assert!(!may(cluster, &operator, &format!("{verb} secrets#other"), &namespace).await);
        assert!(!may(cluster, &operator, &format!("{verb} secrets"), &namespace).await);
    }
    // The way the operator reads it: a list and watch of one name.
    let secret = ["create", "secret", "generic", "reader", "-n", &namespace, "--from-literal=username=u"];
    cluster.kubectl_output(&secret).await.unwrap();
    let client = cluster.client_for(&namespace, "awp").await.unwrap();
    let secrets = Api::<k8s_openapi::api::core::v1::Secret>::namespaced(client, &namespace);
    let named = |name: &str| ListParams::default().fields(&format!("metadata.name={name}"));
    assert_eq!(secrets.list(&named("reader")).await.unwrap().items.len(), 1);
    assert!(secrets.list(&named("other")).await.is_err());
}

#[tokio::test]
async fn several_namespaces_are_watched_from_one_release() {
    let cluster = control_plane().await;
    let home = cluster.namespace("home").await.unwrap();
    let (first, second) = (cluster.namespace("first").await.unwrap(), cluster.namespace("second").await.unwrap());
    install(cluster, &home, &[&format!("watchNamespaces={{{first},{second}}}")]).await;
    let operator = operator_of(&home);
    for namespace in [&first, &second] {
        assert!(may(cluster, &operator, "patch deployments.apps", namespace).await);
    }
    assert!(!may(cluster, &operator, "list secrets", &home).await, "its own namespace is not in the list");
}

#[tokio::test]
async fn who_may_view_or_edit_a_namespace_may_view_or_edit_its_pools() {
    let cluster = control_plane().await;
    define(cluster).await;
    let namespace = cluster.namespace("people").await.unwrap();
    install(cluster, &namespace, &[]).await;
    for role in ["view", "edit"] {
        let (user, cluster_role) = (format!("--user={role}or"), format!("--clusterrole={role}"));
        let binding = ["create", "rolebinding", role, &cluster_role, &user, "-n", &namespace];
        cluster.kubectl_output(&binding).await.unwrap();
    }
    let pools = "agentworkerpools.agentworkers.io";
    // A controller adds the rules to the built-in roles.
    wait::until("the roles are aggregated", LIMIT, async || {
        let seen = may(cluster, "viewor", &format!("list {pools}"), &namespace).await;
        Ok((seen && may(cluster, "editor", &format!("create {pools}"), &namespace).await).then_some(()))
    })
    .await
    .unwrap();
    for request in ["get {}", "watch {}", "get {}/scale"] {
        assert!(may(cluster, "viewor", &request.replace("{}", pools), &namespace).await, "{request}");
    }
    for request in ["get {}", "update {}", "patch {}", "delete {}", "patch {}/scale", "update {}/scale", "get {}/scale"]
    {
        assert!(may(cluster, "editor", &request.replace("{}", pools), &namespace).await, "{request}");
    }
    for request in ["create {}", "patch {}", "patch {}/scale"] {
        assert!(!may(cluster, "viewor", &request.replace("{}", pools), &namespace).await, "{request}");
    }
    assert!(!may(cluster, "editor", &format!("patch {pools}/status"), &namespace).await, "status is the operator's");
}

/// Pod Security admission refuses a pod that asks for more than its level; `restricted` is the strictest.
#[tokio::test]
async fn the_operators_pod_is_admitted_where_only_restricted_pods_are() {
    let cluster = control_plane().await;
    let namespace = cluster.namespace("restricted").await.unwrap();
    let level = "pod-security.kubernetes.io/enforce=restricted";
    cluster.kubectl_output(&["label", "namespace", &namespace, level]).await.unwrap();
    install(cluster, &namespace, &[]).await;
    let pods = Api::<Pod>::namespaced(cluster.admin(), &namespace);
    let made =
        wait::until("the pod is made", LIMIT, async || Ok(pods.list(&ListParams::default()).await?.items.pop())).await;
    let pod = made.unwrap();
    let spec = pod.spec.unwrap();
    assert_eq!(spec.service_account_name.as_deref(), Some("awp"));
    assert!(
        spec.volumes.unwrap_or_default().iter().all(|volume| volume.projected.is_some()),
        "only the token is mounted"
    );
}

#[tokio::test]
async fn an_uninstalled_release_leaves_the_pools_and_can_come_back() {
    // A cluster of its own: no other test may meet the definition's comings and goings.
    let cluster = ControlPlane::start().await.unwrap();
    let namespace = cluster.namespace("life").await.unwrap();
    let install = ["install", "awp", CHART, "--namespace", &namespace];
    helm_succeeds(&cluster, &install).await;
    pools_are_served(&cluster).await.unwrap();
    let pool = ["apply", "-n", &namespace, "-f", "examples/pool-rabbitmq.yaml"];
    cluster.kubectl_output(&pool).await.unwrap();

    // A second release beside the first leaves the definition to it, and says so if it does not.
    let other = cluster.namespace("second").await.unwrap();
    let second = ["install", "awp", CHART, "--namespace", &other];
    let refused = helm(&cluster, &second).await;
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(words.contains("agentworkerpools.agentworkers.io") && words.contains("invalid ownership"), "{words}");
    helm_succeeds(&cluster, &[&second[..], &["--set", "crds.install=false"]].concat()).await;

    let upgrade = ["upgrade", "awp", CHART, "--namespace", &namespace, "--set", "log.filter=debug"];
    helm_succeeds(&cluster, &upgrade).await;
    helm_succeeds(&cluster, &["uninstall", "awp", "--namespace", &namespace]).await;
    let pools = cluster.kubectl_output(&["get", "awp", "-n", &namespace, "-o", "name"]).await.unwrap();
    assert_eq!(pools.lines().count(), 1, "the pools outlive the operator");
    helm_succeeds(&cluster, &install).await;
}
