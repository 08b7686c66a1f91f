//! One step of an installation: a command that says what it does while it runs, and why when it fails.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::base::guard::Guard;

/// Between two lines about the same step.
const EVERY: Duration = Duration::from_secs(5);

/// Runs the arguments; when the installation is interrupted they end too, with all that they started: this shell leads a
/// process group of its own.
const SCRIPT: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null &
step=$!
(read -r _ <&3; kill -TERM 0) &
watcher=$!
wait $step
status=$?
kill -KILL $watcher 2>/dev/null
exit $status
"#;

#[derive(Clone, Debug)]
pub struct Step {
    what: String,
    expected: Option<Duration>,
    lines: Option<usize>,
}

impl Step {
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), expected: None, lines: None }
    }

    /// How long it takes in all.
    #[must_use]
    pub fn expected(mut self, time: Duration) -> Self {
        self.expected = Some(time);
        self
    }

    /// How many lines the command prints until it is done, one for each piece of work.
    #[must_use]
    pub fn lines(mut self, lines: usize) -> Self {
        self.lines = Some(lines);
        self
    }

    /// Runs `command` to its end, with a line on standard error every few seconds, and answers what it printed (both
    /// its outputs); a failure shows the end of that.
    pub fn run(&self, command: &Command) -> Result<String> {
        let Self { what, .. } = self;
        let file = tempfile::NamedTempFile::new()?;
        // Two handles, because reading must not move the place where the child writes.
        let (written, mut output) = (file.reopen()?, file.reopen()?);
        let errors = written.try_clone()?;
        let started = Instant::now();
        let mut reported = started;
        let mut guard = Guard::start(SCRIPT, "testbed-step", |shell| {
            shell.arg(command.get_program()).args(command.get_args()).stdout(written).stderr(errors);
            shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            match command.get_current_dir() {
                Some(folder) => shell.current_dir(folder),
                None => shell,
            }
        })?;
        let status = loop {
            if let Some(status) = guard.ended()? {
                break status;
            }
            if reported.elapsed() >= EVERY {
                reported = Instant::now();
                eprintln!("testbed: {}", self.progress(started.elapsed(), &text(&mut output)));
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let output = text(&mut output);
        if !status.success() {
            let program = command.get_program().to_string_lossy();
            bail!("{what}: {program} failed ({status}):\n{}", tail(&output));
        }
        Ok(output)
    }

    fn progress(&self, elapsed: Duration, output: &str) -> String {
        const WIDTH: usize = 60;
        let mut line = vec![format!("{}: {}", self.what, spoken(elapsed))];
        line.extend(self.expected.map(|time| format!(" of about {}", spoken(time))));
        line.extend(self.lines.map(|lines| format!(", {} of {lines}", output.lines().count().min(lines))));
        let last = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        line.push(format!("   {}", last.chars().take(WIDTH).collect::<String>()));
        line.concat().trim_end().to_owned()
    }
}

/// Whether a program of this name can be started.
pub fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// `42 s` or `8 min 05 s`.
pub fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {:02} s", seconds / 60, seconds % 60) }
}

fn tail(output: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn text(output: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = output.seek(SeekFrom::Start(0)).and_then(|_| output.read_to_end(&mut bytes));
    read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_an_error_with_what_it_said() {
        let error = Step::new("trying").run(Command::new("sh").args(["-c", "echo no luck >&2; exit 3"])).unwrap_err();
        let words = error.to_string();
        assert!(words.starts_with("trying: sh failed") && words.contains("no luck"), "{words}");
    }

    #[test]
    fn progress_tells_the_time_the_count_and_the_last_line() {
        let step = Step::new("building").expected(Duration::from_secs(485)).lines(2_983);
        let line = step.progress(Duration::from_secs(65), "a\nb\n");
        assert_eq!(line, "building: 1 min 05 s of about 8 min 05 s, 2 of 2983   b");
    }
}
