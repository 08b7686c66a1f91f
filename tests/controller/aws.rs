//! The operator's own AWS identity, as its pod or its node would have it: pools without credentials are read with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use awp_testbed::operator::Options;
use awp_testbed::{Sqs, sqs, sts};
use serde_json::{Value, json};

use crate::credentials::Giver;
use crate::recorder::Recorder;
use crate::stage::Stage;

const ROLE: &str = "arn:aws:iam::123456789012:role/awp-operator";
const TOKEN: &str = "planted-identity-token";

struct Bench {
    stage: Stage<'static>,
    sqs: &'static Sqs,
    /// Between the operator and SQS.
    between: Recorder,
    queue: String,
    folder: tempfile::TempDir,
}

impl Bench {
    /// Twelve tasks, and an operator whose pod has these variables; `TOKEN_FILE` in their values is where its token is.
    async fn start(name: &str, allowed: bool, environment: &[(&str, &str)]) -> Self {
        let sqs = sqs().await;
        let (queue, _) = sqs.queue(name).await.unwrap();
        sqs.send(&queue, (0..12).map(|number| number.to_string()), 1).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, TOKEN).unwrap();
        let values = environment
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.replace("TOKEN_FILE", &file.display().to_string())));
        // Nothing of this machine's own identity.
        let own = [("HOME".to_owned(), folder.path().display().to_string())];
        let env: BTreeMap<String, String> = own.into_iter().chain(values).collect();
        let stage = Stage::with(name, |options| {
            let args =
                if allowed { vec!["--aws-namespaces".to_owned(), options.namespace.clone()] } else { Vec::new() };
            Options { args, env, ..options }
        })
        .await;
        Self { between: Recorder::before(&sqs.endpoint()).await, stage, sqs, queue, folder }
    }

    fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// Four tasks a worker, and no credentials.
    async fn pool(&self) {
        let sqs = json!({"queueUrl": self.queue, "region": "eu-central-1", "endpoint": self.between.endpoint()});
        let pool = self.stage.pool("research").with("spec/broker", json!({ "sqs": sqs }));
        self.stage.apply(&pool.with("spec/deadLetter", Value::Null)).await;
    }

    async fn works(&self) {
        self.stage.condition("research", "BacklogKnown=True").await;
        self.stage.running("research", 3).await;
    }

    /// Whether SQS was asked with these temporary credentials.
    fn asked_with(&self, access_key_id: &str, session_token: &str) -> bool {
        let signed = self.between.headers("authorization").iter().any(|it| it.contains(&format!("={access_key_id}/")));
        signed && self.between.headers("x-amz-security-token").iter().any(|it| it == session_token)
    }

    async fn tells_no_secret(&self, secrets: &[String]) {
        let pools = self.stage.pools().list(&kube::api::ListParams::default()).await.unwrap().items;
        let said = format!("{}{}{}", self.stage.operator.log(), json!(pools), json!(self.stage.events().await));
        let metrics = self.stage.operator.admin("/metrics").await.unwrap();
        for secret in secrets.iter().map(String::as_str).chain([TOKEN, "planted-hunter2"]) {
            assert!(!said.contains(secret) && !metrics.contains(secret), "{secret}");
        }
    }

    /// Credentials that run out within a minute are replaced before they do.
    async fn renews(&self, source: &Giver) {
        let given = self
            .stage
            .until("credentials are renewed and used", async || {
                let given = source.given();
                let [.., last] = &given[..] else { return None };
                (given.len() > 1 && self.asked_with(&last.access_key_id, &last.session_token)).then_some(given)
            })
            .await;
        assert!(self.asked_with(&given[0].access_key_id, &given[0].session_token), "{given:?}");
        assert!(given[1].at < given[0].until, "the second were asked for in time: {given:?}");
        self.works().await;
        assert!(SystemTime::now() > given[1].at);
        let log = self.stage.operator.log();
        assert!(!log.contains("CredentialsMissing") && !log.contains("BrokerUnreachable"), "{}", self.stage.story());
        let tokens: Vec<String> = given.into_iter().map(|given| given.session_token).collect();
        self.tells_no_secret(&tokens).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_credentials_is_read_with_the_operators_web_identity() {
    let sts = Recorder::before(&sts().await.endpoint()).await;
    let environment = [
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "TOKEN_FILE"),
        ("AWS_ENDPOINT_URL_STS", sts.endpoint()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let bench = Bench::start("aws-web", true, &environment).await;
    bench.pool().await;
    bench.works().await;
    let asked = sts.asked();
    assert!(asked.contains("Action=AssumeRoleWithWebIdentity") && asked.contains(TOKEN), "{asked}");
    let (keys, tokens) = (sts.told("AccessKeyId"), sts.told("SessionToken"));
    assert_eq!(keys.len(), 1, "asked once for all looks");
    assert!(bench.asked_with(&keys[0], &tokens[0]));
    bench.tells_no_secret(&tokens).await;
    assert_eq!(bench.sqs.counts(&bench.queue).await.unwrap().visible, 12, "nothing was taken by looking");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_the_operators_identity_whose_namespace_may_not_have_it() {
    let giver = Giver::pod_identity().await;
    let uri = format!("{}/v1/credentials", giver.endpoint);
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "TOKEN_FILE"),
    ];
    let bench = Bench::start("aws-refused", false, &environment).await;
    bench.pool().await;
    let message = bench.stage.condition("research", "Ready=False AwsIdentityForbidden").await;
    assert!(message.contains("--aws-namespaces"), "{message}");
    assert!(giver.given().is_empty() && bench.between.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_identity_is_renewed_before_it_runs_out_with_the_token_of_then() {
    let giver = Giver::pod_identity().await;
    let uri = format!("{}/v1/credentials", giver.endpoint);
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "TOKEN_FILE"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let bench = Bench::start("aws-pod", true, &environment).await;
    bench.pool().await;
    bench.works().await;
    assert_eq!(giver.given()[0].authorization, TOKEN);
    // Kubernetes replaces it now and then.
    std::fs::write(bench.token_file(), "planted-second-token").unwrap();
    bench.renews(&giver).await;
    assert_eq!(giver.given().last().unwrap().authorization, "planted-second-token");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_the_node_is_renewed_before_it_runs_out() {
    let giver = Giver::metadata().await;
    let bench = Bench::start("aws-node", true, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", giver.endpoint.as_str())]).await;
    bench.pool().await;
    bench.works().await;
    bench.renews(&giver).await;
}
