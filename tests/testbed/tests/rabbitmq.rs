//! RabbitMQ as the tests of other crates use it.

use awp_testbed::rabbitmq;
use awp_testbed::rabbitmq::{Options, RabbitMq, User};

#[tokio::test]
async fn published_messages_are_counted() {
    let rabbitmq = rabbitmq().await;
    let vhost = rabbitmq.vhost("counted").await.unwrap();
    rabbitmq.declare_quorum(&vhost, "tasks").await.unwrap();
    rabbitmq.publish(&vhost, "tasks", (0..1_000).map(|n| format!("{n}").into_bytes())).await.unwrap();
    let counts = rabbitmq.counts(&vhost, "tasks").await.unwrap();
    assert_eq!((counts.ready, counts.unacked, counts.consumers), (1_000, 0, 0));
    assert_eq!(rabbitmq.ready(&vhost, "tasks").await.unwrap(), 1_000);
    rabbitmq.purge(&vhost, "tasks").await.unwrap();
    assert_eq!(rabbitmq.counts(&vhost, "tasks").await.unwrap().ready, 0);
}

#[tokio::test]
async fn a_message_to_a_missing_queue_is_an_error() {
    let rabbitmq = rabbitmq().await;
    let vhost = rabbitmq.vhost("missing").await.unwrap();
    let error = rabbitmq.publish(&vhost, "nobody", [b"lost".to_vec()]).await.unwrap_err();
    assert!(error.to_string().contains("not taken"), "{error}");
}

#[tokio::test]
async fn a_user_logs_in_with_the_new_password_only() {
    let rabbitmq = rabbitmq().await;
    let vhost = rabbitmq.vhost("users").await.unwrap();
    rabbitmq.add_user(User::monitoring("worker", "old"), &vhost).await.unwrap();
    rabbitmq.set_password("worker", "new").await.unwrap();
    for (password, expected) in [("old", false), ("new", true)] {
        let uri = rabbitmq.amqp_uri(&vhost).replacen("amqp://", &format!("amqp://worker:{password}@"), 1);
        assert_eq!(lapin::Connection::connect(&uri, lapin::ConnectionProperties::default()).await.is_ok(), expected);
    }
}

#[tokio::test]
async fn the_tls_listener_is_trusted_with_its_own_authority_only() {
    let rabbitmq = rabbitmq().await;
    let login = format!("amqps://{}:{}@", rabbitmq.admin_user(), rabbitmq.admin_password());
    let uri = rabbitmq.amqps_uri("/").replacen("amqps://", &login, 1);
    let stranger = awp_testbed::base::pki::Authority::new("stranger").unwrap().pem();
    for (authority, expected) in [(rabbitmq.ca_pem(), true), (stranger.as_str(), false)] {
        let tls = lapin::tcp::OwnedTLSConfig { identity: None, cert_chain: Some(authority.to_owned()) };
        let runtime = lapin::runtime::default_runtime().unwrap();
        let properties = lapin::ConnectionProperties::default();
        let connection = lapin::Connection::connect_with_config(&uri, properties, tls, runtime).await;
        assert_eq!(connection.is_ok(), expected, "{connection:?}");
    }
}

#[tokio::test]
async fn a_policy_and_tags_are_as_set() {
    let rabbitmq = rabbitmq().await;
    let vhost = rabbitmq.vhost("policy").await.unwrap();
    rabbitmq.set_policy(&vhost, "dead", "^tasks", &serde_json::json!({"dead-letter-exchange": ""})).await.unwrap();
    let policies = rabbitmq.management_get(&format!("/api/policies/{vhost}")).await.unwrap();
    assert_eq!(policies[0]["definition"]["dead-letter-exchange"], "");
    rabbitmq.add_user(User::monitoring("reader", "old"), &vhost).await.unwrap();
    rabbitmq.set_password("reader", "new").await.unwrap();
    let user = rabbitmq.management_get("/api/users/reader").await.unwrap();
    assert_eq!(user["tags"], serde_json::json!(["monitoring"]));
}

#[tokio::test]
async fn connections_are_counted_and_closed() {
    let rabbitmq = rabbitmq().await;
    let vhost = rabbitmq.vhost("connections").await.unwrap();
    let _first = rabbitmq.connect(&vhost).await.unwrap();
    let _second = rabbitmq.connect(&vhost).await.unwrap();
    assert_eq!(rabbitmq.connections(&vhost).await.unwrap(), 2);
    rabbitmq.close_connections(&vhost).await.unwrap();
    assert_eq!(rabbitmq.connections(&vhost).await.unwrap(), 0);
}

#[tokio::test]
async fn a_node_of_ones_own_keeps_its_messages_over_a_stop_and_a_crash() {
    let rabbitmq = RabbitMq::start(Options::default()).await.unwrap();
    let vhost = rabbitmq.vhost("restart").await.unwrap();
    rabbitmq.declare_classic(&vhost, "tasks").await.unwrap();
    rabbitmq.publish(&vhost, "tasks", [b"kept".to_vec()]).await.unwrap();
    rabbitmq.stop().await.unwrap();
    assert!(rabbitmq.connect(&vhost).await.is_err());
    rabbitmq.start_again().await.unwrap();
    rabbitmq.kill().await.unwrap();
    rabbitmq.start_again().await.unwrap();
    assert_eq!(rabbitmq.counts(&vhost, "tasks").await.unwrap().ready, 1);
}

#[tokio::test]
async fn the_management_api_stops_and_comes_back_while_amqp_goes_on() {
    let rabbitmq = RabbitMq::start(Options::default()).await.unwrap();
    rabbitmq.stop_management().await.unwrap();
    assert!(rabbitmq.management_get("/api/overview").await.is_err());
    let vhost = rabbitmq.vhost("without").await.unwrap();
    rabbitmq.declare_quorum(&vhost, "tasks").await.unwrap();
    rabbitmq.start_management().await.unwrap();
    assert!(rabbitmq.management_get("/api/overview").await.is_ok());
}

#[tokio::test]
async fn a_node_without_management_serves_amqp() {
    let rabbitmq = RabbitMq::start(Options { management: false, tls: false, ..Options::default() }).await.unwrap();
    let vhost = rabbitmq.vhost("plain").await.unwrap();
    rabbitmq.add_user(User::monitoring("worker", "secret"), &vhost).await.unwrap();
    rabbitmq.declare_quorum(&vhost, "tasks").await.unwrap();
}
