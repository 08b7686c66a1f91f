//! Step 3: the queue and the workers as the law sees them.

use std::sync::Arc;

use super::Context;
use super::broker;
use super::dereference::Found;
use super::memory::{Memory, Queue};
use super::objects::{Deployment, Pod};
use super::pods::PrefetchHistory;
use super::siblings;
use super::validate::Plan;
use super::world::PoolKey;
use crate::api::names::reasons;
use crate::brokers::{Declaration, Gaps, Interest, QueueFacts};
use crate::scaling::observation::{ErrorClass, Observation, QueueCounts, QueueReading, Unknown, Worker};
use crate::scaling::time::Timestamp;

/// Seconds a new subscription may take to tell the dead-letter target before workers start without it.
const FACTS_PATIENCE: f64 = 5.0;

/// Seconds a pod may be unschedulable before the pool stops asking for more: a cluster autoscaler needs a
/// minute or two to bring a node, and starts only because pods wait.
const UNSCHEDULABLE_PATIENCE: f64 = 180.0;

/// Seconds for which a doubt leaves the last reading standing if that was empty: a pool that falls asleep takes its
/// consumers with it, and a queue without messages and consumers is doubted until a second look, 5 s later, and a
/// list, which come every 5 s.
const DOUBT_PATIENCE: f64 = 12.0;

/// An observation, and what only status needs besides.
#[derive(Debug)]
pub struct Seen {
    pub observation: Arc<Observation>,
    pub facts: Option<QueueFacts>,
    /// Why parts of the reading are missing.
    pub gaps: Gaps,
    /// What became of what the pool wants declared.
    pub declaration: Option<Declaration>,
    /// Other pools on the same queue.
    pub sharing: Vec<PoolKey>,
}

/// `None` = too early to say anything.
pub fn observe(
    context: &Context,
    key: &PoolKey,
    found: &Found,
    plan: &Plan,
    memory: &mut Memory,
    now: Timestamp,
) -> Option<Seen> {
    let pods: Vec<&Pod> = found.pods.iter().map(AsRef::as_ref).collect();
    if let Some(port) = plan.status_port {
        let running: Vec<&Pod> = pods.iter().copied().filter(|pod| !pod.finished).collect();
        memory.reports.poll(&running, port, &context.parts.workers, now);
    }
    let history = PrefetchHistory::noted_on(found.config_map.as_deref());
    let current = found.pool.status.as_ref().and_then(|status| status.prefetch).unwrap_or(1);
    let reports = memory.reports.latest();
    let workers = memory.pods.workers(&pods, &reports, &history, current, now);
    let interest = interest(plan, &workers, found);
    let queue = subscribe(context, plan, memory, now);
    queue.subscription.set_interest(interest);
    let (facts, gaps) = (queue.subscription.facts(), queue.subscription.gaps());
    let declaration = queue.subscription.declaration();
    let waited = now.since(queue.since);
    let reading = match queue.subscription.latest() {
        Some(reading) => over_a_doubt(reading, &mut queue.empty, now),
        None if waited < FACTS_PATIENCE => return None,
        None => unread(),
    };
    if workers.is_empty() && facts.is_none() && plan.tells_facts && waited < FACTS_PATIENCE {
        return None;
    }
    if let Some(cluster) = facts.as_ref().and_then(|facts| facts.cluster.as_deref())
        && let Some(queue) = broker::queue_key(&found.pool.spec.broker)
    {
        siblings::learn(context, &queue, key, cluster);
    }
    let (share, sharing) = siblings::share(context, key);
    let replicas = found.deployment.as_deref().map(|deployment| replicas(deployment, memory));
    let observation = Arc::new(Observation {
        queue: scaled(reading, share, &workers),
        growth_refused: growth_refused(found, &pods, now),
        replicas,
        workers,
    });
    Some(Seen { observation, facts, gaps, declaration, sharing })
}

fn subscribe<'a>(context: &Context, plan: &Plan, memory: &'a mut Memory, now: Timestamp) -> &'a mut Queue {
    let changed = memory.queue.as_ref().is_some_and(|queue| queue.source != plan.source);
    if changed {
        memory.queue = None;
    }
    let wake = memory.wake.clone();
    memory.queue.get_or_insert_with(|| Queue {
        subscription: context.parts.brokers.subscribe(plan.source.clone(), wake),
        source: plan.source.clone(),
        since: now,
        empty: None,
    })
}

fn interest(plan: &Plan, workers: &[Worker], found: &Found) -> Interest {
    let working = !workers.is_empty();
    let decision = found.pool.status.as_ref().and_then(|status| status.decision.as_ref());
    let full = decision.is_some_and(|decision| decision.applied >= plan.settings.max_replicas);
    let backlog = found.pool.status.as_ref().and_then(|status| status.backlog.as_ref());
    let known = backlog.is_some_and(|backlog| backlog.trust.as_deref() == Some("Known"));
    Interest {
        in_flight: working,
        by_worker: working && plan.status_port.is_none(),
        relaxed: full,
        begun: working || known,
    }
}

/// Falling asleep is no outage: it raises no condition, no event, no write of status.
fn over_a_doubt(reading: QueueReading, empty: &mut Option<QueueCounts>, now: Timestamp) -> QueueReading {
    match reading {
        QueueReading::Known(mut counts) => {
            let by_worker = counts.unacked_by_worker.take();
            *empty = (counts.ready == 0).then(|| counts.clone());
            counts.unacked_by_worker = by_worker;
            QueueReading::Known(counts)
        }
        QueueReading::Unknown(unknown) if unknown.class == ErrorClass::Doubtful => {
            let recent = empty.as_ref().filter(|counts| now.since(counts.at) <= DOUBT_PATIENCE);
            recent.map_or(QueueReading::Unknown(unknown), |counts| QueueReading::Known(counts.clone()))
        }
        unknown @ QueueReading::Unknown(_) => unknown,
    }
}

fn unread() -> QueueReading {
    QueueReading::Unknown(Unknown {
        class: ErrorClass::Transient,
        reason: reasons::NOT_READ_YET,
        message: "the queue was not read yet".into(),
    })
}

/// What this pool asked for last, where the cache has not caught up with it; else what the cache says.
fn replicas(deployment: &Deployment, memory: &Memory) -> u32 {
    let written = memory.written.as_ref();
    let ahead =
        written.filter(|written| written.uid == deployment.uid && deployment.generation <= written.generation_before);
    ahead.map_or(deployment.replicas, |written| written.replicas)
}

/// A shared queue counts for each pool by its share; what this pool's own workers report is its own.
fn scaled(reading: QueueReading, share: f64, workers: &[Worker]) -> QueueReading {
    let QueueReading::Known(counts) = reading else { return reading };
    if share >= 1.0 {
        return QueueReading::Known(counts);
    }
    let part = |count: u64| (count as f64 * share).ceil() as u64;
    let reported = workers.iter().all(|worker| worker.report.is_some());
    QueueReading::Known(QueueCounts {
        ready: part(counts.ready),
        // The broker's number holds the neighbours' tasks too: own reports are better where all are there.
        unacked: counts
            .unacked
            .filter(|_| !reported || workers.is_empty())
            .map(|unacked| crate::scaling::observation::Counted { count: part(unacked.count), at: unacked.at }),
        ..counts
    })
}

/// The cluster's own words for why it starts no more pods.
fn growth_refused(found: &Found, pods: &[&Pod], now: Timestamp) -> Option<String> {
    if let Some(refused) = found.deployment.as_ref().and_then(|deployment| deployment.refused.as_deref()) {
        return Some(refused.to_owned());
    }
    pods.iter().find_map(|pod| {
        let message = pod.unschedulable.as_deref()?;
        (now.since(pod.created?) > UNSCHEDULABLE_PATIENCE)
            .then(|| format!("pod {} cannot be scheduled: {message}", pod.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::observation::Counted;

    #[test]
    fn a_shared_queue_is_counted_by_share_and_never_rounded_to_nothing() {
        let counts = QueueCounts {
            ready: 3,
            unacked: Some(Counted { count: 10, at: Timestamp(0.0) }),
            ..QueueCounts::default()
        };
        let QueueReading::Known(mine) = scaled(QueueReading::Known(counts), 0.25, &[]) else { panic!() };
        assert_eq!((mine.ready, mine.unacked.map(|unacked| unacked.count)), (1, Some(3)));
    }

    #[test]
    fn a_queue_that_was_empty_just_now_is_not_unknown_for_a_doubt() {
        let known = |ready, at| QueueReading::Known(QueueCounts { ready, at: Timestamp(at), ..QueueCounts::default() });
        let unknown = |class| QueueReading::Unknown(Unknown { class, reason: "R", message: String::new() });
        let doubt = unknown(ErrorClass::Doubtful);
        let mut empty = None;
        let mut at = |now, reading: &QueueReading| over_a_doubt(reading.clone(), &mut empty, Timestamp(now));
        assert_eq!(at(1.0, &doubt), doubt, "nothing was read before");
        assert_eq!(at(2.0, &known(0, 2.0)), known(0, 2.0));
        assert_eq!(at(10.0, &doubt), known(0, 2.0), "with its age");
        assert_eq!(at(10.0, &unknown(ErrorClass::Transient)), unknown(ErrorClass::Transient), "an outage is told");
        assert_eq!(at(15.0, &doubt), doubt, "a doubt that lasts is told");
        assert_eq!(at(16.0, &known(5, 16.0)), known(5, 16.0));
        assert_eq!(at(17.0, &doubt), doubt, "messages that vanish with their consumers are no falling asleep");
    }
}
