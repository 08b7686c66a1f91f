//! The process and files of one node.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::Mutex;

use super::neighbourhood::Neighbourhood;
use super::{Options, configuration, http};
use crate::base::ports;
use crate::base::scratch::Scratch;
use crate::base::server::{Server, Spec};
use crate::install::rabbitmq::Programs;

pub const ADMIN: &str = "admin";
pub const ADMIN_PASSWORD: &str = "admin-password";

/// 5 s on two idle cores; many test processes start at once.
const START_LIMIT: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub struct Ports {
    pub amqp: u16,
    pub tls: u16,
    pub management: u16,
    distribution: u16,
}

#[derive(Debug)]
pub struct Node {
    /// As Erlang knows it: `rabbit@localhost`.
    pub name: String,
    pub ports: Ports,
    pub ca_pem: String,
    pub management: AtomicBool,
    programs: Programs,
    options: Options,
    server: Mutex<Option<Server>>,
    scratch: Scratch,
    // After the server: it says goodbye to it.
    neighbourhood: Arc<Neighbourhood>,
}

impl Node {
    /// A node of its own.
    pub async fn start(programs: Programs, options: Options) -> Result<Self> {
        let neighbourhood = Arc::new(Neighbourhood::start(&programs).await?);
        let node = Self::prepare(programs, options, neighbourhood, "rabbit@localhost", &[])?;
        node.start_again().await?;
        Ok(node)
    }

    /// Not started yet. `cluster`: the names of all its nodes, this one included; none where it is alone.
    pub fn prepare(
        programs: Programs,
        options: Options,
        neighbourhood: Arc<Neighbourhood>,
        name: &str,
        cluster: &[String],
    ) -> Result<Self> {
        let scratch = Scratch::new("rabbitmq")?;
        let ports = Ports {
            amqp: ports::free()?,
            tls: ports::free()?,
            management: ports::free()?,
            distribution: ports::free()?,
        };
        let ca_pem = configuration::write_certificates(scratch.path())?;
        configuration::write(scratch.path(), &ports, &options, cluster)?;
        Ok(Self {
            name: name.to_owned(),
            ports,
            ca_pem,
            management: AtomicBool::new(options.management),
            programs,
            options,
            server: Mutex::new(None),
            scratch,
            neighbourhood,
        })
    }

    pub async fn start_again(&self) -> Result<()> {
        let mut running = self.server.lock().await;
        if running.is_some() {
            bail!("the RabbitMQ node runs already");
        }
        let program = self.programs.sbin.join("rabbitmq-server");
        let mut server = Server::start(&Spec::new("rabbitmq", program).envs(self.environment()), &self.scratch)?;
        server
            .ready_when(START_LIMIT, async || {
                if self.options.management {
                    // The management listener opens after those for AMQP, when everything has started.
                    http::get(self, "/api/overview").await?;
                    return Ok(());
                }
                self.tool("rabbitmq-diagnostics", &["check_port_connectivity", "--silent"]).await.map(drop)
            })
            .await?;
        self.management.store(self.options.management, Ordering::Relaxed);
        *running = Some(server);
        Ok(())
    }

    pub async fn pid(&self) -> Result<u32> {
        self.server.lock().await.as_ref().context("the RabbitMQ node does not run")?.pid()
    }

    pub async fn stop(&self) -> Result<()> {
        self.server.lock().await.take().context("the RabbitMQ node does not run")?.stop().await
    }

    pub async fn kill(&self) -> Result<()> {
        self.server.lock().await.take().context("the RabbitMQ node does not run")?.kill().await
    }

    pub async fn shut_down(self) -> Result<()> {
        let Self { server, scratch, neighbourhood, .. } = self;
        drop(server);
        scratch.finish().await?;
        match Arc::into_inner(neighbourhood) {
            Some(neighbourhood) => neighbourhood.shut_down().await,
            // Other nodes need it.
            None => Ok(()),
        }
    }

    pub fn logs(&self) -> PathBuf {
        self.scratch.path().join("logs")
    }

    pub fn epmd_logs(&self) -> PathBuf {
        self.neighbourhood.logs()
    }

    /// Stops or starts the application inside the running server: the plugin stays enabled for the next start.
    pub async fn set_management(&self, on: bool) -> Result<()> {
        if !self.options.management {
            bail!("this node was started without the management plugin");
        }
        let verb = if on { "start" } else { "stop" };
        self.tool("rabbitmqctl", &["eval", &format!("ok = application:{verb}(rabbitmq_management).")]).await?;
        self.management.store(on, Ordering::Relaxed);
        Ok(())
    }

    /// Runs one of RabbitMQ's command line tools against this node.
    pub async fn tool(&self, name: &str, args: &[&str]) -> Result<String> {
        let mut command = tokio::process::Command::new(self.programs.sbin.join(name));
        command.args(args).envs(self.environment()).stdin(Stdio::null()).kill_on_drop(true);
        let answer = command.output().await.with_context(|| format!("cannot start {name}"))?;
        let out = String::from_utf8_lossy(&answer.stdout).into_owned();
        if !answer.status.success() {
            let errors = String::from_utf8_lossy(&answer.stderr).into_owned();
            bail!("{name} {} failed ({}): {out}{errors}", args.join(" "), answer.status);
        }
        Ok(out)
    }

    fn environment(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.scratch.path().join(name).display().to_string();
        let mut environment = self.neighbourhood.environment();
        let own = [
            ("RABBITMQ_NODENAME", self.name.clone()),
            ("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", file("advanced.config")),
            ("RABBITMQ_CONF_ENV_FILE", file("rabbitmq-env.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins")),
            ("RABBITMQ_MNESIA_BASE", file("data")),
            ("RABBITMQ_LOG_BASE", file("logs")),
            ("RABBITMQ_LOGS", "-".to_owned()),
            ("RABBITMQ_DIST_PORT", self.ports.distribution.to_string()),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned()),
            // The started process is then the virtual machine itself, and SIGTERM stops it in order.
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ];
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cache::Cache;
    use crate::base::install_crypto_provider;

    /// The command lines of processes that were started with this port of an epmd.
    fn with_epmd_port(port: &str) -> Vec<String> {
        let variable = format!("ERL_EPMD_PORT={port}");
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let ours = processes.filter(|process| {
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
        });
        let command = |process: std::fs::DirEntry| std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        ours.map(|process| String::from_utf8_lossy(&command(process)).replace('\0', " ")).collect()
    }

    /// Those that stay: a shell that was ended may leave a `sleep` behind for a moment.
    async fn left_with_epmd_port(port: &str) -> Vec<String> {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
        loop {
            let left = with_epmd_port(port);
            if left.is_empty() || tokio::time::Instant::now() > deadline {
                return left;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// What a tool does that is still at work when its node and the node's epmd end.
    #[tokio::test]
    async fn a_tool_without_a_node_leaves_no_daemon_behind() {
        install_crypto_provider();
        let programs = crate::install::rabbitmq::find(&Cache::of_user().unwrap()).unwrap();
        let neighbourhood = Neighbourhood::start(&programs).await.unwrap();
        let environment = neighbourhood.environment();
        let port = environment.iter().find(|(name, _)| name == "ERL_EPMD_PORT").unwrap().1.clone();
        assert!(!with_epmd_port(&port).is_empty(), "the test looks in the wrong place");
        let node =
            Node::prepare(programs, Options::default(), Arc::new(neighbourhood), "rabbit@localhost", &[]).unwrap();
        let environment = node.environment();
        let program = node.programs.sbin.join("rabbitmqctl");
        node.shut_down().await.unwrap();
        assert_eq!(left_with_epmd_port(&port).await, Vec::<String>::new());
        let home = tempfile::tempdir().unwrap();
        let mut tool = tokio::process::Command::new(program);
        tool.arg("status").envs(environment).env("HOME", home.path()).stdin(Stdio::null()).kill_on_drop(true);
        assert!(!tool.output().await.unwrap().status.success());
        assert_eq!(left_with_epmd_port(&port).await, Vec::<String>::new());
    }
}
