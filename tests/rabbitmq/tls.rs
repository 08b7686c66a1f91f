//! Certificates: a private CA, none, and one of ours.

use awp::brokers::rabbitmq::Identity;
use awp::scaling::observation::{ErrorClass, Unknown};
use awp_testbed::base::pki::Authority;
use awp_testbed::rabbitmq;
use awp_testbed::rabbitmq::{Options, RabbitMq};

use crate::support::{BUSY, readers, tasks, watch};

#[tokio::test]
async fn a_private_ca_is_trusted_where_the_pool_names_it_and_nowhere_else() {
    let server = rabbitmq().await;
    let vhost = server.vhost("tls").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(2)).await.unwrap();
    let readers = readers();
    let with = |ca: &str| identity(server, &server.amqps_uri(&vhost), None, Some(ca), None).unwrap();
    watch(&readers, &with(server.ca_pem()), "tasks").ready(2).await;

    let stranger = Authority::new("a stranger").unwrap().pem();
    let why = watch(&readers, &with(&stranger), "tasks").unknown("TlsFailed").await;
    assert_eq!(why.class, ErrorClass::Misconfigured);
    assert!(why.message.contains("ca.crt"), "{why}");

    // The system's roots, or the lack of them.
    let system = identity(server, &server.amqps_uri(&vhost), None, None, None).unwrap();
    let refused = watch(&readers, &system, "tasks");
    let why = refused.wait("a refusal", || refused.subscription.gaps().ready).await;
    assert!(["TlsFailed", "TlsInvalid"].contains(&why.reason), "{why}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let server = rabbitmq().await;
    let vhost = server.vhost("name").await.unwrap();
    // ::1 and 127.0.0.2 lead to this machine as well, but are not in the certificate.
    let uri = server.amqps_uri(&vhost).replace("localhost", "127.0.0.2");
    let readers = readers();
    let watching = watch(&readers, &identity(server, &uri, None, Some(server.ca_pem()), None).unwrap(), "tasks");
    let why = watching.wait("a refusal", || watching.subscription.gaps().ready).await;
    assert!(["TlsFailed", "BrokerUnreachable"].contains(&why.reason), "{why}");
}

#[tokio::test]
async fn plain_amqp_on_a_tls_port_and_amqp_on_an_http_port_end_with_a_reason() {
    let server = rabbitmq().await;
    let vhost = server.vhost("port").await.unwrap();
    let readers = readers();
    for port in [server.tls_port(), server.management_port()] {
        let uri = format!("amqp://127.0.0.1:{port}/{vhost}");
        let watching = watch(&readers, &identity(server, &uri, None, None, None).unwrap(), "tasks");
        let why = watching.wait("a refusal", || watching.subscription.gaps().ready).await;
        assert!(["NotAmqp", "BrokerUnreachable"].contains(&why.reason), "{port}: {why}");
    }
    let uri = format!("amqps://127.0.0.1:{}/{vhost}", server.amqp_port());
    let tls = identity(server, &uri, None, Some(server.ca_pem()), None).unwrap();
    let watching = watch(&readers, &tls, "tasks");
    let why = watching.wait("a refusal", || watching.subscription.gaps().ready).await;
    assert!(["TlsFailed", "BrokerUnreachable"].contains(&why.reason), "{why}");
}

#[tokio::test]
async fn a_client_certificate_opens_a_broker_that_insists_on_one() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("a broker's own").unwrap();
    authority.server("localhost", &["localhost", "127.0.0.1"]).unwrap().write(folder.path(), "server").unwrap();
    let ours = authority.client("awp-operator", None).unwrap();
    std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    let path = folder.path().display();
    let port = awp_testbed::base::ports::free().unwrap();
    let tls_port = awp_testbed::base::ports::free().unwrap();
    let mut extra = vec![
        format!("listeners.ssl.1 = 127.0.0.1:{tls_port}"),
        format!("management.ssl.port = {port}"),
        "management.ssl.ip = 127.0.0.1".to_owned(),
    ];
    for prefix in ["ssl_options", "management.ssl"] {
        extra.push(format!("{prefix}.cacertfile = {path}/ca.crt"));
        extra.push(format!("{prefix}.certfile = {path}/server.crt"));
        extra.push(format!("{prefix}.keyfile = {path}/server.key"));
        extra.push(format!("{prefix}.verify = verify_peer"));
        extra.push(format!("{prefix}.fail_if_no_peer_cert = true"));
    }
    let server = RabbitMq::start(Options { tls: false, extra: extra.join("\n"), ..Options::default() }).await.unwrap();
    let vhost = server.vhost("mutual").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(2)).await.unwrap();
    let uri = format!("amqps://localhost:{tls_port}/{vhost}");
    let management = format!("https://localhost:{port}");
    let ca = authority.pem();
    let readers = readers();

    let client = Some((ours.certificate.clone().into_bytes(), ours.key.clone().into_bytes()));
    let known = identity(&server, &uri, Some(&management), Some(&ca), client).unwrap();
    let watching = watch(&readers, &known, "tasks").with(BUSY);
    watching.known("ready and unacked", |counts| counts.ready == 2 && counts.unacked.is_some()).await;

    let stranger = identity(&server, &uri, Some(&management), Some(&ca), None).unwrap();
    let refused = watch(&readers, &stranger, "tasks").with(BUSY);
    let why = refused.wait("a refusal", || refused.subscription.gaps().ready).await;
    assert!(["TlsFailed", "BrokerUnreachable"].contains(&why.reason), "{why}");
    refused.gap("management's refusal", |gaps| gaps.in_flight).await;
}

fn identity(
    server: &RabbitMq,
    uri: &str,
    management: Option<&str>,
    ca: Option<&str>,
    client: Option<(Vec<u8>, Vec<u8>)>,
) -> Result<Identity, Unknown> {
    let ca = ca.map(|pem| pem.as_bytes().to_vec());
    Identity::new(uri, management, server.admin_user(), server.admin_password(), ca, client)
}
