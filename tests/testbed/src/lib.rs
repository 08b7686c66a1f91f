//! Real servers for tests and the demo, on loopback, without root or a container engine: a Kubernetes control plane,
//! RabbitMQ, Apache Kafka, ElasticMQ (for Amazon SQS), moto (for AWS's STS), and nodes.
//!
//! Their programs come from `testbed install` (`make testbed`), once per machine. Every server ends when the process
//! that started it ends, also when that is killed.

pub mod base;
pub mod bench;
pub mod changes;
pub mod control_plane;
pub mod demo;
pub mod install;
pub mod kafka;
pub mod kwok;
pub mod operator;
pub mod process_node;
pub mod rabbitmq;
pub mod reaction;
pub mod replicas;
pub mod sqs;
pub mod sts;

pub use control_plane::{Access, ControlPlane, control_plane};
pub use kafka::{Kafka, kafka};
pub use kwok::Kwok;
pub use operator::Operator;
pub use process_node::ProcessNode;
pub use rabbitmq::{RabbitMq, rabbitmq};
pub use replicas::Replicas;
pub use sqs::{Sqs, sqs};
pub use sts::{Sts, sts};
