//! `awp check` for Amazon SQS: asks as the pool would, and tells how far it comes.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use super::attributes::{self, Attributes};
use super::{Source, errors};
use crate::aws::{self, Failure, Kind, Patience};
use crate::brokers::check::{Expected, Step};

/// Three retries of our own, and ten receives that are none: releases, lost workers.
const RECEIVES: u64 = 13;

const PATIENCE: Patience = Patience { connect: Duration::from_secs(3), attempt: Duration::from_secs(6), tries: 1 };

/// For each question, looking for credentials included.
const LIMIT: Duration = Duration::from_secs(12);

pub async fn check(source: &Source, expected: &Expected) -> Vec<Step> {
    if let Err(why) = source.check() {
        return vec![Step::refused("address", &why)];
    }
    let client = aws::client(&source.broker, PATIENCE).await;
    let name = aws::name(&source.queue);
    let queue = match ask(&client, &source.queue).await {
        Ok(attributes) => attributes,
        Err(failure) => {
            let why = errors::failed(&failure, &source.broker, &source.queue, "GetQueueAttributes");
            return vec![Step::refused("queue", &why), Step::skipped("deadLetter", "the queue itself cannot be read")];
        }
    };
    let kind = if aws::is_fifo(name) { "FIFO" } else { "standard" };
    let counts = attributes::look(&queue, crate::scaling::time::Timestamp::default()).unwrap_or_default();
    let found =
        format!("the {kind} queue {name:?} can be read: {} waiting, {} in flight", counts.visible, counts.in_flight);
    vec![Step::passed("queue", found), dead_letters(&client, source, &queue).await, drain(expected)]
}

async fn dead_letters(client: &Client, source: &Source, queue: &Attributes) -> Step {
    let redrive = attributes::redrive(&source.queue, queue);
    let Some(target) = source.dead_letter_queue.clone().or_else(|| redrive.as_ref().map(|found| found.queue.clone()))
    else {
        return Step::warning(
            "deadLetter",
            "the queue has no redrive policy, and the pool names no deadLetter.queue",
            "give it one, or name one: `awp worker` does not start without",
        );
    };
    let name = aws::name(&target);
    let failed = match ask(client, &target).await {
        Ok(attributes) => attributes,
        Err(failure) => {
            return Step::refused(
                "deadLetter",
                &errors::failed(&failure, &source.broker, &target, "GetQueueAttributes"),
            );
        }
    };
    if let Some(count) = redrive.map(|found| found.max_receive_count).filter(|count| *count < RECEIVES) {
        return Step::warning(
            "deadLetter",
            format!("SQS itself dead-letters after {count} receives, and counts each release and each lost worker"),
            format!("raise maxReceiveCount to {RECEIVES} or more in the redrive policy"),
        );
    }
    let retention =
        |attributes: &Attributes| attributes.get(&QueueAttributeName::MessageRetentionPeriod)?.parse::<u64>().ok();
    if retention(&failed).zip(retention(queue)).is_some_and(|(failed, queue)| failed <= queue) {
        return Step::warning(
            "deadLetter",
            format!("{name:?} keeps messages no longer than the queue, and counts from when a task was first sent"),
            "raise its MessageRetentionPeriod: up to 14 days",
        );
    }
    let depth = attributes::depth(&failed).unwrap_or(0);
    Step::passed("deadLetter", format!("dead letters go to {name:?}, which holds {depth}"))
}

fn drain(expected: &Expected) -> Step {
    if expected.workers_report {
        return Step::passed("workers", "they have a statusPort, so idle ones can be told");
    }
    Step::warning(
        "workers",
        "SQS does not tell which worker holds what: replicas fall one at a time, and SIGTERM is the drain",
        "set worker.statusPort; `awp worker` serves it",
    )
}

async fn ask(client: &Client, queue: &str) -> Result<Attributes, Failure> {
    let request = client.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::All).send();
    match tokio::time::timeout(LIMIT, request).await {
        Ok(answer) => answer.map(|answer| answer.attributes.unwrap_or_default()).map_err(|error| Failure::of(&error)),
        Err(_) => Err(Failure::new(Kind::Unreachable, "no answer in time")),
    }
}
