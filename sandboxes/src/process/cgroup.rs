//! A cgroup per run, made by the launcher, joined by the program before exec, removed afterwards.
//!
//! Groups are made below our own group (or beside it on v2, where a group with processes may not hand
//! controllers down), so that whatever limits us also limits them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::policy::Policy;
use super::protocol::CgroupPaths;

const PREFIX: &str = "proofloop-";

/// One run's groups. Dropping it does not remove them: see [`Cgroup::kill`] and [`Cgroup::remove`].
#[derive(Debug, Default)]
pub(super) struct Cgroup {
    directories: Vec<PathBuf>,
    pub(super) paths: CgroupPaths,
}

/// Where groups can be made on this host; found once per launcher.
#[derive(Debug, Clone)]
pub(super) struct Hierarchies {
    memory: Result<Place, String>,
    pids: Result<Place, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    version: Version,
    base: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Hierarchies {
    /// Looks at `/proc/self/{cgroup,mountinfo}`, and removes what dead launchers left behind.
    pub(super) fn detect() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let found = Self {
            memory: find_place("memory", &groups, &mounts),
            pids: find_place("pids", &groups, &mounts),
        };
        for place in [&found.memory, &found.pids].into_iter().flatten() {
            remove_stale(&place.base);
        }
        found
    }

    /// Makes the groups of one run. What is not possible is said in the paths, not an error here: the
    /// helper decides, with the policy, whether the run may go on.
    pub(super) fn create(&self, policy: &Policy) -> Cgroup {
        let mut group = Cgroup::default();
        let name = unique_name();
        group.paths.memory = self.memory.clone().and_then(|place| group.add_memory(&place, &name, policy));
        group.paths.pids = self.pids.clone().and_then(|place| group.add_pids(&place, &name, policy));
        group
    }
}

impl Cgroup {
    fn add_memory(&mut self, place: &Place, name: &str, policy: &Policy) -> Result<(String, String), String> {
        let directory = self.make(place, name)?;
        let limit = policy.memory_bytes.to_string();
        let (mechanism, oom) = match place.version {
            Version::V1 => {
                write(&directory, "memory.limit_in_bytes", &limit)?;
                // Absent without swap accounting; then there may be no swap at all, and the limit above holds.
                write(&directory, "memory.memsw.limit_in_bytes", &limit).ok();
                write(&directory, "memory.swappiness", "0").ok();
                ("memory-cgroup-v1", "memory.oom_control")
            }
            Version::V2 => {
                write(&directory, "memory.max", &limit)?;
                write(&directory, "memory.swap.max", "0").ok();
                write(&directory, "memory.oom.group", "1").ok();
                ("memory-cgroup-v2", "memory.events")
            }
        };
        self.paths.oom = Some(directory.join(oom));
        Ok((mechanism.to_owned(), format!("{limit} bytes in {}", directory.display())))
    }

    fn add_pids(&mut self, place: &Place, name: &str, policy: &Policy) -> Result<(String, String), String> {
        let directory = self.make(place, name)?;
        write(&directory, "pids.max", &policy.processes.to_string())?;
        let mechanism = match place.version {
            Version::V1 => "processes-cgroup-v1",
            Version::V2 => "processes-cgroup-v2",
        };
        Ok((mechanism.to_owned(), format!("{} processes in {}", policy.processes, directory.display())))
    }

    fn make(&mut self, place: &Place, name: &str) -> Result<PathBuf, String> {
        let directory = place.base.join(name);
        if self.directories.contains(&directory) {
            return Ok(directory); // v2: memory and pids live in one group
        }
        fs::create_dir(&directory).map_err(|e| format!("cannot make {}: {e}", directory.display()))?;
        self.paths.join.push(directory.join("cgroup.procs"));
        self.directories.push(directory.clone());
        Ok(directory)
    }

    /// How many processes of the group the kernel killed for memory.
    pub(super) fn oom_kills(&self) -> u64 {
        self.paths
            .oom
            .as_ref()
            .and_then(|path| fs::read_to_string(path).ok())
            .map_or(0, |text| parse_oom_kills(&text))
    }

    /// SIGKILL to every process in the groups.
    pub(super) fn kill(&self) {
        for directory in &self.directories {
            kill_all(directory);
        }
    }

    /// Removes the groups; false if a dying process still holds one of them.
    pub(super) fn remove(&mut self) -> bool {
        self.directories.retain(|directory| match fs::remove_dir(directory) {
            Ok(()) => false,
            Err(e) => e.kind() != io::ErrorKind::NotFound,
        });
        self.directories.is_empty()
    }
}

/// The number after `oom_kill` in `memory.oom_control` (v1) or `memory.events` (v2).
pub(super) fn parse_oom_kills(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix("oom_kill "))
        .find_map(|n| n.trim().parse().ok())
        .unwrap_or(0)
}

fn write(directory: &Path, file: &str, value: &str) -> Result<(), String> {
    let path = directory.join(file);
    fs::write(&path, value).map_err(|e| format!("cannot write {value} to {}: {e}", path.display()))
}

fn kill_all(directory: &Path) {
    if fs::write(directory.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let Ok(text) = fs::read_to_string(directory.join("cgroup.procs")) else { return };
    for pid in text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|&pid| pid > 0) {
        // The group holds only processes of the run, and a pid read from it is of a process still in it
        // unless it died within these microseconds.
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).ok();
    }
}

/// `proofloop-<pid>-<start time of that process>-<number>`: the start time tells a reused pid apart.
fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let pid = std::process::id();
    let start = start_time_ticks(pid).unwrap_or(0);
    format!("{PREFIX}{pid}-{start}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Field 22 of `/proc/<pid>/stat`.
fn start_time_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn remove_stale(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|n| n.strip_prefix(PREFIX)) else { continue };
        let mut parts = rest.split('-').map(str::parse::<u64>);
        let (Some(Ok(pid)), Some(Ok(start))) = (parts.next(), parts.next()) else { continue };
        let alive = u32::try_from(pid).ok().and_then(start_time_ticks) == Some(start);
        if !alive {
            kill_all(&entry.path());
            fs::remove_dir(entry.path()).ok();
        }
    }
}

fn find_place(controller: &str, groups: &str, mounts: &str) -> Result<Place, String> {
    let mut reasons = Vec::new();
    if let Some((mount, path)) = v1_place(controller, groups, mounts) {
        match usable_base(&mount, &path) {
            Ok(base) => return Ok(Place { version: Version::V1, base }),
            Err(reason) => reasons.push(format!("v1: {reason}")),
        }
    }
    if let Some((mount, path)) = v2_place(groups, mounts) {
        match v2_base(controller, &mount, &path) {
            Ok(base) => return Ok(Place { version: Version::V2, base }),
            Err(reason) => reasons.push(format!("v2: {reason}")),
        }
    }
    if reasons.is_empty() {
        reasons.push(format!("no cgroup hierarchy with {controller} is mounted"));
    }
    Err(reasons.join("; "))
}

/// Mount point and own path of a v1 hierarchy.
fn v1_place(controller: &str, groups: &str, mounts: &str) -> Option<(PathBuf, PathBuf)> {
    let path = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers.split(',').any(|c| c == controller).then(|| PathBuf::from(path))
    })?;
    let mount = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let is_it = right.next()? == "cgroup" && right.nth(1)?.split(',').any(|o| o == controller);
        is_it.then(|| left.split(' ').nth(4).map(PathBuf::from)).flatten()
    })?;
    Some((mount, path))
}

fn v2_place(groups: &str, mounts: &str) -> Option<(PathBuf, PathBuf)> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        right.starts_with("cgroup2 ").then(|| left.split(' ').nth(4).map(PathBuf::from)).flatten()
    })?;
    Some((mount, PathBuf::from(path)))
}

/// The first of our own group and the hierarchy's root (in a container the path of `/proc/self/cgroup`
/// may not exist below the mount) in which a group can be made.
fn usable_base(mount: &Path, path: &Path) -> Result<PathBuf, String> {
    let own = mount.join(path.strip_prefix("/").unwrap_or(path));
    let base = if own.is_dir() { own } else { mount.to_owned() };
    try_make(&base).map(|()| base)
}

fn try_make(base: &Path) -> Result<(), String> {
    let trial = base.join(unique_name());
    fs::create_dir(&trial).map_err(|e| format!("cannot make a group in {}: {e}", base.display()))?;
    fs::remove_dir(&trial).ok();
    Ok(())
}

/// On v2 a group that holds processes cannot hand controllers to its children, so a sibling is tried too.
fn v2_base(controller: &str, mount: &Path, path: &Path) -> Result<PathBuf, String> {
    let own = mount.join(path.strip_prefix("/").unwrap_or(path));
    let mut reason = format!("{} does not offer {controller}", own.display());
    let parent = own.parent().filter(|parent| parent.starts_with(mount));
    for base in [Some(own.as_path()), parent].into_iter().flatten() {
        let listed = |file: &str| {
            let text = fs::read_to_string(base.join(file)).unwrap_or_default();
            text.split_ascii_whitespace().any(|c| c == controller)
        };
        if !listed("cgroup.controllers") {
            continue;
        }
        if !listed("cgroup.subtree_control")
            && let Err(e) = fs::write(base.join("cgroup.subtree_control"), format!("+{controller}"))
        {
            reason = format!("cannot enable {controller} in {}: {e}", base.display());
            continue;
        }
        match try_make(base) {
            Ok(()) => return Ok(base.to_owned()),
            Err(e) => reason = e,
        }
    }
    Err(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oom_kills_of_both_versions() {
        assert_eq!(parse_oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(parse_oom_kills("low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\noom_group_kill 1\n"), 2);
        assert_eq!(parse_oom_kills(""), 0);
    }

    #[test]
    fn hierarchies_are_read_from_proc() {
        let groups = "9:name=systemd:/\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/user.slice\n";
        let mounts = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            v1_place("memory", groups, mounts),
            Some((PathBuf::from("/sys/fs/cgroup/memory"), PathBuf::from("/a/b")))
        );
        assert_eq!(v1_place("pids", groups, mounts), None);
        assert_eq!(
            v2_place(groups, mounts),
            Some((PathBuf::from("/sys/fs/cgroup/unified"), PathBuf::from("/user.slice")))
        );
    }
}
