//! What a task's command prints.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tracing::info;

/// Bytes of a line that are logged; the rest of it is dropped.
const LINE: usize = 8 * 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// The command writes to the worker's own standard output and error.
    #[default]
    Inherit,
    /// Each line becomes a log line that names the task.
    Log,
}

impl Output {
    pub(super) fn apply(self, command: &mut Command) {
        if self == Self::Log {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
    }
}

/// The readers of one command's output.
pub(super) struct Following(Vec<JoinHandle<()>>);

pub(super) fn follow(child: &mut Child, task: &str) -> Following {
    let mut readers = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        readers.push(tokio::spawn(log(stdout, "stdout", task.to_owned())));
    }
    if let Some(stderr) = child.stderr.take() {
        readers.push(tokio::spawn(log(stderr, "stderr", task.to_owned())));
    }
    Following(readers)
}

impl Following {
    /// Reads what is still in the pipes. Bounded: a process that left the task's group may hold
    /// them open for ever.
    pub async fn finish(self) {
        for mut reader in self.0 {
            if tokio::time::timeout(Duration::from_secs(1), &mut reader).await.is_err() {
                reader.abort();
            }
        }
    }
}

async fn log(pipe: impl AsyncRead + Unpin, stream: &'static str, task: String) {
    let mut pipe = BufReader::new(pipe);
    while let Some(line) = next_line(&mut pipe).await {
        info!(task, stream, line = %String::from_utf8_lossy(&line));
    }
}

/// The next line without its end, at most [`LINE`] bytes of it; `None` at the end or on an error.
async fn next_line(pipe: &mut (impl AsyncBufRead + Unpin)) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let chunk = pipe.fill_buf().await.ok()?;
        if chunk.is_empty() {
            return any.then_some(line);
        }
        any = true;
        let end = chunk.iter().position(|&byte| byte == b'\n');
        let text = &chunk[..end.unwrap_or(chunk.len())];
        line.extend_from_slice(&text[..text.len().min(LINE - line.len())]);
        let used = end.map_or(chunk.len(), |end| end + 1);
        pipe.consume(used);
        if end.is_some() {
            return Some(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded_and_none_is_lost() {
        let text = format!("one\n\n{}\nlast", "x".repeat(LINE * 3));
        let mut pipe = BufReader::with_capacity(100, text.as_bytes());
        let mut lengths = Vec::new();
        while let Some(line) = next_line(&mut pipe).await {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [3, 0, LINE, 4]);
    }
}
