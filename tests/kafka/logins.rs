//! Every way in, and what is said when one is shut.

use awp::brokers::kafka::{Identity, Login, Mechanism, OffsetReset, TlsFiles, Wanted};
use awp_testbed::kafka::{ADMIN, ADMIN_PASSWORD, Kafka, Listener, READER, READER_PASSWORD};

use crate::support::{ASLEEP, BUSY, identity, readers, wanted, watch};

const MECHANISMS: [Mechanism; 3] = [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512];

fn login(mechanism: Mechanism, user: &str, password: &str) -> Login {
    Login { mechanism, user: user.to_owned(), password: password.to_owned() }
}

fn by(kafka: &Kafka, listener: Listener, login: Option<Login>) -> Identity {
    let encrypted = !matches!(listener, Listener::Plaintext | Listener::Sasl);
    let files = TlsFiles { ca_pem: encrypted.then(|| kafka.ca_pem().into_bytes()), client_pem: None };
    Identity { encrypted, files, login, ..identity(kafka.bootstrap_by(listener)) }
}

async fn topic(kafka: &Kafka) -> String {
    let topic = kafka.topic("tasks", 1).await.unwrap();
    kafka.produce(&topic, 0, &["a"; 3]).await.unwrap();
    topic
}

#[tokio::test]
async fn every_mechanism_logs_in_with_and_without_encryption() {
    let kafka = awp_testbed::kafka().await;
    let wanted = wanted(&kafka.name("group"), &[&topic(kafka).await]);
    let readers = readers();
    for listener in [Listener::Sasl, Listener::SaslTls] {
        for mechanism in MECHANISMS {
            let identity = by(kafka, listener, Some(login(mechanism, ADMIN, ADMIN_PASSWORD)));
            watch(&readers, &identity, &wanted, BUSY).lag(3).await;
        }
    }
    watch(&readers, &by(kafka, Listener::Tls, None), &wanted, BUSY).lag(3).await;
}

#[tokio::test]
async fn a_client_certificate_is_a_login() {
    let kafka = awp_testbed::kafka().await;
    let wanted = wanted(&kafka.name("group"), &[&topic(kafka).await]);
    let readers = readers();
    let without = by(kafka, Listener::MutualTls, None);
    watch(&readers, &without, &wanted, BUSY).unknown("TlsFailed").await;
    let own = kafka.client_certificate(ADMIN).unwrap();
    let client_pem = Some((own.certificate.into_bytes(), own.key.into_bytes()));
    let with = Identity { files: TlsFiles { client_pem, ..without.files.clone() }, ..without };
    watch(&readers, &with, &wanted, BUSY).lag(3).await;
}

#[tokio::test]
async fn a_wrong_password_is_said_to_be_one_and_never_shown() {
    let kafka = awp_testbed::kafka().await;
    let wanted = wanted(&kafka.name("group"), &[&topic(kafka).await]);
    let readers = readers();
    for mechanism in MECHANISMS {
        for (user, password) in [(ADMIN, "planted-hunter2"), ("nobody", "planted-hunter2")] {
            let identity = by(kafka, Listener::Sasl, Some(login(mechanism, user, password)));
            let why = watch(&readers, &identity, &wanted, BUSY).unknown("LoginRefused").await;
            assert!(why.message.contains("check user name, password") && why.message.contains(user), "{why}");
            assert!(!why.to_string().contains("hunter2"), "{why}");
            assert!(!format!("{identity:?}").contains("hunter2"));
        }
    }
}

#[tokio::test]
async fn the_wrong_way_in_is_named() {
    let kafka = awp_testbed::kafka().await;
    let wanted = wanted(&kafka.name("group"), &[&topic(kafka).await]);
    let readers = readers();
    let admin = || Some(login(Mechanism::Plain, ADMIN, ADMIN_PASSWORD));
    let without_tls = Identity { encrypted: false, files: TlsFiles::default(), ..by(kafka, Listener::Tls, None) };
    let stranger = Identity { files: TlsFiles::default(), ..by(kafka, Listener::Tls, None) };
    let tls_to_plain = Identity { encrypted: true, ..identity(kafka.bootstrap()) };
    let nobody = identity(vec!["localhost:1".to_owned()]);
    for (identity, reason, words) in [
        (by(kafka, Listener::Sasl, None), "BrokerUnreachable", "wants TLS or a login"),
        (by(kafka, Listener::Plaintext, admin()), "MechanismRefused", "remove sasl"),
        (without_tls, "NotKafka", "whether it wants tls"),
        (stranger, "TlsFailed", "unknown CA"),
        (tls_to_plain, "BrokerUnreachable", ""),
        (nobody, "BrokerUnreachable", "connection refused"),
    ] {
        let why = watch(&readers, &identity, &wanted, BUSY).unknown(reason).await;
        assert!(why.message.contains(words), "{why}");
    }
}

#[tokio::test]
async fn missing_permissions_are_named_one_by_one() {
    let kafka = awp_testbed::kafka().await;
    let (topic, group) = (topic(kafka).await, kafka.name("group"));
    let latest = Wanted { reset: OffsetReset::Latest, ..wanted(&group, &[&topic]) };
    let readers = readers();
    let reader = by(kafka, Listener::Sasl, Some(login(Mechanism::ScramSha512, READER, READER_PASSWORD)));
    let pool = watch(&readers, &reader, &latest, ASLEEP);
    let needed = |what: &str| {
        let words = format!("--operation Describe {what}");
        let pool = &pool;
        async move {
            let said = || pool.subscription.gaps().ready.filter(|why| why.message.contains(&words));
            assert_eq!(pool.wait(&words, said).await.reason, "PermissionMissing");
        }
    };
    needed(&format!("--topic {topic}")).await;
    kafka.allow(&["--operation", "Describe", "--topic", &topic]).await.unwrap();
    needed(&format!("--group {group}")).await;
    kafka.allow(&["--operation", "Describe", "--group", &group]).await.unwrap();
    pool.lag(0).await;
    let position = |why: &awp::scaling::observation::Unknown| why.message.contains("may not commit");
    let gap = pool.gap("the position", |gaps| gaps.ready.filter(position)).await;
    assert!(gap.message.contains("allow Read on the group and on its topics"), "{gap}");
    kafka.allow(&["--operation", "Read", "--group", &group, "--topic", &topic]).await.unwrap();
    pool.wait("the position is kept", || pool.subscription.gaps().ready.is_none().then_some(())).await;
    assert_eq!(kafka.committed(&group, &topic, &[0]).await.unwrap(), [(0, 3)]);
}
