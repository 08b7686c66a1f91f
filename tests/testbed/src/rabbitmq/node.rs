//! The processes and files of one node: an epmd of its own, and the server.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::Mutex;

use super::{Options, http};
use crate::base::pki::Authority;
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
    epmd: u16,
}

#[derive(Debug)]
pub struct Node {
    pub ports: Ports,
    pub ca_pem: String,
    pub management: AtomicBool,
    programs: Programs,
    options: Options,
    server: Mutex<Option<Server>>,
    epmd: Server,
    scratch: Scratch,
}

impl Node {
    pub async fn start(programs: Programs, options: Options) -> Result<Self> {
        let scratch = Scratch::new("rabbitmq")?;
        let ports = Ports {
            amqp: ports::free()?,
            tls: ports::free()?,
            management: ports::free()?,
            distribution: ports::free()?,
            epmd: ports::free()?,
        };
        let ca_pem = write_certificates(&scratch)?;
        write_configuration(&scratch, &ports, &options)?;
        let epmd = Server::start(&epmd(&programs, &ports), &scratch)?;
        let node = Self {
            ports,
            ca_pem,
            management: AtomicBool::new(options.management),
            programs,
            options,
            server: Mutex::new(None),
            epmd,
            scratch,
        };
        node.start_again().await?;
        Ok(node)
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
        let Self { server, epmd, scratch, .. } = self;
        drop((server, epmd));
        scratch.finish().await
    }

    pub fn logs(&self) -> PathBuf {
        self.scratch.path().join("logs")
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
        let mut environment = erlang_environment(&self.programs, &self.ports);
        let own = [
            ("HOME", file("")),
            ("RABBITMQ_NODENAME", "rabbit@localhost".to_owned()),
            ("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", file("advanced.config")),
            ("RABBITMQ_CONF_ENV_FILE", file("rabbitmq-env.conf")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", file("enabled_plugins")),
            ("RABBITMQ_MNESIA_BASE", file("data")),
            ("RABBITMQ_LOG_BASE", file("logs")),
            ("RABBITMQ_LOGS", "-".to_owned()),
            ("RABBITMQ_DIST_PORT", self.ports.distribution.to_string()),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false".to_owned(),
            ),
            // The started process is then the virtual machine itself, and SIGTERM stops it in order.
            ("RUNNING_UNDER_SYSTEMD", "true".to_owned()),
        ];
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        environment
    }
}

fn epmd(programs: &Programs, ports: &Ports) -> Spec {
    let program = programs.erlang.as_ref().map_or_else(|| PathBuf::from("epmd"), |folder| folder.join("epmd"));
    Spec::new("epmd", program).envs(erlang_environment(programs, ports))
}

fn erlang_environment(programs: &Programs, ports: &Ports) -> Vec<(String, String)> {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = programs.erlang.as_ref().map_or_else(|| path.clone(), |folder| format!("{}:{path}", folder.display()));
    vec![
        ("PATH".to_owned(), path),
        ("ERL_EPMD_ADDRESS".to_owned(), "127.0.0.1".to_owned()),
        ("ERL_EPMD_PORT".to_owned(), ports.epmd.to_string()),
    ]
}

fn write_certificates(scratch: &Scratch) -> Result<String> {
    let authority = Authority::new("awp-testbed RabbitMQ")?;
    authority.server("localhost", &["localhost", "127.0.0.1"])?.write(scratch.path(), "server")?;
    std::fs::write(scratch.path().join("ca.crt"), authority.pem())?;
    Ok(authority.pem())
}

fn write_configuration(scratch: &Scratch, ports: &Ports, options: &Options) -> Result<()> {
    let folder = scratch.path();
    let mut lines = vec![
        format!("listeners.tcp.1 = 127.0.0.1:{}", ports.amqp),
        format!("default_user = {ADMIN}"),
        format!("default_pass = {ADMIN_PASSWORD}"),
        "default_user_tags.administrator = true".to_owned(),
        format!("collect_statistics_interval = {}", options.statistics_interval),
        "log.console.level = info".to_owned(),
        // A test machine with a full disk or little memory would block publishers, and the test would only hang.
        "disk_free_limit.absolute = 50MB".to_owned(),
        "vm_memory_high_watermark.absolute = 1GB".to_owned(),
    ];
    if options.tls {
        lines.push(format!("listeners.ssl.1 = 127.0.0.1:{}", ports.tls));
        for (key, file) in [("cacertfile", "ca.crt"), ("certfile", "server.crt"), ("keyfile", "server.key")] {
            lines.push(format!("ssl_options.{key} = {}", folder.join(file).display()));
        }
        lines.push("ssl_options.verify = verify_none".to_owned());
    }
    if options.management {
        lines.push("management.tcp.ip = 127.0.0.1".to_owned());
        lines.push(format!("management.tcp.port = {}", ports.management));
        lines.push(format!("management_agent.disable_metrics_collector = {}", options.disable_metrics_collector));
    }
    lines.push(options.extra.clone());
    std::fs::write(folder.join("rabbitmq.conf"), lines.join("\n") + "\n")?;
    // Not a key of rabbitmq.conf in any version.
    let advanced = format!("[{{rabbit, [{{quorum_tick_interval, {}}}]}}].\n", options.quorum_tick_interval);
    std::fs::write(folder.join("advanced.config"), advanced)?;
    let plugins = if options.management { "[rabbitmq_management].\n" } else { "[].\n" };
    std::fs::write(folder.join("enabled_plugins"), plugins)?;
    std::fs::write(folder.join("rabbitmq-env.conf"), "")?;
    Ok(())
}
