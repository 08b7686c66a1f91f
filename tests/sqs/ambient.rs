//! A process whose AWS identity is in its environment, between recorders of SQS and of STS.

use std::path::PathBuf;
use std::process::Output;

use tokio::process::Command;

use crate::bench::Bench;
use crate::recorder::Recorder;

pub const ROLE: &str = "arn:aws:iam::123456789012:role/research";
pub const TOKEN: &str = "planted-web-identity-token";
/// Of the pool that is checked, in the cluster `prod`.
pub const EXTERNAL_ID: &str = "prod/agents/research";

pub struct Ambient {
    pub bench: Bench,
    pub sqs: Recorder,
    pub sts: Recorder,
}

impl Ambient {
    pub async fn new(name: &str, sts: &str) -> Self {
        let bench = Bench::new(name, "").await;
        std::fs::write(bench.path("token"), TOKEN).unwrap();
        let sqs = Recorder::before(&bench.sqs.endpoint()).await;
        Self { bench, sqs, sts: Recorder::before(sts).await }
    }

    pub fn token(&self) -> PathBuf {
        self.bench.path("token")
    }

    /// Nothing of this machine's own identity or cluster gets into it.
    fn awp(&self) -> Command {
        let mut awp = Command::new(env!("CARGO_BIN_EXE_awp"));
        awp.env_clear().env("HOME", self.bench.folder.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        awp.env("AWS_ENDPOINT_URL_STS", self.sts.endpoint()).kill_on_drop(true);
        awp
    }

    pub fn command(&self, command: &str) -> Command {
        let mut awp = self.awp();
        awp.args([command, "--broker", "sqs", "--queue-url", &self.bench.queue, "--region", "eu-central-1"]);
        awp.args(["--endpoint", self.sqs.endpoint()]);
        awp
    }

    /// Two tasks.
    pub fn publish(&self) -> Command {
        let mut awp = self.command("publish");
        awp.args(["1", "2"]);
        awp
    }

    /// `awp check` of the pool `agents/research`, as the operator of that cluster would ask.
    pub fn check(&self, role: Option<&str>, cluster: &str) -> Command {
        let mut manifest = serde_json::json!({
            "apiVersion": "agentworkers.io/v1alpha1", "kind": "AgentWorkerPool",
            "metadata": { "name": "research", "namespace": "agents" },
            "spec": {
                "broker": { "sqs": {
                    "queueUrl": self.bench.queue, "region": "eu-central-1", "endpoint": self.sqs.endpoint(),
                } },
                "worker": { "statusPort": 9464, "template": { "spec": { "containers": [
                    { "name": "agent", "image": "x", "resources": { "limits": { "memory": "2Gi" } } },
                ] } } },
            },
        });
        if let Some(role) = role {
            manifest["spec"]["broker"]["sqs"]["assumeRoleArn"] = role.into();
        }
        let file = self.bench.path("pool.json");
        std::fs::write(&file, manifest.to_string()).unwrap();
        let mut awp = self.awp();
        awp.arg("check").arg(file).args(["--cluster-name", cluster]);
        awp
    }

    /// The environment that IRSA gives to a pod.
    pub fn web_identity(&self, mut command: Command) -> Command {
        command.env("AWS_ROLE_ARN", ROLE).env("AWS_WEB_IDENTITY_TOKEN_FILE", self.token());
        command
    }

    /// Neither what proves the identity nor what STS gave for it.
    pub fn no_secret_in(&self, output: &Output) {
        let all = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut secrets = vec![TOKEN.to_owned(), "planted-hunter2".to_owned()];
        secrets.extend(self.sts.told("SecretAccessKey"));
        secrets.extend(self.sts.told("SessionToken"));
        assert!(secrets.iter().all(|secret| !all.contains(secret)), "{all}");
    }
}

/// The identity of whoever has these keys.
pub fn with_keys(mut command: Command, id: &str, secret: &str) -> Command {
    command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
    command
}
