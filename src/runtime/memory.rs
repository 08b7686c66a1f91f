//! How much memory the worker and its tasks use, as far as that can honestly be known.
//!
//! The memory cgroup is the best witness: it has what the kernel will count against the limit. It
//! is asked only if nobody else is in it, as in a container. Elsewhere the resident sets of this
//! process and its descendants are added up, which counts pages that they share more than once.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ledger::{Epoch, Ledger};

/// Peaks shorter than this go unseen.
const PERIOD: Duration = Duration::from_secs(1);

/// Bytes; `None` where it cannot be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub now: Option<u64>,
    /// With no task running, when that was last so.
    pub base: Option<u64>,
    /// Largest amount above the base, per task running then.
    pub task_peak: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Meter(Mutex<Reading>);

impl Meter {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn reading(&self) -> Reading {
        *self.lock()
    }

    /// Looks once, with `running` tasks at work.
    pub fn sample(&self, running: u32) {
        let now = used(Path::new("/"), std::process::id());
        self.note(now, running);
    }

    fn note(&self, now: Option<u64>, running: u32) {
        let mut reading = self.lock();
        reading.now = now;
        let Some(now) = now else { return };
        if running == 0 {
            reading.base = Some(now);
        } else if let Some(base) = reading.base {
            let each = now.saturating_sub(base) / u64::from(running);
            reading.task_peak = Some(reading.task_peak.unwrap_or_default().max(each));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn watch(meter: Arc<Meter>, ledger: Arc<Ledger>, epoch: Epoch) {
    let mut period = tokio::time::interval(PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        let (meter, running) = (meter.clone(), ledger.snapshot(epoch).running);
        // Reading /proc blocks.
        let _ = tokio::task::spawn_blocking(move || meter.sample(running)).await;
    }
}

/// Bytes used by process `me` and its descendants. `root` is `/`, or a test's imitation.
fn used(root: &Path, me: u32) -> Option<u64> {
    let processes = processes(root);
    let family = family(&processes, me);
    let resident = processes.iter().filter(|p| family.contains(&p.id)).map(|p| p.resident).sum();
    own_cgroup(root, me, &family, resident).or((resident > 0).then_some(resident))
}

struct Process {
    id: u32,
    parent: u32,
    resident: u64,
}

fn processes(root: &Path) -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir(root.join("proc")) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            parse_status(id, &std::fs::read_to_string(root.join(format!("proc/{id}/status"))).ok()?)
        })
        .collect()
}

/// `/proc/PID/status` rather than `stat`: names with spaces and brackets need no care, and the
/// resident set is in kilobytes, not in pages.
fn parse_status(id: u32, text: &str) -> Option<Process> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    let parent = field("PPid:")?.parse().ok()?;
    // A zombie has no memory, and no such line.
    let resident: u64 = field("VmRSS:").and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or_default();
    Some(Process { id, parent, resident: resident * 1024 })
}

fn family(processes: &[Process], me: u32) -> HashSet<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for process in processes {
        children.entry(process.parent).or_default().push(process.id);
    }
    let mut family = HashSet::from([me]);
    let mut unseen = vec![me];
    while let Some(parent) = unseen.pop() {
        for &child in children.get(&parent).into_iter().flatten() {
            if family.insert(child) {
                unseen.push(child);
            }
        }
    }
    family
}

/// Use less what the kernel can drop at once, as the kubelet counts it; `None` where the cgroup
/// holds others than `family`, whose resident memory is `resident`, or none can be read.
fn own_cgroup(root: &Path, me: u32, family: &HashSet<u32>, resident: u64) -> Option<u64> {
    let membership = std::fs::read_to_string(root.join(format!("proc/{me}/cgroup"))).ok()?;
    let cgroup = Cgroup::find(root, &membership)?;
    let members = std::fs::read_to_string(cgroup.folder.join("cgroup.procs")).ok()?;
    let mut members = members.lines().filter_map(|line| line.trim().parse().ok()).peekable();
    members.peek()?;
    if !members.all(|member| family.contains(&member)) {
        return None;
    }
    let usage: u64 = std::fs::read_to_string(cgroup.folder.join(cgroup.usage)).ok()?.trim().parse().ok()?;
    let statistics = std::fs::read_to_string(cgroup.folder.join("memory.stat")).ok()?;
    let statistic = |name: &str| {
        statistics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<u64>().ok())
    };
    // From within a process namespace other members may not be listed; their memory is.
    if statistic(cgroup.anonymous)? > resident + resident / 4 + SLACK {
        return None;
    }
    Some(usage.saturating_sub(statistic(cgroup.cache).unwrap_or_default()))
}

/// What processes may have taken or given back between two looks.
const SLACK: u64 = 32 << 20;

/// Version 2 has one hierarchy (`0::/path` in `/proc/PID/cgroup`), version 1 one for each controller
/// (`9:memory:/path`).
struct Cgroup {
    folder: PathBuf,
    /// The file with the bytes in use.
    usage: &'static str,
    /// Lines of `memory.stat`: what processes have allocated, and page cache that can be dropped.
    anonymous: &'static str,
    cache: &'static str,
}

impl Cgroup {
    fn find(root: &Path, membership: &str) -> Option<Self> {
        let lines = || membership.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        let v1 = lines().find(|(controllers, _)| controllers.split(',').any(|name| name == "memory"));
        let (mount, (_, path), usage, anonymous, cache) = if let Some(line) = v1 {
            ("sys/fs/cgroup/memory", line, "memory.usage_in_bytes", "total_rss", "total_inactive_file")
        } else {
            let line = lines().find(|(controllers, _)| controllers.is_empty())?;
            ("sys/fs/cgroup", line, "memory.current", "anon", "inactive_file")
        };
        let mount = root.join(mount);
        // Without a cgroup namespace a container sees the host's path but only its own folder mounted.
        let folder = mount.join(path.trim_start_matches('/'));
        let folder = if folder.join(usage).is_file() { folder } else { mount };
        Some(Self { folder, usage, anonymous, cache })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes 1 (a parent of 7), 7 (the worker, 2 MB), 8 (its child, 3 MB), 9 (a stranger).
    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (id, parent, kilobytes) in [(1, 0, 1000), (7, 1, 2000), (8, 7, 3000), (9, 1, 5000)] {
            write(
                &root,
                &format!("proc/{id}/status"),
                &format!("Name:\ta b)\nPPid:\t{parent}\nVmRSS:\t {kilobytes} kB\n"),
            );
        }
        root
    }

    fn write(root: &tempfile::TempDir, path: &str, text: &str) {
        let file = root.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    #[test]
    fn without_a_cgroup_the_resident_sets_of_the_family_are_added() {
        assert_eq!(used(machine().path(), 7), Some(5000 * 1024));
        assert_eq!(used(Path::new("/nowhere"), 7), None);
    }

    #[test]
    fn a_cgroup_of_its_own_is_believed_less_droppable_cache() {
        let root = machine();
        write(&root, "proc/7/cgroup", "0::/\n");
        write(&root, "sys/fs/cgroup/memory.current", "9000\n");
        write(&root, "sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 2000\n");
        write(&root, "sys/fs/cgroup/cgroup.procs", "7\n8\n");
        assert_eq!(used(root.path(), 7), Some(7000));
    }

    #[test]
    fn a_cgroup_shared_with_others_says_nothing_of_the_worker() {
        let root = machine();
        write(&root, "proc/7/cgroup", "0::/user.slice\n");
        write(&root, "sys/fs/cgroup/user.slice/memory.current", "9000\n");
        write(&root, "sys/fs/cgroup/user.slice/memory.stat", "anon 1\ninactive_file 0\n");
        write(&root, "sys/fs/cgroup/user.slice/cgroup.procs", "7\n8\n9\n");
        assert_eq!(used(root.path(), 7), Some(5000 * 1024));
    }

    #[test]
    fn memory_of_members_that_a_namespace_hides_is_noticed() {
        let root = machine();
        write(&root, "proc/7/cgroup", "0::/\n");
        write(&root, "sys/fs/cgroup/memory.current", "900000000\n");
        write(&root, "sys/fs/cgroup/memory.stat", "anon 800000000\ninactive_file 0\n");
        write(&root, "sys/fs/cgroup/cgroup.procs", "7\n8\n");
        assert_eq!(used(root.path(), 7), Some(5000 * 1024));
    }

    #[test]
    fn version_1_is_read_through_the_folder_that_a_container_sees() {
        let root = machine();
        write(&root, "proc/7/cgroup", "12:cpu,cpuacct:/x\n9:memory:/kubepods/pod1/abc\n0::/\n");
        write(&root, "sys/fs/cgroup/memory/memory.usage_in_bytes", "9000");
        write(
            &root,
            "sys/fs/cgroup/memory/memory.stat",
            "rss 1\ntotal_rss 2\ninactive_file 1\ntotal_inactive_file 500\n",
        );
        write(&root, "sys/fs/cgroup/memory/cgroup.procs", "7\n");
        assert_eq!(used(root.path(), 7), Some(8500));
    }

    #[test]
    fn the_peak_is_per_running_task_above_the_idle_base() {
        let meter = Meter::new();
        meter.note(Some(500), 2);
        assert_eq!(meter.reading().task_peak, None, "no base yet");
        meter.note(Some(100), 0);
        meter.note(Some(700), 3);
        meter.note(Some(400), 2);
        let expected = Reading { now: Some(400), base: Some(100), task_peak: Some(200) };
        assert_eq!(meter.reading(), expected);
        meter.note(None, 1);
        assert_eq!(meter.reading(), Reading { now: None, ..expected });
    }

    #[test]
    fn this_process_has_memory() {
        let meter = Meter::new();
        meter.sample(0);
        assert!(meter.reading().now.is_some_and(|bytes| bytes > 1 << 20));
    }
}
