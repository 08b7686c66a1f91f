//! What only the management API tells: tags, the queue's type and settings, who holds what.

use serde_json::Value;

use crate::brokers::DeadLetterTarget;
use crate::brokers::check::{Expected, Step};
use crate::brokers::rabbitmq::http::{Failure, Http};
use crate::brokers::rabbitmq::lists::{self, Policy, Queue, Whoami};
use crate::brokers::rabbitmq::topology::Topology;
use crate::brokers::rabbitmq::{Source, dead_letter, errors};
use crate::net::percent;
use crate::scaling::observation::Unknown;

/// RabbitMQ's own delivery acknowledgement timeout, unless `consumer_timeout` in its configuration says otherwise.
const DEFAULT_CONSUMER_TIMEOUT: f64 = 1800.0;

/// What the rest of the check needs of it.
#[derive(Debug)]
pub struct Found {
    pub dead_letter_queue: Target,
}

/// Where the queue's own settings send failed tasks.
#[derive(Debug)]
pub enum Target {
    Queue(String),
    /// An exchange whose end cannot be told.
    Exchange(String),
    None,
    NotToBeSeen,
}

pub async fn check(source: &Source, expected: &Expected, steps: &mut Vec<Step>) -> Found {
    let unseen = Found { dead_letter_queue: Target::NotToBeSeen };
    if source.broker.management.is_empty() {
        let (detail, remedy) = ("managementUri is not set", errors::management_missing().message);
        steps.push(if expected.workers_report {
            Step::skipped("management", format!("{detail}; the workers' own reports tell what is in flight"))
        } else {
            Step::failed("management", detail, remedy)
        });
        return unseen;
    }
    let mut asking = match Asking::new(source) {
        Ok(asking) => asking,
        Err(why) => {
            steps.push(Step::refused("management", &why));
            return unseen;
        }
    };
    if !asking.tag(expected, steps).await {
        return unseen;
    }
    let Some(queue) = asking.queue(source, steps).await else { return unseen };
    asking.consumer_timeout(&queue, expected, steps).await;
    Found { dead_letter_queue: asking.dead_letters(&queue, steps).await }
}

struct Asking {
    http: Http,
    user: String,
    vhost: String,
}

impl Asking {
    fn new(source: &Source) -> Result<Self, Unknown> {
        Ok(Self {
            http: Http::new(&source.broker)?,
            user: source.broker.username.clone(),
            vhost: source.broker.address()?.vhost,
        })
    }

    /// `management`: reachable and let in; `tag`: allowed to see everybody's channels, where that is needed.
    async fn tag(&mut self, expected: &Expected, steps: &mut Vec<Step>) -> bool {
        let whoami: Whoami = match self.http.get("/api/whoami").await {
            Ok(whoami) => whoami,
            Err(failure) => {
                let why = self.explain(failure);
                steps.push(Step::refused("management", &why));
                return false;
            }
        };
        let (address, user) = (self.http.address(), &self.user);
        steps.push(Step::passed("management", format!("the API at {address} lets user {user:?} in")));
        steps.push(if whoami.sees_everybody() {
            Step::passed("tag", format!("user {user:?} may see what each worker holds"))
        } else if expected.workers_report {
            Step::passed("tag", "the tag management is enough, because the workers report by themselves")
        } else {
            let remedy = format!("rabbitmqctl set_user_tags {user} monitoring, or a statusPort on the workers");
            Step::failed("tag", "nobody tells what each worker holds, so the pool can grow and not shrink", remedy)
        });
        true
    }

    /// `queueType`: of a kind that can be scaled on, and healthy.
    async fn queue(&mut self, source: &Source, steps: &mut Vec<Step>) -> Option<Queue> {
        let path = format!("/api/queues/{}?{}", percent::encode(&self.vhost), lists::QUEUE_SETTINGS);
        let queues: Vec<Queue> = match self.http.get(&path).await {
            Ok(queues) => queues,
            Err(failure) => {
                let why = self.explain(failure);
                steps.push(Step::refused("queueType", &why));
                return None;
            }
        };
        let Some(queue) = queues.into_iter().find(|queue| queue.name == source.queue) else {
            let detail = format!("the management API lists no queue {:?} in vhost {:?}", source.queue, self.vhost);
            steps.push(Step::skipped("queueType", detail));
            return None;
        };
        steps.push(kind(&queue));
        if queue.has_single_active_consumer() {
            let detail = "the queue has a single active consumer: one worker at a time gets tasks";
            steps.push(Step::warning(
                "singleActiveConsumer",
                detail,
                "leave the argument away for more than one worker",
            ));
        }
        Some(queue)
    }

    /// `consumerTimeout`: a task that runs for longer than the broker waits for its end is given to another worker.
    async fn consumer_timeout(&mut self, queue: &Queue, expected: &Expected, steps: &mut Vec<Step>) {
        let (policies, operator_policies) = self.policies(queue).await;
        let set =
            dead_letter::setting(queue, &policies, &operator_policies, "consumer-timeout").and_then(Value::as_f64);
        let task = expected.task_timeout.as_secs_f64();
        let minutes = |seconds: f64| format!("{} min", (seconds / 6.0).round() / 10.0);
        steps.push(match set.map(|millis| millis / 1000.0) {
            Some(limit) if limit < task => Step::failed(
                "consumerTimeout",
                format!("the queue's consumer timeout of {} is below the task timeout of {}", minutes(limit), minutes(task)),
                "raise consumer-timeout (milliseconds) in the queue's policy or arguments to twice the task timeout, or \
                 lower worker.taskTimeout",
            ),
            Some(limit) => Step::passed("consumerTimeout", format!("{}, tasks end within {}", minutes(limit), minutes(task))),
            None if task > DEFAULT_CONSUMER_TIMEOUT => Step::warning(
                "consumerTimeout",
                format!("tasks may take {}, and RabbitMQ's default consumer timeout is 30 min", minutes(task)),
                "set consumer-timeout (milliseconds) by a policy on the queue; ignore this if consumer_timeout in \
                 rabbitmq.conf is longer",
            ),
            None => Step::passed("consumerTimeout", format!("the default of 30 min; tasks end within {}", minutes(task))),
        });
    }

    /// Those of the vhost, if the queue has any; what may not be read has nothing to say.
    async fn policies(&mut self, queue: &Queue) -> (Vec<Policy>, Vec<Policy>) {
        let any = [&queue.policy, &queue.operator_policy].into_iter().flatten().any(|name| !name.is_empty());
        if !any {
            return (Vec::new(), Vec::new());
        }
        let vhost = percent::encode(&self.vhost);
        let policies = self.http.get(&format!("/api/policies/{vhost}")).await.unwrap_or_default();
        (policies, self.http.get(&format!("/api/operator-policies/{vhost}")).await.unwrap_or_default())
    }

    async fn dead_letters(&mut self, queue: &Queue, steps: &mut Vec<Step>) -> Target {
        let vhost = self.vhost.clone();
        match Topology::default().facts(&mut self.http, &vhost, &[queue], true).await {
            Ok(mut facts) => match facts.remove(&queue.name).and_then(|facts| facts.dead_letter) {
                None => Target::None,
                Some(DeadLetterTarget::Exchange { queue: Some(queue), .. } | DeadLetterTarget::Queue(queue)) => {
                    Target::Queue(queue)
                }
                Some(DeadLetterTarget::Exchange { exchange, queue: None, .. }) => Target::Exchange(exchange),
            },
            Err(failure) => {
                let why = self.explain(failure);
                steps.push(Step::refused("queueSettings", &why));
                Target::NotToBeSeen
            }
        }
    }

    fn explain(&self, failure: Failure) -> Unknown {
        failure.explain(&self.user, &self.vhost, self.http.address())
    }
}

fn kind(queue: &Queue) -> Step {
    let kind = queue.kind.as_deref().unwrap_or("of unknown type");
    if kind == "stream" {
        return Step::refused("queueType", &errors::stream());
    }
    let all_online = queue.row().all_online;
    match queue.state.as_deref() {
        Some("running") | None if all_online != Some(false) => Step::passed("queueType", format!("{kind}, and runs")),
        Some("running") | None => Step::warning(
            "queueType",
            format!("{kind}, and runs without some of its members"),
            "bring the missing nodes back: until then an empty queue is not believed",
        ),
        Some(_) => Step::failed(
            "queueType",
            format!("{kind}, and does not run: it has no leader, or its node is down"),
            "look at the cluster with rabbitmq-diagnostics; the pool holds until the queue runs",
        ),
    }
}
