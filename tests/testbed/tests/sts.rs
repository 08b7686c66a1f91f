//! The STS server itself: what the project's tests rely on.

use awp_testbed::{Sts, sts};

/// The status and the answer to a form.
async fn ask(sts: &Sts, authorization: &str, form: &str) -> reqwest::Result<(u16, String)> {
    let request = reqwest::Client::builder().no_proxy().build()?.post(sts.endpoint()).body(form.to_owned());
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let answer = request.header("Authorization", authorization).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

const UNKNOWN: &str =
    "AWS4-HMAC-SHA256 Credential=AKIAUNKNOWN/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0";

#[tokio::test]
async fn a_web_identity_is_given_credentials_of_its_role() {
    let form = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=awp&WebIdentityToken=token\
                &RoleArn=arn:aws:iam::123456789012:role/worker";
    let (status, answer) = ask(sts().await, "", form).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("<AccessKeyId>ASIA") && answer.contains("assumed-role/worker/awp"), "{answer}");
}

#[tokio::test]
async fn a_server_that_enforces_gives_nothing_to_whom_it_does_not_know() {
    let sts = Sts::start().await.unwrap();
    let keys = sts.user("operator").await.unwrap();
    assert!(keys.access_key_id.starts_with("AKIA") && !keys.secret_access_key.is_empty());
    let role = sts.role("reader", "operator", "prod/agents/research").await.unwrap();
    assert_eq!(role, "arn:aws:iam::123456789012:role/reader");
    let form = format!("Action=AssumeRole&Version=2011-06-15&RoleSessionName=awp&RoleArn={role}");
    assert_eq!(ask(&sts, UNKNOWN, &form).await.unwrap().0, 200);
    sts.enforce().await.unwrap();
    let (status, answer) = ask(&sts, UNKNOWN, &form).await.unwrap();
    assert!(status == 403 && answer.contains("InvalidClientTokenId"), "{status} {answer}");
    sts.shut_down().await.unwrap();
}
