//! The STS server itself: what the project's tests rely on.

use awp_testbed::{Sts, sts};

async fn ask(endpoint: &str, form: &'static str) -> (u16, String) {
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(endpoint).body(form);
    let answer = request.header("Content-Type", "application/x-www-form-urlencoded").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_web_identity_is_given_credentials_of_its_role() {
    let form = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=awp&WebIdentityToken=token\
                &RoleArn=arn:aws:iam::123456789012:role/worker";
    let (status, answer) = ask(&sts().await.endpoint(), form).await;
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
    sts.enforce().await.unwrap();
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(sts.endpoint());
    let unknown = "AWS4-HMAC-SHA256 Credential=AKIAUNKNOWN/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, \
                   Signature=0";
    let request = request
        .header("Authorization", unknown)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(format!("Action=AssumeRole&Version=2011-06-15&RoleSessionName=awp&RoleArn={role}"));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 403);
    assert!(answer.text().await.unwrap().contains("InvalidClientTokenId"));
    sts.shut_down().await.unwrap();
}
