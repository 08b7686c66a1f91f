//! A shell script that notices the end of this process, however it ends, and cleans up after it.
//!
//! The script holds the reading end of a pipe as its standard input. Nobody ever writes to it; when the owner lets go,
//! or is killed with -9, the system closes the pipe and `read` returns. (A parent-death signal would follow the
//! *thread* that started the child, and threads of test runtimes come and go.)

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};

#[derive(Debug)]
pub struct Guard {
    /// `None` only while it is dropped.
    shell: Option<Child>,
}

impl Guard {
    /// Starts `sh -c script name …`; `finish` adds arguments, environment and output.
    pub fn start(script: &str, name: &str, finish: impl FnOnce(&mut Command) -> &mut Command) -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", script, name]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C goes to the whole group of the owner; the owner decides when its servers end.
        command.process_group(0);
        let shell = finish(&mut command).spawn().with_context(|| format!("cannot start sh for {name}"))?;
        Ok(Self { shell: Some(shell) })
    }

    /// Tells the script to clean up. It ends by itself when it is done.
    pub fn release(&mut self) {
        if let Some(shell) = &mut self.shell {
            drop(shell.stdin.take());
        }
    }

    /// The script's exit status once it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.shell.as_mut().map_or(Ok(None), |shell| Ok(shell.try_wait()?))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.release();
        if let Some(mut shell) = self.shell.take()
            && let Ok(None) = shell.try_wait()
        {
            // Somebody has to collect it, without blocking this thread, or it stays a zombie.
            std::thread::spawn(move || shell.wait());
        }
    }
}
