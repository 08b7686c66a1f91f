//! One step of an installation: a command that says what it does while it runs, and why when it fails.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Between two lines about the same step.
const EVERY: Duration = Duration::from_secs(5);

/// Runs `command` to its end, quietly, with a line on standard error every few seconds; a failure shows its output.
pub fn run(what: &str, expected: Option<Duration>, command: &mut Command) -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    // Two handles, because reading must not move the place where the child writes.
    let (written, mut output) = (file.reopen()?, file.reopen()?);
    let started = Instant::now();
    let mut reported = started;
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(written.try_clone()?).stderr(written);
    let mut child = command.spawn().with_context(|| format!("{what}: cannot start {program}"))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if reported.elapsed() >= EVERY {
            reported = Instant::now();
            say(what, started.elapsed(), expected, &last_line(&mut output));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if !status.success() {
        bail!("{what}: {program} failed ({status}):\n{}", text(&mut output, 6_000));
    }
    Ok(())
}

/// Runs `command` and gives its standard output.
pub fn output(what: &str, command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let answer = command.stdin(Stdio::null()).output().with_context(|| format!("{what}: cannot start {program}"))?;
    if !answer.status.success() {
        let words = String::from_utf8_lossy(&answer.stderr).into_owned();
        bail!("{what}: {program} failed ({}):\n{words}", answer.status);
    }
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

/// Whether a program of this name can be started.
pub fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn say(what: &str, elapsed: Duration, expected: Option<Duration>, last: &str) {
    let expected = expected.map_or_else(String::new, |time| format!(" of about {}", minutes(time)));
    let last = if last.is_empty() { String::new() } else { format!("   {last}") };
    eprintln!("testbed: {what}: {}{expected}{last}", minutes(elapsed));
}

pub fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {:02} s", seconds / 60, seconds % 60) }
}

fn last_line(output: &mut File) -> String {
    const WIDTH: usize = 60;
    let text = text(output, 400);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(WIDTH).collect()
}

/// The last `limit` bytes of `output`.
fn text(output: &mut File, limit: u64) -> String {
    let mut bytes = Vec::new();
    let length = output.seek(SeekFrom::End(0)).unwrap_or_default();
    let read = output.seek(SeekFrom::Start(length.saturating_sub(limit))).and_then(|_| output.read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
