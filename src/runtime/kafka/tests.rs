//! What is decided of partitions, without a broker.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::committer::Commit;
use super::metadata::{LIMIT, Ranges};
use super::partition::Point;
use super::partitions::{Out, Partitions, Start};
use super::record::{Key, Record};
use super::*;
use crate::runtime::broker::{Message, Settled};

fn key(partition: i32) -> Key {
    ("work".into(), partition)
}

fn record(partition: i32, offset: i64) -> Record {
    let message = Message { body: vec![0; 100], ..Message::default() };
    Record { key: key(partition), offset, chosen_by: None, headers: Vec::new(), message }
}

fn with(partitions: impl IntoIterator<Item = i32>) -> Partitions {
    let mut held = Partitions::new(CancellationToken::new());
    let start = |partition| Start { key: key(partition), position: 0, inherited: Ranges::new(), committed: true };
    held.assign(partitions.into_iter().map(start).collect());
    held
}

fn arrive(held: &mut Partitions, partition: i32, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        assert!(!held.arrive(record(partition, offset)));
    }
}

fn place(out: &Out) -> (i32, i64) {
    (out.key.1, out.record.offset)
}

/// Says that it is done, as the delivery does; answers who waits for the commit.
fn end(held: &mut Partitions, out: &Out) -> oneshot::Receiver<Settled> {
    let (ack, settled) = oneshot::channel();
    held.done(&out.key, out.tenure, out.record.offset, ack);
    held.gone(&out.key, out.tenure, out.record.clone());
    settled
}

fn commit(held: &mut Partitions) -> Vec<(i32, i64, String)> {
    let due = held.due();
    let told = due.iter().map(|it| (it.key.1, it.point.position, it.point.metadata.clone())).collect();
    for commit in due {
        held.answered(commit);
    }
    told
}

fn refuse(held: &mut Partitions, commit: Commit) {
    held.answered(Commit { refused: Some(RDKafkaErrorCode::RequestTimedOut), ..commit });
}

#[test]
fn partitions_are_served_in_turn() {
    let mut held = with(0..3);
    arrive(&mut held, 0, 0..3);
    arrive(&mut held, 2, 0..1);
    arrive(&mut held, 1, 0..1);
    let order: Vec<_> = std::iter::from_fn(|| held.take()).map(|out| place(&out)).collect();
    assert_eq!(order, [(0, 0), (1, 0), (2, 0), (0, 1), (0, 2)]);
}

#[test]
fn while_partitions_may_move_as_few_as_possible_are_begun() {
    let mut held = with(0..3);
    held.gathers = true;
    (0..3).for_each(|partition| arrive(&mut held, partition, 0..3));
    let outs: Vec<_> = (0..4).map(|_| held.take().unwrap()).collect();
    assert_eq!(outs.iter().map(place).collect::<Vec<_>>(), [(0, 0), (0, 1), (0, 2), (1, 0)]);
    assert!(!held.at_rest(&[key(0)]) && held.at_rest(&[key(2)]));
    // The first partition has ended: the second goes on before another is begun.
    outs[..3].iter().for_each(|out| drop(end(&mut held, out)));
    assert_eq!(held.take().map(|out| place(&out)), Some((1, 1)));
    held.gathers = false;
    assert_eq!(held.take().map(|out| place(&out)), Some((2, 0)));
}

#[test]
fn an_end_is_acknowledged_only_when_it_is_committed() {
    let mut held = with(0..1);
    arrive(&mut held, 0, 0..2);
    let (first, second) = (held.take().unwrap(), held.take().unwrap());
    let mut settled = end(&mut held, &second);
    let due = held.due();
    assert!(settled.try_recv().is_err(), "asked, not answered");
    let Ok([asked]) = <[Commit; 1]>::try_from(due) else { panic!("one partition") };
    assert_eq!(asked.point, Point { position: 0, metadata: "awp1:0:BB".into() });
    refuse(&mut held, asked);
    assert!(settled.try_recv().is_err(), "refused, to be tried again");
    assert_eq!(commit(&mut held), [(0, 0, "awp1:0:BB".into())]);
    assert_eq!(settled.try_recv(), Ok(Settled::Yes));
    end(&mut held, &first);
    assert_eq!(commit(&mut held), [(0, 2, String::new())]);
    assert_eq!(commit(&mut held), [], "nothing has changed");
}

#[test]
fn a_start_without_a_commit_is_committed_at_once() {
    let mut held = Partitions::new(CancellationToken::new());
    held.assign(vec![Start { key: key(0), position: 7, inherited: Ranges::new(), committed: false }]);
    assert_eq!(commit(&mut held), [(0, 7, String::new())]);
}

#[test]
fn a_revoked_partition_is_at_rest_when_its_running_tasks_are_committed() {
    let mut held = with(0..2);
    arrive(&mut held, 0, 0..3);
    let running = held.take().unwrap();
    held.revoke(&[key(0)]);
    assert!(held.take().is_none(), "what was not begun is dropped");
    assert!(held.at_rest(&[key(1)]));
    assert!(!held.at_rest(&[key(0)]));
    let mut settled = end(&mut held, &running);
    assert!(!held.at_rest(&[key(0)]), "done, not committed");
    assert_eq!(commit(&mut held), [(0, 1, String::new())]);
    assert!(held.at_rest(&[key(0)]));
    assert_eq!(settled.try_recv(), Ok(Settled::Yes));
}

#[test]
fn what_is_lost_is_told_to_all_who_work_on_it() {
    let mut held = with(0..2);
    arrive(&mut held, 0, 0..2);
    arrive(&mut held, 1, 0..1);
    let outs: Vec<_> = std::iter::from_fn(|| held.take()).collect();
    let mut waiting = end(&mut held, &outs[2]);
    assert_eq!(held.remove(&[key(0)]), 1, "one still runs");
    assert_eq!(waiting.try_recv(), Ok(Settled::Lost));
    let lost = |out: &Out| out.lost.is_cancelled();
    assert_eq!((place(&outs[0]), lost(&outs[0])), ((0, 0), true));
    assert_eq!((place(&outs[1]), lost(&outs[1])), ((1, 0), false));
    // It comes back: an end of the earlier ownership says nothing of this one.
    held.assign(vec![Start { key: key(0), position: 0, inherited: Ranges::new(), committed: true }]);
    arrive(&mut held, 0, 0..1);
    assert_eq!(end(&mut held, &outs[0]).try_recv(), Ok(Settled::Lost));
    assert_eq!(commit(&mut held), []);
    assert_eq!(held.take().map(|out| place(&out)), Some((0, 0)));
}

#[test]
fn what_was_given_back_is_given_out_again() {
    let mut held = with(0..1);
    arrive(&mut held, 0, 0..2);
    let out = held.take().unwrap();
    held.gone(&out.key, out.tenure, out.record.clone());
    assert_eq!(held.take().map(|out| place(&out)), Some((0, 0)));
    assert_eq!(commit(&mut held), []);
}

#[test]
fn fetching_pauses_while_enough_is_at_hand_and_goes_on_when_little_is_left() {
    let mut held = with(0..2);
    arrive(&mut held, 0, 0..15);
    assert_eq!(held.turns(), (vec![], vec![]));
    arrive(&mut held, 0, 15..16);
    assert_eq!(held.turns(), (vec![key(0)], vec![]));
    assert_eq!(held.turns(), (vec![], vec![]), "said once");
    for _ in 0..12 {
        held.take().unwrap();
    }
    assert_eq!(held.turns(), (vec![], vec![]), "four left");
    held.take().unwrap();
    assert_eq!(held.turns(), (vec![], vec![key(0)]));
}

#[test]
fn large_records_pause_everybody_who_has_one() {
    let mut held = with(0..3);
    for partition in 0..2 {
        for offset in 0..9 {
            let mut large = record(partition, offset);
            large.message.body = vec![0; 1 << 20];
            held.arrive(large);
        }
    }
    assert_eq!(held.turns(), (vec![key(0), key(1)], vec![]));
}

#[test]
fn a_partition_whose_metadata_is_full_begins_no_more() {
    let mut held = with(0..2);
    let mut begun = 0;
    let mut first = None;
    for offset in 0..3000 {
        arrive(&mut held, 0, offset..offset + 1);
        let Some(out) = held.take() else { break };
        begun += 1;
        // Every other one ends; the first never does.
        if first.is_some() && offset % 2 == 0 {
            end(&mut held, &out);
            commit(&mut held);
        }
        first.get_or_insert(out);
    }
    assert!((500..1100).contains(&begun), "{begun} tasks are known");
    assert_eq!(held.turns().0, [key(0)]);
    arrive(&mut held, 1, 0..1);
    assert_eq!(held.take().map(|out| place(&out)), Some((1, 0)), "others go on");
    end(&mut held, &first.unwrap());
    let point = held.due().remove(0).point;
    assert!(point.position > 0 && point.metadata.len() <= LIMIT);
}

#[test]
fn a_broker_that_takes_less_metadata_gets_less() {
    let mut held = with(0..1);
    for offset in 0..1000 {
        arrive(&mut held, 0, offset..offset + 1);
        let Some(out) = held.take() else { break };
        if offset % 2 == 1 {
            end(&mut held, &out);
        }
    }
    let commit = held.due().remove(0);
    let before = commit.point.metadata.len();
    held.shrink_metadata();
    held.shrink_metadata();
    refuse(&mut held, commit);
    let after = held.due().remove(0).point.metadata.len();
    assert!(before > 1000 && after <= 1024, "{before}, {after}");
}

#[test]
fn a_log_that_begins_again_begins_a_new_ownership() {
    let mut held = with(0..1);
    arrive(&mut held, 0, 5..7);
    let old = held.take().unwrap();
    assert!(held.arrive(record(0, 2)));
    assert!(old.lost.is_cancelled());
    assert_eq!(end(&mut held, &old).try_recv(), Ok(Settled::Lost));
    assert_eq!(held.take().map(|out| place(&out)), Some((0, 2)));
}

fn settings() -> Settings {
    Settings {
        connection: Connection {
            bootstrap_servers: "kafka:9092".into(),
            sasl: None,
            tls: false,
            tls_folder: None,
            name: "pod-1".into(),
        },
        topics: vec!["work".into()],
        group: "workers".into(),
        offset_reset: OffsetReset::Latest,
        isolation: Isolation::ReadCommitted,
        group_protocol: GroupProtocol::Auto,
        dead_letter: "work_failed".into(),
        task_timeout: Some(Duration::from_secs(1500)),
    }
}

fn consumer(settings: &Settings, classic: bool) -> ClientConfig {
    settings.consumer(settings.connection.identity().unwrap(), classic).unwrap()
}

#[test]
fn a_worker_that_could_lose_tasks_does_not_start() {
    assert_eq!(settings().check(), Ok(()));
    let without = Settings { dead_letter: String::new(), ..settings() };
    assert_eq!(without.check(), Err(SettingsError::NoDeadLetter));
    assert!(SettingsError::NoDeadLetter.to_string().contains("AWP_DEAD_LETTER"));
    let circle = Settings { dead_letter: "work".into(), ..settings() };
    assert!(circle.check().unwrap_err().to_string().contains("run for ever"));
    assert!(Settings { topics: vec!["a b".into()], ..settings() }.check().is_err());
    assert!(Settings { group: String::new(), ..settings() }.check().is_err());
}

#[test]
fn the_group_waits_longer_than_a_task_may_take() {
    let interval = |task_timeout| {
        let settings = Settings { task_timeout, ..settings() };
        consumer(&settings, false).get("max.poll.interval.ms").unwrap().to_owned()
    };
    assert_eq!(interval(Some(Duration::from_secs(1500))), "1800000");
    assert_eq!(interval(None), "86400000");
    assert_eq!(interval(Some(Duration::from_secs(90_000))), "86400000");
}

#[test]
fn nothing_is_committed_behind_our_back() {
    for classic in [true, false] {
        let config = consumer(&settings(), classic);
        let of = |name| config.get(name);
        assert_eq!((of("enable.auto.commit"), of("enable.auto.offset.store")), (Some("false"), Some("false")));
        assert_eq!(of("group.instance.id"), None, "a dynamic member");
        assert_eq!(of("client.id"), Some("pod-1"));
        assert_eq!(of("auto.offset.reset"), Some("earliest"), "also with Latest: retention skips no task");
        assert_eq!(of("isolation.level"), Some("read_committed"));
        assert_eq!(of("group.protocol"), Some(if classic { "classic" } else { "consumer" }));
        assert_eq!(of("partition.assignment.strategy"), classic.then_some("cooperative-sticky"));
    }
}

#[test]
fn full_metadata_does_not_stop_a_partition_for_ever() {
    let mut held = Partitions::new(CancellationToken::new());
    let inherited: Ranges = (0..2500).map(|n| (1 + 2 * n, 2 + 2 * n)).collect();
    held.assign(vec![Start { key: key(0), position: 0, inherited, committed: true }]);
    arrive(&mut held, 0, 0..4);
    let first = held.take().unwrap();
    assert!(held.take().is_none(), "one at a time");
    end(&mut held, &first);
    assert_eq!(held.take().map(|out| place(&out)), Some((0, 2)));
}
