//! Asking the operator, wherever it runs.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::ListParams;
use kube::client::Body;
use kube::{Api, Client, ResourceExt};

use crate::explanation::Report;

/// The chart's labels of the operator's pods and Service.
const LABELS: &str = "app.kubernetes.io/name=awp";
/// The chart's port, where a pod names none.
const PORT: i32 = 8080;
const PATIENCE: Duration = Duration::from_secs(10);

pub enum Answer {
    Report(Box<Report>),
    /// Why there is none, each with what would help.
    Nothing(Vec<String>),
}

/// Asks at `url`; else why there is no answer.
pub async fn at(url: &str, namespace: &str, pool: &str) -> Result<Report, String> {
    let base = url.trim_end_matches('/');
    let told = |why: String| format!("no answer from the operator at {base}: {why}");
    // A port-forward is on this machine: proxies of the environment are for others.
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(|_| told("no TLS".into()))?;
    let answer = client.get(format!("{base}/explain/{namespace}/{pool}")).send().await.map_err(|error| {
        told(if error.is_connect() { "nothing listens there" } else { "the request failed" }.to_owned())
    })?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(|_| told("the answer broke off".to_owned()))?;
    read(status, &body).map_err(told)
}

fn read(status: u16, body: &[u8]) -> Result<Report, String> {
    match status {
        200 => serde_json::from_slice(body).map_err(|_| "it does not answer as an operator of this version".to_owned()),
        404 => Err("it does not look after this pool, or is older than this command".to_owned()),
        status => Err(format!("it answers with status {status}")),
    }
}

/// A Service or pod of the operator, as the API server's proxy addresses it.
struct Place {
    /// `services` or `pods`.
    kind: &'static str,
    namespace: String,
    name: String,
    port: String,
}

impl Place {
    fn path(&self, namespace: &str, pool: &str) -> String {
        let Self { kind, namespace: own, name, port } = self;
        format!("/api/v1/namespaces/{own}/{kind}/{name}:{port}/proxy/explain/{namespace}/{pool}")
    }
}

/// Asks through the API server: the operator's Service, whose proxy can be allowed by name, then its pods.
pub async fn by_proxy(client: &Client, namespace: &str, pool: &str) -> Answer {
    let (places, mut why) = places(client, namespace).await;
    for place in places {
        match ask(client, &place, namespace, pool).await {
            Ok(report) => return Answer::Report(Box::new(report)),
            Err(refused) => why.push(refused),
        }
    }
    if why.is_empty() {
        why.push(
            "no operator was found: no Service and no running pod with the label app.kubernetes.io/name=awp; \
             name its address with --operator"
                .to_owned(),
        );
    }
    Answer::Nothing(why)
}

/// In the pool's namespace, where the default install has it; else anywhere.
async fn places(client: &Client, namespace: &str) -> (Vec<Place>, Vec<String>) {
    let near = (Api::namespaced(client.clone(), namespace), Api::namespaced(client.clone(), namespace));
    let (near, _) = found(near.0, near.1).await;
    if !near.is_empty() {
        return (near, Vec::new());
    }
    let (far, all) = found(Api::all(client.clone()), Api::all(client.clone())).await;
    let why = (far.is_empty() && !all).then(|| {
        format!(
            "no operator was found: none in namespace {namespace}, and you may not list Services or pods of all \
             namespaces; name its address with --operator (kubectl port-forward to it will do)"
        )
    });
    (far, why.into_iter().collect())
}

/// What carries the operator's labels, and whether all of it could be listed.
async fn found(services: Api<Service>, pods: Api<Pod>) -> (Vec<Place>, bool) {
    let labelled = ListParams::default().labels(LABELS);
    let (services, pods) = tokio::join!(services.list(&labelled), pods.list(&labelled));
    let mut places = Vec::new();
    let all = services.is_ok() && pods.is_ok();
    places.extend(services.iter().flat_map(|services| &services.items).filter_map(service));
    places.extend(pods.iter().flat_map(|pods| &pods.items).filter_map(running));
    (places, all)
}

fn service(service: &Service) -> Option<Place> {
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?;
    Some(Place {
        kind: "services",
        namespace: service.namespace()?,
        name: service.name_any(),
        port: port.name.clone().unwrap_or_else(|| port.port.to_string()),
    })
}

fn running(pod: &Pod) -> Option<Place> {
    if pod.status.as_ref()?.phase.as_deref() != Some("Running") {
        return None;
    }
    let ports = pod.spec.as_ref()?.containers.iter().flat_map(|container| container.ports.iter().flatten());
    let admin = ports.into_iter().find(|port| port.name.as_deref() == Some("admin"));
    let port = admin.map_or(PORT, |port| port.container_port).to_string();
    Some(Place { kind: "pods", namespace: pod.namespace()?, name: pod.name_any(), port })
}

async fn ask(client: &Client, place: &Place, namespace: &str, pool: &str) -> Result<Report, String> {
    let told = |why: &str| {
        let kind = place.kind.trim_end_matches('s');
        format!("no answer from the operator by {kind} {}/{}: {why}", place.namespace, place.name)
    };
    let request = Request::get(place.path(namespace, pool)).body(Body::empty());
    let request = request.map_err(|_| told("the names make no address"))?;
    let answer = tokio::time::timeout(PATIENCE, client.send(request)).await;
    let answer = answer.map_err(|_| told("no answer in time"))?.map_err(|_| told("the request failed"))?;
    let status = answer.status();
    let body = answer.into_body().collect_bytes().await.map_err(|_| told("the answer broke off"))?;
    if status == StatusCode::FORBIDDEN {
        let (kind, own) = (place.kind, &place.namespace);
        return Err(told(&format!(
            "you may not get {kind}/proxy in namespace {own}; the chart's Role for it is explained in docs/explain.md, \
             and kubectl port-forward with --operator works without"
        )));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE
        || status == StatusCode::BAD_REQUEST
        || status == StatusCode::BAD_GATEWAY
    {
        return Err(told("the API server cannot reach it"));
    }
    read(status.as_u16(), &body).map_err(|why| told(&why))
}
