//! Processes that left the process group of their container (a worker gives its task a group of its own, a daemon a
//! session of its own) and are still part of it. They are known by a variable they inherited. Linux only: elsewhere
//! there is nowhere to read it.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Set in every container; the value begins with the node's own mark.
pub const VARIABLE: &str = "PROCESS_NODE_RUN";

/// A process may start another one while the list is read: look again until none is left.
const ROUNDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Kills every process that has this value in its environment.
pub async fn kill(run: &str) {
    for _ in 0..ROUNDS {
        let left = with_variable(&format!("{VARIABLE}={run}"));
        if left.is_empty() {
            return;
        }
        for pid in left {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn with_variable(wanted: &str) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let marked = pids.filter(|pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    });
    marked.filter_map(Pid::from_raw).collect()
}
