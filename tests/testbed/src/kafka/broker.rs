//! The process and files of one broker.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::Mutex;

use super::Options;
use super::configuration::{self, LISTENERS, Listener, Ports};
use crate::base::pki::Authority;
use crate::base::ports;
use crate::base::scratch::Scratch;
use crate::base::server::{Server, Spec};
use crate::install::kafka::at_least;

/// 6 s on two idle cores, 20 s for three brokers; many test processes start at once.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Any will do: brokers refuse data of another cluster.
const CLUSTER: &str = "YXdwLXRlc3RiZWQta2Fma2";
/// Small, and compiled no further than the first stage: a test lives for seconds.
const JAVA: [&str; 4] = ["-Xmx384m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
const LOG: &str = "<Configuration><Appenders><Console name=\"out\"><PatternLayout pattern=\"%d %p %c{1} %m%n\"/>\
    </Console></Appenders><Loggers><Root level=\"warn\"><AppenderRef ref=\"out\"/></Root>{more}</Loggers></Configuration>\n";
/// The same for brokers before 4.0.
const OLD_LOG: &str = "log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n\
    log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=%d %p %c{1} %m%n\n";
const OLD_REQUESTS: &str = "log4j.logger.kafka.request.logger=DEBUG\n";
const REQUESTS: &str = "<Logger name=\"kafka.request.logger\" level=\"debug\"/>";

#[derive(Debug)]
pub struct Broker {
    id: i32,
    ports: Ports,
    folder: PathBuf,
    classpath: String,
    version: String,
    server: Mutex<Option<Server>>,
}

/// Files and ports of all brokers of a cluster.
pub fn set_up(jars: &Path, scratch: &Scratch, authority: &Authority, options: &Options) -> Result<Vec<Broker>> {
    let ids: Vec<i32> = (1..).take(options.brokers).collect();
    let taken = || Ok(Ports { clients: try_ports()?, controller: ports::free()?, relay: options.relay });
    let ports = ids.iter().map(|_| taken()).collect::<Result<Vec<Ports>>>()?;
    let controllers: Vec<(i32, u16)> = ids.iter().zip(&ports).map(|(id, it)| (*id, it.controller)).collect();
    let mut brokers = Vec::new();
    for (id, ports) in ids.into_iter().zip(ports) {
        let folder = scratch.folder(&format!("broker-{id}"))?;
        let identity = authority.server("localhost", &["localhost", "127.0.0.1"])?;
        std::fs::write(folder.join("server.pem"), identity.key + &identity.certificate)?;
        std::fs::write(folder.join("ca.crt"), authority.pem())?;
        let log = LOG.replace("{more}", if options.request_log { REQUESTS } else { "" });
        std::fs::write(folder.join("log4j2.xml"), log)?;
        let log = OLD_LOG.to_owned() + if options.request_log { OLD_REQUESTS } else { "" };
        std::fs::write(folder.join("log4j.properties"), log)?;
        let lines = configuration::lines(id, &ports, &controllers, &folder, options);
        std::fs::write(folder.join("server.properties"), lines)?;
        let classpath = format!("{}/*", jars.display());
        let version = options.version.clone();
        brokers.push(Broker { id, ports, folder, classpath, version, server: Mutex::new(None) });
    }
    Ok(brokers)
}

fn try_ports() -> Result<[u16; 5]> {
    let mut ports = [0; LISTENERS.len()];
    for port in &mut ports {
        *port = ports::free()?;
    }
    Ok(ports)
}

impl Broker {
    /// The node id.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// `HOST:PORT`
    pub fn address(&self, listener: Listener) -> String {
        format!("{}:{}", listener.host(), self.ports.of(listener))
    }

    pub async fn pid(&self) -> Result<u32> {
        self.server.lock().await.as_ref().context("the broker does not run")?.pid()
    }

    /// Where it writes its log.
    pub fn log(&self) -> Result<PathBuf> {
        let server = self.server.try_lock().context("the broker starts or stops")?;
        Ok(server.as_ref().context("the broker does not run")?.log().to_owned())
    }

    /// Stops it in order: it hands over its leaderships first. Ports and data stay.
    pub async fn stop(&self) -> Result<()> {
        self.server.lock().await.take().context("the broker does not run")?.stop().await
    }

    /// Ends it as a crash would.
    pub async fn kill(&self) -> Result<()> {
        self.server.lock().await.take().context("the broker does not run")?.kill().await
    }

    /// Makes it hang (SIGSTOP): connections stay open and are accepted, and nothing is answered.
    pub async fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP).await
    }

    /// Ends a [`Broker::pause`].
    pub async fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT).await
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().await?;
        Ok(kill_process(Pid::from_raw(pid.cast_signed()).context("pid 0")?, signal)?)
    }

    /// Prepares the data folder.
    pub(super) async fn format(&self) -> Result<()> {
        let properties = self.properties();
        let mut args = vec!["format", "--cluster-id", CLUSTER, "--config", &properties];
        let users = configuration::scram_users(&self.version);
        args.extend(users.iter().map(String::as_str));
        self.tool("kafka.tools.StorageTool", &args).await.map(drop)
    }

    pub(super) async fn start_again(&self, scratch: &Scratch) -> Result<()> {
        let mut running = self.server.lock().await;
        if running.is_some() {
            bail!("broker {} runs already", self.id);
        }
        let spec = Spec::new(&format!("kafka-{}", self.id), "java").grace(Duration::from_secs(15));
        let spec = spec.args(self.java()).args(["kafka.Kafka".to_owned(), self.properties()]);
        let mut server = Server::start(&spec, scratch)?;
        let address = self.address(Listener::Plaintext);
        // The listeners open when the broker has caught up with its controller and may serve.
        let connects = async || Ok(tokio::net::TcpStream::connect(&address).await.map(drop)?);
        server.ready_when(START_LIMIT, connects).await?;
        *running = Some(server);
        Ok(())
    }

    pub(super) async fn tool(&self, class: &str, args: &[&str]) -> Result<String> {
        let mut command = tokio::process::Command::new("java");
        command.args(self.java()).arg(class).args(args).stdin(Stdio::null()).kill_on_drop(true);
        let answer = command.output().await.context("cannot start java")?;
        let out = String::from_utf8_lossy(&answer.stdout).into_owned();
        if !answer.status.success() {
            let errors = String::from_utf8_lossy(&answer.stderr).into_owned();
            bail!("{class} failed ({}): {out}{errors}", answer.status);
        }
        Ok(out)
    }

    pub(super) async fn acl_tool(&self, args: &[&str]) -> Result<()> {
        let package = if at_least(&self.version, (4, 0)) { "org.apache.kafka.tools" } else { "kafka.admin" };
        self.tool(&format!("{package}.AclCommand"), args).await.map(drop)
    }

    fn java(&self) -> Vec<String> {
        let log = format!("-Dlog4j2.configurationFile={}", self.folder.join("log4j2.xml").display());
        let old_log = format!("-Dlog4j.configuration=file:{}", self.folder.join("log4j.properties").display());
        let mut args: Vec<String> = JAVA.map(str::to_owned).to_vec();
        args.extend([log, old_log, "-cp".to_owned(), self.classpath.clone()]);
        args
    }

    fn properties(&self) -> String {
        self.folder.join("server.properties").display().to_string()
    }
}
