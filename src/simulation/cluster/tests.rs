use super::*;

const CONDITIONS: Conditions =
    Conditions { slots: 2, startup: (5_000, 5_000), dispatch: Dispatch::Fullest, grace: 30_000, seed: 0 };

fn tasks(lasts: &[Millis]) -> Vec<Task> {
    lasts.iter().map(|&lasts| Task { arrives: 0, lasts }).collect()
}

fn held(cluster: &Cluster<'_>) -> Vec<u32> {
    cluster.pods().iter().map(Pod::in_flight).collect()
}

/// What three booted workers of two slots hold after tasks arrived one by one.
fn dispatched(lasts: &[Millis], dispatch: Dispatch) -> Vec<u32> {
    let tasks: Vec<Task> = lasts.iter().zip(6_000..).map(|(&lasts, arrives)| Task { arrives, lasts }).collect();
    let mut cluster = Cluster::new(&tasks, Conditions { dispatch, ..CONDITIONS });
    cluster.create(3);
    cluster.run_until(7_000);
    held(&cluster)
}

#[test]
fn a_worker_takes_tasks_when_it_has_booted_and_no_more_than_its_slots() {
    let tasks = tasks(&[10_000, 10_000, 10_000]);
    let mut cluster = Cluster::new(&tasks, CONDITIONS);
    cluster.create(1);
    cluster.run_until(4_999);
    assert_eq!((held(&cluster), cluster.queue().len()), (vec![0], 3));
    cluster.run_until(5_000);
    assert_eq!((held(&cluster), cluster.queue().len()), (vec![2], 1));
    cluster.run_until(15_000);
    assert_eq!(cluster.record().started, [Some(5_000), Some(5_000), Some(15_000)]);
}

#[test]
fn the_fullest_or_the_least_busy_takes_the_next_task() {
    assert_eq!(dispatched(&[90_000; 3], Dispatch::Fullest), [2, 1, 0]);
    assert_eq!(dispatched(&[90_000; 3], Dispatch::LeastBusy), [1, 1, 1]);
}

#[test]
fn foresight_gives_a_task_to_the_worker_that_stays_as_long_anyway() {
    // The first two fill a worker; of the others the last finds one that stays for longer than it takes.
    assert_eq!(dispatched(&[90_000, 30_000, 60_000, 40_000], Dispatch::Foreseen), [2, 2, 0]);
    assert_eq!(dispatched(&[20_000, 90_000, 60_000], Dispatch::Foreseen), [2, 1, 0]);
}

#[test]
fn a_drained_worker_leaves_by_itself_only_if_told_so() {
    let tasks = tasks(&[10_000]);
    for leaves in [false, true] {
        let mut cluster = Cluster::new(&tasks, CONDITIONS);
        cluster.create(1);
        cluster.run_until(6_000);
        if leaves {
            cluster.drain_and_leave(0);
        } else {
            assert!(cluster.drain(0));
        }
        assert_eq!(held(&cluster), [1]);
        cluster.run_until(60_000);
        assert_eq!(cluster.pods().len(), usize::from(!leaves));
    }
}

#[test]
fn a_resumed_worker_takes_the_queues_head_at_once_and_stays() {
    let mut tasks = tasks(&[10_000]);
    tasks.push(Task { arrives: 7_000, lasts: 1_000 });
    let mut cluster = Cluster::new(&tasks, CONDITIONS);
    cluster.create(1);
    cluster.run_until(6_000);
    cluster.drain_and_leave(0);
    cluster.run_until(8_000);
    assert_eq!((held(&cluster), cluster.queue().len()), (vec![1], 1));
    assert!(cluster.resume(0));
    assert_eq!((held(&cluster), cluster.queue().len()), (vec![2], 0));
    cluster.run_until(60_000);
    assert_eq!(cluster.pods().len(), 1);
}

#[test]
fn what_does_not_end_within_the_grace_period_goes_back_to_the_head_and_starts_over() {
    let tasks = tasks(&[20_000, 90_000, 90_000]);
    let mut cluster = Cluster::new(&tasks, CONDITIONS);
    cluster.create(1);
    cluster.run_until(6_000);
    cluster.terminate(0);
    cluster.run_until(36_000);
    assert_eq!((cluster.pods().len(), cluster.record().interrupted, cluster.record().finished), (0, 1, 1));
    let waiting: Vec<Millis> = cluster.queue().map(|task| task.lasts).collect();
    assert_eq!(waiting, [90_000, 90_000]);
    cluster.create(1);
    cluster.run_until(200_000);
    assert!(cluster.done());
    assert_eq!(cluster.record().started[1], Some(5_000), "what counts is the first start");
}

#[test]
fn a_booting_or_idle_worker_that_is_told_to_go_is_gone_at_once() {
    let tasks = tasks(&[]);
    let mut cluster = Cluster::new(&tasks, CONDITIONS);
    cluster.create(2);
    cluster.terminate(0);
    cluster.run_until(9_000);
    cluster.drain_and_leave(1);
    assert_eq!(cluster.pods().len(), 0);
    assert_eq!(cluster.record().lives, [(0, 0), (0, 9_000)]);
}
