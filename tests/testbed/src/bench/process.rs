//! What the system says of a process: `/proc`.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::{Context, Result};

/// Ticks per second in `/proc`: Linux tells its user programs 100, whatever its own clock does.
const TICKS: f64 = 100.0;

/// A process of this machine, by pid.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// Processor time it has used, in user and in kernel mode.
    pub fn cpu(self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The second field is the program's name in brackets, which may hold anything.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        let ticks = ticks(11).zip(ticks(12)).context("/proc/PID/stat has an unknown form")?;
        Ok(Duration::from_secs_f64((ticks.0 + ticks.1) as f64 / TICKS))
    }

    /// Memory it holds, and the most it ever held, bytes.
    pub fn memory(self) -> Result<(u64, u64)> {
        let status = self.read("status")?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
        };
        field("VmRSS:").zip(field("VmHWM:")).context("the process has ended")
    }

    /// Its established TCP connections, by the port of the other side.
    pub fn connections(self) -> Result<BTreeMap<u16, usize>> {
        let own = self.sockets()?;
        let mut connections = BTreeMap::new();
        for table in ["net/tcp", "net/tcp6"] {
            for line in self.read(table).unwrap_or_default().lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let [_, _, remote, "01", ..] = fields[..] else { continue };
                let port = remote.rsplit(':').next().and_then(|port| u16::from_str_radix(port, 16).ok());
                if let Some(port) = port.filter(|_| fields.get(9).is_some_and(|inode| own.contains(*inode))) {
                    *connections.entry(port).or_insert(0) += 1;
                }
            }
        }
        Ok(connections)
    }

    /// Inodes of its sockets.
    fn sockets(self) -> Result<HashSet<String>> {
        let folder = format!("/proc/{}/fd", self.0);
        let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
        let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let inode = |link: std::path::PathBuf| {
            let link = link.into_os_string().into_string().ok()?;
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        };
        Ok(links.filter_map(inode).collect())
    }

    fn read(self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.0);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_with_its_connections() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _streams = [0; 3].map(|_| std::net::TcpStream::connect(address).unwrap());
        let here = Process(std::process::id());
        assert_eq!(here.connections().unwrap().get(&address.port()), Some(&3));
        let (held, most) = here.memory().unwrap();
        assert!(held > 0 && most >= held);
        assert!(here.cpu().unwrap() < Duration::from_secs(3600));
    }
}
