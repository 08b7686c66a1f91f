//! `awp explain` and `awp status`, as people call them.

use serde_json::{Value, json};

use crate::cli::succeeds;
use crate::stage::Stage;

impl Stage<'_> {
    /// `awp explain POOL`, asked of this stage's operator.
    async fn explained(&self, pool: &str, output: &str) -> String {
        let url = self.operator.admin_url();
        let args = ["explain", pool, "-n", &self.namespace, "--operator", &url, "-o", output];
        succeeds(self.cluster.kubeconfig(), &args).await
    }

    async fn explanation(&self, pool: &str) -> Value {
        serde_json::from_str(&self.explained(pool, "json").await).unwrap()
    }
}

#[tokio::test]
async fn the_operator_explains_its_last_decision_and_what_would_change_it_comes_true() {
    let stage = Stage::start("explain").await;
    stage.queued("tasks", 40).await;
    stage.apply(&stage.pool("capped").scaling("maxMemory", "9Gi")).await;
    stage.running("capped", 4).await;

    let told = stage
        .until("the decision is explained", async || {
            let told = stage.explanation("capped").await;
            (told["decision"]["boundBy"] == "MaxMemory" && told["decision"]["applied"] == 4).then_some(told)
        })
        .await;
    assert_eq!((&told["source"], &told["decision"]["wanted"]), (&json!("Operator"), &json!(10)), "{told:#}");
    assert_eq!((&told["reading"]["trust"], &told["reading"]["ready"]["count"]), (&json!("Known"), &json!(40)));
    assert!(told["reading"]["ready"]["age"].as_f64().unwrap() < 15.0, "{told:#}");
    assert!(told["decidedAgo"].as_f64().unwrap() < 60.0, "{told:#}");
    assert_eq!(told["law"]["decisive"]["position"], 40.0, "{told:#}");
    assert_eq!(told["waiting"]["count"], 40);
    assert_eq!(told["workers"]["list"].as_array().unwrap().len(), 4, "{told:#}");

    let text = stage.explained("capped", "text").await;
    assert!(text.lines().count() <= 40 && text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour where nobody looks: {text}");
    for part in ["READ ", "QUEUE ", "LEARNED ", "LAW ", "STEPS ", "LIMITS ", "IF ", "WORKERS "] {
        assert!(text.contains(&format!("\n{part}")), "{part} is missing:\n{text}");
    }

    let tried = told["whatIf"].as_array().unwrap().iter().find(|tried| tried["setting"] == "scaling.maxMemory");
    let tried = tried.unwrap_or_else(|| panic!("{told:#}"));
    let promised = tried["applied"].as_i64().unwrap();
    assert_eq!(promised, 10, "{told:#}");
    stage.apply(&stage.pool("capped").scaling("maxMemory", tried["value"].clone())).await;
    stage.replicas("capped", i32::try_from(promised).unwrap()).await;

    let table = succeeds(stage.cluster.kubeconfig(), &["status", "-n", &stage.namespace]).await;
    assert!(table.lines().nth(1).unwrap().split_whitespace().take(2).eq(["capped", "40"]), "{table}");
    let rows = succeeds(stage.cluster.kubeconfig(), &["status", "-A", "-o", "json"]).await;
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["namespace"] == json!(stage.namespace)).unwrap();
    assert_eq!((&row["pool"], &row["queued"], &row["backlog"]), (&json!("capped"), &json!(40), &json!("Known")));
}

#[tokio::test]
async fn a_hold_while_the_broker_is_away_and_a_pool_without_its_secret_are_explained() {
    let stage = Stage::start("explain-hold").await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = stage.pool("away").with("spec/broker/rabbitmq/uri", format!("amqp://{closed}/x"));
    stage.apply(&away.with("spec/broker/rabbitmq/managementUri", Value::Null)).await;
    stage.apply(&stage.pool("poor").with("spec/broker/rabbitmq/credentials/secretRef/name", "nobody")).await;

    stage.condition("away", "BacklogKnown=False BrokerUnreachable").await;
    let told = stage.explanation("away").await;
    assert_eq!(
        (&told["decision"]["boundBy"], &told["reading"]["trust"]),
        (&json!("Hold"), &json!("Unknown")),
        "{told:#}"
    );
    assert_eq!(told["reading"]["unknown"]["reason"], "BrokerUnreachable", "{told:#}");
    assert!(told["law"].is_null(), "the law is not asked about what is not known: {told:#}");
    let said = unwrapped(&stage.explained("away", "text").await);
    assert!(said.contains("nothing shrinks until it is; there is no scaling.fallback"), "{said}");

    stage.condition("poor", "Ready=False SecretNotFound").await;
    let told = stage.explanation("poor").await;
    assert!(told["decision"].is_null(), "{told:#}");
    assert_eq!(told["problems"][0]["reason"], "SecretNotFound", "{told:#}");
}

#[tokio::test]
async fn where_the_operator_cannot_be_asked_the_status_has_to_do_and_the_reason_is_said() {
    let stage = Stage::start("explain-alone").await;
    stage.queue("tasks").await;
    stage.apply(&stage.pool("research")).await;
    stage.condition("research", "BacklogKnown=True Read").await;
    let viewer = stage.viewer().await;
    let args = ["explain", "research", "-n", &stage.namespace];

    // Nobody is there, and this user may look nowhere else.
    let said = unwrapped(&succeeds(&viewer, &args).await);
    assert!(said.contains("no worker needed") && said.contains("you may not list Services or pods"), "{said}");

    // It is there, and the user may not ask it.
    stage.manifest(&operator_pod(&stage.namespace)).await;
    stage
        .until("the operator's pod runs", async || {
            let phase = stage.kubectl(&["get", "pod", "awp-0", "-o", "jsonpath={.status.phase}"]).await;
            (phase == "Running").then_some(())
        })
        .await;
    let said = unwrapped(&succeeds(&viewer, &args).await);
    assert!(said.contains("you may not get pods/proxy in namespace"), "{said}");
    assert!(said.contains("kubectl port-forward with --operator"), "{said}");

    // An address where nothing listens.
    let said = unwrapped(&succeeds(&viewer, &[&args[..], &["--operator", "http://127.0.0.1:1"]].concat()).await);
    assert!(said.contains("no answer from the operator at http://127.0.0.1:1: nothing listens there"), "{said}");
}

/// The text as one line.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As far as the API server is concerned.
fn operator_pod(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "awp-0", "namespace": namespace, "labels": { "app.kubernetes.io/name": "awp" } },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [{ "name": "operator", "image": "awp",
            "ports": [{ "name": "admin", "containerPort": 8080 }] }] },
    })
}

impl Stage<'_> {
    /// Somebody with the built-in role view in the namespace, which includes pools by the chart's aggregation.
    async fn viewer(&self) -> std::path::PathBuf {
        let namespace = &self.namespace;
        let subject = json!([{ "kind": "ServiceAccount", "name": "viewer", "namespace": namespace }]);
        let rules = json!([
            { "apiGroups": ["agentworkers.io"], "resources": ["agentworkerpools"], "verbs": ["get", "list", "watch"] },
            { "apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list", "watch"] },
        ]);
        let meta = json!({ "name": "viewer", "namespace": namespace });
        for manifest in [
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta }),
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules }),
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "viewer" },
                "subjects": subject }),
        ] {
            self.manifest(&manifest).await;
        }
        self.cluster.kubeconfig_for(namespace, "viewer").await.unwrap()
    }
}
