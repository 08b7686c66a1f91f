//! Queues whose tasks lie in partitions (Kafka): what their lag says, and how many workers it is worth.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::load::FRESH;
use super::observation::WorkerPhase;
use super::observation::{Counted, CountedByWorker, Observation, Partitions, QueueCounts, QueueReading, Worker};
use super::time::Timestamp;

/// Lag told apart into what waits and what is in flight; other queues are left as they are.
///
/// What a worker holds is what it reports; else, where its partitions are known, at most what is not
/// committed of them and at most its slots. Of a worker that shows neither all slots are taken for
/// full, and the queue's count in flight is not known.
pub fn split(observation: &Observation, now: Timestamp) -> Cow<'_, Observation> {
    let QueueReading::Known(counts) = &observation.queue else { return Cow::Borrowed(observation) };
    if counts.partitions.is_none() {
        return Cow::Borrowed(observation);
    }
    let by_worker = counts.unacked_by_worker.as_ref().filter(|map| now.since(map.at) <= FRESH);
    let (mut in_flight, mut counted) = (0_u64, true);
    for worker in &observation.workers {
        let held = held(worker, by_worker, &observation.workers, now);
        counted &= held.is_some();
        in_flight += u64::from(held.unwrap_or(worker.slots));
    }
    let counts = QueueCounts {
        ready: counts.ready.saturating_sub(in_flight),
        unacked: counted.then_some(Counted { count: in_flight, at: counts.at }),
        unacked_by_worker: by_worker
            .map(|map| CountedByWorker { counts: clamped(map, &observation.workers), at: map.at }),
        ..counts.clone()
    };
    Cow::Owned(Observation { queue: QueueReading::Known(counts), ..observation.clone() })
}

fn held(worker: &Worker, by_worker: Option<&CountedByWorker>, all: &[Worker], now: Timestamp) -> Option<u32> {
    if let Some(report) = worker.report.as_ref().filter(|report| now.since(report.at) <= FRESH) {
        return Some(report.in_flight);
    }
    if worker.phase <= WorkerPhase::Pending {
        return Some(0);
    }
    let map = by_worker?;
    match map.counts.get(&worker.name) {
        Some(lag) => Some(u32::try_from(*lag).unwrap_or(u32::MAX).min(worker.slots)),
        // No member: it has no partition, unless it is one under a name that is not its own.
        None => map.counts.keys().all(|name| all.iter().any(|it| it.name == *name)).then_some(0),
    }
}

fn clamped(map: &CountedByWorker, workers: &[Worker]) -> BTreeMap<String, u64> {
    let slots = |name: &String| workers.iter().find(|it| it.name == *name).map_or(u64::MAX, |it| u64::from(it.slots));
    map.counts.iter().map(|(name, lag)| (name.clone(), (*lag).min(slots(name)))).collect()
}

/// A little more than `workers`, where that divides the partitions evenly: with 12 partitions five
/// workers have two or three each, and six two. At most a quarter more, and one at least.
pub fn evenly(workers: u32, partitions: Partitions) -> u32 {
    let all = partitions.assignable;
    if workers == 0 || workers >= all {
        return workers;
    }
    let each = all.div_ceil(workers);
    // The fewest workers with which nobody has more, and the fewest with which somebody has less.
    let (same, fewer) = (all.div_ceil(each), all.div_ceil((each - 1).max(1)));
    if same == workers || fewer > workers + (workers / 4).max(1) { workers } else { fewer }
}

/// Workers beyond this have nothing to do: each partition is worked on by one, and only those with
/// tasks count, so that one partition that is stuck calls for one worker, however much waits in it.
pub fn useful(partitions: Partitions, spare: u32) -> u32 {
    partitions.lagging.saturating_add(spare).min(partitions.assignable)
}

/// Longest wait between two changes of size, seconds.
const LONGEST_REST: f64 = 600.0;

/// Seconds for which a group keeps its size after a change of it. Every change moves partitions, and a
/// partition that moves stands still until the tasks of its old owner are done: twice the mean task is
/// waited, so that one move ends before the next. Growth waits no longer than half of `startWithin`:
/// a task that comes right after a change would otherwise start late.
pub fn rest(grows: bool, task_duration: f64, start_within: f64) -> f64 {
    let rest = (2.0 * task_duration).min(LONGEST_REST);
    if grows { rest.min(start_within / 2.0) } else { rest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scaling::tests::fixtures::{self, reporting, worker};

    const NOW: Timestamp = Timestamp(100.0);

    fn lag(ready: u64, by_worker: &[(&str, u64)]) -> QueueReading {
        let counts = by_worker.iter().map(|(name, lag)| ((*name).to_owned(), *lag)).collect();
        QueueReading::Known(QueueCounts {
            ready,
            at: NOW,
            unacked_by_worker: (!by_worker.is_empty()).then_some(CountedByWorker { counts, at: NOW }),
            partitions: Some(Partitions { assignable: 12, lagging: 4 }),
            ..QueueCounts::default()
        })
    }

    /// What waits and what is in flight.
    fn told(queue: QueueReading, workers: Vec<Worker>) -> (u64, Option<u64>) {
        let observation = fixtures::observation(queue, workers);
        match &split(&observation, NOW).queue {
            QueueReading::Known(counts) => (counts.ready, counts.unacked.map(|unacked| unacked.count)),
            QueueReading::Unknown(why) => panic!("{why}"),
        }
    }

    #[test]
    fn without_workers_all_lag_waits() {
        assert_eq!(told(lag(60, &[]), vec![]), (60, Some(0)));
    }

    #[test]
    fn lag_includes_what_workers_say_they_hold() {
        assert_eq!(told(lag(10, &[]), vec![reporting("a", 4, 100.0), reporting("b", 1, 100.0)]), (5, Some(5)));
        assert_eq!(told(lag(3, &[]), vec![reporting("a", 4, 100.0)]), (0, Some(4)), "a commit came in between");
    }

    #[test]
    fn without_reports_a_worker_holds_no_more_than_the_lag_of_its_partitions_and_its_slots() {
        let workers = vec![worker("a"), worker("b"), worker("c")];
        assert_eq!(told(lag(12, &[("a", 9), ("b", 2), ("c", 0)]), workers), (6, Some(6)));
    }

    #[test]
    fn a_worker_that_is_no_member_yet_holds_nothing() {
        assert_eq!(told(lag(12, &[("a", 3)]), vec![worker("a"), worker("new")]), (9, Some(3)));
    }

    #[test]
    fn members_under_other_names_leave_it_open_who_holds_what() {
        assert_eq!(told(lag(12, &[("rdkafka", 3)]), vec![worker("a"), worker("b")]), (4, None));
    }

    #[test]
    fn workers_that_show_nothing_are_taken_for_full_and_not_for_counted() {
        assert_eq!(told(lag(12, &[]), vec![worker("a"), worker("b")]), (4, None));
    }

    #[test]
    fn counts_that_divide_the_partitions_are_preferred_where_they_are_near() {
        for (all, workers, expected) in [
            (12, 5, 6),
            (12, 7, 7),
            (12, 10, 12),
            (12, 11, 12),
            (12, 6, 6),
            (12, 1, 1),
            (12, 12, 12),
            (12, 20, 20),
            (3, 2, 2),
            (10, 4, 4),
            (12, 0, 0),
        ] {
            assert_eq!(evenly(workers, Partitions { assignable: all, lagging: all }), expected, "{workers} of {all}");
        }
    }

    proptest! {
        #[test]
        fn an_even_count_is_never_less_and_never_much_more(all in 0_u32..500, workers in 0_u32..600) {
            let even = evenly(workers, Partitions { assignable: all, lagging: 0 });
            prop_assert!(even >= workers && even <= workers + (workers / 4).max(1));
            prop_assert!(even <= all.max(workers));
        }

        #[test]
        fn useful_workers_have_partitions(all in 0_u32..500, lagging in 0_u32..500, spare in 0_u32..50) {
            let partitions = Partitions { assignable: all, lagging: lagging.min(all) };
            prop_assert!(useful(partitions, spare) <= all);
            prop_assert!(useful(partitions, spare) >= lagging.min(all));
        }
    }

    #[test]
    fn growth_rests_no_longer_than_half_the_promise() {
        assert_eq!(rest(true, 300.0, 60.0), 30.0);
        assert_eq!(rest(true, 5.0, 60.0), 10.0);
        assert_eq!(rest(false, 90.0, 60.0), 180.0);
        assert_eq!(rest(false, 1500.0, 60.0), 600.0);
    }
}
