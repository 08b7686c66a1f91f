//! A queue, its dead letters, and the programs under test.

use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use awp::contract::Status;
use awp_testbed::Sqs;
use awp_testbed::base::{ports, wait};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// Long enough for a loaded machine, short enough to be a failure.
pub const SOON: Duration = Duration::from_secs(60);

/// A queue with one for its dead letters, and a folder with a login.
pub struct Bench {
    pub sqs: &'static Sqs,
    pub queue: String,
    pub failed: String,
    pub folder: tempfile::TempDir,
}

impl Bench {
    /// On queues that `awp publish --declare` makes.
    pub async fn new(name: &str, suffix: &str) -> Self {
        let sqs = awp_testbed::sqs().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("AWS_ACCESS_KEY_ID"), "AKIATEST").unwrap();
        std::fs::write(folder.path().join("AWS_SECRET_ACCESS_KEY"), "planted-hunter2").unwrap();
        let name = sqs.unique(name, "");
        let (queue, failed) = (format!("{name}{suffix}"), format!("{name}_failed{suffix}"));
        let bench = Self { sqs, queue: sqs.queue_url(&queue), failed: sqs.queue_url(&failed), folder };
        let declared = bench.publish(&["--declare"], "").await;
        assert!(declared.status.success(), "{declared:?}");
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn awp(&self, command: &str) -> Command {
        let mut awp = Command::new(env!("CARGO_BIN_EXE_awp"));
        awp.args([command, "--broker", "sqs", "--queue-url", &self.queue, "--region", "eu-central-1"]);
        awp.args(["--endpoint", &self.sqs.endpoint(), "--credentials-dir"]).arg(self.folder.path());
        awp.kill_on_drop(true);
        awp
    }

    pub async fn publish(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.awp("publish");
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        child.wait_with_output().await.unwrap()
    }

    /// Publishes and answers the ids.
    pub async fn published(&self, args: &[&str]) -> Vec<String> {
        let output = self.publish(args, "").await;
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(Into::into).collect()
    }

    /// A worker that is ready; `args` end with `--simulate` or `--exec -- …`.
    pub async fn worker(&self, args: &[&str]) -> Worker {
        self.worker_by(self.awp("worker"), args).await
    }

    /// The same by `awp worker` as somebody else.
    pub async fn worker_by(&self, mut command: Command, args: &[&str]) -> Worker {
        let address = format!("127.0.0.1:{}", ports::free().unwrap());
        command.args(["--dead-letter", &self.failed, "--status-address", &address, "--log-format", "json"]).args(args);
        let worker = Worker::start(command, address);
        worker.until_status("ready", |_| true).await;
        worker
    }

    pub async fn until_empty(&self) {
        let what = format!("{} is empty", self.queue);
        wait::until(&what, SOON, async || Ok((self.sqs.counts(&self.queue).await?.total() == 0).then_some(())))
            .await
            .unwrap();
    }

    /// Waits for so many lines of a file in the folder.
    pub async fn until_lines(&self, file: &str, count: usize) -> Vec<String> {
        let path = self.path(file);
        let lines = || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        wait::until(&format!("{count} lines in {file}"), SOON, async || Ok((lines().len() >= count).then(lines)))
            .await
            .unwrap()
    }
}

pub struct Worker {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Worker {
    fn start(mut command: Command, address: String) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), log.clone());
        collect(child.stderr.take().unwrap(), log.clone());
        Self { child, address, log }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub async fn status(&self) -> anyhow::Result<Status> {
        Ok(reqwest::get(format!("http://{}/status", self.address)).await?.json().await?)
    }

    pub async fn until_status(&self, what: &str, enough: impl Fn(&Status) -> bool) -> Status {
        let asked = wait::until(what, SOON, async || Ok(Some(self.status().await?).filter(&enough))).await;
        asked.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()))
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(SOON, self.child.wait()).await.unwrap_or_else(|_| panic!("{}", self.log())).unwrap()
    }
}

fn collect(stream: impl AsyncRead + Unpin + Send + 'static, log: Arc<Mutex<String>>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            *log.lock().unwrap() += &(line + "\n");
        }
    });
}
