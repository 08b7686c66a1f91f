//! A one-of can be switched to another member, by whichever tool wrote the first one.

use awp_testbed::ControlPlane;
use serde_json::{Value, json};

use crate::table::table;
use crate::{cluster, fail, succeed};

/// Ways to write a pool, with the field manager that `kubectl` takes by itself.
const CLIENT_SIDE: &[&str] = &["apply", "-f", "-"];
const SERVER_SIDE: &[&str] = &["apply", "--server-side", "-f", "-"];
const OTHER_MANAGER: &[&str] = &["apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-"];
const CREATE: &[&str] = &["create", "-f", "-"];
const REPLACE: &[&str] = &["replace", "-f", "-"];

struct Bench {
    cluster: &'static ControlPlane,
    namespace: String,
}

impl Bench {
    async fn new() -> Self {
        let cluster = cluster().await;
        Self { cluster, namespace: cluster.namespace("switching").await.unwrap() }
    }

    async fn write(&self, how: &[&str], pool: &Value) {
        succeed(self.cluster, &self.args(how), &pool.to_string()).await;
    }

    async fn refused(&self, how: &[&str], pool: &Value) -> String {
        fail(self.cluster, &self.args(how), &pool.to_string()).await
    }

    async fn delete(&self) {
        succeed(self.cluster, &self.args(&["delete", "awp/refused", "--ignore-not-found"]), "").await;
    }

    async fn part(&self, path: &str) -> Value {
        let output = format!("jsonpath={{.spec.{path}}}");
        let text = succeed(self.cluster, &self.args(&["get", "awp/refused", "-o", &output]), "").await;
        serde_json::from_str(&text).unwrap()
    }

    fn args<'a>(&'a self, how: &[&'a str]) -> Vec<&'a str> {
        [how, &["-n", &self.namespace]].concat()
    }
}

fn pool(part: &str, value: &Value) -> Value {
    let mut pool = table().pool;
    pool["spec"][part] = value.clone();
    pool
}

#[tokio::test]
async fn prefetch_can_be_switched_either_way_by_the_common_tools_and_across_them() {
    let bench = Bench::new().await;
    let (auto, fixed) = (json!({ "auto": { "max": 8 } }), json!({ "fixed": 4 }));
    let ways = [
        (CLIENT_SIDE, CLIENT_SIDE),
        (SERVER_SIDE, SERVER_SIDE),
        (CLIENT_SIDE, SERVER_SIDE),
        (CLIENT_SIDE, OTHER_MANAGER),
        (SERVER_SIDE, OTHER_MANAGER),
        (CREATE, REPLACE),
        (SERVER_SIDE, REPLACE),
    ];
    for (first, second) in ways {
        for (from, to) in [(&auto, &fixed), (&fixed, &auto)] {
            bench.delete().await;
            bench.write(first, &pool("prefetch", from)).await;
            bench.write(second, &pool("prefetch", to)).await;
            assert_eq!(bench.part("prefetch").await, *to, "{first:?} then {second:?}");
        }
    }
}

/// Client-side apply removes only what it finds in its own annotation, which the others do not write.
#[tokio::test]
async fn client_side_apply_cannot_switch_what_another_tool_wrote_and_says_so() {
    let bench = Bench::new().await;
    for first in [SERVER_SIDE, CREATE] {
        bench.delete().await;
        bench.write(first, &pool("prefetch", &json!({ "auto": {} }))).await;
        let message = bench.refused(CLIENT_SIDE, &pool("prefetch", &json!({ "fixed": 4 }))).await;
        assert!(message.contains("spec.prefetch: Forbidden: write exactly one of auto and fixed"), "{message}");
        // What the documentation recommends.
        bench.write(REPLACE, &pool("prefetch", &json!({ "fixed": 4 }))).await;
    }
}

#[tokio::test]
async fn broker_can_be_switched_to_any_other_member_by_the_common_tools_and_across_them() {
    let bench = Bench::new().await;
    let members = [
        json!({ "rabbitmq": { "uri": "amqp://rabbitmq", "queues": ["tasks"] } }),
        json!({ "sqs": { "queueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/tasks" } }),
        json!({ "kafka": { "bootstrapServers": ["kafka:9092"], "topics": ["tasks"], "group": "tasks" } }),
    ];
    let ways = [
        (CLIENT_SIDE, CLIENT_SIDE),
        (SERVER_SIDE, SERVER_SIDE),
        (CLIENT_SIDE, SERVER_SIDE),
        (SERVER_SIDE, OTHER_MANAGER),
    ];
    for (first, second) in ways {
        for (from, to) in [(0, 1), (1, 2), (2, 0), (1, 0)] {
            bench.delete().await;
            bench.write(first, &pool("broker", &members[from])).await;
            bench.write(second, &pool("broker", &members[to])).await;
            assert_eq!(bench.part("broker").await, members[to], "{first:?} then {second:?}");
        }
    }
}

#[tokio::test]
async fn a_broker_written_anew_replaces_the_old_one_as_a_whole() {
    let bench = Bench::new().await;
    let with_management =
        json!({ "rabbitmq": { "uri": "amqp://old", "queues": ["a"], "managementUri": "http://old:15672" } });
    let without = json!({ "rabbitmq": { "uri": "amqp://new", "queues": ["b"] } });
    for (first, second) in [(CLIENT_SIDE, CLIENT_SIDE), (SERVER_SIDE, SERVER_SIDE), (SERVER_SIDE, OTHER_MANAGER)] {
        bench.delete().await;
        bench.write(first, &pool("broker", &with_management)).await;
        bench.write(second, &pool("broker", &without)).await;
        assert_eq!(bench.part("broker").await, without, "{first:?} then {second:?}");
    }
}

#[tokio::test]
async fn worker_cannot_be_switched_by_any_tool() {
    let bench = Bench::new().await;
    let template = table().pool;
    let mut target = template.clone();
    target["spec"]["worker"] = json!({ "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "x" } });
    target["spec"]["prefetch"] = json!({ "fixed": 1 });
    for (first, second) in [(CLIENT_SIDE, CLIENT_SIDE), (SERVER_SIDE, SERVER_SIDE), (CREATE, REPLACE)] {
        for (from, to) in [(&template, &target), (&target, &template)] {
            bench.delete().await;
            bench.write(first, from).await;
            let message = bench.refused(second, to).await;
            let expected = "spec.worker: Forbidden: a pool cannot change between template and targetRef";
            assert!(message.contains(expected), "{first:?} then {second:?}: {message}");
        }
    }
}

/// Two managers share a template's `env`: it is merged by name.
#[tokio::test]
async fn two_managers_can_each_set_a_variable_of_the_same_container() {
    let bench = Bench::new().await;
    let mut first = table().pool;
    let container = "/spec/worker/template/spec/containers/0";
    first.pointer_mut(container).unwrap()["env"] = json!([{ "name": "A", "value": "1" }]);
    bench.write(SERVER_SIDE, &first).await;
    let other = json!({
        "apiVersion": first["apiVersion"],
        "kind": first["kind"],
        "metadata": first["metadata"],
        "spec": { "worker": { "template": { "spec": { "containers": [
            { "name": "agent", "env": [{ "name": "B", "value": "2" }], "ports": [{ "containerPort": 9464 }] },
        ] } } } },
    });
    bench.write(&["apply", "--server-side", "--field-manager=other", "-f", "-"], &other).await;
    let containers = bench.part("worker.template.spec.containers").await;
    let expected = json!([{
        "name": "agent",
        "image": "awp:dev",
        "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }],
        "ports": [{ "containerPort": 9464, "protocol": "TCP" }],
    }]);
    assert_eq!(containers, expected);
}
