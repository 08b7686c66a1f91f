//! Who may read, and what is said to those who may not.

use awp::scaling::observation::ErrorClass;
use awp_testbed::rabbitmq;
use awp_testbed::rabbitmq::User;

use crate::support::{BUSY, BY_WORKER, admin, login, readers, tasks, watch};

const NOTHING: [&str; 3] = ["^$"; 3];

#[tokio::test]
async fn three_empty_permissions_and_the_tag_management_are_enough_for_reading() {
    let server = rabbitmq().await;
    let vhost = server.vhost("least").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(3)).await.unwrap();
    // Characters that would break a URI.
    let password = "p:a/s@s%2F?#w ö";
    server.add_user(User { name: "least", password, tags: "management", permissions: NOTHING }, &vhost).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &login(server, &vhost, "least", password), "tasks").with(BUSY);
    let counts = watching.known("ready and unacked", |counts| counts.unacked.is_some()).await;
    assert_eq!((counts.ready, counts.unacked.map(|unacked| unacked.count)), (3, Some(0)));
}

#[tokio::test]
async fn a_wrong_password_is_said_once_per_broker_and_never_shown() {
    let server = rabbitmq().await;
    let vhost = server.vhost("wrong").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &login(server, &vhost, server.admin_user(), "hunter2"), "tasks").with(BUSY);
    let why = watching.unknown("LoginRefused").await;
    assert_eq!(why.class, ErrorClass::Misconfigured);
    assert!(why.message.contains("Secret") && !why.to_string().contains("hunter2"), "{why}");
    let gap = watching.gap("management's refusal", |gaps| gaps.in_flight).await;
    assert_eq!(gap.reason, "LoginRefused");
}

#[tokio::test]
async fn a_rotated_password_works_beside_the_old_one_that_is_refused() {
    let server = rabbitmq().await;
    let vhost = server.vhost("rotated").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(2)).await.unwrap();
    server.add_user(User::monitoring("rotating", "old"), &vhost).await.unwrap();
    let readers = readers();
    let old = watch(&readers, &login(server, &vhost, "rotating", "old"), "tasks");
    old.ready(2).await;
    server.set_password("rotating", "new").await.unwrap();
    let new = watch(&readers, &login(server, &vhost, "rotating", "new"), "tasks");
    new.ready(2).await;
    server.close_connections(&vhost).await.unwrap();
    old.unknown("LoginRefused").await;
    drop(old);
    new.ready(2).await;
}

#[tokio::test]
async fn without_a_tag_ready_is_read_and_the_missing_tag_is_named() {
    let server = rabbitmq().await;
    let vhost = server.vhost("tagless").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(3)).await.unwrap();
    let user = User { name: "tagless", password: "secret", tags: "", permissions: NOTHING };
    server.add_user(user, &vhost).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &login(server, &vhost, "tagless", "secret"), "tasks").with(BUSY);
    assert_eq!(watching.ready(3).await.unacked, None);
    let gap = watching.gap("the missing tag", |gaps| gaps.in_flight).await;
    assert_eq!(gap.reason, "PermissionMissing");
    assert!(gap.message.contains("set_user_tags tagless management"), "{gap}");
}

#[tokio::test]
async fn without_a_row_of_permissions_the_command_that_adds_it_is_shown() {
    let server = rabbitmq().await;
    let vhost = server.vhost("row").await.unwrap();
    let elsewhere = server.vhost("elsewhere").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.add_user(User::monitoring("stranger", "secret"), &elsewhere).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &login(server, &vhost, "stranger", "secret"), "tasks").with(BUSY);
    let why = watching.unknown("VhostForbidden").await;
    assert!(why.message.contains("set_permissions"), "{why}");
    let gap = watching.gap("management's refusal", |gaps| gaps.in_flight).await;
    assert_eq!(gap.reason, "VhostForbidden");
}

#[tokio::test]
async fn a_vhost_that_does_not_exist_is_said() {
    let server = rabbitmq().await;
    let readers = readers();
    let identity = login(server, "no such vhost", server.admin_user(), server.admin_password());
    let watching = watch(&readers, &identity, "tasks");
    let why = watching.unknown("VhostMissing").await;
    assert!(why.message.contains("no such vhost"), "{why}");
}

#[tokio::test]
async fn with_the_tag_management_alone_counts_by_worker_are_not_to_be_had() {
    let server = rabbitmq().await;
    let vhost = server.vhost("own").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(3)).await.unwrap();
    let user = User { name: "narrow", password: "secret", tags: "management", permissions: NOTHING };
    server.add_user(user, &vhost).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &login(server, &vhost, "narrow", "secret"), "tasks").with(BY_WORKER);
    let gap = watching.gap("the missing tag", |gaps| gaps.by_worker).await;
    assert_eq!(gap.reason, "PermissionMissing");
    assert!(gap.message.contains("set_user_tags narrow monitoring"), "{gap}");
    let counts = watching.known("unacked", |counts| counts.unacked.is_some()).await;
    assert_eq!(counts.unacked_by_worker, None);
}

#[tokio::test]
async fn a_vhost_may_be_called_anything() {
    let server = rabbitmq().await;
    let vhost = server.vhost("team a/ö %2F?#").await.unwrap();
    server.declare_quorum(&vhost, "tasks").await.unwrap();
    server.publish(&vhost, "tasks", tasks(3)).await.unwrap();
    let readers = readers();
    let watching = watch(&readers, &admin(server, &vhost), "tasks").with(BUSY);
    watching.known("ready and unacked", |counts| counts.ready == 3 && counts.unacked.is_some()).await;
}
