//! What gives credentials to pods and nodes of AWS: EKS Pod Identity's agent and the instance metadata service. Neither
//! runs outside of AWS, so these are stand-ins that answer as they do, over loopback, which AWS's own library allows.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, put};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// For how long what they give is valid; AWS's library asks anew less than 15 s before its end.
const LIFE: Duration = Duration::from_secs(30);
const SESSION: &str = "planted-metadata-session";
const PROFILE: &str = "node-role";

/// One answer of theirs.
#[derive(Clone, Debug)]
pub struct Given {
    pub at: SystemTime,
    pub until: SystemTime,
    pub access_key_id: String,
    pub session_token: String,
    /// What it was asked with.
    pub authorization: String,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Given>>>);

pub struct Giver {
    pub endpoint: String,
    kept: Kept,
}

impl Giver {
    /// `GET /v1/credentials`; the token in the header says for which pod.
    pub async fn pod_identity() -> Self {
        Self::serve(|| Router::new().route("/v1/credentials", get(of_pod))).await
    }

    /// Version 2, with its sessions.
    pub async fn metadata() -> Self {
        let folder = "/latest/meta-data/iam/security-credentials/";
        let router = || {
            Router::new()
                .route(
                    "/latest/api/token",
                    put(async || ([("x-aws-ec2-metadata-token-ttl-seconds", "21600")], SESSION)),
                )
                .route(folder, get(async || PROFILE))
                .route(&format!("{folder}{PROFILE}"), get(of_node))
        };
        Self::serve(router).await
    }

    async fn serve(router: impl FnOnce() -> Router<Kept>) -> Self {
        let kept = Kept::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = router().with_state(kept.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, kept }
    }

    /// All answers so far.
    pub fn given(&self) -> Vec<Given> {
        self.kept.0.lock().unwrap().clone()
    }
}

async fn of_pod(State(kept): State<Kept>, headers: HeaderMap) -> Result<String, StatusCode> {
    let authorization = header(&headers, "authorization").ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(kept.give(authorization).to_string())
}

async fn of_node(State(kept): State<Kept>, headers: HeaderMap) -> Result<String, StatusCode> {
    let session = header(&headers, "x-aws-ec2-metadata-token").filter(|session| session == SESSION);
    let mut credentials = kept.give(session.ok_or(StatusCode::UNAUTHORIZED)?);
    credentials["Code"] = json!("Success");
    credentials["Type"] = json!("AWS-HMAC");
    credentials["LastUpdated"] = json!(text(SystemTime::now()));
    Ok(credentials.to_string())
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

impl Kept {
    fn give(&self, authorization: String) -> Value {
        let mut kept = self.0.lock().unwrap();
        let (at, number) = (SystemTime::now(), kept.len() + 1);
        let given = Given {
            at,
            until: at + LIFE,
            access_key_id: format!("ASIAGIVEN{number}"),
            session_token: format!("planted-session-{number}"),
            authorization,
        };
        let credentials = json!({
            "AccessKeyId": given.access_key_id, "SecretAccessKey": "planted-hunter2", "Token": given.session_token,
            "AccountId": "123456789012", "Expiration": text(given.until),
        });
        kept.push(given);
        credentials
    }
}

/// As RFC 3339 has it.
fn text(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
