//! Certificates, keys and kubeconfigs of one control plane.

use std::path::PathBuf;

use anyhow::Result;
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::access::write_whole;
use crate::base::pki::Authority;

/// Names under which the API server is reached: the second is the first address of the service network.
const SERVER_NAMES: [&str; 7] = [
    "127.0.0.1",
    "10.96.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

#[derive(Debug)]
pub struct Credentials {
    folder: PathBuf,
    authority: Authority,
    server: String,
}

impl Credentials {
    pub fn create(folder: PathBuf, api_server_port: u16) -> Result<Self> {
        let authority = Authority::new("awp-testbed Kubernetes")?;
        std::fs::write(folder.join("ca.crt"), authority.pem())?;
        authority.server("kube-apiserver", &SERVER_NAMES)?.write(&folder, "apiserver")?;
        // The API server shows these to aggregated API servers when it speaks for a user.
        let front_proxy = Authority::new("awp-testbed front proxy")?;
        std::fs::write(folder.join("front-proxy-ca.crt"), front_proxy.pem())?;
        front_proxy.client("front-proxy-client", None)?.write(&folder, "front-proxy")?;
        let tokens = KeyPair::generate()?;
        std::fs::write(folder.join("service-accounts.key"), tokens.serialize_pem())?;
        std::fs::write(folder.join("service-accounts.pub"), tokens.public_key_pem())?;
        Ok(Self { folder, authority, server: format!("https://127.0.0.1:{api_server_port}") })
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn admin(&self) -> Result<PathBuf> {
        self.of_user("testbed-admin", Some("system:masters"))
    }

    /// A kubeconfig with a certificate for `user`.
    pub fn of_user(&self, user: &str, group: Option<&str>) -> Result<PathBuf> {
        let name = file_name(user);
        let (certificate, key) = self.authority.client(user, group)?.write(&self.folder, &name)?;
        self.kubeconfig(&name, user, &json!({"client-certificate": certificate, "client-key": key}))
    }

    fn kubeconfig(&self, file: &str, user: &str, access: &Value) -> Result<PathBuf> {
        let path = self.folder.join(format!("{file}.kubeconfig"));
        let cluster = json!({"server": self.server, "certificate-authority": self.file("ca.crt")});
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testbed", "cluster": cluster}],
            "users": [{"name": user, "user": access}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user, "namespace": "default"}}],
            "current-context": "testbed",
        });
        write_whole(&path, &serde_json::to_string_pretty(&text)?)?;
        Ok(path)
    }
}

fn file_name(user: &str) -> String {
    user.replace([':', '/'], "-")
}
