//! The rules of `spec.broker.rabbitmq.declare` (see [`super::rules`]).

use kube::core::Rule;

use super::rules::forbidden;

const NAME: &str = "write a name of 1 to 255 bytes";

pub fn declare() -> Vec<Rule> {
    vec![
        forbidden(
            "!has(self.maxPriority) || (has(self.type) && self.type == 'Classic')",
            "write type: Classic with it, or leave it out: RabbitMQ refuses x-max-priority on a quorum queue, which has \
             priorities of its own",
        )
        .field_path(".maxPriority"),
    ]
}

pub fn binding() -> Vec<Rule> {
    vec![
        forbidden("self.exchange != '' && bytes(self.exchange).size() <= 255", NAME).field_path(".exchange"),
        forbidden("bytes(self.routingKey).size() <= 255", "write at most 255 bytes").field_path(".routingKey"),
    ]
}

pub fn dead_letter() -> Vec<Rule> {
    vec![
        forbidden("self.exchange != '' && bytes(self.exchange).size() <= 255", NAME).field_path(".exchange"),
        forbidden("!has(self.routingKey) || bytes(self.routingKey).size() <= 255", "write at most 255 bytes")
            .field_path(".routingKey"),
        forbidden(
            "self.queue != '' && bytes(self.queue).size() <= 255 && !self.queue.startsWith('amq.')",
            "write a name of 1 to 255 bytes that does not start with amq., which RabbitMQ keeps for itself",
        )
        .field_path(".queue"),
    ]
}
