//! A server process that ends with its owner, also when the owner is killed with -9.
//!
//! Between owner and server stands a guard that ends the server with SIGTERM, and SIGKILL when the grace is over.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::guard::Guard;
use super::scratch::Scratch;
use super::wait;

/// Arguments: tenths of a second of grace, the pid file, the server and its arguments.
///
/// The watcher asks `kill -0`, which says yes for a zombie: so the script itself waits for the server and collects it.
const SUPERVISOR: &str = r#"
grace=$1 pid_file=$2; shift 2
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
echo $server >"$pid_file"
(
    read -r _ <&3
    kill -TERM $server
    n=0
    while kill -0 $server && [ $n -lt $grace ]; do sleep 0.1; n=$((n+1)); done
    kill -KILL $server
) >/dev/null 2>&1 &
watcher=$!
wait $server
status=$?
rm -f "$pid_file"
kill -KILL $watcher 2>/dev/null
exit $status
"#;

/// What to run.
#[derive(Debug)]
pub struct Spec {
    name: String,
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    grace: Duration,
}

impl Spec {
    pub fn new(name: &str, program: impl AsRef<OsStr>) -> Self {
        Self {
            name: name.to_owned(),
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            grace: Duration::from_secs(5),
        }
    }

    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// How long it has between SIGTERM and SIGKILL.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    #[must_use]
    pub fn envs(mut self, env: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>) -> Self {
        self.env.extend(env.into_iter().map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned())));
        self
    }
}

/// A running server. Dropping it asks it to end without waiting for it.
#[derive(Debug)]
pub struct Server {
    name: String,
    guard: Guard,
    pid_file: PathBuf,
    log: PathBuf,
}

impl Server {
    /// Starts it in `scratch`, with its output appended to `logs/<name>.log` there.
    pub fn start(spec: &Spec, scratch: &Scratch) -> Result<Self> {
        let log = scratch.folder("logs")?.join(format!("{}.log", spec.name));
        let pid_file = scratch.pid_file(&spec.name);
        let output = File::options().create(true).append(true).open(&log)?;
        let errors = output.try_clone()?;
        // Before the shell can: the folder stays as long as there are pid files.
        File::create(&pid_file)?;
        let guard = Guard::start(SUPERVISOR, &format!("awp-testbed-{}", spec.name), |shell| {
            shell.arg((spec.grace.as_millis() / 100).to_string()).arg(&pid_file).arg(&spec.program).args(&spec.args);
            shell.envs(spec.env.iter().map(|(name, value)| (name, value)));
            shell.current_dir(scratch.path()).stdout(output).stderr(errors)
        })?;
        Ok(Self { name: spec.name.clone(), guard, pid_file, log })
    }

    /// The status with which it ended by itself.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.guard.ended()
    }

    /// The server's own pid, not the supervisor's.
    pub fn pid(&self) -> Result<u32> {
        let text = std::fs::read_to_string(&self.pid_file).with_context(|| format!("{} does not run", self.name))?;
        Ok(text.trim().parse()?)
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until `probe` succeeds; a server that ends, or is too slow, is an error that shows the end of its log.
    pub async fn ready_when(&mut self, limit: Duration, mut probe: impl AsyncFnMut() -> Result<()>) -> Result<()> {
        let name = self.name.clone();
        let mut ended = None;
        let answer = wait::until(&format!("{name} becomes ready"), limit, async || {
            ended = self.guard.ended()?;
            if ended.is_some() {
                return Ok(Some(()));
            }
            probe().await.map(Some)
        })
        .await;
        match (ended, answer) {
            (Some(status), _) => bail!("{name} ended at once ({status}).\n{}", self.log_tail()),
            (None, Err(error)) => Err(error.context(self.log_tail())),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Ends it in order (SIGTERM, then SIGKILL after the grace) and waits until it is gone.
    pub async fn stop(&mut self) -> Result<()> {
        self.guard.release();
        let limit = Duration::from_secs(60);
        wait::until(&format!("{} stops", self.name), limit, async || self.guard.ended()).await?;
        Ok(())
    }

    /// Ends it as a crash would (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_raw(self.pid()?.cast_signed()).context("pid 0")?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
        self.stop().await
    }

    /// The last lines of its output, for an error message.
    pub fn log_tail(&self) -> String {
        const LINES: usize = 25;
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LINES)..].join("\n  ");
        format!("The end of {}:\n  {tail}", self.log.display())
    }
}
