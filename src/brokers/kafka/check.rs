//! `awp check` for Kafka: connects as the operator does, reads and commits nothing.

use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

use super::depths::Found;
use super::round::{Ask, Asks, Reader};
use super::{OffsetReset, Source, errors};
use crate::brokers::check::{Expected, Step};
use crate::clock::Clock;
use crate::kafka::{Cluster, Error};
use crate::scaling::observation::Unknown;

/// Everything that the pool needs of its cluster, step by step. Each wait ends with the client's own
/// limits, so all of it within half a minute.
pub async fn check(source: &Source, expected: &Expected) -> Vec<Step> {
    let mut steps = Vec::new();
    let identity = &source.broker;
    let settings = match source.check().and_then(|()| identity.settings()) {
        Ok(settings) => settings,
        Err(why) => return vec![Step::refused("address", &why)],
    };
    let cluster = Cluster::new(settings);
    match cluster.any().await {
        Ok(_) => steps.push(Step::passed("login", words(source))),
        Err(error) => {
            let why = errors::failed(&error, &identity.address(), identity);
            steps.push(Step::refused("login", &why));
            steps.push(Step::skipped("topics", "without a connection nothing can be tried"));
            return steps;
        }
    }
    if let Err(why) = topics(source, &cluster, expected, &mut steps).await {
        steps.push(Step::refused("topics", &why));
        return steps;
    }
    group(source, &mut steps).await;
    steps
}

fn words(source: &Source) -> String {
    let identity = &source.broker;
    let how = match (&identity.login, identity.encrypted) {
        (Some(login), true) => format!("as {:?} by {} over TLS", login.user, login.mechanism.name()),
        (Some(login), false) => format!("as {:?} by {} without encryption", login.user, login.mechanism.name()),
        (None, true) => "over TLS, without SASL".to_owned(),
        (None, false) => "without encryption and login".to_owned(),
    };
    format!("{} answers {how}", identity.address())
}

/// They exist, may be seen, and every partition has a leader.
async fn topics(source: &Source, cluster: &Cluster, expected: &Expected, steps: &mut Vec<Step>) -> Result<(), Unknown> {
    let identity = &source.broker;
    let of_cluster = |error: Error| errors::failed(&error, &identity.address(), identity);
    let topics = source.wanted.topics.iter().map(String::as_str).collect();
    let topology = cluster.topology(topics).await.map_err(of_cluster)?;
    let mut partitions = 0;
    for name in &source.wanted.topics {
        let topic = topology.topics.iter().find(|topic| topic.name == *name);
        let topic = topic.ok_or_else(|| errors::incomplete(name, 0))?;
        topic.error.map_err(|code| errors::topic(code, name, identity))?;
        if let Some(partition) = topic.partitions.iter().find(|partition| partition.leader < 0) {
            return Err(errors::incomplete(name, partition.index));
        }
        partitions += topic.partitions.len();
    }
    let tasks = partitions * expected.prefetch as usize;
    steps.push(Step::passed(
        "topics",
        format!(
            "{partitions} partitions: at most so many workers, {tasks} tasks at once with {} each",
            expected.prefetch
        ),
    ));
    Ok(())
}

/// What the operator will see, whether it may keep the group's position, and where dead letters go.
async fn group(source: &Source, steps: &mut Vec<Step>) {
    let (wanted, identity) = (&source.wanted, &source.broker);
    // Only ages count here.
    let clock = Clock::starting_at(UNIX_EPOCH);
    let mut reader = match Reader::new(identity, clock, || 0.5) {
        Ok(reader) => reader,
        Err(why) => return steps.push(Step::refused("group", &why)),
    };
    let dead_letters: BTreeSet<String> = source.dead_letter_topic.iter().cloned().collect();
    let groups = vec![Ask { wanted: wanted.clone(), members: true }];
    let mut answers = match reader.look(&Asks { groups, due: dead_letters.clone(), dead_letters }).await {
        Ok(answers) => answers,
        Err(why) => return steps.push(Step::refused("group", &why)),
    };
    match answers.groups.pop().unwrap_or_else(|| Err(errors::incomplete("", 0))) {
        Err(why) => steps.push(Step::refused("group", &why)),
        Ok(looks) => {
            let committed = looks.partitions.values().filter(|look| look.committed.is_some()).count();
            let members = looks.group.map_or(0, |group| group.members.len());
            let all = looks.partitions.len();
            let detail = format!("{members} members, commits on {committed} of {all} partitions");
            steps.push(if committed == 0 && wanted.reset == OffsetReset::Latest && !wanted.keeps_position {
                Step::warning("group", detail, "unpause the pool, so that it keeps where the group begins")
            } else if wanted.start_from.is_some() && (committed > 0 || members > 0) {
                Step::warning("group", detail, "startFrom is for a new group: name one, or remove startFrom")
            } else {
                Step::passed("group", detail)
            });
        }
    }
    steps.push(where_dead_letters_go(&answers.depths));
}

fn where_dead_letters_go(found: &Found) -> Step {
    match found.first_key_value() {
        None => Step::warning(
            "deadLetter",
            "Kafka has no dead letters of its own, and the pool names no deadLetter.queue",
            "name a topic there: `awp worker` does not start without",
        ),
        Some((topic, Ok(depth))) => {
            Step::passed("deadLetter", format!("dead letters go to topic {topic:?}, which holds {depth}"))
        }
        // Workers need other permissions than this one.
        Some((_, Err(why))) if why.reason == "PermissionMissing" => {
            Step::warning("deadLetter", "how full the topic for dead letters is cannot be seen", why.message.clone())
        }
        Some((_, Err(why))) => Step::refused("deadLetter", why),
    }
}
