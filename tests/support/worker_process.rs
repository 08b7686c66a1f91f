//! `awp worker`, or another program that keeps the worker contract, as a process under test.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use awp::contract::Status;
use awp_testbed::base::{ports, wait};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use crate::bench::SOON;

pub struct Worker {
    pub child: Child,
    pub port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

impl Worker {
    /// With what the operator sets for every broker.
    pub fn spawn(mut command: Command) -> Self {
        let port = ports::free().unwrap();
        let mut child = command
            .env("AWP_STATUS_ADDRESS", format!("127.0.0.1:{port}"))
            .env("AWP_POD", format!("pod-{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(follow(child.stdout.take().unwrap(), log.clone()));
        tokio::spawn(follow(child.stderr.take().unwrap(), log.clone()));
        Self { child, port, log }
    }

    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.port)).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    pub async fn status(&self) -> Status {
        let (_, text) = self.get("/status").await.unwrap_or_else(|| panic!("no status; the log: {:#?}", self.log()));
        serde_json::from_str(&text).unwrap()
    }

    pub async fn ready(&self) -> bool {
        self.get("/ready").await.is_some_and(|(code, _)| code == 200)
    }

    pub async fn until_ready(&self) {
        let ready = wait::until("ready", SOON, async || Ok(self.ready().await.then_some(()))).await;
        assert!(ready.is_ok(), "not ready; the log: {:#?}", self.log());
    }

    pub async fn until_status(&self, what: &str, holds: impl Fn(&Status) -> bool) -> Status {
        let reached = wait::until(what, SOON, async || {
            let status = self.status().await;
            Ok(holds(&status).then_some(status))
        })
        .await;
        let Ok(status) = reached else {
            panic!("{what}: not in {:?}; the log: {:#?}", self.status().await, self.log())
        };
        status
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let Ok(status) = tokio::time::timeout(SOON, self.child.wait()).await else {
            panic!("it does not end; the log: {:#?}", self.log())
        };
        status.unwrap()
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub async fn until_log(&self, text: &str) {
        let seen = async || Ok(self.log().iter().any(|line| line.contains(text)).then_some(()));
        assert!(wait::until("log", SOON, seen).await.is_ok(), "no {text:?} in the log: {:#?}", self.log());
    }
}

async fn follow(pipe: impl AsyncRead + Unpin, log: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().unwrap().push(line);
    }
}
