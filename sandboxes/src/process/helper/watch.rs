//! What the tree uses, as /proc shows it.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::dir::Dir;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::Mode;

use crate::process::cgroup::parse_oom_kills;

/// Longest file that is read from /proc here.
const PROC_FILE_BYTES: u64 = 64 * 1024;

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// One look at all processes below a root process.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sample {
    /// Of the processes alive, with the children that they have waited for.
    pub(super) cpu: Duration,
    /// Private pages of all, and the largest shared and file-backed part of any.
    pub(super) memory_bytes: u64,
    /// Resident sets added up; never less than what is in use, often more.
    pub(super) resident_bytes: u64,
}

/// A /proc file system, open since before the root directory was changed.
pub(super) struct Proc {
    root: OwnedFd,
    own_pid: i32,
    page_bytes: u64,
    ticks_per_second: u64,
}

struct Entry {
    pid: i32,
    parent: i32,
    cpu_ticks: u64,
}

impl Proc {
    /// Takes what is mounted on `/proc` now. None if that is nothing.
    pub(super) fn open() -> Option<Self> {
        let root = open("/proc", DIRECTORY, Mode::empty()).ok()?;
        // The link says our number in the pid namespace that this /proc belongs to.
        let own_pid = readlinkat(root.as_fd(), "self").ok()?.to_str()?.parse().ok()?;
        Some(Self {
            root,
            own_pid,
            page_bytes: positive(nix::unistd::SysconfVar::PAGE_SIZE, 4096),
            ticks_per_second: positive(nix::unistd::SysconfVar::CLK_TCK, 100),
        })
    }

    /// Every process below us, we excluded.
    fn descendants(&self) -> Vec<Entry> {
        let Ok(mut directory) = Dir::openat(self.root.as_fd(), ".", DIRECTORY, Mode::empty()) else {
            return Vec::new();
        };
        let pids =
            directory.iter().flatten().filter_map(|e| e.file_name().to_str().ok()?.parse::<i32>().ok());
        let mut rest: Vec<Entry> = pids.filter_map(|pid| self.entry(pid)).collect();
        let mut found = Vec::new();
        let mut parents = vec![self.own_pid];
        while let Some(parent) = parents.pop() {
            let (children, others) = rest.into_iter().partition(|entry| entry.parent == parent);
            rest = others;
            let children: Vec<Entry> = children;
            parents.extend(children.iter().map(|entry| entry.pid));
            found.extend(children);
        }
        found
    }

    pub(super) fn descendant_pids(&self) -> Vec<i32> {
        self.descendants().into_iter().map(|entry| entry.pid).collect()
    }

    fn entry(&self, pid: i32) -> Option<Entry> {
        let stat = self.read(pid, "stat")?;
        // The name in brackets may hold anything; the fields after it start with the state.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let cpu_ticks = fields.skip(9).take(4).filter_map(|f| f.parse::<u64>().ok()).sum();
        Some(Entry { pid, parent, cpu_ticks })
    }

    pub(super) fn sample(&self) -> Sample {
        let mut sample = Sample::default();
        let (mut ticks, mut private, mut largest_shared) = (0_u64, 0_u64, 0_u64);
        for entry in self.descendants() {
            ticks += entry.cpu_ticks;
            let Some(statm) = self.read(entry.pid, "statm") else { continue };
            let mut pages = statm.split_ascii_whitespace().skip(1).filter_map(|f| f.parse::<u64>().ok());
            let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
            sample.resident_bytes += resident * self.page_bytes;
            private += resident.saturating_sub(shared) * self.page_bytes;
            largest_shared = largest_shared.max(shared * self.page_bytes);
        }
        sample.cpu = Duration::from_micros(ticks * 1_000_000 / self.ticks_per_second);
        sample.memory_bytes = private + largest_shared;
        sample
    }

    /// Proportional set sizes added up: exact, but the kernel walks every page table for it. Where a
    /// process hides it, its resident set counts.
    pub(super) fn exact_memory_bytes(&self) -> u64 {
        self.descendants().iter().map(|entry| self.proportional_bytes(entry.pid)).sum()
    }

    fn proportional_bytes(&self, pid: i32) -> u64 {
        let rollup = self.read(pid, "smaps_rollup").unwrap_or_default();
        let kib = rollup
            .lines()
            .find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
        let Some(kib) = kib else {
            let statm = self.read(pid, "statm").unwrap_or_default();
            let pages: u64 = statm.split_ascii_whitespace().nth(1).and_then(|f| f.parse().ok()).unwrap_or(0);
            return pages * self.page_bytes;
        };
        let kib: u64 = kib;
        kib * 1024
    }

    fn read(&self, pid: i32, file: &str) -> Option<String> {
        let path = format!("{pid}/{file}");
        let fd = openat(self.root.as_fd(), path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .ok()?;
        let mut text = Vec::new();
        File::from(fd).take(PROC_FILE_BYTES).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

fn positive(variable: nix::unistd::SysconfVar, default: u64) -> u64 {
    let value = nix::unistd::sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok());
    value.filter(|&value| value > 0).unwrap_or(default)
}

/// How many processes the kernel has killed for memory, from a file opened before the root changed.
pub(super) fn oom_kills(file: &mut File) -> u64 {
    let mut text = String::new();
    if file.rewind().is_err() || file.by_ref().take(PROC_FILE_BYTES).read_to_string(&mut text).is_err() {
        return 0;
    }
    parse_oom_kills(&text)
}
