//! Several nodes that are one broker.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;

use super::neighbourhood::Neighbourhood;
use super::node::Node;
use super::{Options, RabbitMq};
use crate::base::cache::Cache;
use crate::base::install_crypto_provider;
use crate::base::wait;

/// 13 s on two idle cores.
const FORMED: Duration = Duration::from_secs(120);

/// Nodes that replicate quorum queues. Each is stopped, killed and started on its own.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<RabbitMq>,
}

impl Cluster {
    /// Three nodes.
    pub async fn start(options: Options) -> Result<Self> {
        install_crypto_provider();
        let programs = crate::install::rabbitmq::find(&Cache::of_user()?)?;
        let neighbourhood = Arc::new(Neighbourhood::start(&programs).await?);
        let names: Vec<String> = (1..=3).map(|number| format!("rabbit-{number}@localhost")).collect();
        let node = |name: &String| {
            Node::prepare(programs.clone(), options.clone(), neighbourhood.clone(), name, &names).map(RabbitMq::of)
        };
        let nodes = names.iter().map(node).collect::<Result<Vec<_>>>()?;
        let cluster = Self { nodes };
        cluster.start_again().await?;
        Ok(cluster)
    }

    pub fn nodes(&self) -> &[RabbitMq] {
        &self.nodes
    }

    /// Starts every node, all at once, and waits until they have found each other.
    pub async fn start_again(&self) -> Result<()> {
        try_join_all(self.nodes.iter().map(RabbitMq::start_again)).await?;
        for node in &self.nodes {
            let formed = async || {
                let seen = node.management_get("/api/nodes").await?;
                let running = seen.as_array().into_iter().flatten().filter(|node| node["running"] == true).count();
                Ok((running == self.nodes.len()).then_some(()))
            };
            wait::until("the cluster forms", FORMED, formed).await?;
        }
        Ok(())
    }

    /// Stops every node in order.
    pub async fn stop(&self) -> Result<()> {
        try_join_all(self.nodes.iter().map(RabbitMq::stop)).await.map(drop)
    }

    /// Where the queue's leader is, as a place among [`Cluster::nodes`]; asked of a node that must be running.
    pub async fn leader(&self, asked: usize, vhost: &str, queue: &str) -> Result<usize> {
        let path = format!("/api/queues/{vhost}/{queue}");
        let found = self.nodes[asked].management_get(&path).await?;
        let leader = found["leader"].as_str().context("the queue has no leader")?;
        self.nodes.iter().position(|node| node.name() == leader).context("the leader is a stranger")
    }

    /// Ends all nodes and waits until nothing of them is left.
    pub async fn shut_down(self) -> Result<()> {
        for node in self.nodes {
            node.shut_down().await?;
        }
        Ok(())
    }
}
