//! What containers are told: variables, files, tokens.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::place::{Place, container, shell};

async fn secret(place: &Place, name: &str, data: Value) {
    let secret = json!({"metadata": {"name": name}, "stringData": data});
    let secrets = Api::<Secret>::namespaced(place.cluster.admin(), &place.namespace);
    secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
}

async fn config_map(place: &Place, name: &str, data: Value) {
    let map = json!({"metadata": {"name": name}, "data": data});
    let maps = Api::<ConfigMap>::namespaced(place.cluster.admin(), &place.namespace);
    maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
}

#[tokio::test]
async fn variables_and_volumes_are_right() {
    let place = Place::new("told").await;
    secret(&place, "login", json!({"user": "ann", "pass": "hunter2"})).await;
    config_map(&place, "pool-awp", json!({"prefetch": "4", "app.toml": "x = 1"})).await;
    let mut main = shell(
        "main",
        r#"
        echo "prefetch $AWP_PREFETCH missing ${AWP_MISSING-none} login $LOGIN_user address $ADDRESS"
        echo "files $(cat $CREDENTIALS/username $CREDENTIALS/password $0/app.toml)"
        echo "memory $MEMORY label $APP scratch $(cat "$SCRATCH/from-init")"
        echo "mode $(stat -Lc %a $CREDENTIALS/password) namespace $(cat $CREDENTIALS/namespace)"
        sleep 600"#,
    );
    main["command"].as_array_mut().unwrap().push(json!("/etc/app"));
    main["env"] = json!([
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "ADDRESS", "value": "$(POD_IP):9000"},
        {"name": "AWP_PREFETCH", "valueFrom": {"configMapKeyRef": {"name": "pool-awp", "key": "prefetch"}}},
        {"name": "AWP_MISSING", "valueFrom": {"configMapKeyRef": {"name": "nowhere", "key": "x", "optional": true}}},
        {"name": "CREDENTIALS", "value": "/etc/awp/broker"},
        {"name": "SCRATCH", "value": "/scratch"},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]);
    main["envFrom"] = json!([{"secretRef": {"name": "login"}, "prefix": "LOGIN_"}]);
    main["resources"] = json!({"limits": {"memory": "64Mi"}});
    main["volumeMounts"] = json!([
        {"name": "broker", "mountPath": "/etc/awp/broker"},
        {"name": "app", "mountPath": "/etc/app"},
        {"name": "scratch", "mountPath": "/scratch"},
    ]);
    let mut init = shell("init", "echo hello >/dev/null; echo hello >$OUT/from-init");
    init["env"] = json!([{"name": "OUT", "value": "/out"}]);
    init["volumeMounts"] = json!([{"name": "scratch", "mountPath": "/out"}]);
    place.create("told", json!({"initContainers": [init], "containers": [main], "volumes": [
        {"name": "app", "configMap": {"name": "pool-awp"}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "broker", "projected": {"sources": [
            {"secret": {"name": "login", "items": [
                {"key": "user", "path": "username"}, {"key": "pass", "path": "password"}]}},
            {"secret": {"name": "not-there", "optional": true}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]}},
    ]})).await;
    let pod = place.ready("told").await;
    let log = place.wrote("told", "mode").await;
    let address = pod["status"]["podIP"].as_str().unwrap();
    assert!(log.contains(&format!("prefetch 4 missing none login ann address {address}:9000\n")), "{log}");
    assert!(log.contains("files annhunter2x = 1\n"), "{log}");
    assert!(log.contains("memory 64 label told scratch hello\n"), "{log}");
    assert!(log.contains(&format!("mode 600 namespace {}\n", place.namespace)), "{log}");
}

#[tokio::test]
async fn a_missing_secret_holds_the_container_until_it_comes() {
    let place = Place::new("missing").await;
    let mut main = shell("main", "echo password is $PASSWORD; sleep 600");
    main["env"] = json!([{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "late", "key": "p"}}}]);
    place.create("env", json!({"containers": [main]})).await;
    let mut reader = shell("main", "echo password is $(cat $DIR/p); sleep 600");
    reader["env"] = json!([{"name": "DIR", "value": "/s"}]);
    reader["volumeMounts"] = json!([{"name": "s", "mountPath": "/s"}]);
    let volumes = json!([{"name": "s", "secret": {"secretName": "late"}}]);
    place.create("volume", json!({"containers": [reader], "volumes": volumes})).await;

    let waiting = |pod: &Value| container(pod)["state"]["waiting"].clone();
    let pod = place.until("env", "held", |pod| waiting(pod)["reason"] == "CreateContainerConfigError").await;
    assert_eq!(waiting(&pod)["message"], "secret \"late\" not found");
    assert_eq!(pod["status"]["phase"], "Pending");
    let told = |pod: &Value| waiting(pod)["message"].as_str().is_some_and(|message| message.contains("late"));
    let pod = place.until("volume", "held", told).await;
    assert_eq!(waiting(&pod)["reason"], "ContainerCreating");

    secret(&place, "late", json!({"p": "found"})).await;
    place.wrote("env", "password is found").await;
    place.wrote("volume", "password is found").await;
}

#[tokio::test]
async fn a_rotated_secret_appears_in_the_volume() {
    let place = Place::new("rotated").await;
    secret(&place, "login", json!({"password": "old"})).await;
    let mut main = shell("main", "while :; do cat $DIR/password; echo; sleep 0.2; done");
    main["env"] = json!([{"name": "DIR", "value": "/etc/login"}]);
    main["volumeMounts"] = json!([{"name": "login", "mountPath": "/etc/login"}]);
    let volumes = json!([{"name": "login", "secret": {"secretName": "login"}}]);
    place.create("reader", json!({"containers": [main], "volumes": volumes})).await;
    place.wrote("reader", "old\n").await;
    let secrets = Api::<Secret>::namespaced(place.cluster.admin(), &place.namespace);
    let change = Patch::Merge(json!({"stringData": {"password": "new"}}));
    secrets.patch("login", &PatchParams::default(), &change).await.unwrap();
    let log = place.wrote("reader", "new\n").await;
    assert!(!log.contains("No such file"), "{log}");
    assert_eq!(container(&place.pod("reader").await)["restartCount"], 0);
}

#[tokio::test]
async fn labels_in_a_volume_follow_the_pod() {
    let place = Place::new("labels").await;
    let mut main = shell("main", "while :; do cat $DIR/color; echo; sleep 0.2; done");
    main["env"] = json!([{"name": "DIR", "value": "/info"}]);
    main["volumeMounts"] = json!([{"name": "info", "mountPath": "/info"}]);
    let color = json!([{"path": "color", "fieldRef": {"fieldPath": "metadata.labels['color']"}}]);
    let volumes = json!([{"name": "info", "downwardAPI": {"items": color}}]);
    place.create("painted", json!({"containers": [main], "volumes": volumes})).await;
    place.ready("painted").await;
    let change = Patch::Merge(json!({"metadata": {"labels": {"color": "green"}}}));
    place.pods().patch("painted", &PatchParams::default(), &change).await.unwrap();
    place.wrote("painted", "green\n").await;
}

#[tokio::test]
async fn a_pod_speaks_to_the_api_server_as_its_service_account() {
    let place = Place::new("account").await;
    let main = json!({"name": "main", "image": "kubectl", "args": ["auth", "whoami", "-o", "json"]});
    place.create("who", json!({"restartPolicy": "Never", "containers": [main]})).await;
    place.wrote("who", &format!("system:serviceaccount:{}:default", place.namespace)).await;
    // The token is bound to the pod.
    place.wrote("who", "authentication.kubernetes.io/pod-name").await;
}
