//! `--exec`: one command per task, in a process group of its own, so that a signal to the worker
//! does not reach the task, and the task's end is the end of everything it started.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};

use super::output::{self, Output};
use super::shutdown::Shutdown;
use super::work::{Outcome, Task, timed_out};

/// Between SIGTERM and SIGKILL of a task that took too long.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Command {
    program: PathBuf,
    args: Vec<OsString>,
    output: Output,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("--exec needs a command: awp worker --exec -- python agent.py")]
    Missing,
    #[error("the command {0:?} is not an executable file, nor in PATH")]
    NotFound(String),
}

impl Command {
    /// Looks the program up once, at the start: a misspelled command must not meet a task.
    pub fn new(words: Vec<OsString>, path: Option<OsString>, output: Output) -> Result<Self, CommandError> {
        let mut words = words.into_iter();
        let program = words.next().ok_or(CommandError::Missing)?;
        let candidates: Vec<PathBuf> = if Path::new(&program).components().count() > 1 {
            vec![program.clone().into()]
        } else {
            std::env::split_paths(&path.unwrap_or_default()).map(|folder| folder.join(&program)).collect()
        };
        let program = candidates
            .into_iter()
            .find(|candidate| executable(candidate))
            .ok_or_else(|| CommandError::NotFound(program.to_string_lossy().into_owned()))?;
        Ok(Self { program, args: words.collect(), output })
    }

    pub(super) async fn run(&self, task: &Task<'_>, shutdown: &Shutdown) -> Outcome {
        let mut child = match self.spawn(task) {
            Ok(child) => child,
            Err(error) => return Outcome::NotStarted(error.to_string()),
        };
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let feeding = tokio::spawn(feed(child.stdin.take(), task.message.body.clone()));
        let logging = output::follow(&mut child, &task.message.id);

        let outcome = tokio::select! {
            biased;
            () = shutdown.aborted() => Outcome::Aborted,
            ended = child.wait() => exited(ended),
            limit = expiry(task.timeout) => {
                end(&mut child, group, shutdown).await;
                Outcome::Failed(timed_out(limit))
            }
        };
        // Whatever it left behind goes with it: nothing of a finished task keeps memory here, or
        // the pipe open that the log is read from.
        signal(group, Signal::KILL);
        let _ = child.wait().await;
        reap(group).await;
        feeding.abort();
        logging.finish().await;
        outcome
    }

    fn spawn(&self, task: &Task<'_>) -> io::Result<Child> {
        let message = task.message;
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.args)
            .env("AWP_TASK_ID", plain(&message.id))
            .env("AWP_ATTEMPT", message.attempt.to_string())
            .env("AWP_REDELIVERED", message.redelivered.to_string())
            .env("AWP_TASK_TYPE", plain(message.task_type.as_deref().unwrap_or_default()))
            .stdin(Stdio::piped())
            .process_group(0);
        if let Some(deadline) = deadline(task.now, task.timeout) {
            command.env("AWP_DEADLINE", deadline.to_string());
        }
        // The worker's own login is no business of the task.
        command.env_remove("AWP_USERNAME").env_remove("AWP_PASSWORD");
        self.output.apply(&mut command);
        command.spawn()
    }
}

/// Unix seconds, rounded down: a task that keeps to it is not late.
fn deadline(now: SystemTime, timeout: Option<Duration>) -> Option<u64> {
    Some((now.checked_add(timeout?)?).duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The environment cannot hold a NUL, and a stranger's id must not make the start fail.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// A command that does not read all of its input is not wrong: it closes the pipe.
async fn feed(stdin: Option<ChildStdin>, body: Vec<u8>) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(&body).await;
    }
}

async fn expiry(timeout: Option<Duration>) -> Duration {
    match timeout {
        Some(timeout) => {
            tokio::time::sleep(timeout).await;
            timeout
        }
        None => std::future::pending().await,
    }
}

fn exited(ended: io::Result<ExitStatus>) -> Outcome {
    match ended {
        Ok(status) if status.success() => Outcome::Done,
        Ok(status) => Outcome::Failed(match (status.code(), status.signal()) {
            (Some(code), _) => format!("the command ended with exit status {code}"),
            (None, Some(9)) => "the command was killed by signal 9 (SIGKILL; out of memory?)".to_owned(),
            (None, signal) => format!("the command was killed by signal {}", signal.unwrap_or_default()),
        }),
        Err(error) => Outcome::Failed(format!("the command's end could not be seen: {error}")),
    }
}

/// SIGTERM, time to tidy up, and no more: the caller kills what is left.
async fn end(child: &mut Child, group: Option<Pid>, shutdown: &Shutdown) {
    signal(group, Signal::TERM);
    tokio::select! {
        () = shutdown.aborted() => {}
        _ = child.wait() => {}
        () = tokio::time::sleep(GRACE) => {}
    }
}

/// To the whole group. The group's number cannot be somebody else's: it stays taken while a member
/// lives, and numbers come round again only after thousands of others.
fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // No such group: all have ended already.
        let _ = kill_process_group(group, signal);
    }
}

/// As the first process of a container the worker inherits what its tasks leave behind; unreaped,
/// each would hold a process number for as long as the worker lives.
async fn reap(group: Option<Pid>) {
    let Some(group) = group else { return };
    for _ in 0..20 {
        match waitid(WaitId::Pgid(Some(group)), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(_) => return,
        }
    }
}
