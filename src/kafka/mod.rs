//! A client of Apache Kafka for those who only look: what groups have committed, where partitions
//! end, who is a member. It knows nothing of pools.
//!
//! | file | what it does |
//! |---|---|
//! | `bytes` | Kafka's types on the wire, in both encodings |
//! | `message` | the requests that are needed, each with its answer |
//! | `scram`, `login` | SASL: PLAIN and SCRAM |
//! | `connection` | one connection to one broker: requests are pipelined, every wait has an end |
//! | `cluster` | the brokers of a cluster: who is who, one connection each |
//!
//! Why not a ready-made codec: the one there is for Rust reserves memory for as many elements as an
//! answer *says* it has, so a broker that lies, or a port that is no broker's, could end the process.
//! Here nothing is believed further than there are bytes. Versions are chosen so that brokers from 2.4
//! to 4.x understand them, which leaves one or two of each message.

mod bytes;
mod cluster;
mod connection;
mod error;
mod login;
pub mod message;
mod scram;

pub use bytes::Malformed;
pub use cluster::{Cluster, Settings};
pub use connection::Connection;
pub use error::{Code, Error};
pub use login::{Login, Mechanism};

/// Topic to partitions.
pub type Partitions = std::collections::BTreeMap<String, Vec<i32>>;
