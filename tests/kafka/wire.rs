//! The wire client itself: every version that it writes, against a real broker.

use std::time::Duration;

use awp::kafka::message::{Committed, FetchCommits, FindCoordinators, Metadata, Request};
use awp::kafka::{Cluster, Partitions, Settings};
use awp_testbed::{Kafka, kafka};

fn cluster(kafka: &Kafka) -> Cluster {
    let address: std::net::SocketAddr = kafka.bootstrap()[0].parse().unwrap();
    Cluster::new(Settings {
        bootstrap: vec![(address.ip().to_string(), address.port())],
        tls: None,
        login: None,
        client_id: "wire-test".to_owned(),
        connect_limit: Duration::from_secs(20),
        request_limit: Duration::from_secs(20),
        refuse: |_| false,
        tls_words: |_| None,
    })
}

fn versions<R: Request>() -> std::ops::RangeInclusive<i16> {
    R::VERSIONS.0..=R::VERSIONS.1
}

#[tokio::test]
async fn what_older_brokers_are_told_is_understood_and_answered_alike() {
    let kafka = kafka().await;
    let (topic, group) = (kafka.topic("tasks", 2).await.unwrap(), kafka.name("group"));
    kafka.produce(&topic, 1, &["a"; 5]).await.unwrap();
    kafka.commit(&group, &topic, &[(1, 3)]).await.unwrap();
    let cluster = cluster(kafka);
    let broker = cluster.any().await.unwrap();
    for version in versions::<Metadata<'_>>() {
        let drawn = broker.call_in(version, &Metadata { topics: vec![&topic] }).await.unwrap();
        assert!(drawn.cluster.as_ref().is_some_and(|id| !id.is_empty()), "version {version}");
        assert_eq!((drawn.nodes.len(), drawn.topics[0].partitions.len()), (1, 2), "version {version}");
        assert_eq!(drawn.topics[0].id == [0; 16], version < 10, "only newer ones tell it");
    }
    for version in versions::<FindCoordinators<'_>>() {
        let found = broker.call_in(version, &FindCoordinators { groups: vec![&group] }).await.unwrap();
        assert_eq!(found[&group], Ok(1), "version {version}");
    }
    let partitions = Partitions::from([(topic.clone(), vec![0, 1])]);
    for version in versions::<FetchCommits<'_>>() {
        let asked = FetchCommits { groups: vec![(&group, &partitions)] };
        let commits = broker.call_in(version, &asked).await.unwrap().remove(&group).unwrap().unwrap();
        let offset = |commit: &Option<Committed>| commit.as_ref().map(|commit| commit.offset);
        let committed = |partition| commits[&(topic.clone(), partition)].as_ref().map(offset).map_err(|code| *code);
        assert_eq!((committed(0), committed(1)), (Ok(None), Ok(Some(3))), "version {version}");
    }
}
