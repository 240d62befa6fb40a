//! What may be asked of the sandbox, and what it answers about the protection in force.
//! Plain data: nothing here touches the operating system.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A stream that grows beyond this many times [`Policy::output_bytes`] ends the run with
/// [`Outcome::OutputLimit`](super::Outcome::OutputLimit): what is kept is bounded anyway, this bounds
/// the CPU time that a flood costs us.
pub const OUTPUT_HARD_STOP_FACTOR: u64 = 64;

/// The private `/tmp` that a run gets with a mount namespace holds at most this much.
pub const PRIVATE_TMP_BYTES: u64 = 64 * 1024 * 1024;

/// The limits and permissions of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Longest time from exec to the end; for a session its longest life.
    pub wall: Duration,
    /// CPU time (user + system) of the whole tree.
    pub cpu: Option<Duration>,
    /// Memory of the whole tree, without page cache where the host can tell them apart.
    pub memory_bytes: u64,
    /// How much of each output stream is kept: half from its head, half from its tail.
    /// See [`OUTPUT_HARD_STOP_FACTOR`] for the total.
    pub output_bytes: u64,
    /// The largest file that the program may write.
    pub file_bytes: u64,
    /// Processes and threads that may exist at once in the tree.
    pub processes: u32,
    /// Files and directories that can be read and executed. A path that does not exist grants nothing.
    pub read_only: Vec<PathBuf>,
    /// Directories (or files) that can also be written. They must exist.
    pub writable: Vec<PathBuf>,
    /// What the program can reach over the network.
    pub network: Network,
    /// The program's whole environment: nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Layers that may be missing; each missing one is reported in [`Protection`].
    pub optional: BTreeSet<Layer>,
    /// Time between SIGTERM and the kill of the whole tree after a time-out or a cancellation.
    pub grace: Duration,
}

impl Default for Policy {
    /// Strict: no network, no writable path, the system's programs and libraries readable, every layer
    /// demanded.
    fn default() -> Self {
        let system = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache"];
        Self {
            wall: Duration::from_secs(60),
            cpu: None,
            memory_bytes: 1 << 30,
            output_bytes: 1 << 20,
            file_bytes: 64 << 20,
            processes: 64,
            read_only: system.iter().map(PathBuf::from).collect(),
            writable: Vec::new(),
            network: Network::Denied,
            env: BTreeMap::from([
                ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
                ("LANG".to_owned(), "C.UTF-8".to_owned()),
            ]),
            optional: BTreeSet::new(),
            grace: Duration::from_millis(500),
        }
    }
}

/// What the program can reach over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Nothing: an empty network namespace, and only AF_UNIX sockets.
    Denied,
    /// Only itself: an own network namespace in which nothing but the loopback device is there, and up. For programs whose
    /// parts speak TCP with each other.
    Loopback,
    /// What the host can reach.
    Host,
}

/// One program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Absolute path of the executable, the same inside as outside.
    pub path: PathBuf,
    /// Arguments after the program's name.
    pub args: Vec<OsString>,
    /// Working directory: readable always, writable only if [`Policy::writable`] covers it.
    pub cwd: PathBuf,
    /// What the program can read from its standard input, which then ends. A session leaves it open
    /// after these bytes.
    pub stdin: Vec<u8>,
}

/// One way in which a run is confined. Each degrades alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Own session and process group.
    ProcessGroup,
    /// The helper dies with us, and the program with the helper.
    ParentDeath,
    /// Own user namespace: capabilities in it mean nothing outside.
    UserNamespace,
    /// Own pid namespace: no other process is visible, and the whole tree dies at once.
    PidNamespace,
    /// Own System V IPC and POSIX message queues.
    IpcNamespace,
    /// Own host name.
    UtsNamespace,
    /// Own network, empty or with the loopback device only; not applied with [`Network::Host`].
    NetNamespace,
    /// Own root directory that holds nothing but the paths of the policy.
    MountNamespace,
    /// Memory of the tree: a cgroup, or a watchdog with RLIMIT_DATA behind it.
    MemoryLimit,
    /// Number of processes: a cgroup, or RLIMIT_NPROC.
    ProcessLimit,
    /// File size, open files, core dumps, CPU.
    Rlimits,
    /// No privilege can be gained by exec.
    NoNewPrivs,
    /// File rules (and TCP, signals, abstract sockets where the kernel knows them).
    Landlock,
    /// No capability, not even in the own user namespace.
    Capabilities,
    /// System calls that no checker needs are refused.
    Seccomp,
}

impl Layer {
    /// Every layer, in the order in which they are applied.
    pub const ALL: [Self; 15] = [
        Self::ProcessGroup,
        Self::ParentDeath,
        Self::UserNamespace,
        Self::PidNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::NetNamespace,
        Self::MountNamespace,
        Self::MemoryLimit,
        Self::ProcessLimit,
        Self::Rlimits,
        Self::NoNewPrivs,
        Self::Landlock,
        Self::Capabilities,
        Self::Seccomp,
    ];

    /// The stable kebab-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ProcessGroup => "process-group",
            Self::ParentDeath => "parent-death",
            Self::UserNamespace => "user-namespace",
            Self::PidNamespace => "pid-namespace",
            Self::IpcNamespace => "ipc-namespace",
            Self::UtsNamespace => "uts-namespace",
            Self::NetNamespace => "net-namespace",
            Self::MountNamespace => "mount-namespace",
            Self::MemoryLimit => "memory-limit",
            Self::ProcessLimit => "process-limit",
            Self::Rlimits => "rlimits",
            Self::NoNewPrivs => "no-new-privs",
            Self::Landlock => "landlock",
            Self::Capabilities => "capabilities",
            Self::Seccomp => "seccomp",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of one layer in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerState {
    /// Which layer.
    pub layer: Layer,
    /// Whether it was in force when the program started.
    pub enforced: bool,
    /// Stable kebab-case name of the mechanism, e.g. `memory-cgroup-v1`, `landlock-abi7`.
    pub name: String,
    /// How, or why not.
    pub detail: String,
}

/// What the host really enforced in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// One entry per layer that applied, in the order of application.
    pub layers: Vec<LayerState>,
}

impl Protection {
    /// Names of the mechanisms in force.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.layers.iter().filter(|l| l.enforced).map(|l| l.name.clone()).collect()
    }

    /// The state of `layer`, if it applied to the run at all.
    #[must_use]
    pub fn get(&self, layer: Layer) -> Option<&LayerState> {
        self.layers.iter().find(|l| l.layer == layer)
    }

    /// The layers that were tried and are not in force.
    pub fn missing(&self) -> impl Iterator<Item = &LayerState> {
        self.layers.iter().filter(|l| !l.enforced)
    }
}
