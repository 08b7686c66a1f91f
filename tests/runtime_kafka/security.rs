//! Logins and encryption.

use std::path::Path;

use awp_testbed::kafka::{ADMIN, ADMIN_PASSWORD, Listener, READER, READER_PASSWORD};
use tokio::process::Command;

use crate::bench::Bench;
use crate::worker_process::Worker;

fn login(folder: &Path, username: &str, password: &str) {
    std::fs::write(folder.join("username"), username).unwrap();
    std::fs::write(folder.join("password"), password).unwrap();
}

/// A worker that comes by `listener`; `args` come before `--simulate`.
fn by(bench: &Bench, listener: Listener, args: &[&str]) -> Worker {
    let mut command = Command::new(env!("CARGO_BIN_EXE_awp"));
    command.arg("worker").args(args).arg("--simulate");
    command.env("AWP_BOOTSTRAP_SERVERS", bench.kafka.bootstrap_by(listener).join(","));
    bench.spawn(command)
}

async fn works(bench: &Bench, worker: &Worker) {
    bench.published(&["--durations", "0"]).await;
    worker.until_status("done", |status| status.completed == Some(1) && status.in_flight == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mechanism_logs_in() {
    for (mechanism, listener) in
        [("Plain", Listener::Sasl), ("ScramSha256", Listener::SaslTls), ("ScramSha512", Listener::SaslTls)]
    {
        let bench = Bench::new("login", 1).await;
        login(bench.folder.path(), ADMIN, ADMIN_PASSWORD);
        std::fs::write(bench.path("ca.crt"), bench.kafka.ca_pem()).unwrap();
        let folder = bench.folder.path().to_str().unwrap();
        let mut args = vec!["--sasl-mechanism", mechanism, "--credentials-dir", folder];
        if listener == Listener::SaslTls {
            args.extend(["--tls-dir", folder]);
        }
        let worker = by(&bench, listener, &args);
        works(&bench, &worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown() {
    let bench = Bench::new("mutual", 1).await;
    let identity = bench.kafka.client_certificate(ADMIN).unwrap();
    std::fs::write(bench.path("ca.crt"), bench.kafka.ca_pem()).unwrap();
    let folder = bench.folder.path().to_str().unwrap().to_owned();
    let without = by(&bench, Listener::MutualTls, &["--tls-dir", &folder]);
    without.until_log("no tasks to be had").await;
    assert!(!without.ready().await);
    // It would read the files again and take the partition.
    drop(without);
    std::fs::write(bench.path("tls.crt"), identity.certificate).unwrap();
    std::fs::write(bench.path("tls.key"), identity.key).unwrap();
    let worker = by(&bench, Listener::MutualTls, &["--tls-dir", &folder]);
    works(&bench, &worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_certificate_is_refused() {
    let bench = Bench::new("unknown", 1).await;
    let worker = by(&bench, Listener::Tls, &["--tls"]);
    worker.until_log("ca.crt").await;
    assert!(!worker.ready().await);
    // Also by librdkafka, which is asked alone where the protocol is given.
    let worker = by(&bench, Listener::Tls, &["--tls", "--group-protocol", "Consumer"]);
    worker.until_log("certificate verify failed").await;
    assert!(!worker.ready().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_a_corrected_one_is_used() {
    let bench = Bench::new("wrong", 1).await;
    login(bench.folder.path(), ADMIN, "hunter2");
    let folder = bench.folder.path().to_str().unwrap().to_owned();
    let worker = by(&bench, Listener::Sasl, &["--sasl-mechanism", "ScramSha512", "--credentials-dir", &folder]);
    worker.until_log("a wrong password, mechanism or protocol").await;
    login(bench.folder.path(), ADMIN, ADMIN_PASSWORD);
    works(&bench, &worker).await;
    assert!(!worker.log().iter().any(|line| line.contains("hunter2")), "{:#?}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_rotates_under_a_running_worker_is_taken_up() {
    let kafka = crate::faults::own("").await;
    let bench = Bench::on(kafka, "rotates", 1).await;
    login(bench.folder.path(), ADMIN, ADMIN_PASSWORD);
    let folder = bench.folder.path().to_str().unwrap().to_owned();
    let worker = by(&bench, Listener::Sasl, &["--sasl-mechanism", "ScramSha512", "--credentials-dir", &folder]);
    worker.until_log("partitions taken").await;
    let user = [
        "--entity-type",
        "users",
        "--entity-name",
        ADMIN,
        "--alter",
        "--add-config",
        "SCRAM-SHA-512=[password=new-one]",
    ];
    let servers = bench.bootstrap();
    let args = [&["--bootstrap-server", &servers][..], &user].concat();
    kafka.tool("kafka.admin.ConfigCommand", &args).await.unwrap();
    login(bench.folder.path(), ADMIN, "new-one");
    // Those who are connected stay so; whoever connects anew needs the new one.
    kafka.broker(1).unwrap().kill().await.unwrap();
    kafka.start_again(1).await.unwrap();
    works(&bench, &worker).await;
    worker.until_log("joining again with the new ones").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_permissions_is_told_which() {
    let bench = Bench::new("forbidden", 1).await;
    login(bench.folder.path(), READER, READER_PASSWORD);
    let folder = bench.folder.path().to_str().unwrap().to_owned();
    let worker = by(&bench, Listener::Sasl, &["--sasl-mechanism", "ScramSha256", "--credentials-dir", &folder]);
    worker.until_log("grant it Read").await;
    assert!(!worker.ready().await);
}
