//! What clients cost the node.

use anyhow::{Context, Result};

use super::RabbitMq;

impl RabbitMq {
    /// Bytes that the node has received over the connections of `user` that are open now, counted to the moment (a
    /// second per call).
    pub async fn received_bytes(&self, user: &str) -> Result<u64> {
        let listed = self.ctl(&["list_connections", "--quiet", "--no-table-headers", "user", "recv_oct"]).await?;
        let of_user = listed.lines().filter_map(|line| line.split_once('\t')).filter(|(name, _)| *name == user);
        of_user.map(|(_, bytes)| bytes.trim().parse::<u64>().with_context(|| format!("recv_oct: {bytes:?}"))).sum()
    }

    /// The process of the node.
    pub async fn pid(&self) -> Result<u32> {
        self.node.pid().await
    }
}
