//! What the launcher and its helper say to each other over one socket pair.
//!
//! Launcher → helper: one byte that carries the program's standard input as SCM_RIGHTS, one JSON line
//! with [`Settings`], then single bytes ([`Command`]). Helper → launcher: one JSON line per [`Message`].
//! The program never holds the socket: every copy is close-on-exec.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::policy::{Layer, LayerState, Policy};

/// The argument that turns a host program into the helper.
pub(super) const HELPER_ARGUMENT: &str = "__proofloop_sandbox";

/// Longest line that either side accepts.
pub(super) const LINE_BYTES: usize = 4 << 20;

/// Everything the helper needs to know.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    pub policy: Policy,
    pub task: Task,
    /// The launcher's process id, to notice that it died before PR_SET_PDEATHSIG took effect.
    pub parent_pid: i32,
    pub cgroup: CgroupPaths,
}

/// What to do once everything is set up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// Exit at once: the reports were all that was wanted.
    Probe,
    /// Execute this. Bytes, since neither paths nor arguments need be UTF-8.
    Exec { path: Vec<u8>, args: Vec<Vec<u8>>, cwd: Vec<u8> },
}

/// Files of the cgroup that the launcher made for this run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CgroupPaths {
    /// `cgroup.procs` files that the program's process joins before exec.
    pub join: Vec<PathBuf>,
    /// File with an `oom_kill` line, present iff memory is limited by the cgroup.
    pub oom: Option<PathBuf>,
    /// Mechanism name and detail, or why there is none.
    pub memory: Result<(String, String), String>,
    /// The same for the number of processes.
    pub pids: Result<(String, String), String>,
}

impl Default for CgroupPaths {
    fn default() -> Self {
        let none = || Err("no cgroup was made".to_owned());
        Self { join: Vec::new(), oom: None, memory: none(), pids: none() }
    }
}

/// One line from the helper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    Layer(LayerState),
    LayerMissing {
        layer: Layer,
        detail: String,
    },
    Setup {
        stage: String,
        detail: String,
    },
    ExecFailed {
        errno: i32,
    },
    /// The program runs.
    Started,
    Usage(TreeUsage),
    /// Every process of the tree is dead and reaped.
    Final {
        status: Status,
        usage: TreeUsage,
        limit: Option<Limit>,
    },
    /// The first process of the sandbox died without a `Final`.
    InitDied {
        detail: String,
    },
}

/// How the main program ended, as wait4 told the helper.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Status {
    Exited(i32),
    Signaled(i32),
}

/// A limit that the helper's own watch found exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Limit {
    Cpu,
    Memory,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct TreeUsage {
    pub cpu_us: u64,
    pub peak_memory_bytes: u64,
}

/// One byte from the launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// SIGTERM to the program's process group.
    Terminate,
    /// SIGKILL to everything.
    Kill,
    /// Answer with [`Message::Usage`].
    Usage,
}

impl Command {
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Terminate => b'T',
            Self::Kill => b'K',
            Self::Usage => b'U',
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'T' => Some(Self::Terminate),
            b'K' => Some(Self::Kill),
            b'U' => Some(Self::Usage),
            _ => None,
        }
    }
}
