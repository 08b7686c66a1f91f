//! `awp check`: a pool that works passes, and one fault at a time is found, named and has its remedy.

use serde_json::{Value, json};

use crate::cli::{Ended, awp, succeeds};
use crate::pool::Pool;
use crate::stage::Stage;

impl Stage<'_> {
    /// `awp check FILE -o json` of a manifest that is in no cluster yet.
    async fn checked(&self, pool: &Pool) -> (i32, Value) {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        std::fs::write(file.path(), pool.0.to_string()).unwrap();
        let args = ["check", file.path().to_str().unwrap(), "-o", "json"];
        let Ended { code, out, err } = awp(self.cluster.kubeconfig(), &args).await;
        let told = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
        (code, told)
    }
}

#[track_caller]
fn step<'a>(told: &'a Value, name: &str) -> &'a Value {
    let steps = told["steps"].as_array().unwrap();
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}: {told:#}"))
}

#[track_caller]
fn fails(code: i32, told: &Value, name: &str, says: &str) {
    let step = step(told, name);
    let said = format!("{} → {}", step["detail"].as_str().unwrap(), step["remedy"].as_str().unwrap_or_default());
    assert_eq!((code, &step["outcome"], &told["passed"]), (1, &json!("Failed"), &json!(false)), "{told:#}");
    assert!(said.contains(says), "{said}");
}

#[tokio::test]
async fn a_pool_that_works_passes_in_the_cluster_and_as_a_file() {
    let stage = Stage::start("check").await;
    stage.queue("tasks").await;
    stage.queue("failed").await;
    let pool = stage.pool("works");
    let (code, told) = stage.checked(&pool).await;
    assert_eq!((code, &told["passed"]), (0, &json!(true)), "{told:#}");
    for name in [
        "spec",
        "secret",
        "memory",
        "dns",
        "tcp",
        "login",
        "vhost",
        "management",
        "tag",
        "queue",
        "deadLetter",
        "template",
    ] {
        assert_eq!(step(&told, name)["outcome"], "Passed", "{told:#}");
    }
    assert!(stage.pools().get_opt("works").await.unwrap().is_none(), "a check changes nothing");
    assert!(stage.deployment("works").await.is_none());

    stage.apply(&pool).await;
    stage.condition("works", "Ready=True Applied").await;
    let text = succeeds(stage.cluster.kubeconfig(), &["check", "works", "-n", &stage.namespace]).await;
    assert!(text.starts_with(&format!("{}/works\nok    spec", stage.namespace)), "{text}");
    assert!(!text.contains("FAIL") && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn each_fault_of_a_manifest_is_found_in_its_own_step() {
    let stage = Stage::start("check-faults").await;
    stage.queue("tasks").await;
    stage.queue("failed").await;
    let pool = |name: &str| stage.pool(name);

    let (code, told) = stage.checked(&pool("bounds").scaling("minReplicas", 7).scaling("maxReplicas", 3)).await;
    fails(code, &told, "spec", "minReplicas");
    let (code, told) = stage.checked(&pool("typo").scaling("startsWithin", "5s")).await;
    fails(code, &told, "spec", "startsWithin");
    let (code, told) =
        stage.checked(&pool("poor").with("spec/broker/rabbitmq/credentials/secretRef/name", "nobody")).await;
    fails(code, &told, "secret", "kubectl -n");
    assert_eq!(step(&told, "broker")["outcome"], "Skipped", "{told:#}");

    stage.kubectl(&["create", "secret", "generic", "half", "--from-literal=username=x"]).await;
    let (code, told) =
        stage.checked(&pool("half").with("spec/broker/rabbitmq/credentials/secretRef/name", "half")).await;
    fails(code, &told, "credentials", "password");

    let (code, told) = stage.checked(&pool("no-queue").on_queue("nowhere")).await;
    fails(code, &told, "queue", "create it or correct the name");
    let small = json!({ "limits": { "memory": "300Mi" } });
    let (code, told) =
        stage.checked(&pool("small").container("resources", small).with("spec/prefetch", Value::Null)).await;
    fails(code, &told, "memory", "raise it to");
    let (code, told) = stage.checked(&pool("template").container("imagePullPolicy", "Sometimes")).await;
    fails(code, &told, "template", "imagePullPolicy");
    let (code, told) = stage.checked(&pool("target").targeting("nobody")).await;
    fails(code, &told, "target", "create it, or correct worker.targetRef");
}

#[tokio::test]
async fn without_a_cluster_the_broker_is_tried_all_the_same() {
    let stage = Stage::start("check-alone").await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pool = stage.pool("alone").with("spec/broker/rabbitmq/credentials", Value::Null);
    let pool = pool.with("spec/broker/rabbitmq/uri", format!("amqp://{closed}/x"));
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), pool.0.to_string()).unwrap();
    let nowhere = std::path::Path::new("/nowhere/kubeconfig");
    let ended = awp(nowhere, &["check", file.path().to_str().unwrap(), "-o", "json"]).await;
    let told: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{}{}", ended.out, ended.err));
    fails(ended.code, &told, "tcp", "nothing listens there");
    assert_eq!(step(&told, "spec")["outcome"], "Warning", "{told:#}");
    assert_eq!(step(&told, "template")["outcome"], "Skipped", "{told:#}");
}
