//! The volumes of one pod on disk, and the tokens in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount, Volume};
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use super::context::{Context, api};
use super::fields::Facts;
use super::folder;
use super::objects::{Blocked, Change};
use super::volumes::{self, Content, Payload, TokenKind, Tokens};

pub struct Mounted {
    folder: PathBuf,
    /// What each volume of files shows.
    shown: BTreeMap<String, Payload>,
    hosts: BTreeMap<String, PathBuf>,
    tokens: BTreeMap<TokenKind, (String, Instant)>,
    version: u64,
    pub complete: bool,
}

impl Mounted {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            shown: BTreeMap::new(),
            hosts: BTreeMap::new(),
            tokens: BTreeMap::new(),
            version: 0,
            complete: false,
        }
    }

    /// The folder that stands for a volume.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.hosts.get(name).cloned().unwrap_or_else(|| self.folder.join(name))
    }

    /// Whether a changed object is shown in one of the pod's volumes.
    pub fn concerns(pod: &Pod, change: &Change) -> bool {
        let (kind, namespace, name) = change;
        pod.namespace().as_ref() == Some(namespace)
            && volumes::references(pod).iter().any(|reference| reference.kind == *kind && &reference.name == name)
    }

    /// When a token has to be renewed.
    pub fn next_renewal(&self) -> Option<Instant> {
        self.tokens.values().map(|(_, renew_at)| *renew_at).min()
    }

    /// Brings all volumes up to date. What cannot be renewed stays as it was.
    pub async fn refresh(&mut self, context: &Context, pod: &Pod, facts: &Facts, now: Instant) -> Result<(), Blocked> {
        let namespace = pod.namespace().unwrap_or_default();
        let references: BTreeSet<_> = volumes::references(pod).into_iter().collect();
        let found = api(context.objects.find(&namespace, references)).await.map_err(waiting)?;
        let tokens = self.tokens(context, pod, now).await.map_err(waiting)?;
        for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            self.show(volume, volumes::content(pod, volume, facts, &found, &tokens)?).map_err(|error| {
                waiting(format!("volume {:?} cannot be written in {}: {error}", volume.name, self.folder.display()))
            })?;
        }
        self.complete = true;
        Ok(())
    }

    fn show(&mut self, volume: &Volume, content: Content) -> std::io::Result<()> {
        match content {
            Content::Empty => folder::private_folder(&self.folder.join(&volume.name)),
            Content::Host(path) => {
                self.hosts.insert(volume.name.clone(), path);
                Ok(())
            }
            Content::Files(files) => {
                if self.shown.get(&volume.name) == Some(&files) {
                    return Ok(());
                }
                self.version += 1;
                folder::replace(&self.folder.join(&volume.name), &files, &self.version.to_string())?;
                self.shown.insert(volume.name.clone(), files);
                Ok(())
            }
        }
    }

    async fn tokens(&mut self, context: &Context, pod: &Pod, now: Instant) -> Result<Tokens, String> {
        for kind in volumes::tokens(pod) {
            if self.tokens.get(&kind).is_none_or(|(_, renew_at)| *renew_at <= now) {
                let token = api(request_token(context, pod, &kind)).await?;
                // The kubelet renews at 80 % of the life of a token.
                let renew_in = Duration::from_secs(kind.expiration_seconds.max(1) as u64).mul_f64(0.8);
                self.tokens.insert(kind, (token, now + renew_in));
            }
        }
        Ok(self.tokens.iter().map(|(kind, (token, _))| (kind.clone(), token.clone())).collect())
    }
}

async fn request_token(context: &Context, pod: &Pod, kind: &TokenKind) -> Result<String, kube::Error> {
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: kind.audience.iter().cloned().collect(),
            expiration_seconds: Some(kind.expiration_seconds),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(pod.name_any()),
                uid: pod.uid(),
            }),
        },
        ..TokenRequest::default()
    };
    let accounts = Api::<ServiceAccount>::namespaced(context.client.clone(), &pod.namespace().unwrap_or_default());
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
    Ok(answer.status.map(|status| status.token).unwrap_or_default())
}

fn waiting(message: String) -> Blocked {
    Blocked { reason: "ContainerCreating", message }
}
