//! The simulated API server behaves as the real one in what the controller relies on: the same sentences hold on both.

use futures::TryStreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};

use crate::api::{NAMESPACE, serve};
use crate::world::{World, lock};

struct Server {
    client: Client,
    namespace: String,
}

/// The code of a refusal.
fn code<T>(answer: kube::Result<T>) -> u16 {
    match answer {
        Err(kube::Error::Api(status)) => status.code,
        Err(other) => panic!("{other}"),
        Ok(_) => 200,
    }
}

impl Server {
    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn apply<K>(&self, api: &Api<K>, manifest: &Value) -> kube::Result<K>
    where
        K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let name = manifest["metadata"]["name"].as_str().unwrap();
        api.patch(name, &PatchParams::apply("awp").force(), &Patch::Apply(manifest)).await
    }

    async fn holds_what_the_controller_relies_on(&self) {
        self.an_apply_creates_changes_and_drops().await;
        self.an_apply_for_another_version_or_uid_is_refused_and_creates_nothing().await;
        self.an_apply_for_a_version_that_nothing_has_only_creates().await;
        self.a_scale_for_another_version_is_refused().await;
        self.a_generation_is_made_by_the_spec_and_of_a_deployment_by_annotations().await;
        self.a_merge_patch_with_null_removes_one_annotation().await;
        self.a_watch_tells_what_came_after_a_version_as_its_selector_sees_it().await;
    }

    async fn an_apply_creates_changes_and_drops(&self) {
        let api = self.maps();
        assert!(api.get_opt("one").await.unwrap().is_none());
        let first = self.apply(&api, &map("one", &json!({ "a": "1", "b": "2" }))).await.unwrap();
        let same = self.apply(&api, &map("one", &json!({ "a": "1", "b": "2" }))).await.unwrap();
        assert_eq!(first.resource_version(), same.resource_version(), "what changes nothing makes no version");
        let other = self.apply(&api, &map("one", &json!({ "a": "3" }))).await.unwrap();
        assert_ne!(first.resource_version(), other.resource_version());
        assert_eq!(json!(other.data), json!({ "a": "3" }), "what is left out goes");
        assert_eq!(first.uid(), other.uid());
    }

    async fn an_apply_for_another_version_or_uid_is_refused_and_creates_nothing(&self) {
        let api = self.deployments();
        let live = self.apply(&api, &deployment("two", 0)).await.unwrap();
        let with = |field: &str, value: Value| {
            let mut manifest = deployment("two", 0);
            manifest["spec"]["template"]["metadata"]["annotations"] = json!({ "changed": "yes" });
            manifest["metadata"][field] = value;
            manifest
        };
        assert_eq!(code(self.apply(&api, &with("resourceVersion", json!("1"))).await), 409);
        let stranger = with("uid", json!("00000000-0000-0000-0000-000000000000"));
        let Err(kube::Error::Api(refused)) = self.apply(&api, &stranger).await else { panic!("it was not refused") };
        let causes = refused.details.iter().flat_map(|details| &details.causes);
        let fields: Vec<_> = causes.map(|cause| cause.field.clone()).collect();
        assert_eq!((refused.code, fields), (422, vec!["metadata.uid".to_owned()]));
        assert_eq!(code(self.apply(&api, &with("uid", json!(live.uid()))).await), 200);
        let mut absent = deployment("absent", 0);
        absent["metadata"]["uid"] = json!(live.uid());
        assert_eq!(code(self.apply(&api, &absent).await), 409);
        absent["metadata"]["resourceVersion"] = json!(live.resource_version());
        assert_eq!(code(self.apply(&api, &absent).await), 409);
        assert!(api.get_opt("absent").await.unwrap().is_none());
    }

    async fn an_apply_for_a_version_that_nothing_has_only_creates(&self) {
        let api = self.deployments();
        let mut first = deployment("first", 0);
        first["metadata"]["resourceVersion"] = json!("1");
        assert_eq!(code(self.apply(&api, &first).await), 200);
        first["spec"]["replicas"] = json!(2);
        assert_eq!(code(self.apply(&api, &first).await), 409);
        assert_eq!(api.get("first").await.unwrap().spec.unwrap().replicas, Some(0));
    }

    async fn a_scale_for_another_version_is_refused(&self) {
        let api = self.deployments();
        let live = self.apply(&api, &deployment("three", 0)).await.unwrap();
        let scale = async |version: Option<String>, replicas: u32| -> kube::Result<Scale> {
            let patch = json!({ "metadata": { "resourceVersion": version }, "spec": { "replicas": replicas } });
            api.patch_scale("three", &PatchParams::default(), &Patch::Merge(&patch)).await
        };
        assert_eq!(code(scale(Some("1".into()), 0).await), 409);
        // The Deployment's controller writes status meanwhile: the newest version is asked for until it is met.
        let mut written = scale(live.resource_version(), 0).await;
        while code(written) == 409 {
            written = scale(api.get("three").await.unwrap().resource_version(), 0).await;
        }
        let missing: kube::Result<Scale> = api
            .patch_scale("absent", &PatchParams::default(), &Patch::Merge(&json!({ "spec": { "replicas": 1 } })))
            .await;
        assert_eq!(code(missing), 404);
    }

    async fn a_generation_is_made_by_the_spec_and_of_a_deployment_by_annotations(&self) {
        let api = self.deployments();
        self.apply(&api, &deployment("four", 0)).await.unwrap();
        let generations = async |metadata: &str, value: &str| {
            let before = api.get("four").await.unwrap().meta().generation;
            let mut changed = deployment("four", 0);
            changed["metadata"][metadata] = json!({ "note": value });
            (before, self.apply(&api, &changed).await.unwrap().meta().generation)
        };
        // The Deployment's controller notes its revision once, in between.
        let mut same = false;
        for attempt in 0..10 {
            let (before, after) = generations("labels", &attempt.to_string()).await;
            same |= before == after;
        }
        assert!(same, "a label makes no generation");
        let (before, after) = generations("annotations", "yes").await;
        assert!(before < after, "an annotation makes one");
        let mut changed = deployment("four", 0);
        changed["spec"]["template"]["metadata"]["annotations"] = json!({ "note": "yes" });
        assert!(after < self.apply(&api, &changed).await.unwrap().meta().generation, "the spec makes one");
    }

    async fn a_merge_patch_with_null_removes_one_annotation(&self) {
        let api = self.maps();
        let mut manifest = map("five", &json!({}));
        manifest["metadata"]["annotations"] = json!({ "keep": "1", "drop": "2" });
        self.apply(&api, &manifest).await.unwrap();
        let patch = json!({ "metadata": { "annotations": { "drop": null } } });
        let left = api.patch_metadata("five", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        assert_eq!(json!(left.metadata.annotations), json!({ "keep": "1" }));
        assert!(!left.metadata.labels.unwrap_or_default().is_empty());
    }

    async fn a_watch_tells_what_came_after_a_version_as_its_selector_sees_it(&self) {
        let api = self.maps();
        self.apply(&api, &map("before", &json!({}))).await.unwrap();
        let selected = ListParams::default().labels("pool");
        let version = api.list(&selected).await.unwrap().metadata.resource_version.unwrap();
        self.apply(&api, &map("six", &json!({}))).await.unwrap();
        self.apply(&api, &map("six", &json!({ "a": "1" }))).await.unwrap();
        let mut unlabelled = map("six", &json!({ "a": "1" }));
        unlabelled["metadata"]["labels"] = json!({});
        self.apply(&api, &unlabelled).await.unwrap();
        self.apply(&api, &map("six", &json!({ "a": "1" }))).await.unwrap();
        api.delete("six", &DeleteParams::default()).await.unwrap();
        let stream = api.watch_metadata(&WatchParams::default().labels("pool").timeout(2), &version).await.unwrap();
        let events: Vec<_> = stream.try_collect().await.unwrap();
        let told = events.iter().filter_map(|event| match event {
            WatchEvent::Added(map) => Some(("added", map.name_any())),
            WatchEvent::Modified(map) => Some(("modified", map.name_any())),
            WatchEvent::Deleted(map) => Some(("deleted", map.name_any())),
            WatchEvent::Bookmark(_) => None,
            WatchEvent::Error(error) => panic!("{error:?}"),
        });
        let told: Vec<_> = told.collect();
        let six = |what| (what, "six".to_owned());
        assert_eq!(told, [six("added"), six("modified"), six("deleted"), six("added"), six("deleted")]);
    }
}

fn map(name: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": { "pool": "p" } }, "data": data })
}

fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "agent", "image": "example/agent:1" }] } },
        },
    })
}

#[tokio::test]
async fn the_real_server_behaves_as_the_controller_expects() {
    let cluster = awp_testbed::control_plane().await;
    let namespace = cluster.namespace("faithful").await.unwrap();
    Server { client: cluster.admin(), namespace }.holds_what_the_controller_relies_on().await;
}

#[tokio::test(start_paused = true)]
async fn the_simulated_server_behaves_as_the_real_one() {
    let world = std::sync::Arc::new(std::sync::Mutex::new(World::new(1, false)));
    let server = Server { client: serve::client(&world), namespace: NAMESPACE.into() };
    server.holds_what_the_controller_relies_on().await;

    // What a real server does hours later: a version that is forgotten is answered with 410.
    lock(&world).store.compact();
    let api: Api<DynamicObject> =
        Api::namespaced_with(server.client.clone(), NAMESPACE, &ApiResource::erase::<ConfigMap>(&()));
    let stream = api.watch(&WatchParams::default(), "1").await.unwrap();
    let events: Vec<_> = stream.try_collect().await.unwrap();
    assert!(matches!(&events[..], [WatchEvent::Error(error)] if error.code == 410), "{events:?}");
}
