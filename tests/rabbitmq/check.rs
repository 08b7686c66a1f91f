//! What `awp check` says of a broker, one fault at a time: each is found in its step, with a remedy, and what was
//! right before it is said to be right.

use std::time::{Duration, Instant};

use awp::brokers::Source;
use awp::brokers::check::{Expected, Outcome, Step, check};
use awp::brokers::rabbitmq::{self as broker, Identity};
use awp_testbed::base::pki::Authority;
use awp_testbed::rabbitmq::User;
use awp_testbed::{RabbitMq, rabbitmq};
use lapin::types::AMQPValue;
use serde_json::json;

use crate::support::{admin, amqp_only, login};

const PASSWORD: &str = "checker-password-4711";

fn source(broker: Identity, queue: &str) -> broker::Source {
    broker::Source { broker, queue: queue.to_owned(), dead_letter_queue: None, declare: None }
}

async fn steps(source: broker::Source, workers_report: bool, minutes: u64) -> Vec<Step> {
    let expected = Expected { task_timeout: Duration::from_secs(minutes * 60), prefetch: 4, workers_report };
    let steps = check(&Source::RabbitMq(source), &expected).await;
    for step in &steps {
        let said = format!("{} {}", step.detail, step.remedy.as_deref().unwrap_or_default());
        assert!(!said.contains(PASSWORD) && !said.contains("hunter2"), "{step:?}");
        let needs_remedy = matches!(step.outcome, Outcome::Failed | Outcome::Warning);
        assert_eq!(step.remedy.is_some(), needs_remedy, "{step:?}");
    }
    steps
}

/// With reporting workers and short tasks.
async fn of(source: broker::Source) -> Vec<Step> {
    steps(source, true, 5).await
}

#[track_caller]
fn outcome<'a>(steps: &'a [Step], name: &str, outcome: Outcome) -> &'a Step {
    let found = steps.iter().find(|step| step.name == name);
    let step = found.unwrap_or_else(|| panic!("no step {name}: {steps:#?}"));
    assert_eq!(step.outcome, outcome, "{steps:#?}");
    step
}

#[track_caller]
fn failed(steps: &[Step], name: &str, says: &str) {
    let step = outcome(steps, name, Outcome::Failed);
    let said = format!("{} → {}", step.detail, step.remedy.as_deref().unwrap_or_default());
    assert!(said.contains(says), "{said}");
}

async fn queue_with_dead_letters(server: &RabbitMq, vhost: &str) {
    let text = |text: &str| AMQPValue::LongString(text.into());
    server.declare_quorum(vhost, "failed").await.unwrap();
    let arguments = [
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("failed")),
    ];
    server.declare(vhost, "tasks", &arguments).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_has_everything_passes_every_step() {
    let server = rabbitmq().await;
    let vhost = server.vhost("check").await.unwrap();
    queue_with_dead_letters(server, &vhost).await;
    let steps = of(source(admin(server, &vhost), "tasks")).await;
    for name in
        ["dns", "tcp", "login", "vhost", "management", "tag", "queueType", "consumerTimeout", "queue", "deadLetter"]
    {
        outcome(&steps, name, Outcome::Passed);
    }
    outcome(&steps, "tls", Outcome::Skipped);
    assert!(outcome(&steps, "deadLetter", Outcome::Passed).detail.contains("\"failed\""), "{steps:#?}");
}

#[tokio::test]
async fn a_host_or_port_that_is_not_there_ends_at_its_own_step() {
    let server = rabbitmq().await;
    let vhost = server.vhost("check-net").await.unwrap();
    let at = |uri: &str| {
        let identity = Identity::new(uri, None, "user", PASSWORD, None, None).unwrap();
        of(source(identity, "tasks"))
    };
    let nowhere = at("amqp://no-such-host.invalid/x").await;
    failed(&nowhere, "dns", "run this in a pod");
    assert!(nowhere.iter().all(|step| step.name != "tcp"), "{nowhere:#?}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    failed(&at(&format!("amqp://{closed}/x")).await, "tcp", "nothing listens there");
    let http = server.amqp_uri(&vhost).replace(&server.amqp_port().to_string(), &server.management_port().to_string());
    failed(&at(&http).await, "login", "check the port");
}

#[tokio::test]
async fn a_broker_that_says_nothing_costs_half_a_minute_at_most() {
    let hole = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("amqp://{}/x", hole.local_addr().unwrap());
    let management = format!("http://{}", hole.local_addr().unwrap());
    let identity = Identity::new(&uri, Some(&management), "user", PASSWORD, None, None).unwrap();
    let begun = Instant::now();
    let steps = of(source(identity, "tasks")).await;
    assert!(begun.elapsed() < Duration::from_secs(32), "{:?}", begun.elapsed());
    outcome(&steps, "tcp", Outcome::Passed);
    failed(&steps, "login", "does not speak");
    outcome(&steps, "management", Outcome::Failed);
}

#[tokio::test]
async fn login_vhost_and_queue_are_told_apart() {
    let server = rabbitmq().await;
    let vhost = server.vhost("check-login").await.unwrap();
    let other = server.vhost("check-other").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.add_user(User::monitoring("checker", PASSWORD), &vhost).await.unwrap();

    let steps = of(source(login(server, &vhost, "checker", "hunter2"), "tasks")).await;
    failed(&steps, "login", "check user name and password");
    failed(&steps, "management", "refuses user \"checker\"");

    let steps = of(source(login(server, &other, "checker", PASSWORD), "tasks")).await;
    outcome(&steps, "login", Outcome::Passed);
    failed(&steps, "vhost", "rabbitmqctl set_permissions");

    let steps = of(source(login(server, &vhost, "checker", PASSWORD), "other")).await;
    outcome(&steps, "vhost", Outcome::Passed);
    failed(&steps, "queue", "create it or correct the name");
}

#[tokio::test]
async fn a_missing_tag_or_management_api_matters_as_far_as_the_workers_do_not_report() {
    let server = rabbitmq().await;
    let vhost = server.vhost("check-tag").await.unwrap();
    queue_with_dead_letters(server, &vhost).await;
    let user = |name, tags| User { name, password: PASSWORD, tags, permissions: ["^$"; 3] };
    server.add_user(user("untagged", ""), &vhost).await.unwrap();
    server.add_user(user("tagged", "management"), &vhost).await.unwrap();

    let untagged = of(source(login(server, &vhost, "untagged", PASSWORD), "tasks")).await;
    failed(&untagged, "management", "rabbitmqctl set_user_tags untagged management");
    outcome(&untagged, "queue", Outcome::Passed);

    let tagged = || source(login(server, &vhost, "tagged", PASSWORD), "tasks");
    outcome(&of(tagged()).await, "tag", Outcome::Passed);
    failed(&steps(tagged(), false, 5).await, "tag", "monitoring");

    let amqp = || source(amqp_only(server, &vhost), "tasks");
    outcome(&of(amqp()).await, "management", Outcome::Skipped);
    failed(&steps(amqp(), false, 5).await, "management", "set managementUri");
}

#[tokio::test]
async fn what_is_wrong_with_a_queue_itself_is_said() {
    let server = rabbitmq().await;
    let vhost = server.vhost("check-queue").await.unwrap();
    let text = |text: &str| AMQPValue::LongString(text.into());
    server.declare(&vhost, "stream", &[("x-queue-type", text("stream"))]).await.unwrap();
    server.declare(&vhost, "single", &[("x-single-active-consumer", AMQPValue::Boolean(true))]).await.unwrap();
    server.declare_quorum(&vhost, "short").await.unwrap();
    server.set_policy(&vhost, "short", "^short$", &json!({ "consumer-timeout": 600_000 })).await.unwrap();
    let on = |queue: &str| source(admin(server, &vhost), queue);

    failed(&of(on("stream")).await, "queueType", "use a quorum or a classic queue");
    let single = of(on("single")).await;
    outcome(&single, "singleActiveConsumer", Outcome::Warning);
    failed(&single, "deadLetter", "set deadLetter.queue");

    failed(&steps(on("short"), true, 25).await, "consumerTimeout", "10 min is below the task timeout of 25 min");
    outcome(&steps(on("short"), true, 5).await, "consumerTimeout", Outcome::Passed);
    outcome(&steps(on("single"), true, 45).await, "consumerTimeout", Outcome::Warning);

    let named = broker::Source { dead_letter_queue: Some("nowhere".to_owned()), ..on("short") };
    failed(&of(named).await, "deadLetter", "create it or correct the name");
}

#[tokio::test]
async fn certificates_are_tried_before_the_login() {
    let server = rabbitmq().await;
    let vhost = server.vhost("check-tls").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    let with = |uri: &str, ca: &str| {
        let (user, password) = (server.admin_user(), server.admin_password());
        let identity = Identity::new(uri, None, user, password, Some(ca.as_bytes().to_vec()), None).unwrap();
        of(source(identity, "tasks"))
    };
    let uri = server.amqps_uri(&vhost);
    let trusted = with(&uri, server.ca_pem()).await;
    assert!(
        outcome(&trusted, "tls", Outcome::Passed).detail.contains("signed by one of the pool's ca.crt"),
        "{trusted:#?}"
    );
    outcome(&trusted, "login", Outcome::Passed);

    let stranger = Authority::new("a stranger").unwrap().pem();
    let refused = with(&uri, &stranger).await;
    failed(&refused, "tls", "signed by an unknown CA");
    assert!(refused.iter().all(|step| step.name != "login"), "{refused:#?}");

    let other_name = with(&uri.replace("localhost", "127.0.0.2"), server.ca_pem()).await;
    let step = other_name.iter().find(|step| step.outcome == Outcome::Failed).unwrap();
    assert!(["tls", "tcp"].contains(&step.name), "{other_name:#?}");

    let plain = uri.replace(&server.tls_port().to_string(), &server.amqp_port().to_string());
    failed(&with(&plain, server.ca_pem()).await, "tls", "amqps and https need a port that speaks TLS");
}
