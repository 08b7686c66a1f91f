//! Users and roles by IAM's form protocol, on a connection per call.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{ACCOUNT, Sts};
use crate::base::http;

/// A user's keys.
#[derive(Clone, Debug)]
pub struct Keys {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl Sts {
    /// A user that may assume every role whose trust policy allows it.
    pub async fn user(&self, name: &str) -> Result<Keys> {
        self.iam("CreateUser", &[("UserName", name)]).await?;
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*" },
        ] });
        let policy = policy.to_string();
        self.iam("PutUserPolicy", &[("UserName", name), ("PolicyName", "assume"), ("PolicyDocument", &policy)]).await?;
        let made = self.iam("CreateAccessKey", &[("UserName", name)]).await?;
        let read = |tag: &str| text(&made, tag).with_context(|| format!("no {tag}"));
        Ok(Keys { access_key_id: read("AccessKeyId")?, secret_access_key: read("SecretAccessKey")? })
    }

    /// A role that this user may assume with this external id; answers its ARN.
    pub async fn role(&self, name: &str, user: &str, external_id: &str) -> Result<String> {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:user/{user}") },
            "Condition": { "StringEquals": { "sts:ExternalId": external_id } },
        }] });
        let made =
            self.iam("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust.to_string())]).await?;
        text(&made, "Arn").context("no Arn")
    }

    /// From now on signatures, policies and external ids count.
    pub async fn enforce(&self) -> Result<()> {
        let url = format!("{}/moto-api/reset-auth", self.endpoint());
        let request = http::client(Duration::from_secs(30))?.post(url).header("Content-Type", "text/plain").body("0");
        request.send().await?.error_for_status()?;
        Ok(())
    }

    async fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let mut url = reqwest::Url::parse(&self.endpoint())?;
        url.query_pairs_mut().extend_pairs([("Action", action), ("Version", "2010-05-08")]).extend_pairs(parameters);
        let form = url.query().unwrap_or_default().to_owned();
        post(&self.endpoint(), "iam", form).await.with_context(|| action.to_owned())
    }
}

/// Its first answers take seconds on a busy machine, while it loads what they need: longer than clients wait.
pub(super) async fn gives_credentials(endpoint: &str) -> Result<()> {
    let form = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=ready&WebIdentityToken=x\
                &RoleArn=arn:aws:iam::123456789012:role/ready";
    post(endpoint, "sts", form.to_owned()).await.map(drop)
}

async fn post(endpoint: &str, service: &str, form: String) -> Result<String> {
    // Before it enforces, only the service's name is read of it.
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let request = http::client(Duration::from_secs(30))?
        .post(endpoint)
        .header("Authorization", signed)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        bail!("{status} {text}");
    }
    Ok(text)
}

/// The text of the first element of that name.
fn text(xml: &str, tag: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{tag}>"))?;
    Some(rest.split_once('<')?.0.to_owned())
}
