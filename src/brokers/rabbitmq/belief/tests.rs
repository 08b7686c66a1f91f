//! Tables: looks with their times, and what is read in the end.

use std::collections::BTreeMap;

use super::*;
use crate::scaling::observation::ErrorClass;

#[derive(Clone)]
enum Look {
    /// Ready, consumers.
    Declared(u64, u64),
    Failed(&'static str),
    /// Ready, unacked of a healthy quorum queue.
    Row(u64, u64),
    Classic(u64, u64),
    /// A state that is not health.
    Down(u64, u64),
    MemberOffline(u64, u64),
    /// Listed without counts.
    NoTotals,
    Absent,
    ListFailed,
}

use Look::{Absent, Classic, Declared, Down, Failed, ListFailed, MemberOffline, NoTotals, Row as Quorum};

fn row(ready: u64, unacked: u64, state: &str, queue_type: &str) -> Row {
    Row {
        ready: Some(ready),
        unacked: Some(unacked),
        state: Some(state.to_owned()),
        all_online: Some(true),
        queue_type: Some(queue_type.to_owned()),
    }
}

fn failure(reason: &'static str) -> Unknown {
    let class = if reason == "BrokerUnreachable" { ErrorClass::Transient } else { ErrorClass::Misconfigured };
    Unknown { class, reason, message: String::new() }
}

fn see(belief: &mut Belief, look: &Look, at: Timestamp, workers: bool) {
    match look.clone() {
        Declared(ready, consumers) => belief.declared(ready, consumers, at),
        Failed(reason) => belief.declare_failed(failure(reason), workers, at),
        Quorum(ready, unacked) => belief.listed(Some(row(ready, unacked, "running", "quorum")), at),
        Classic(ready, unacked) => belief.listed(Some(row(ready, unacked, "running", "classic")), at),
        Down(ready, unacked) => belief.listed(Some(row(ready, unacked, "down", "quorum")), at),
        MemberOffline(ready, unacked) => {
            let row = Row { all_online: Some(false), ..row(ready, unacked, "running", "quorum") };
            belief.listed(Some(row), at);
        }
        NoTotals => {
            let row = Row { ready: None, unacked: None, ..row(0, 0, "running", "quorum") };
            belief.listed(Some(row), at);
        }
        Absent => belief.listed(None, at),
        ListFailed => belief.list_failed(failure("ManagementUnreachable")),
    }
}

/// `5@3` is five ready as of second 3; `+2@1` adds two unacked as of second 1.
fn shown(reading: Option<QueueReading>) -> String {
    match reading {
        None => "nothing".to_owned(),
        Some(QueueReading::Unknown(why)) => why.reason.to_owned(),
        Some(QueueReading::Known(counts)) => {
            let unacked = counts.unacked.map(|unacked| format!("+{}@{}", unacked.count, unacked.at.0));
            format!("{}@{}{}", counts.ready, counts.at.0, unacked.unwrap_or_default())
        }
    }
}

struct Case {
    name: &'static str,
    workers: bool,
    looks: Vec<(f64, Look)>,
    now: f64,
    expected: &'static str,
}

fn check(listable: bool, cases: Vec<Case>) {
    for Case { name, workers, looks, now, expected } in cases {
        let mut belief = Belief::new(listable);
        for (at, look) in &looks {
            see(&mut belief, look, Timestamp(*at), workers);
        }
        assert_eq!(shown(belief.reading(workers, Timestamp(now))), expected, "{name}");
    }
}

fn case(name: &'static str, workers: bool, looks: Vec<(f64, Look)>, now: f64, expected: &'static str) -> Case {
    Case { name, workers, looks, now, expected }
}

#[test]
fn by_declares_alone() {
    check(
        false,
        vec![
            case("nothing seen", false, vec![], 0.0, "nothing"),
            case("messages are believed at once", false, vec![(1.0, Declared(5, 0))], 1.0, "5@1"),
            case("a zero with consumers too", true, vec![(1.0, Declared(0, 2))], 1.0, "0@1"),
            case("a zero without waits", false, vec![(1.0, Declared(0, 0))], 1.0, "EmptyUnconfirmed"),
            case(
                "for a second look more than five seconds later",
                false,
                vec![(1.0, Declared(0, 0)), (6.1, Declared(0, 0))],
                6.1,
                "0@6.1",
            ),
            case(
                "without a message in between",
                false,
                vec![(1.0, Declared(0, 0)), (4.0, Declared(1, 0)), (6.1, Declared(0, 0))],
                6.1,
                "EmptyUnconfirmed",
            ),
            case(
                "and without an outage in between",
                false,
                vec![(1.0, Declared(0, 0)), (4.0, Failed("BrokerUnreachable")), (6.1, Declared(0, 0))],
                6.1,
                "EmptyUnconfirmed",
            ),
            case(
                "never while there are workers",
                true,
                vec![(1.0, Declared(0, 0)), (60.0, Declared(0, 0))],
                60.0,
                "EmptyWithoutConsumers",
            ),
            case("a failure before any answer", false, vec![(1.0, Failed("LoginRefused"))], 1.0, "LoginRefused"),
            case(
                "a short outage leaves the last answer and its age",
                false,
                vec![(1.0, Declared(5, 0)), (3.0, Failed("BrokerUnreachable"))],
                8.0,
                "5@1",
            ),
            case(
                "a longer one does not",
                false,
                vec![(1.0, Declared(5, 0)), (3.0, Failed("BrokerUnreachable")), (9.0, Failed("BrokerUnreachable"))],
                12.0,
                "BrokerUnreachable",
            ),
            case(
                "what a person must mend is said at once",
                false,
                vec![(1.0, Declared(5, 0)), (3.0, Failed("QueueMissing"))],
                3.0,
                "QueueMissing",
            ),
            case(
                "a zero in doubt is not kept over an outage",
                false,
                vec![(1.0, Declared(0, 0)), (3.0, Failed("BrokerUnreachable"))],
                3.0,
                "BrokerUnreachable",
            ),
        ],
    );
}

#[test]
fn zeros_with_a_list_at_hand() {
    let zeros = |list: Vec<(f64, Look)>| {
        let mut looks = vec![(1.0, Declared(0, 0)), (9.0, Declared(0, 0))];
        looks.extend(list);
        looks.sort_by(|a, b| a.0.total_cmp(&b.0));
        looks
    };
    check(
        true,
        vec![
            case("the list is waited for", false, zeros(vec![]), 9.0, "EmptyUnconfirmed"),
            case("an early one proves nothing", false, zeros(vec![(2.0, Quorum(0, 0))]), 9.0, "EmptyUnconfirmed"),
            case("one that is late enough agrees", false, zeros(vec![(7.0, Quorum(0, 0))]), 9.0, "0@9"),
            case("with workers too", true, zeros(vec![(7.0, Quorum(0, 0))]), 9.0, "0@9"),
            case("work in flight proves a leader", true, zeros(vec![(7.0, Quorum(0, 3))]), 9.0, "0@9+3@2"),
            case("workers need a current one", true, zeros(vec![(7.0, Quorum(0, 0))]), 40.0, "EmptyUnconfirmed"),
            case("no workers do not", false, zeros(vec![(7.0, Quorum(0, 0))]), 40.0, "0@9"),
            case("it may disagree", false, zeros(vec![(7.0, Quorum(4, 0))]), 9.0, "SourcesDisagree"),
            case("quorum lost: the list is empty", false, zeros(vec![(7.0, Absent)]), 9.0, "QueueNotRunning"),
            case("the queue may be down", false, zeros(vec![(7.0, Down(0, 0))]), 9.0, "QueueNotRunning"),
            case("a member may be offline", false, zeros(vec![(7.0, MemberOffline(0, 0))]), 9.0, "QueueNotRunning"),
            case("no totals are no zero", false, zeros(vec![(7.0, NoTotals)]), 9.0, "EmptyUnconfirmed"),
            case("without a list only time is left", false, zeros(vec![(7.0, ListFailed)]), 9.0, "0@9"),
            case("but not with workers", true, zeros(vec![(7.0, ListFailed)]), 9.0, "EmptyWithoutConsumers"),
            case("a classic queue always has its leader", true, zeros(vec![(0.5, Classic(0, 0))]), 9.0, "0@9+0@0.5"),
        ],
    );
}

#[test]
fn unacked() {
    let busy = |list: Vec<(f64, Look)>, end: f64| {
        let mut looks = list;
        looks.push((end, Declared(4, 1)));
        looks
    };
    check(
        true,
        vec![
            case(
                "is as old as a tick for a quorum queue",
                true,
                busy(vec![(10.0, Quorum(4, 3))], 10.0),
                10.0,
                "4@10+3@5",
            ),
            case("and fresh for a classic one", true, busy(vec![(10.0, Classic(4, 3))], 10.0), 10.0, "4@10+3@10"),
            case(
                "none in flight beside waiting tasks is believed",
                true,
                busy(vec![(10.0, Quorum(4, 0))], 10.0),
                10.0,
                "4@10+0@5",
            ),
            case("nothing at all takes a second list", true, busy(vec![(10.0, Quorum(0, 0))], 10.0), 10.0, "4@10"),
            case(
                "nothing at all, seen twice",
                true,
                busy(vec![(10.0, Quorum(0, 0)), (15.2, Quorum(0, 0))], 15.2),
                15.2,
                "4@15.2+0@10.2",
            ),
            case(
                "until then the last count stands, with its age",
                true,
                busy(vec![(10.0, Quorum(1, 3)), (15.2, Quorum(0, 0))], 15.2),
                15.2,
                "4@15.2+3@5",
            ),
            case(
                "a failed list leaves the last count",
                true,
                busy(vec![(10.0, Quorum(4, 3)), (15.0, ListFailed)], 20.0),
                20.0,
                "4@20+3@5",
            ),
            case("for so long", true, busy(vec![(10.0, Quorum(4, 3)), (15.0, ListFailed)], 26.0), 26.0, "4@26"),
            case("a missing field is not zero", true, busy(vec![(10.0, NoTotals)], 10.0), 10.0, "4@10"),
            case("nor is a missing row", true, busy(vec![(10.0, Absent)], 10.0), 10.0, "4@10"),
            case("a queue that is down counts nothing", true, busy(vec![(10.0, Down(4, 3))], 10.0), 10.0, "4@10"),
        ],
    );
}

#[test]
fn by_lists_alone_while_amqp_is_down() {
    let down = |list: Vec<(f64, Look)>| {
        let mut looks = vec![(0.0, Failed("BrokerUnreachable"))];
        looks.extend(list);
        looks
    };
    check(
        true,
        vec![
            case("messages are believed", false, down(vec![(10.0, Quorum(4, 3))]), 10.0, "4@5+3@5"),
            case("an empty queue takes two lists", false, down(vec![(10.0, Quorum(0, 0))]), 10.0, "EmptyUnconfirmed"),
            case(
                "more than a tick apart",
                false,
                down(vec![(10.0, Quorum(0, 0)), (15.2, Quorum(0, 0))]),
                15.2,
                "0@10.2+0@10.2",
            ),
            case(
                "a failed list between them begins anew",
                false,
                down(vec![(10.0, Quorum(0, 0)), (12.0, ListFailed), (15.2, Quorum(0, 0))]),
                15.2,
                "EmptyUnconfirmed",
            ),
            case("an old list is no reading", false, down(vec![(10.0, Quorum(4, 3))]), 31.0, "BrokerUnreachable"),
            case("a queue in no list", false, down(vec![(10.0, Absent)]), 10.0, "QueueNotRunning"),
            case("one that is down", false, down(vec![(10.0, Down(4, 0))]), 10.0, "QueueNotRunning"),
            case("one without totals", false, down(vec![(10.0, NoTotals)]), 10.0, "BrokerUnreachable"),
            case("both down", false, down(vec![(10.0, ListFailed)]), 10.0, "BrokerUnreachable"),
            case(
                "a queue that the broker does not know is missing whatever the list says",
                false,
                vec![(9.0, Failed("QueueMissing")), (10.0, Quorum(4, 3))],
                10.0,
                "QueueMissing",
            ),
        ],
    );
}

#[test]
fn an_alarm_makes_an_empty_queue_meaningless_while_there_are_workers() {
    let mut belief = Belief::new(true);
    belief.declared(0, 2, Timestamp(10.0));
    belief.alarm(true, Timestamp(10.0));
    assert_eq!(shown(belief.reading(true, Timestamp(11.0))), "PublishersBlocked");
    assert_eq!(shown(belief.reading(false, Timestamp(11.0))), "0@10");
    belief.declared(1, 2, Timestamp(12.0));
    assert_eq!(shown(belief.reading(true, Timestamp(12.0))), "1@12");
    belief.declared(0, 2, Timestamp(13.0));
    belief.alarm(false, Timestamp(13.0));
    assert_eq!(shown(belief.reading(true, Timestamp(13.0))), "0@13");
}

#[test]
fn a_stream_has_no_backlog() {
    let mut belief = Belief::new(true);
    belief.declared(70, 0, Timestamp(1.0));
    belief.listed(Some(row(0, 0, "running", "stream")), Timestamp(1.0));
    assert_eq!(shown(belief.reading(false, Timestamp(1.0))), "QueueTypeUnsupported");
}

#[test]
fn counts_by_worker_expire() {
    let mut belief = Belief::new(true);
    belief.declared(1, 1, Timestamp(10.0));
    let counts = BTreeMap::from([("pod-a".to_owned(), 3)]);
    belief.counted_by_worker(Arc::new(CountedByWorker { counts, at: Timestamp(5.0) }));
    let by_worker = |now: f64| match belief.reading(true, Timestamp(now)) {
        Some(QueueReading::Known(counts)) => counts.unacked_by_worker.map(|by| by.counts["pod-a"]),
        other => panic!("{other:?}"),
    };
    assert_eq!(by_worker(20.0), Some(3));
    assert_eq!(by_worker(26.0), None);
}

#[test]
fn a_doubt_asks_for_a_list_and_an_affirmed_zero_does_not() {
    let mut belief = Belief::new(true);
    belief.declared(3, 0, Timestamp(0.0));
    assert!(!belief.wants_list(), "messages need no second opinion");
    belief.declared(0, 0, Timestamp(1.0));
    assert!(belief.wants_list());
    belief.listed(Some(row(0, 0, "running", "quorum")), Timestamp(7.0));
    belief.declared(0, 0, Timestamp(100.0));
    assert!(!belief.wants_list(), "one list per run of zeros is enough");
    belief.declare_failed(failure("BrokerUnreachable"), false, Timestamp(101.0));
    assert!(belief.wants_list());
    assert!(!Belief::new(false).wants_list());
}

#[test]
fn looks_that_say_the_same_at_other_times_change_nothing() {
    type See<'a> = &'a dyn Fn(&mut Belief, Timestamp);
    let mut belief = Belief::new(true);
    let workers = |count: u64, at: f64| {
        let counts = BTreeMap::from([("pod-a".to_owned(), count)]);
        Arc::new(CountedByWorker { counts, at: Timestamp(at) })
    };
    let looks: [(&str, bool, See); 8] = [
        ("a first answer", true, &|belief, at| belief.declared(3, 1, at)),
        ("the same again", false, &|belief, at| belief.declared(3, 1, at)),
        ("a first row", true, &|belief, at| belief.listed(Some(row(3, 2, "running", "quorum")), at)),
        ("the same row again", false, &|belief, at| belief.listed(Some(row(3, 2, "running", "quorum")), at)),
        ("counts by worker", true, &|belief, at| belief.counted_by_worker(workers(2, at.0))),
        ("the same by worker", false, &|belief, at| belief.counted_by_worker(workers(2, at.0))),
        ("another by worker", true, &|belief, at| belief.counted_by_worker(workers(1, at.0))),
        ("a failed list", true, &|belief, _| belief.list_failed(failure("ManagementUnreachable"))),
    ];
    let mut before = belief.outline_of_change(true, Timestamp(0.0));
    for (second, (name, changes, look)) in looks.into_iter().enumerate() {
        let now = Timestamp(1.0 + second as f64);
        look(&mut belief, now);
        let after = belief.outline_of_change(true, now);
        assert_eq!(after != before, changes, "{name}");
        before = after;
    }
}
