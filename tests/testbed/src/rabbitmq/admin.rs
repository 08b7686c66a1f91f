//! Vhosts, users and connections: by the management API where it runs, else by `rabbitmqctl` (a second per call).

use anyhow::Result;
use serde_json::{Value, json};

use super::http::{self, available, encode};
use super::node::ADMIN;
use super::{Counts, RabbitMq};

/// A user of one vhost.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    pub name: &'a str,
    pub password: &'a str,
    /// Comma separated, such as `monitoring`; empty for none.
    pub tags: &'a str,
    /// The permission patterns: configure, write, read. `^$` permits nothing, `.*` everything.
    pub permissions: [&'a str; 3],
}

impl<'a> User<'a> {
    /// May use every queue and exchange, and read every statistic.
    pub fn monitoring(name: &'a str, password: &'a str) -> Self {
        Self { name, password, tags: "monitoring", permissions: [".*"; 3] }
    }
}

impl RabbitMq {
    pub(super) async fn add_vhost(&self, name: &str) -> Result<()> {
        if available(&self.node) {
            http::put(&self.node, &format!("/api/vhosts/{}", encode(name)), &json!({})).await?;
        } else {
            self.ctl(&["add_vhost", name]).await?;
        }
        self.set_permissions(ADMIN, name, [".*"; 3]).await
    }

    pub async fn delete_vhost(&self, name: &str) -> Result<()> {
        if available(&self.node) {
            return http::delete(&self.node, &format!("/api/vhosts/{}", encode(name))).await;
        }
        self.ctl(&["delete_vhost", name]).await.map(drop)
    }

    /// Creates the user and gives it its permissions on `vhost`.
    pub async fn add_user(&self, user: User<'_>, vhost: &str) -> Result<()> {
        if available(&self.node) {
            let body = json!({"password": user.password, "tags": user.tags});
            http::put(&self.node, &format!("/api/users/{}", encode(user.name)), &body).await?;
        } else {
            self.ctl(&["add_user", user.name, user.password]).await?;
            let tags = user.tags.split(',').filter(|tag| !tag.is_empty());
            self.ctl(&["set_user_tags", user.name].into_iter().chain(tags).collect::<Vec<_>>()).await?;
        }
        self.set_permissions(user.name, vhost, user.permissions).await
    }

    /// The patterns are configure, write, read.
    pub async fn set_permissions(&self, user: &str, vhost: &str, patterns: [&str; 3]) -> Result<()> {
        let [configure, write, read] = patterns;
        if available(&self.node) {
            let path = format!("/api/permissions/{}/{}", encode(vhost), encode(user));
            let body = json!({"configure": configure, "write": write, "read": read});
            return http::put(&self.node, &path, &body).await;
        }
        self.ctl(&["set_permissions", "-p", vhost, user, configure, write, read]).await.map(drop)
    }

    /// Open connections stay open: close them too ([`RabbitMq::close_connections`]) where that matters.
    pub async fn set_password(&self, user: &str, password: &str) -> Result<()> {
        if available(&self.node) {
            let path = format!("/api/users/{}", encode(user));
            // The tags are replaced as well.
            let tags = http::get(&self.node, &path).await?["tags"].clone();
            return http::put(&self.node, &path, &json!({"password": password, "tags": tags})).await;
        }
        self.ctl(&["change_password", user, password]).await.map(drop)
    }

    pub async fn delete_user(&self, user: &str) -> Result<()> {
        if available(&self.node) {
            return http::delete(&self.node, &format!("/api/users/{}", encode(user))).await;
        }
        self.ctl(&["delete_user", user]).await.map(drop)
    }

    /// How many AMQP connections are open to `vhost` now (not as old as the statistics are).
    pub async fn connections(&self, vhost: &str) -> Result<usize> {
        let listed = self.ctl(&["list_connections", "--quiet", "--no-table-headers", "vhost", "name"]).await?;
        Ok(listed.lines().filter(|line| line.split('\t').next() == Some(vhost)).count())
    }

    /// Closes every AMQP connection to `vhost`.
    pub async fn close_connections(&self, vhost: &str) -> Result<()> {
        self.ctl(&["close_all_connections", "--vhost", vhost, "closed by the testbed"]).await.map(drop)
    }

    /// Sets a policy for the queues of `vhost` whose names match `pattern`.
    pub async fn set_policy(&self, vhost: &str, name: &str, pattern: &str, definition: &Value) -> Result<()> {
        if available(&self.node) {
            let path = format!("/api/policies/{}/{}", encode(vhost), encode(name));
            let body = json!({"pattern": pattern, "definition": definition, "apply-to": "queues"});
            return http::put(&self.node, &path, &body).await;
        }
        let definition = definition.to_string();
        self.ctl(&["set_policy", "-p", vhost, "--apply-to", "queues", name, pattern, &definition]).await.map(drop)
    }

    /// The queue's messages as the node itself counts them, never old, in any state of the management plugin (about a
    /// second; [`RabbitMq::ready`] is faster).
    pub async fn counts(&self, vhost: &str, queue: &str) -> Result<Counts> {
        let options = ["list_queues", "-p", vhost, "--quiet", "--no-table-headers"];
        let columns = ["name", "messages_ready", "messages_unacknowledged", "consumers"];
        let listed = self.ctl(&[&options[..], &columns].concat()).await?;
        let row = listed.lines().map(|line| line.split('\t').collect::<Vec<_>>()).find(|row| row[0] == queue);
        let row = row.ok_or_else(|| anyhow::anyhow!("no queue {queue} in {vhost}: {listed}"))?;
        let number = |at: usize| row.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Counts { ready: number(1), unacked: number(2), consumers: number(3) })
    }

    /// `GET` of the management API as the administrator, such as `/api/queues/v`.
    pub async fn management_get(&self, path: &str) -> Result<Value> {
        http::get(&self.node, path).await
    }
}
