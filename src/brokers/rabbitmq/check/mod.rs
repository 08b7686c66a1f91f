//! `awp check` for RabbitMQ: connects as the pool would, and tells how far it comes.

mod management;

use std::time::Duration;

use super::link::{Answer, Link};
use super::{Source, errors};
use crate::brokers::check::{Expected, Outcome, Step, network};

/// The whole of it: a broker that answers nothing costs each step its own time limit.
const LIMIT: Duration = Duration::from_secs(30);

pub async fn check(source: &Source, expected: &Expected) -> Vec<Step> {
    let mut steps = Vec::new();
    if tokio::time::timeout(LIMIT, run(source, expected, &mut steps)).await.is_err() {
        let remedy = "the broker is overloaded or something in between swallows packets: try again from another place";
        steps.push(Step::failed("time", "the broker takes more than 30 s to answer all questions", remedy));
    }
    steps
}

async fn run(source: &Source, expected: &Expected, steps: &mut Vec<Step>) {
    let address = match source.check().and_then(|()| source.broker.address()) {
        Ok(address) => address,
        Err(why) => return steps.push(Step::refused("address", &why)),
    };
    let tls = address.tls.then_some(&source.broker.tls);
    let link = if network(&address.host, address.port, tls, steps).await { login(source, steps).await } else { None };
    // The management API is another server: it is tried whatever became of the first.
    let found = management::check(source, expected, steps).await;
    let Some(link) = link else { return };
    queue(&link, source, steps).await;
    dead_letters(&link, source, found.dead_letter_queue, expected, steps).await;
    link.close().await;
}

/// `login` and `vhost`, which one handshake answers.
async fn login(source: &Source, steps: &mut Vec<Step>) -> Option<Link> {
    let (user, broker) = (&source.broker.username, &source.broker);
    match Link::open(broker).await {
        Ok(link) => {
            steps.push(Step::passed("login", format!("the broker accepts user {user:?}")));
            steps.push(Step::passed("vhost", format!("user {user:?} may enter vhost {:?}", link.vhost())));
            Some(link)
        }
        Err(why) if why.reason.starts_with("Vhost") => {
            steps.push(Step::passed("login", format!("the broker accepts user {user:?}")));
            steps.push(Step::refused("vhost", &why));
            None
        }
        // The port takes connections, that is known by now.
        Err(why) if why.reason == "BrokerUnreachable" => {
            let remedy = "check the port (5672 for amqp://, 5671 for amqps://), and what the broker's log says of it";
            steps.push(Step::failed("login", why.message, remedy));
            None
        }
        Err(why) => {
            steps.push(Step::refused("login", &why));
            None
        }
    }
}

async fn queue(link: &Link, source: &Source, steps: &mut Vec<Step>) {
    let name = &source.queue;
    let step = match look(link, name).await {
        Answer::Counts { ready, consumers } => {
            Step::passed("queue", format!("queue {name:?} has {ready} tasks waiting and {consumers} consumers"))
        }
        Answer::Refused(why) if why.reason == "QueueMissing" && source.declare.is_some() => Step::passed(
            "queue",
            format!("queue {name:?} is not there yet: the operator declares it, as the pool says"),
        ),
        Answer::Refused(why) => Step::refused("queue", &why),
    };
    steps.push(step);
}

/// A channel of its own for each: a refusal closes it.
async fn look(link: &Link, queue: &str) -> Answer {
    let looked = async {
        let channel = link.channel().await?;
        link.look(&channel, &[queue.to_owned()]).await
    };
    match looked.await {
        Ok(mut answers) => answers
            .answers
            .pop()
            .map_or_else(|| Answer::Refused(errors::connection_lost(link.vhost())), |(answer, _)| answer),
        Err(why) => Answer::Refused(why),
    }
}

/// Where failed tasks go: what the pool names, else what the queue's own settings lead to.
async fn dead_letters(
    link: &Link,
    source: &Source,
    found: management::Target,
    expected: &Expected,
    steps: &mut Vec<Step>,
) {
    let declared = source.declare.as_ref().and_then(|declare| declare.dead_letter.as_ref());
    let named = source.dead_letter_queue.clone().map_or(found, management::Target::Queue);
    let step = match (named, declared) {
        (_, Some(target)) => {
            Step::passed("deadLetter", format!("the operator declares queue {:?} for failed tasks", target.queue))
        }
        (management::Target::Queue(queue), None) => match look(link, &queue).await {
            Answer::Counts { ready, .. } => {
                Step::passed("deadLetter", format!("failed tasks go to queue {queue:?}, which holds {ready}"))
            }
            Answer::Refused(why) => Step { outcome: Outcome::Failed, ..Step::refused("deadLetter", &why) },
        },
        (management::Target::Exchange(exchange), None) => Step::warning(
            "deadLetter",
            format!("failed tasks go to exchange {exchange:?}, and it cannot be told in which queue they end"),
            "name it in deadLetter.queue, so that the pool can show how many there are",
        ),
        (management::Target::None, None) => no_target(expected),
        (management::Target::NotToBeSeen, None) => Step::skipped(
            "deadLetter",
            "without the management API the queue's settings are not to be seen; deadLetter.queue would name the target",
        ),
    };
    steps.push(step);
}

fn no_target(expected: &Expected) -> Step {
    let remedy = "set deadLetter.queue, or x-dead-letter-exchange on the queue by an argument or a policy";
    if expected.workers_report {
        // `awp worker` is the one that has the endpoint, and it does not start without a target.
        Step::failed("deadLetter", "neither the pool nor the queue says where failed tasks go", remedy)
    } else {
        Step::warning("deadLetter", "neither the pool nor the queue says where failed tasks go", remedy)
    }
}
