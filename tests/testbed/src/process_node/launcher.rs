//! Starts the processes of pods, and makes sure that none outlives the node.
//!
//! One small shell, the watchdog, reads the process groups that run from a pipe. When the pipe closes, because the
//! node ends or because it was killed with -9, the watchdog kills what still runs and removes the folder of pods.
//! Processes that left their group are found by the mark in their environment (see `stragglers`).
//! No process can slip through between its start and its announcement: it starts as a shell that waits for a word
//! on its own pipe, is announced, and only then becomes the program.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::env::Variables;
use super::stragglers;

const WATCHDOG: &str = r#"
trap '' INT TERM HUP
groups=
while read -r verb group; do
    case $verb in
    add) groups="$groups $group" ;;
    remove)
        rest=
        for other in $groups; do [ "$other" = "$group" ] || rest="$rest $other"; done
        groups=$rest
        ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
for environment in $(grep -lF "$2/" /proc/[0-9]*/environ 2>/dev/null); do
    pid=${environment#/proc/}
    kill -s KILL "${pid%/environ}"
done
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"#;

/// Waits for its word, then becomes the program with an empty standard input.
const STARTER: &str = r#"read -r word || exit 1; exec "$@" </dev/null"#;

pub struct CommandLine {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Variables,
    pub dir: PathBuf,
}

pub struct Launcher {
    /// What the marks of this launcher's containers begin with.
    mark: String,
    runs: AtomicU64,
    watchdog: Mutex<Option<std::process::ChildStdin>>,
    shell: Mutex<std::process::Child>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Launcher {
    /// `folder` is removed when the launcher ends, however it ends; `mark` is unique on this machine.
    pub fn start(folder: &Path, mark: String) -> io::Result<Self> {
        use std::os::unix::process::CommandExt;
        let mut shell = std::process::Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "process-node-watchdog"])
            .arg(folder)
            .arg(format!("{}={mark}", stragglers::VARIABLE))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C that is meant for the node.
            .process_group(0)
            .spawn()?;
        Ok(Self { mark, runs: AtomicU64::new(0), watchdog: Mutex::new(shell.stdin.take()), shell: Mutex::new(shell) })
    }

    /// The mark of one more run of a container.
    pub fn next_run(&self) -> String {
        format!("{}/{}", self.mark, self.runs.fetch_add(1, Ordering::Relaxed))
    }

    /// Starts a program as the leader of its own process group; `output` takes both of its outputs.
    pub async fn spawn(self: &Arc<Self>, line: CommandLine, output: [Stdio; 2]) -> io::Result<Process> {
        let [stdout, stderr] = output;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", STARTER, "sh"]);
        // A shell drops variables whose names it could not write itself.
        let (plain, odd): (Vec<_>, Vec<_>) = line.env.iter().partition(|(name, _)| is_identifier(name));
        if !odd.is_empty() {
            command.arg("/usr/bin/env").args(odd.iter().map(|(name, value)| format!("{name}={value}")));
        }
        command
            .arg(&line.program)
            .args(&line.args)
            .env_clear()
            .envs(plain)
            .current_dir(&line.dir)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        let mut child = command.spawn()?;
        let id = child.id().map(u32::cast_signed).ok_or_else(|| io::Error::other("it ended at once"))?;
        let group = Group(Pid::from_raw(id).ok_or_else(|| io::Error::other("it has no process id"))?);
        let word = child.stdin.take();
        self.announce("add", group)?;
        let process = Process { child, group, launcher: self.clone() };
        if let Some(mut word) = word {
            word.write_all(b"go\n").await?;
        }
        Ok(process)
    }

    fn announce(&self, verb: &str, group: Group) -> io::Result<()> {
        match lock(&self.watchdog).as_mut() {
            Some(pipe) => pipe.write_all(format!("{verb} {}\n", group.0.as_raw_pid()).as_bytes()),
            None => Err(io::Error::other("the node has ended")),
        }
    }

    /// Lets the watchdog kill what is left and remove the folder, and waits for it.
    pub fn finish(&self) {
        drop(lock(&self.watchdog).take());
        // It cannot fail in a way that leaves anything to do.
        let _ = lock(&self.shell).wait();
    }

    fn forget(&self, group: Group) {
        // Without a watchdog there is nobody to tell: it is already killing.
        let _ = self.announce("remove", group);
    }
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A process group by its leader, the main process of a container.
#[derive(Clone, Copy, Debug)]
pub struct Group(Pid);

impl Group {
    /// SIGTERM to the main process alone, as a container runtime does.
    pub fn terminate(self) {
        // It may have ended by itself.
        let _ = kill_process(self.0, Signal::TERM);
    }

    pub fn kill(self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// A running process. Dropping it kills it with everything it started.
pub struct Process {
    child: Child,
    pub group: Group,
    launcher: Arc<Launcher>,
}

impl Process {
    /// Waits for the process; what it leaves behind in its group is killed.
    pub async fn exit_code(mut self) -> i32 {
        self.child.wait().await.map_or(255, exit_code)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.kill();
        self.launcher.forget(self.group);
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_variable_may_have_a_name_that_a_shell_would_drop() {
        let home = tempfile::tempdir().unwrap();
        let launcher = Arc::new(Launcher::start(&home.path().join("pods"), mark(home.path())).unwrap());
        let log = home.path().join("log");
        let line = CommandLine { program: "/usr/bin/env".into(), args: Vec::new(), ..sh("", home.path()) };
        assert_eq!(launcher.spawn(line, output(&log)).await.unwrap().exit_code().await, 0);
        let text = std::fs::read_to_string(log).unwrap();
        assert!(text.contains("odd.name=kept\n") && text.contains("GREETING=hello\n"), "{text}");
        launcher.finish();
    }

    fn mark(home: &Path) -> String {
        home.display().to_string()
    }

    fn sh(script: &str, dir: &Path) -> CommandLine {
        CommandLine {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: [("PATH", "/bin:/usr/bin"), ("GREETING", "hello"), ("odd.name", "kept")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            dir: dir.into(),
        }
    }

    fn output(path: &Path) -> [Stdio; 2] {
        let file = std::fs::File::create(path).unwrap();
        [file.try_clone().unwrap().into(), file.into()]
    }

    fn silent() -> [Stdio; 2] {
        [Stdio::null(), Stdio::null()]
    }

    async fn gone(group: i32) -> bool {
        let alive = || {
            // A zombie answers `kill -0` too: read its state.
            let stat = std::fs::read_to_string(format!("/proc/{group}/stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
        };
        for _ in 0..100 {
            if !alive() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_process_has_its_own_environment_folder_and_exit_code() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("pods");
        std::fs::create_dir(&folder).unwrap();
        let launcher = Arc::new(Launcher::start(&folder, mark(home.path())).unwrap());
        let log = home.path().join("log");
        let line = sh("echo $GREETING; pwd; [ -z \"$HOME\" ] && exit 3", home.path());
        let process = launcher.spawn(line, output(&log)).await.unwrap();
        assert_eq!(process.exit_code().await, 3);
        let text = std::fs::read_to_string(log).unwrap();
        assert_eq!(text, format!("hello\n{}\n", home.path().display()));
        launcher.finish();
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_signal_is_an_exit_code() {
        let home = tempfile::tempdir().unwrap();
        let launcher = Arc::new(Launcher::start(&home.path().join("pods"), mark(home.path())).unwrap());
        let process = launcher.spawn(sh("kill -TERM $$", home.path()), silent()).await.unwrap();
        assert_eq!(process.exit_code().await, 143);
        launcher.finish();
    }

    #[tokio::test]
    async fn what_a_container_leaves_behind_ends_with_it() {
        let home = tempfile::tempdir().unwrap();
        let launcher = Arc::new(Launcher::start(&home.path().join("pods"), mark(home.path())).unwrap());
        let pid = home.path().join("pid");
        let line = sh("sleep 600 & echo $! >pid", home.path());
        assert_eq!(launcher.spawn(line, silent()).await.unwrap().exit_code().await, 0);
        let child = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        assert!(gone(child).await);
        launcher.finish();
    }

    #[tokio::test]
    async fn the_end_of_the_node_is_the_end_of_its_processes() {
        let home = tempfile::tempdir().unwrap();
        let launcher = Arc::new(Launcher::start(&home.path().join("pods"), mark(home.path())).unwrap());
        let process = launcher.spawn(sh("trap '' TERM; sleep 600; sleep 600", home.path()), silent()).await.unwrap();
        let group = process.group.0.as_raw_pid();
        let mut escaped = sh("exec setsid sleep 600", home.path());
        escaped.env.insert(stragglers::VARIABLE.into(), launcher.next_run());
        let escaped = launcher.spawn(escaped, silent()).await.unwrap();
        // The process is neither dropped nor waited for: only the watchdog can end it.
        std::mem::forget((process, escaped));
        launcher.finish();
        assert!(gone(group).await);
    }
}
