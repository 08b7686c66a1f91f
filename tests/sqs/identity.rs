//! As whom is asked: keys in a folder, a web identity, a role; and what a login that is not there says.
//!
//! The environment is the identity here, so those tests run the program as a process with an environment of its own.

use awp::aws::{Folder, Identity, Login};
use awp_testbed::base::{ports, wait};
use awp_testbed::{Sts, sqs, sts};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::ambient::{Ambient, EXTERNAL_ID, ROLE, TOKEN, with_keys};
use crate::bench::SOON;
use crate::recorder::Recorder;
use crate::support::{answering, bodies, identity, readers, watch_as};

#[tokio::test]
async fn keys_in_a_folder_are_read_for_each_request() {
    let sqs = sqs().await;
    let (queue, _) = sqs.queue("folder").await.unwrap();
    sqs.send(&queue, bodies(12), 1).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let login = Login::Folder(Folder(folder.path().to_owned()));
    let readers = readers();
    let watching = watch_as(&readers, Identity { login, ..identity(&sqs.endpoint()) }, &queue);
    let why = watching.unknown("BrokerUnreachable").await;
    assert!(why.message.contains("credentials cannot be had now"), "{why}");
    std::fs::write(folder.path().join("AWS_ACCESS_KEY_ID"), "AKIATEST").unwrap();
    std::fs::write(folder.path().join("AWS_SECRET_ACCESS_KEY"), "secret").unwrap();
    watching.known("twelve", |counts| counts.ready == 12).await;
}

/// Everything that was sent is signed with these temporary credentials.
fn signed_with(recorder: &Recorder, access_key_id: &str, session_token: &str) {
    let (signatures, tokens) = (recorder.headers("authorization"), recorder.headers("x-amz-security-token"));
    assert!(!signatures.is_empty());
    let credential = format!("Credential={access_key_id}/");
    assert!(signatures.iter().all(|it| it.contains(&credential)), "{credential} {signatures:?}");
    assert!(
        signatures.iter().all(|it| it.contains("x-amz-security-token")),
        "the token is signed, too: {signatures:?}"
    );
    assert_eq!(tokens, vec![session_token; signatures.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_identity_becomes_credentials_that_sign_what_is_published() {
    let ambient = Ambient::new("web", &sts().await.endpoint()).await;
    let output = ambient.web_identity(ambient.publish()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(ambient.bench.sqs.counts(&ambient.bench.queue).await.unwrap().visible, 2);
    let asked = ambient.sts.asked();
    assert!(asked.contains("Action=AssumeRoleWithWebIdentity") && asked.contains(TOKEN), "{asked}");
    assert!(asked.contains(&ROLE.replace(':', "%3A").replace('/', "%2F")), "{asked}");
    assert!(ambient.sts.headers("authorization").is_empty(), "the token alone tells who it is");
    let (keys, tokens) = (ambient.sts.told("AccessKeyId"), ambient.sts.told("SessionToken"));
    assert_eq!(keys.len(), 1, "asked once for all requests");
    signed_with(&ambient.sqs, &keys[0], &tokens[0]);
    ambient.no_secret_in(&output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_takes_and_deletes_as_its_web_identity() {
    let ambient = Ambient::new("web-worker", &sts().await.endpoint()).await;
    ambient.bench.published(&["--durations", "0.1", "--count", "5"]).await;
    let worker = ambient.bench.worker_by(ambient.web_identity(ambient.command("worker")), &["--simulate"]).await;
    worker.until_status("five tasks", |status| status.completed == Some(5)).await;
    ambient.bench.until_empty().await;
    let (keys, tokens) = (ambient.sts.told("AccessKeyId"), ambient.sts.told("SessionToken"));
    signed_with(&ambient.sqs, &keys[0], &tokens[0]);
    assert!(!worker.log().contains(TOKEN) && !worker.log().contains(&tokens[0]), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pools_role_is_assumed_by_the_web_identity_with_the_pools_external_id() {
    let ambient = Ambient::new("role", &sts().await.endpoint()).await;
    let output = ambient.web_identity(ambient.check(Some(ROLE), "prod")).output().await.unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && words.contains("can be read"), "{output:?}");
    let asked = ambient.sts.asked();
    let assumed = &asked[asked.find("Action=AssumeRole&").unwrap()..];
    assert!(assumed.contains("RoleSessionName=awp&"), "{assumed}");
    assert!(assumed.contains(&format!("ExternalId={}", EXTERNAL_ID.replace('/', "%2F"))), "{assumed}");
    let (keys, tokens) = (ambient.sts.told("AccessKeyId"), ambient.sts.told("SessionToken"));
    assert_eq!(keys.len(), 2, "its own credentials, and those of the role");
    signed_with(&ambient.sts, &keys[0], &tokens[0]);
    signed_with(&ambient.sqs, &keys[1], &tokens[1]);
    ambient.no_secret_in(&output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_demands_another_external_id_is_refused_in_plain_words() {
    let strict = Sts::start().await.unwrap();
    let keys = strict.user("operator").await.unwrap();
    let role = strict.role("reader", "operator", EXTERNAL_ID).await.unwrap();
    strict.enforce().await.unwrap();
    let ambient = Ambient::new("trust", &strict.endpoint()).await;
    let check = |cluster| with_keys(ambient.check(Some(&role), cluster), &keys.access_key_id, &keys.secret_access_key);
    let output = check("prod").output().await.unwrap();
    assert!(output.status.success(), "its own pool may: {output:?}");
    let output = check("staging").output().await.unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && words.contains(&format!("the role {role} cannot be assumed")), "{output:?}");
    assert!(words.contains("sts:ExternalId staging/agents/research"), "{words}");
    ambient.no_secret_in(&output);
    assert!(!format!("{output:?}").contains(&keys.secret_access_key), "{output:?}");
    strict.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_sts_does_not_know_are_told_as_the_operators_own() {
    let strict = Sts::start().await.unwrap();
    strict.enforce().await.unwrap();
    let ambient = Ambient::new("unknown", &strict.endpoint()).await;
    let check = ambient.check(Some(ROLE), "prod");
    let output = with_keys(check, "AKIAGONE", "planted-hunter2").output().await.unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && words.contains("STS refuses the identity"), "{output:?}");
    ambient.no_secret_in(&output);
    strict.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_that_is_missing_is_told_by_every_command() {
    let ambient = Ambient::new("no-token", &sts().await.endpoint()).await;
    std::fs::remove_file(ambient.token()).unwrap();
    for command in [ambient.check(None, "prod"), ambient.check(Some(ROLE), "prod"), ambient.publish()] {
        let (succeeded, words) = ended(ambient.web_identity(command)).await;
        assert!(!succeeded && words.contains("(AWS_WEB_IDENTITY_TOKEN_FILE) cannot be read"), "{words}");
    }
    ambient.bench.published(&["--durations", "0.1", "--count", "1"]).await;
    let worker = ambient.bench.worker_by(ambient.web_identity(ambient.command("worker")), &["--simulate"]).await;
    let told = async || Ok(worker.log().contains("(AWS_WEB_IDENTITY_TOKEN_FILE) cannot be read").then_some(()));
    wait::until("the worker says so", SOON, told).await.unwrap();
    assert!(ambient.sqs.asked().is_empty() && ambient.sts.asked().is_empty(), "nobody was asked without it");
    std::fs::write(ambient.token(), TOKEN).unwrap();
    worker.until_status("the task, once the token has come", |status| status.completed == Some(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_identity_that_is_refused_is_told_in_plain_words() {
    // The one thing the server cannot: it takes every token.
    let refusal = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                   <Code>InvalidIdentityToken</Code><Message>No provider in your account</Message></Error>\
                   <RequestId>1</RequestId></ErrorResponse>";
    let ambient = Ambient::new("refused", &answering(400, refusal).await).await;
    let (succeeded, words) = ended(ambient.web_identity(ambient.check(None, "prod"))).await;
    assert!(!succeeded && words.contains("the operator's web identity is refused"), "{words}");
    let (succeeded, words) = ended(ambient.web_identity(ambient.check(Some(ROLE), "prod"))).await;
    assert!(!succeeded && words.contains("STS refuses the identity that asks for the role"), "{words}");
    let (succeeded, words) = ended(ambient.web_identity(ambient.publish())).await;
    assert!(!succeeded && words.contains("STS gives no credentials for the role"), "{words}");
    assert!(ambient.sts.asked().contains(TOKEN) && !words.contains(TOKEN), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sts_that_is_away_or_silent_is_told_as_such() {
    let ambient = Ambient::new("away", &sts().await.endpoint()).await;
    let closed = format!("http://127.0.0.1:{}", ports::free().unwrap());
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = (format!("http://{}", silent.local_addr().unwrap()), silent);
    for (endpoint, told) in [
        (&closed, "STS, which gives the credentials, cannot be reached"),
        (&silent.0, "credentials did not come in time"),
    ] {
        let mut check = ambient.web_identity(ambient.check(None, "prod"));
        check.env("AWS_ENDPOINT_URL_STS", endpoint);
        let (succeeded, words) = ended(check).await;
        assert!(!succeeded && words.contains(told), "{words}");
    }
}

/// Whether it succeeded, and what it said.
async fn ended(mut command: Command) -> (bool, String) {
    let output = command.output().await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), format!("{out}{err}"))
}
