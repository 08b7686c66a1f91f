//! What nodes of one cluster share: the daemon that knows their ports (epmd), and the cookie.
//!
//! Erlang starts such a daemon by itself wherever none answers: it then belongs to nobody and stays for ever. So ours
//! is up before anything else is started, and everything is told not to start one.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::base::ports;
use crate::base::scratch::Scratch;
use crate::base::server::{Server, Spec};
use crate::install::rabbitmq::Programs;

#[derive(Debug)]
pub struct Neighbourhood {
    port: u16,
    erlang: Option<PathBuf>,
    epmd: Server,
    scratch: Scratch,
}

impl Neighbourhood {
    pub async fn start(programs: &Programs) -> Result<Self> {
        let scratch = Scratch::new("epmd")?;
        write_cookie(scratch.path())?;
        let port = ports::free()?;
        let program = programs.erlang.as_ref().map_or_else(|| PathBuf::from("epmd"), |folder| folder.join("epmd"));
        let environment = environment(programs.erlang.as_deref(), port, scratch.path());
        let mut epmd = Server::start(&Spec::new("epmd", program).envs(environment), &scratch)?;
        let listens = async || Ok(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map(drop)?);
        epmd.ready_when(Duration::from_secs(20), listens).await?;
        Ok(Self { port, erlang: programs.erlang.clone(), epmd, scratch })
    }

    /// For every program of RabbitMQ and Erlang.
    pub fn environment(&self) -> Vec<(String, String)> {
        environment(self.erlang.as_deref(), self.port, self.scratch.path())
    }

    pub fn logs(&self) -> PathBuf {
        self.scratch.path().join("logs")
    }

    /// Waits until nothing of it is left.
    pub async fn shut_down(self) -> Result<()> {
        drop(self.epmd);
        self.scratch.finish().await
    }
}

fn environment(erlang: Option<&Path>, port: u16, home: &Path) -> Vec<(String, String)> {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = erlang.map_or_else(|| path.clone(), |folder| format!("{}:{path}", folder.display()));
    let variables = [
        ("PATH", path),
        ("HOME", home.display().to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("ERL_EPMD_PORT", port.to_string()),
        // Read by every Erlang, those that other programs start included.
        ("ERL_ZFLAGS", "-start_epmd false".to_owned()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// Erlang makes one where there is none; nodes that start at once would each make their own.
fn write_cookie(home: &Path) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(home.join(".erlang.cookie"));
    file.context("cannot write the cookie")?.write_all(b"AWPTESTBEDAWPTESTBED")?;
    Ok(())
}
