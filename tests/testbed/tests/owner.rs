//! Whatever happens to the process that started the servers: nothing of them stays.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use awp_testbed::base::wait;
use rustix::process::{Pid, Signal, kill_process};

/// `testbed up` with everything, and where its servers keep their data.
struct Owner {
    process: Child,
    folders: Vec<PathBuf>,
}

impl Owner {
    fn start() -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
        command.args(["up", "--rabbitmq", "--kwok"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let mut folders = Vec::new();
        for line in BufReader::new(process.stdout.take().context("stdout")?).lines() {
            if let Some(logs) = line?.strip_prefix("# logs: ") {
                folders.extend(Path::new(logs).parent().map(Path::to_owned));
            }
            // Of the control plane, of RabbitMQ, of its epmd and of kwok.
            if folders.len() == 4 {
                break;
            }
        }
        Ok(Self { process, folders })
    }

    /// The pids of etcd, API server, controller-manager, scheduler, epmd, RabbitMQ and kwok.
    fn servers(&self) -> Result<Vec<u32>> {
        let mut pids = Vec::new();
        for folder in &self.folders {
            for entry in std::fs::read_dir(folder.join("pids"))? {
                pids.push(std::fs::read_to_string(entry?.path())?.trim().parse()?);
            }
        }
        Ok(pids)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_raw(self.process.id().cast_signed()).context("pid")?, signal)?)
    }
}

/// A zombie does not run.
fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[tokio::test]
async fn an_owner_killed_with_9_leaves_no_process_and_no_folder() {
    let mut owner = Owner::start().unwrap();
    let servers = owner.servers().unwrap();
    assert_eq!(servers.len(), 7, "{servers:?}");
    assert!(servers.iter().all(|pid| runs(*pid)));
    owner.signal(Signal::KILL).unwrap();
    owner.process.wait().unwrap();
    let gone = async || {
        let left = servers.iter().any(|pid| runs(*pid)) || owner.folders.iter().any(|folder| folder.exists());
        Ok((!left).then_some(()))
    };
    wait::until("everything is gone", Duration::from_secs(20), gone).await.unwrap();
}

#[test]
fn after_ctrl_c_everything_is_gone_when_the_command_ends() {
    let mut owner = Owner::start().unwrap();
    let servers = owner.servers().unwrap();
    owner.signal(Signal::INT).unwrap();
    assert!(owner.process.wait().unwrap().success());
    assert!(!servers.iter().any(|pid| runs(*pid)));
    assert!(!owner.folders.iter().any(|folder| folder.exists()));
}
