//! What a run came to.

use super::cluster::Cluster;
use super::run::Moment;
use super::trace::{Millis, Task, Trace, seconds};

#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Seconds that each task waited for its first start, in the order of arrival; `None` = it never started.
    pub waits: Vec<Option<f64>>,
    /// Tasks that were not done when the run was given up.
    pub unfinished: usize,
    /// Workers' time, from creation to removal or to the last completion.
    pub worker_seconds: f64,
    /// Tasks that had to start over, each time.
    pub interrupted: u32,
    pub most_workers: u32,
    /// Workers created.
    pub starts: u32,
    /// Workers there when the run ended.
    pub left: usize,
    pub moments: Vec<Moment>,
}

impl Outcome {
    pub(super) fn new(trace: &Trace, cluster: &Cluster<'_>, moments: Vec<Moment>) -> Self {
        let record = cluster.record();
        let end = if cluster.done() { record.last_finished } else { cluster.now() };
        let still = cluster.pods().iter().map(|pod| (pod.created, end));
        let lives = record.lives.iter().copied().chain(still);
        let cost: Millis = lives.map(|(created, removed)| removed.min(end).saturating_sub(created)).sum();
        let wait = |(task, started): (&Task, &Option<Millis>)| started.map(|at| seconds(at - task.arrives));
        Self {
            waits: trace.tasks.iter().zip(&record.started).map(wait).collect(),
            unfinished: trace.tasks.len() - record.finished,
            worker_seconds: seconds(cost),
            interrupted: record.interrupted,
            most_workers: moments.iter().map(|moment| moment.workers).max().unwrap_or(0),
            starts: cluster.created(),
            left: cluster.pods().len(),
            moments,
        }
    }

    pub fn worker_hours(&self) -> f64 {
        self.worker_seconds / 3600.0
    }

    /// Share of the tasks that started within so many seconds.
    pub fn started_within(&self, seconds: f64) -> f64 {
        let in_time = self.waits.iter().flatten().filter(|wait| **wait <= seconds).count();
        in_time as f64 / self.waits.len().max(1) as f64
    }

    pub fn summary(&self, trace: &Trace, slots: u32, start_within: f64) -> Summary {
        Summary {
            tasks: self.waits.len(),
            unfinished: self.unfinished as f64,
            in_time: self.started_within(start_within),
            waits: self.waits(),
            worker_hours: self.worker_hours(),
            packed_worker_hours: trace.packed_worker_hours(slots),
            interrupted: f64::from(self.interrupted),
            most_workers: f64::from(self.most_workers),
            starts: f64::from(self.starts),
        }
    }

    /// How long tasks waited; one that never started waited for ever.
    pub fn waits(&self) -> Waits {
        let mut sorted: Vec<f64> = self.waits.iter().map(|wait| wait.unwrap_or(f64::INFINITY)).collect();
        sorted.sort_by(f64::total_cmp);
        // The nearest rank: a wait that some task had.
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize - 1;
            sorted.get(rank).copied().unwrap_or(0.0)
        };
        let mean = sorted.iter().sum::<f64>() / sorted.len().max(1) as f64;
        Waits { mean, p50: at(0.5), p95: at(0.95), max: at(1.0) }
    }

    /// When tasks started later than so many seconds after they arrived, or never.
    pub fn late(&self, trace: &Trace, start_within: f64) -> Vec<Late> {
        let mut late: Vec<Late> = Vec::new();
        for (task, wait) in trace.tasks.iter().zip(&self.waits) {
            let wait = wait.unwrap_or(f64::INFINITY);
            if wait <= start_within {
                continue;
            }
            let arrives = seconds(task.arrives);
            match late.last_mut().filter(|last| arrives - last.to <= APART) {
                Some(last) => {
                    last.to = arrives;
                    last.tasks += 1;
                    last.longest_wait = last.longest_wait.max(wait);
                }
                None => late.push(Late { from: arrives, to: arrives, tasks: 1, longest_wait: wait }),
            }
        }
        late
    }

    /// Changes of the number asked for: (seconds, replicas).
    pub fn writes(&self) -> Vec<(f64, u32)> {
        let mut last = 0;
        let changed = |moment: &Moment| {
            let news = moment.replicas != last;
            last = moment.replicas;
            news.then_some((seconds(moment.at), moment.replicas))
        };
        self.moments.iter().filter_map(changed).collect()
    }
}

/// Late tasks that arrived further apart than this are told apart, seconds.
const APART: f64 = 600.0;

/// A while in which tasks waited for too long. Seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Late {
    /// The first and the last of them arrived.
    pub from: f64,
    pub to: f64,
    pub tasks: usize,
    pub longest_wait: f64,
}

/// Seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waits {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub max: f64,
}

/// A run, or the mean of several, in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub tasks: usize,
    pub unfinished: f64,
    /// Share of the tasks that started within D.
    pub in_time: f64,
    pub waits: Waits,
    pub worker_hours: f64,
    /// If every slot were full all the time.
    pub packed_worker_hours: f64,
    pub interrupted: f64,
    pub most_workers: f64,
    pub starts: f64,
}

impl Summary {
    /// Worker-hours over perfectly packed ones.
    pub fn packed_ratio(&self) -> f64 {
        if self.packed_worker_hours > 0.0 { self.worker_hours / self.packed_worker_hours } else { 0.0 }
    }

    /// The mean of several runs of one load; of none, nothing.
    pub(super) fn mean(runs: &[Self]) -> Self {
        let mean = |number: fn(&Self) -> f64| runs.iter().map(number).sum::<f64>() / runs.len().max(1) as f64;
        Self {
            tasks: runs.first().map_or(0, |run| run.tasks),
            unfinished: mean(|run| run.unfinished),
            in_time: mean(|run| run.in_time),
            waits: Waits {
                mean: mean(|run| run.waits.mean),
                p50: mean(|run| run.waits.p50),
                p95: mean(|run| run.waits.p95),
                max: mean(|run| run.waits.max),
            },
            worker_hours: mean(|run| run.worker_hours),
            packed_worker_hours: mean(|run| run.packed_worker_hours),
            interrupted: mean(|run| run.interrupted),
            most_workers: mean(|run| run.most_workers),
            starts: mean(|run| run.starts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(waits: &[f64]) -> Outcome {
        Outcome { waits: waits.iter().map(|wait| wait.is_finite().then_some(*wait)).collect(), ..Outcome::default() }
    }

    #[test]
    fn waits_are_those_that_some_task_had_and_one_that_never_started_waited_for_ever() {
        let waits: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(outcome(&waits).waits(), Waits { mean: 10.5, p50: 10.0, p95: 19.0, max: 20.0 });
        assert_eq!(outcome(&[1.0, f64::INFINITY]).waits().max, f64::INFINITY);
        assert_eq!(outcome(&[]).waits(), Waits { mean: 0.0, p50: 0.0, p95: 0.0, max: 0.0 });
    }

    #[test]
    fn late_tasks_are_told_by_when_they_came() {
        let arrivals = [0, 100, 200, 5_000];
        let trace = Trace::new("four", arrivals.map(|at| Task { arrives: at * 1000, lasts: 1 }).to_vec());
        let late = outcome(&[61.0, 5.0, 90.0, f64::INFINITY]).late(&trace, 60.0);
        assert_eq!(
            late,
            [
                Late { from: 0.0, to: 200.0, tasks: 2, longest_wait: 90.0 },
                Late { from: 5_000.0, to: 5_000.0, tasks: 1, longest_wait: f64::INFINITY },
            ]
        );
    }
}
