use super::*;
use crate::kafka::message::{Isolation, Member};

const NOW: Timestamp = Timestamp(100.0);

fn belief(reset: OffsetReset) -> Belief {
    Belief::new(Wanted {
        group: "agents".into(),
        topics: vec!["tasks".into()],
        reset,
        isolation: Isolation::ReadCommitted,
        start_from: None,
        keeps_position: true,
    })
}

/// (start, end, committed) of each partition of `tasks`, at `at` seconds after [`NOW`].
fn looks(at: f64, partitions: &[(i64, i64, Option<i64>)]) -> Looks {
    let look = |(start, end, committed)| Look { start, end, committed };
    let places = (0..).map(|partition| ("tasks".to_owned(), partition));
    Looks {
        at: NOW.plus(at),
        partitions: places.zip(partitions.iter().copied().map(look)).collect(),
        topics: BTreeMap::from([("tasks".to_owned(), [1; 16])]),
        ..Looks::default()
    }
}

fn with_members(looks: Looks, state: &str, members: &[(&str, &[i32])]) -> Looks {
    let member = |(name, partitions): &(&str, &[i32])| Member {
        client_id: (*name).to_owned(),
        assigned: BTreeMap::from([("tasks".to_owned(), partitions.to_vec())]),
    };
    Looks { group: Some(Group { state: state.into(), members: members.iter().map(member).collect() }), ..looks }
}

fn known(belief: &Belief, at: f64) -> QueueCounts {
    match belief.reading(NOW.plus(at)) {
        Some(QueueReading::Known(counts)) => counts,
        other => panic!("{other:?}"),
    }
}

fn unknown(belief: &Belief, at: f64) -> &'static str {
    match belief.reading(NOW.plus(at)) {
        Some(QueueReading::Unknown(why)) => why.reason,
        other => panic!("{other:?}"),
    }
}

fn moved() -> Unknown {
    Unknown { class: ErrorClass::Transient, reason: "CoordinatorMoved", message: String::new() }
}

#[test]
fn lag_is_summed_over_partitions_and_those_that_have_some_are_counted() {
    let mut belief = belief(OffsetReset::Earliest);
    belief.looked(looks(0.0, &[(0, 10, Some(4)), (0, 7, Some(7)), (2, 5, None)]));
    let counts = known(&belief, 0.0);
    assert_eq!((counts.ready, counts.partitions), (9, Some(Partitions { assignable: 3, lagging: 2 })));
}

#[test]
fn a_partition_that_is_added_counts_from_its_first_look() {
    let mut belief = belief(OffsetReset::Earliest);
    belief.looked(looks(0.0, &[(0, 4, Some(4))]));
    belief.looked(looks(1.0, &[(0, 4, Some(4)), (0, 3, None)]));
    assert_eq!(known(&belief, 1.0).ready, 3);
}

#[test]
fn where_a_group_stood_is_known_a_moment_after_its_commits_are_gone_and_not_later() {
    let mut belief = belief(OffsetReset::Latest);
    let place = |partition| ("tasks".to_owned(), partition);
    let notes = Notes::from([(place(0), "awp1:4:BD".to_owned()), (place(1), "mine".to_owned())]);
    belief.looked(Looks { notes, ..looks(0.0, &[(0, 10, Some(4)), (0, 9, Some(9))]) });
    assert_eq!(belief.lost(&looks(1.0, &[(0, 10, Some(4)), (0, 9, Some(9))])), Lost::Nothing);
    let gone = |at| looks(at, &[(0, 10, None), (0, 9, Some(9))]);
    let stood = Lost::Known(BTreeMap::from([(place(0), 4)]), Notes::from([(place(0), "awp1:4:BD".to_owned())]));
    assert_eq!(belief.lost(&gone(1.0)), stood);
    belief.looked(gone(1.0));
    assert_eq!(belief.lost(&gone(59.0)), stood, "it is tried again");
    assert_eq!(belief.lost(&gone(61.0)), Lost::Unknown, "others may have moved it meanwhile");
    let shorter = looks(1.0, &[(0, 3, None), (0, 9, Some(9))]);
    assert_eq!(belief.lost(&shorter), Lost::Unknown, "it is another log");
    let nameless = |looks| Looks { topics: BTreeMap::from([("tasks".to_owned(), [0; 16])]), ..looks };
    belief.looked(nameless(looks(62.0, &[(0, 10, Some(4)), (0, 9, Some(9))])));
    assert_eq!(belief.lost(&nameless(gone(63.0))), Lost::Unknown, "the topic may have been made anew");
}

#[test]
fn commits_that_vanish_are_unknown_and_stay_so() {
    let mut belief = belief(OffsetReset::Latest);
    belief.looked(looks(0.0, &[(0, 10, Some(4))]));
    for at in [1.0, 2.0, 100.0] {
        belief.looked(looks(at, &[(0, 10, None)]));
        assert_eq!(unknown(&belief, at), "CommittedOffsetsExpired");
    }
    belief.looked(looks(101.0, &[(0, 10, Some(6))]));
    assert_eq!(known(&belief, 101.0).ready, 4, "somebody said where to go on");
}

#[test]
fn a_topic_made_anew_has_no_commits_to_miss() {
    let mut belief = belief(OffsetReset::Earliest);
    belief.looked(looks(0.0, &[(0, 10, Some(4))]));
    let anew = Looks { topics: BTreeMap::from([("tasks".to_owned(), [2; 16])]), ..looks(1.0, &[(0, 2, None)]) };
    belief.looked(anew);
    assert_eq!(known(&belief, 1.0).ready, 2);
}

#[test]
fn a_commit_beyond_the_end_is_believed_the_second_time() {
    let mut belief = belief(OffsetReset::Earliest);
    belief.looked(looks(0.0, &[(0, 10, Some(12))]));
    assert_eq!(known(&belief, 0.0).ready, 0, "the end may be from before the commit");
    belief.looked(looks(1.0, &[(0, 10, Some(12))]));
    assert_eq!(known(&belief, 1.0).ready, 10, "the topic was made anew");
    belief.looked(looks(2.0, &[(0, 13, Some(12))]));
    assert_eq!(known(&belief, 2.0).ready, 1);
}

#[test]
fn a_failure_that_passes_keeps_the_last_look_for_a_while_and_no_longer() {
    let mut belief = belief(OffsetReset::Earliest);
    belief.failed(moved());
    assert_eq!(unknown(&belief, 0.0), "CoordinatorMoved", "nothing was seen before");
    belief.looked(looks(0.0, &[(0, 10, Some(4))]));
    belief.failed(moved());
    assert_eq!((known(&belief, 9.0).ready, known(&belief, 9.0).at), (6, NOW), "with its age");
    assert_eq!(unknown(&belief, 11.0), "CoordinatorMoved");
    belief.failed(Unknown { class: ErrorClass::Misconfigured, ..moved() });
    assert_eq!(unknown(&belief, 1.0), "CoordinatorMoved", "what needs a person is told at once");
}

#[test]
fn what_nobody_is_given_is_left_out_until_it_changes() {
    let mut belief = belief(OffsetReset::Earliest);
    let residual = |at| looks(at, &[(0, 11, Some(10))]);
    let suspects = belief.suspects(&residual(0.0), false);
    assert_eq!(suspects.len(), 1, "nobody is there: it is looked at before a worker is woken for it");
    assert!(belief.suspects(&residual(0.0), true).is_empty(), "workers may be about to take it");
    belief.looked(residual(0.0));
    assert_eq!(belief.suspects(&residual(5.0), true), suspects, "nobody takes it");
    belief.looked(residual(5.0));
    for (place, look) in suspects {
        belief.examined(place, look, false);
    }
    assert_eq!(known(&belief, 5.0).ready, 0);
    assert!(belief.suspects(&residual(60.0), true).is_empty(), "it is looked at once");
    belief.looked(looks(61.0, &[(0, 12, Some(10))]));
    assert_eq!(known(&belief, 61.0).ready, 2, "there is more");
}

#[test]
fn a_long_task_is_looked_at_once_and_counts() {
    let mut belief = belief(OffsetReset::Earliest);
    for at in 0..600 {
        let looks = looks(f64::from(at), &[(0, 11, Some(10))]);
        let suspects = belief.suspects(&looks, true);
        belief.looked(looks);
        for (place, look) in suspects {
            assert_eq!(at, 5);
            belief.examined(place, look, true);
        }
    }
    assert_eq!(known(&belief, 599.0).ready, 1);
}

#[test]
fn a_member_holds_at_most_what_is_not_committed_of_its_partitions() {
    let mut belief = belief(OffsetReset::Earliest);
    let all = [(0, 10, Some(10)), (0, 9, Some(4)), (0, 3, Some(3))];
    belief.looked(with_members(looks(0.0, &all), "Stable", &[("a", &[0, 2]), ("b", &[1]), ("c", &[])]));
    let by_worker = known(&belief, 0.0).unacked_by_worker.unwrap();
    assert_eq!(by_worker.counts, BTreeMap::from([("a".into(), 0), ("b".into(), 5), ("c".into(), 0)]));
    belief.looked(with_members(looks(1.0, &all), "PreparingRebalance", &[("a", &[]), ("b", &[])]));
    let during = known(&belief, 1.0).unacked_by_worker.unwrap();
    assert_eq!(during.at, NOW, "while partitions move nothing new is known of anybody");
}

#[test]
fn a_member_that_began_at_the_end_and_committed_nothing_is_not_taken_for_idle() {
    let mut belief = belief(OffsetReset::Latest);
    belief.looked(with_members(looks(0.0, &[(0, 10, None)]), "Stable", &[("a", &[0])]));
    assert_eq!(known(&belief, 0.0).unacked_by_worker, None);
}
